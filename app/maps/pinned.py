"""The second run, pinned beside the first: what Mistakes and Layers say of it. Compare shows what it changes."""

import streamlit as st

from sightline.app.address.selection import Selection
from sightline.app.elements.subject import Subject, split_image
from sightline.app.elements.text import escape_markdown
from sightline.app.maps.cells import settings_for
from sightline.app.maps.panel import draw_grid
from sightline.app.maps.resolve import resolve
from sightline.app.runs import loaders, run_list
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


def pinned_run(run: Run, selection: Selection) -> Run | None:
    """Return the run to be shown beside this one, if any; where the chosen one cannot be, a caption says why."""
    second = run_list.find_run(selection.beside)
    if second is None or second.name == run.name:
        return None
    title = escape_markdown(run_list.title(second))
    if loaders.status(second).state != "complete" or loaders.has_curves_only(second):
        st.caption(f"{title}, pinned, has no predictions that could be shown beside.")
        return None
    if not run_list.are_comparable(second, run):
        st.caption(f"{title}, pinned, was tested on other images.")
        return None
    return second


def draw_pinned_guess(run: Run, image: int, selection: Selection) -> None:
    """Say in one line what the pinned run takes the image for. Raises RunError."""
    if second := pinned_run(run, selection):
        st.markdown(guess_words(second, _seen_by(second, image)))


def draw_pinned_maps(run: Run, image: int, selection: Selection) -> None:
    """Draw where the pinned run looked, at the same layers where it has them. Raises RunError."""
    second = pinned_run(run, selection)
    if second is None:
        return
    subject = _seen_by(second, image)
    st.markdown(guess_words(second, subject))
    try:
        settings, ignored = resolve(second, selection)
    except RunError as error:
        st.caption(escape_markdown(str(error)))
        return
    if ignored:
        st.caption("It has not all of these layers.")
    draw_grid(second, subject, settings_for(subject, settings, is_stored=not second.has_network))


def _seen_by(run: Run, image: int) -> Subject:
    return split_image(loaders.predictions(run), image, loaders.images(run)[image])


def guess_words(run: Run, subject: Subject) -> str:
    """Say in Markdown what a run takes an image for."""
    mark = ":orange[:material/close:]" if subject.is_wrong else ":green[:material/check:]"
    guess, share = subject.name(subject.predicted), subject.share(subject.predicted)
    return f":gray[{escape_markdown(run_list.title(run))}:] {mark} **{escape_markdown(guess)}** {share}".rstrip()
