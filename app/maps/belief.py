"""Which maps of a run may be believed, in words; and the button that measures it."""

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from sightline.app.address.views import pages
from sightline.app.elements.text import escape_markdown
from sightline.app.permissions import is_read_only
from sightline.app.runs import loaders, processes
from sightline.explain.attribution.methods import METHODS
from sightline.explain.judging.belief import CONTROL_WORDS, equals, headline, interval, ranking
from sightline.explain.judging.measures import MEASURES
from sightline.run_store.commands import command
from sightline.run_store.quality import INPUT, QualityRow
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_QUESTION = ":gray[**Which layer to believe?**]"
MEASURED = ("gradcam", "hirescam", "layercam", "gradcam++")  # by the button: pixel methods take too long to wait for


def map_words(method: str, layer: str) -> str:
    """Write 'Grad-CAM at layer4'; plain text."""
    if method not in METHODS:
        return f"control: {CONTROL_WORDS.get(method, method)}"
    return METHODS[method].title if layer == INPUT else f"{METHODS[method].title} at {layer}"


def draw_belief(run: Run, method: str, query: Mapping[str, str | list[str]]) -> None:
    """Say beside the maps of one method which of its layers to believe. query: of the link to Trust."""
    try:
        rows = loaders.quality(run)
    except RunError as error:
        st.caption(escape_markdown(str(error)))
        return
    if not rows:
        st.markdown(_QUESTION)
        draw_measuring(run, "layers")
        return
    with st.container(key="belief", horizontal=True, vertical_alignment="center", gap="small"):
        otherwise = f"{METHODS[method].title} was not measured on this run."
        st.markdown(f"{_QUESTION} {layer_sentences(rows, method) or otherwise}", width="stretch")
        st.page_link(pages()["Trust"], label="Open Trust →", query_params=query, width="content")


def layer_sentences(rows: Sequence[QualityRow], method: str) -> str:
    """Name in Markdown the best layer of a method with its figure, and those that are no better than a control map."""
    measure = headline(rows)
    figures = [row for row in rows if (row.method, row.measure) == (method, measure) and row.n]
    if not figures:
        return ""
    best = next(iter(ranking(rows, method)), None)
    if best is None:
        return f"**None**: on this run no layer of {METHODS[method].title} beats every control map."
    does = "localises best" if measure == "gridpg" else "is the most faithful"
    sentences = [f"**{escape_markdown(best.layer)}** {does} on this run: {_with_chance(best)}."]
    layers: dict[str, list[str]] = {}
    for row in figures:
        if controls := {other.method for other in equals(rows, row)}:
            words = " or ".join(words for control, words in CONTROL_WORDS.items() if control in controls)
            layers.setdefault(words, []).append(f"**{escape_markdown(row.layer)}**")
    sentences += [f"{', '.join(names)}: no better than {words}." for words, names in layers.items()]
    return " ".join(sentences)


def run_sentence(rows: Sequence[QualityRow]) -> str:
    """Say in Markdown which of all maps to believe."""
    ranked = ranking(rows)
    measured = sum(row.measure == headline(rows) and not row.control for row in rows)
    if not ranked:
        return f"**Believe none** of the {measured} kinds of maps that were measured: none beats every control map."
    best = ranked[0]
    words = f"Believe **{escape_markdown(map_words(best.method, best.layer))}** most: {_with_chance(best)}."
    return f"{words} {len(ranked)} of {measured} kinds of maps beat every control map and are faithful."


def _with_chance(row: QualityRow) -> str:
    measure = MEASURES[row.measure]
    chance = f", chance {100 * measure.chance:.0f} %" if measure.chance else ""
    return f"{measure.title} **{interval(row)}**{chance}"


def draw_measuring(run: Run, view: str) -> None:
    """Draw what to do where nothing was measured: a button, its progress, and the command. view: whose page it is."""
    key = ("quality", run.path)
    if processes.is_running(key) or processes.is_waiting(key):
        _draw_progress(key, view)
        return
    by_hand = command("quality", "--run", run.path)
    if is_read_only():
        st.caption("Not measured yet. This server only shows runs; whoever hosts it can measure them:")
        st.code(by_hand, language=None, wrap_lines=True)
        return
    titles = ", ".join(METHODS[name].title for name in MEASURED)
    st.caption(
        f"Not measured yet: {titles} and control maps, on 500 test images. It takes minutes, and can be stopped."
    )
    arguments = ("--run", str(run.path.absolute()), "--methods", ",".join(MEASURED))
    st.button(
        "Measure",
        icon=":material/straighten:",
        key=f"{view}_measure_button",
        on_click=processes.start,
        args=(key, "sightline.explain.quality", *arguments),
    )
    if words := processes.failure(key):
        st.error(f"It could not be measured. {escape_markdown(words)}", icon=":material/error:")
    st.code(by_hand, language=None, wrap_lines=True)


@st.fragment(run_every=1.0)
def _draw_progress(key: processes.Key, view: str) -> None:
    stop = partial(st.button, key=f"{view}_measure_stop", on_click=processes.stop, args=(key,))
    if processes.is_waiting(key):
        st.caption(f"{processes.waiting_words()}. It starts by itself.")
        stop("Cancel", icon=":material/close:")
        return
    if not processes.is_running(key):
        st.rerun()
    progress = processes.progress(key)
    st.progress(progress.share, text=f"{escape_markdown(progress.what) or 'Starting'} · {progress.left} left")
    stop("Stop", icon=":material/stop:")
    st.caption("What is finished is kept, and the next time goes on with the rest.")
