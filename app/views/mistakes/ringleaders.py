"""The training images behind most mistakes of the current set, as a set of their own; and training without them."""

from functools import partial

import numpy as np
import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.address.views import pages
from sightline.app.culprits.tiles import ringleader_tiles
from sightline.app.elements.csv_button import draw_csv_button
from sightline.app.elements.current_set import CurrentSet
from sightline.app.elements.gallery import draw_gallery
from sightline.app.elements.proof import LeftOut, draw_proof
from sightline.app.elements.proof_result import draw_proofs
from sightline.app.elements.spreadsheets import ringleaders_as_csv
from sightline.app.runs import loaders
from sightline.report.address.selection import Selection
from sightline.report.words.text import count, counted, escape_markdown
from sightline.run_store.commands import command
from sightline.run_store.culprits import Culprits
from sightline.run_store.files import safe_name
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_KEY = "mistakes_ringleaders"
_SIZES = (50, 100, 200, 500, 1000)  # of what is left out
_USUAL = 200


def known_culprits(run: Run) -> Culprits | None:
    """Return the training images behind mistakes, where they are known and fit: their own place says why not."""
    try:
        return loaders.culprits(run)
    except RunError:
        return None


def draw_switch(selection: Selection) -> None:
    """Draw the button that shows the training images behind the set in its place, or the set again."""
    st.button(
        "Test images" if selection.behind else "Training images",
        icon=":material/arrow_back:" if selection.behind else ":material/school:",
        key="mistakes_behind",
        help="Show the set again" if selection.behind else "Show the training images behind most of these mistakes",
        type="tertiary",
        on_click=change_selection,
        kwargs={"behind": not selection.behind, "image": selection.image},
    )


def draw_ringleaders(
    run: Run, found: Culprits, predictions: Predictions, current: CurrentSet, selection: Selection, most: int
) -> None:
    """Draw the training images behind the mistakes of the set, those behind most of them first. most: tiles."""
    is_counted = predictions.wrong & np.isin(np.arange(len(predictions)), found.index)  # right answers may be known too
    mistakes = current.rows[is_counted[current.rows]]
    behind, counts = found.behind(mistakes)
    if not len(behind):
        st.info("Among these images is no mistake behind which training images were found.", icon=":material/school:")
        return
    with st.container(key="ringleaders_head", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(ringleader_words(found, behind, len(mistakes), len(current.rows)), width="stretch")
        name = safe_name(run.name, "training images")
        draw_csv_button(partial(ringleaders_as_csv, predictions, found, mistakes), name, key="ringleaders_csv")
    draw_gallery(
        ringleader_tiles(run, found, behind[:most].tolist(), counts[:most].tolist()),
        key=_KEY,
        label="Training images behind most of the set",
        selected=selection.culprit,
        on={"pick": partial(_choose, found, mistakes), "open": partial(_choose, found, mistakes)},
    )
    if len(behind) > most:
        st.caption(f"The {count(most)} behind most of them; the CSV has all {count(len(behind))}.")
    _draw_without(run, selection, len(behind))


def ringleader_words(found: Culprits, behind: np.ndarray, mistakes: int, images: int) -> str:
    """Write “**3 015** training images behind 1 056 mistakes, 2 with a suspicious label”, in Markdown."""
    of = f" of {count(images)} images" if mistakes < images else ""
    suspicious = int(found.training.suspicious[behind].sum())
    doubt = f", {count(suspicious)} with a suspicious label" if suspicious else ""
    images_behind = f"training image{'' if len(behind) == 1 else 's'} behind {counted(mistakes, 'mistake')}"
    return f"**{count(len(behind))}** :gray[{images_behind}{of}{doubt}]"


def _choose(found: Culprits, mistakes: np.ndarray) -> None:
    """Choose a training image, and with it the first mistake of the set that it is behind."""
    event = st.session_state[_KEY]
    culprit = event.open if event.pick is None else event.pick
    its = found.index[found.train_index == culprit]
    first = mistakes[np.isin(mistakes, its)][:1].tolist()
    change_selection(culprit=culprit, **({"image": first[0]} if first else {}))


def _draw_without(run: Run, selection: Selection, behind: int) -> None:
    """Draw how to train again without them: of all mistakes here, of a pattern in Patterns, else with a command."""
    pattern = dict(selection.columns).get("pattern")
    if isinstance(pattern, str):
        query = selection.to_query()
        st.page_link(pages()["Patterns"], label="Train again without what taught this pattern →", query_params=query)
        return
    if selection.outcome != "wrong" or selection.label or selection.predicted or selection.columns:
        st.caption("To train again without them, take the CSV, and leave out of it what should stay:")
        st.code(command("prove", "--run", run.path, "--without", "FILE.csv"), language=None, wrap_lines=True)
        return
    sizes = [*(size for size in _SIZES if size < behind), behind]
    chosen = st.selectbox(
        "Training images to leave out",
        sizes,
        index=sizes.index(_USUAL) if _USUAL in sizes else len(sizes) - 1,
        format_func=lambda size: f"all {count(size)}" if size == behind else f"the first {count(size)}",
        key="ringleaders_left_out",
        width=220,
    )
    try:
        draw_proof(run, LeftOut(culprits=chosen), "mistakes")
        draw_proofs(run, selection, "mistakes")
    except RunError as error:
        st.caption(escape_markdown(str(error)))
