"""The set of Compare, which what is opened from there goes on with."""

import numpy as np

from sightline.app.elements.current_set import CurrentSet, current_set, place_in
from sightline.app.runs import loaders, run_list
from sightline.report.address.selection import Selection
from sightline.run_store.comparison import Comparison
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunError


def compared_rows(comparison: Comparison, selection: Selection) -> np.ndarray:
    """Return the images (int64) of the chosen set that either run predicted as chosen."""
    keep = comparison.masks[selection.compared or comparison.largest].copy()
    wanted = selection.filter(comparison.a.class_names)
    if wanted.label is not None:
        keep &= comparison.a.column("label") == wanted.label
    if wanted.predicted is not None:
        keep &= np.any([run.column("predicted") == wanted.predicted for run in (comparison.a, comparison.b)], axis=0)
    return comparison.a.in_order(keep, selection.order)


def opened_set(predictions: Predictions, selection: Selection) -> CurrentSet:
    """Return the set that one came from: that of Compare, of A and B as they ended, or else what passes the filters."""
    a, b = run_list.find_run(selection.run), run_list.find_run(selection.beside)
    if selection.of_compare and a and b and a.name != b.name and run_list.are_comparable(a, b):
        try:
            rows = compared_rows(loaders.comparison(a, b), selection)
        except RunError:  # the view says what is wrong with B
            return current_set(predictions, selection)
        return place_in(rows, selection, len(predictions))
    return current_set(predictions, selection)
