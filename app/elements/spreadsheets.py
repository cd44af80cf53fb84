"""Tables to take along, of which no cell is a formula: names in them are other people's text. No Streamlit here."""

from numbers import Number

import numpy as np

from sightline.run_store.comparison import Comparison
from sightline.run_store.culprits import Culprits
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


def both_as_csv(comparison: Comparison, rows: np.ndarray, names: tuple[str, str]) -> bytes:
    """Write index, path where there is one, label (name), and of A and B predicted (name), confidence and loss.

    names: of the two runs.
    """
    import pandas as pd

    a, classes = comparison.a, np.array([no_formula(name) for name in comparison.a.class_names], dtype=object)
    table = {"index": a.column("index")[rows]}
    if "path" in a.scalars.column_names:
        table["path"] = [no_formula(str(path or "")) for path in a.column("path")[rows]]
    table["label"] = classes[a.column("label")[rows]]
    for run, name in zip((a, comparison.b), names, strict=True):
        table[f"predicted ({name})"] = classes[run.column("predicted")[rows]]
        table |= {f"{figure} ({name})": run.column(figure)[rows] for figure in ("confidence", "loss")}
    return pd.DataFrame(table).to_csv(index=False, float_format="%.6g").encode("utf-8", "replace")


def ringleaders_as_csv(predictions: Predictions, found: Culprits, images: np.ndarray) -> bytes:
    """Write the training images behind these test images, behind most of them first, as `sightline prove` reads a list.

    Columns: train_index, label (name), pattern (that of most of the images it is behind, where patterns are known),
    similarity (the largest), mistakes (of the images, how many it is behind), suspicious (yes, or empty).
    """
    import pandas as pd

    behind = np.isin(found.index, images)
    rows = pd.DataFrame({"train_index": found.train_index[behind], "similarity": found.similarity[behind]})
    words = predictions.words.get("pattern")
    if words is not None:
        rows["pattern"] = np.array([*words.words, None], dtype=object)[words.codes[found.index[behind]]]
    known = rows.groupby("train_index")
    train_index, counts = found.behind(images)
    table = pd.DataFrame({"train_index": train_index, "mistakes": counts}).set_index("train_index")
    table["label"] = [no_formula(predictions.class_names[code]) for code in found.training.label[train_index]]
    table["pattern"] = known["pattern"].agg(lambda of: next(iter(of.mode()), "")) if words is not None else ""
    table["similarity"] = known["similarity"].max().round(4)
    table["suspicious"] = np.where(found.training.suspicious[train_index], "yes", "")
    columns = ["label", "pattern", "similarity", "mistakes", "suspicious"]
    return table[columns].to_csv().encode("utf-8", "replace")


def _cell(value: object) -> object:
    """Return what a cell of text, or of anything else that is no number, holds."""
    return value if isinstance(value, Number) else no_formula(str(value))
