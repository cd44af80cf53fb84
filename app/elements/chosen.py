"""Several chosen images of a run: how many they are, and what can be done with them: a tag, a CSV."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st

from sightline.app.elements.csv_button import draw_csv_button
from sightline.app.elements.popover import close_popover, draw_popover
from sightline.app.elements.spreadsheets import set_as_csv
from sightline.app.permissions import NotPermitted, check_writable, is_read_only
from sightline.app.runs import loaders
from sightline.report.words.text import count, counted, escape_markdown
from sightline.run_store.files import TAGS, safe_name
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.tags import read_tags, write_tags

_CHOSEN, _POPOVER, _WORD = "chosen_images", "chosen_tag", "chosen_word"
_WRITING = threading.Lock()  # two visitors tag at once: the second reads what the first has written


@dataclass
class Chosen:
    """The images of a run that a visitor has chosen, for as long as the session lasts, on whatever page they stand.

    told: number of the gallery's event that was taken in last. problem: what the last action ended in, in a sentence.
    """

    images: set[int] = field(default_factory=set)
    told: int = 0
    problem: str = ""

    def take(self, event: Mapping[str, Any], images: int) -> None:
        """Take in what the gallery says of those that it shows: `choose` of `draw_gallery`. images: of the run."""
        shown, chosen = ({int(image) for image in event[name] if 0 <= image < images} for name in ("shown", "chosen"))
        self.images = self.images - shown | chosen
        self.told = int(event["told"])


def chosen_of(run: Run) -> Chosen:
    """Return what the visitor has chosen of a run."""
    found: Chosen = st.session_state.setdefault(f"{_CHOSEN}_{run.name}", Chosen())
    return found


def draw_chosen(run: Run, predictions: Predictions, rows: np.ndarray) -> None:
    """Draw how many images are chosen, and what can be done with them; nothing while there are none.

    rows: of the current set, int n.
    """
    chosen = chosen_of(run)
    chosen.images = {image for image in chosen.images if image < len(predictions)}  # of a run that was replaced
    if not chosen.images:
        return
    images = np.array(sorted(chosen.images))
    outside = len(images) - int(np.isin(images, rows).sum())
    with st.container(key="chosen", horizontal=True, vertical_alignment="center", gap="small"):
        note = f" :gray[{count(outside)} of them not in this set]" if outside else ""
        st.markdown(f"**{count(len(images))} chosen**{note}", width="content")
        if not is_read_only():
            _draw_tagging(run, chosen)
        draw_csv_button(
            lambda: set_as_csv(predictions, images),
            safe_name(run.name, "chosen"),
            key="chosen_csv",
            label="Export",
            help="CSV of the chosen images: index, classes, figures, tag, and the path where there is one",
        )
        st.button("Clear", icon=":material/close:", key="chosen_clear", type="tertiary", on_click=chosen.images.clear)
    if chosen.problem:
        st.error(escape_markdown(chosen.problem), icon=":material/error:")


def give_tag(run: Run, images: Collection[int], tag: str) -> None:
    """Give images a tag, in the place of one they have; an empty one takes it away.

    Raises RunError where that cannot be read or written, NotPermitted where nothing may be.
    """
    check_writable()
    word = " ".join(tag.split())
    with _WRITING:
        kept = {image: other for image, other in read_tags(run).items() if image not in images}
        write_tags(run, kept | dict.fromkeys(images, word) if word else kept)


def _draw_tagging(run: Run, chosen: Chosen) -> None:
    form = draw_popover("Tag…", _POPOVER, icon=":material/sell:", type="tertiary")
    if not form.open:
        return

    def act(tag: str | None) -> None:
        try:
            give_tag(run, chosen.images, tag or "")
            chosen.problem = ""
        except (RunError, NotPermitted) as error:
            chosen.problem = str(error)
        st.session_state[_WORD] = None
        close_popover(_POPOVER)

    tags, _ = known_tags(run)
    with form:
        st.selectbox(
            f"Tag of {counted(len(chosen.images), 'image')}",
            sorted(set(tags.values())),
            index=None,
            key=_WORD,
            placeholder="a word, new or known",
            accept_new_options=True,
            on_change=lambda: act(st.session_state[_WORD]),
        )
        st.button("No tag", key="chosen_untag", disabled=not chosen.images & tags.keys(), on_click=act, args=(None,))
        st.caption(f"Kept in {TAGS} of the run; a filter of Mistakes, and a column of the CSV.")


def known_tags(run: Run) -> tuple[Mapping[int, str], str]:
    """Return image → its tag; none where they cannot be read, and in plain text why."""
    try:
        return loaders.tags(run), ""
    except RunError as error:
        return {}, str(error)
