"""The set of Compare, which what is opened from there goes on with."""

from sightline.app.elements.current_set import CurrentSet, current_set, place_in
from sightline.app.runs import loaders, run_list
from sightline.report.address.compared_set import compared_rows
from sightline.report.address.selection import Selection
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunError


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
