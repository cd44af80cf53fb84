"""Which training images say so? The ten behind the primary image, and of the chosen one what is alike, and where."""

from collections.abc import Callable

import streamlit as st

from sightline.app.address.selection import Selection
from sightline.app.address.url import change_selection
from sightline.app.culprits.behind import Behind, stored_behind
from sightline.app.culprits.pair import Half, pair_html
from sightline.app.culprits.search import draw_search, is_searched
from sightline.app.culprits.tiles import culprit_tiles, suspicion
from sightline.app.elements.gallery import draw_gallery
from sightline.app.elements.subject import Subject
from sightline.app.elements.text import count, escape_markdown
from sightline.app.runs import loaders
from sightline.run_store.culprits import Culprits
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

COLUMNS = 5
TITLE = "**Which training images say so?**"
EXACT = "Exact: the network ends in pooling and one linear layer."
FIRST_ORDER = "First order: this network's head is not pooling and one linear layer."


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
            _draw_pair(run, subject, selection, *shown)
            found, _, _ = shown
            st.caption(f"{_meaning(subject)} {EXACT if found.exact else FIRST_ORDER}")


def draw_few_culprits(run: Run, subject: Subject, selection: Selection) -> None:
    """Draw the same in a narrow column: the pair of maps only once a training image is chosen."""
    st.caption("Which training images say so?")
    shown = _draw_tiles(run, subject, selection, "mistakes")
    if shown and shown[1].train_index[shown[2]] == selection.culprit:
        _draw_pair(run, subject, selection, *shown)


Shown = tuple[Culprits, Behind, int]  # what is known of the run, of this image, and the place of the chosen one


def _draw_tiles(run: Run, subject: Subject, selection: Selection, view: str) -> Shown | None:
    """Draw the tiles, and return what they show; else why there are none, and how they are found."""
    if not run.has_network:
        st.caption("Not known: the run has no network.")
        return None
    try:
        found = loaders.culprits(run)
        behind = stored_behind(run, found, subject.image or 0) if found else None
    except RunError as error:
        st.caption(escape_markdown(str(error)))
        if run.epoch is None:
            draw_search(run, view)
        return None
    if found is None or is_searched(run):
        draw_search(run, view)
    if found is None:
        return None
    if behind is None:
        st.caption("They were looked for behind mistakes only.")
        return None
    key, place = f"{view}_culprits", behind.place_of(selection.culprit)
    choose = _choosing(key)
    draw_gallery(
        culprit_tiles(run, found.training, behind.train_index.tolist(), behind.similarity.tolist()),
        key=key,
        label="Training images behind this one",
        selected=int(behind.train_index[place]),
        columns=COLUMNS,
        on={"pick": choose, "open": choose},
    )
    return found, behind, place


def _choosing(key: str) -> Callable[[], None]:
    def choose() -> None:
        event = st.session_state[key]
        change_selection(culprit=event.open if event.pick is None else event.pick)

    return choose


def _draw_pair(run: Run, subject: Subject, selection: Selection, found: Culprits, behind: Behind, place: int) -> None:
    row = int(behind.train_index[place])
    training, names = found.training, subject.class_names
    picture = int(training.thumbnail[row])
    try:
        pixels = loaders.training_images(run)[picture]
    except RunError as error:
        st.caption(escape_markdown(str(error)))
        return
    of_test, of_training = behind.maps[place]
    title = f"Training image {count(row)} · {names[training.label[row]]}"
    halves = (
        Half(subject.title, "what resembles the training image", subject.pixels, of_test),
        Half(title, f"what resembles image {count(subject.image or 0)}", pixels, of_training),
    )
    st.html(pair_html(halves, selection))
    if doubt := suspicion(run, training, row):
        st.caption(escape_markdown(doubt))


def _meaning(subject: Subject) -> str:
    """Say what the tiles and the pair of maps show, in Markdown."""
    predicted = escape_markdown(subject.name(subject.predicted))
    than = "" if subject.rival is None else f" rather than {escape_markdown(subject.name(subject.rival))}"
    return (
        f"Of the training images labelled {predicted}, these are most alike in what speaks for {predicted}{than}. "
        "The cells of either map add up to the similarity."
    )
