"""Which training images say so? The ten behind the primary image, and of the chosen one what is alike, and where."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.culprits.behind import asked_behind
from sightline.app.culprits.pair import Half, pair_html
from sightline.app.culprits.search import draw_search, is_searched
from sightline.app.culprits.tiles import culprit_tiles
from sightline.app.elements.gallery import draw_gallery
from sightline.app.elements.terminal import draw_command
from sightline.app.runs import loaders
from sightline.report.address.selection import Selection
from sightline.report.drawing.behind import Behind, stored_behind
from sightline.report.drawing.subject import Subject
from sightline.report.words.culprits import exactness, meaning, suspicion
from sightline.report.words.text import count, escape_markdown
from sightline.run_store.commands import command
from sightline.run_store.culprits import Culprits
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

COLUMNS = 5
TITLE = "**Which training images say so?**"


@dataclass(frozen=True)
class Shown:
    """The training images behind one test image, and which of them is chosen."""

    found: Culprits
    behind: Behind
    place: int

    @property
    def row(self) -> int:
        """The chosen training image."""
        return int(self.behind.train_index[self.place])

    @property
    def how(self) -> str:
        """How far the similarities may be taken at their word."""
        return exactness(self.behind.exact)


def draw_culprits(run: Run, subject: Subject, selection: Selection) -> None:
    """Draw the training images behind an image of the test split, and the pair of maps of one; or how they are found.

    Full width, as in Layers.
    """
    left, right = st.columns([620, 580], gap="medium")
    with left:
        st.markdown(TITLE)
        shown = _draw_tiles(run, subject, selection, "layers")
    if shown:
        with right:
            _draw_pair(run, subject, selection, shown)
            st.caption(f"{meaning(subject)} {shown.how}")


def draw_few_culprits(run: Run, subject: Subject, selection: Selection) -> None:
    """Draw the same in a narrow column: the pair of maps only once a training image is chosen."""
    st.caption("Which training images say so?")
    shown = _draw_tiles(run, subject, selection, "mistakes")
    if shown and shown.row == selection.culprit:
        _draw_pair(run, subject, selection, shown)
        st.caption(shown.how)


def _draw_tiles(run: Run, subject: Subject, selection: Selection, view: str) -> Shown | None:
    """Draw the tiles, and return what they show; else why there are none, and how they are found."""
    if not run.has_network:
        st.caption("Not known: the run has no network.")
        return None
    try:
        found = loaders.culprits(run)
    except RunError as error:
        st.caption(escape_markdown(str(error)))
        if run.epoch is None:
            draw_search(run, view)
        return None
    if found is None or is_searched(run):
        draw_search(run, view)
    if found is None:
        return None
    try:
        behind = _behind(run, found, subject.image or 0)
    except RunError as error:
        st.caption(escape_markdown(str(error)))
        return None
    key, shown = f"{view}_culprits", Shown(found, behind, behind.place_of(selection.culprit))
    choose = _choosing(key)
    draw_gallery(
        culprit_tiles(run, found.training, behind.train_index.tolist(), behind.similarity.tolist()),
        key=key,
        label="Training images behind this one",
        selected=shown.row,
        columns=COLUMNS,
        narrow=COLUMNS,
        on={"pick": choose, "open": choose},
    )
    return shown


def _behind(run: Run, found: Culprits, image: int) -> Behind:
    if behind := stored_behind(run, found, image):
        return behind
    with st.spinner("Looking for its training images …"):  # of a right answer: they are kept of mistakes
        return asked_behind(run, image)


def _choosing(key: str) -> Callable[[], None]:
    def choose() -> None:
        event = st.session_state[key]
        change_selection(culprit=event.open if event.pick is None else event.pick)

    return choose


def _draw_pair(run: Run, subject: Subject, selection: Selection, shown: Shown) -> None:
    training, row, image = shown.found.training, shown.row, subject.image or 0
    picture, doubt = int(training.thumbnail[row]), suspicion(run.record.class_names, training, row)
    if shown.behind.maps is None or picture < 0:
        st.caption("The run keeps too little of its training images to say what of them is alike. This writes it:")
        draw_command(command("influence", "--run", run.path, "--images", str(image)))
    else:
        try:
            pixels = loaders.training_images(run)[picture]
        except RunError as error:
            st.caption(escape_markdown(str(error)))
            return
        of_test, of_training = shown.behind.maps[shown.place]
        title = f"Training image {count(row)} · {subject.name(int(training.label[row]))}"
        halves = (
            Half(subject.title, "what resembles the training image", subject.pixels, of_test),
            Half(title, f"what resembles image {count(image)}", pixels, of_training),
        )
        st.html(pair_html(halves, selection))
    if doubt:
        st.caption(escape_markdown(doubt))
