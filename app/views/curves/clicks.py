"""A click at a line of the curves: it opens the mistakes that the run made after that epoch."""

from collections.abc import Sequence

import streamlit as st

from sightline.app.address.views import pages
from sightline.app.elements.run_pickers import with_run
from sightline.app.runs import loaders
from sightline.app.views.curves.run_table import RunRow
from sightline.report.address.selection import Selection
from sightline.run_store.run import Run

CLICK = "curves_click"  # of the session: a callback cannot switch the page


def opened_epochs(row: RunRow) -> Sequence[int]:
    """Return the epochs after which the mistakes of a run are known, rising; none where no history was kept."""
    return loaders.epochs(row.run) if row.status.state == "complete" else ()


def note_click(run: Run, epoch: int) -> None:
    """Note that the mistakes of a run are to be shown, after the epoch of its history that is nearest to this one."""
    st.session_state[CLICK] = run.name, nearest_epoch(loaders.epochs(run), epoch)


def nearest_epoch(epochs: Sequence[int], clicked: int) -> int | None:
    """Return the epoch of a history, rising, that is meant, since a long one has not every epoch; None: the last.

    >>> nearest_epoch([2, 10, 20], 7), nearest_epoch([2, 10, 20], 19)
    (10, None)
    """
    nearest = min(epochs, key=lambda epoch: abs(epoch - clicked))
    return None if nearest == epochs[-1] else nearest


def follow_click(selection: Selection) -> None:
    """Open what a click has asked for, if any: nothing after this is drawn then."""
    if click := st.session_state.pop(CLICK, None):
        run, epoch = click
        wanted = with_run(selection, run).change(epoch=epoch, outcome="wrong", image=None)
        st.switch_page(pages()["Mistakes"], query_params=wanted.to_query())
