"""Tables to take along, of which no cell is a formula: names in them are other people's text. No Streamlit here."""

from numbers import Number

import numpy as np

from sightline.run_store.formulas import no_formula
from sightline.run_store.predictions import Predictions


def set_as_csv(predictions: Predictions, rows: np.ndarray) -> bytes:
    """Write index, label and predicted (names), the figures, extra columns, and a probability a class.

    Of what is not known, no column or an empty cell.
    """
    import pandas as pd

    table = predictions.table.iloc[rows].reset_index(drop=True)
    names = np.array([no_formula(name) for name in predictions.class_names], dtype=object)
    for column in table.columns:
        if column in ("label", "predicted"):
            table[column] = names[table[column].to_numpy()]
        elif not pd.api.types.is_any_real_numeric_dtype(table[column]):
            table[column] = table[column].astype(object).map(_cell, na_action="ignore")
    if predictions.probabilities is not None:
        columns = [f"p({name})" for name in predictions.class_names]
        shares = pd.DataFrame(predictions.probabilities[rows].astype(np.float32), columns=columns)
        table = pd.concat([table, shares], axis=1)
    whole = table.rename(columns=no_formula)
    return whole.to_csv(index=False, float_format="%.6g").encode("utf-8", "replace")


def _cell(value: object) -> object:
    """Return what a cell of text, or of anything else that is no number, holds."""
    return value if isinstance(value, Number) else no_formula(str(value))
