"""The set of Compare: which images of two runs a selection is of."""

import numpy as np

from sightline.report.address.selection import Selection
from sightline.run_store.comparison import Comparison


def compared_rows(comparison: Comparison, selection: Selection) -> np.ndarray:
    """Return the images (int64) of the chosen set that either run predicted as chosen."""
    keep = comparison.masks[selection.compared or comparison.largest].copy()
    wanted = selection.filter(comparison.a.class_names)
    if wanted.label is not None:
        keep &= comparison.a.column("label") == wanted.label
    if wanted.predicted is not None:
        keep &= np.any([run.column("predicted") == wanted.predicted for run in (comparison.a, comparison.b)], axis=0)
    return comparison.a.in_order(keep, selection.order)
