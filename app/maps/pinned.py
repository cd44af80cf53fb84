"""The second run, pinned beside the first: what Mistakes says of it, and its maps where the first has none."""

import streamlit as st

from sightline.app.elements.run_label import run_label
from sightline.app.maps import compute
from sightline.app.maps.panel import draw_maps
from sightline.app.maps.sides import whose, why_not_beside
from sightline.app.runs import loaders, run_list
from sightline.report.address.selection import Selection
from sightline.report.drawing.resolve import resolve
from sightline.report.drawing.sides import alone
from sightline.report.drawing.subject import Subject, split_image
from sightline.report.words.text import escape_markdown
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


def pinned_run(run: Run, selection: Selection) -> Run | None:
    """Return the run to be shown beside this one, if any; where the chosen one cannot be, a caption says why."""
    second = run_list.find_run(selection.beside)
    if second is None or second.name == run.name:
        return None
    if why := why_not_beside(run, second):
        st.caption(f"{run_label(second)}, pinned, {why}")
        return None
    return second


def draw_pinned_guess(run: Run, image: int, selection: Selection) -> None:
    """Say in one line what the pinned run takes the image for. Raises RunError."""
    if second := pinned_run(run, selection):
        st.markdown(guess_words(second, _seen_by(second, image)))


def draw_pinned_maps(run: Run, image: int, selection: Selection) -> None:
    """Draw where the pinned run looked, beside one of which there are no maps. Raises RunError."""
    second = pinned_run(run, selection)
    if second is None:
        return
    subject = _seen_by(second, image)
    try:
        settings, _ = resolve(second, selection, compute.map_layers)
    except RunError as error:
        st.caption(escape_markdown(str(error)))
        return
    draw_maps([alone(second, subject, settings, whose(second, is_second=True))], all_classes=False)


def _seen_by(run: Run, image: int) -> Subject:
    return split_image(loaders.predictions(run), image, loaders.images(run)[image])


def guess_words(run: Run, subject: Subject) -> str:
    """Say in Markdown what a run takes an image for."""
    mark = ":orange[:material/close:]" if subject.is_wrong else ":green[:material/check:]"
    guess, share = subject.name(subject.predicted), subject.share(subject.predicted)
    return f"{run_label(run)}: {mark} **{escape_markdown(guess)}** {share}".rstrip()
