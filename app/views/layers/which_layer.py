"""Which layer to believe? A sentence or two beside the maps of one method, or the button that measures it."""

from collections.abc import Mapping, Sequence

import streamlit as st

from sightline.app.address.views import pages
from sightline.app.elements.measuring import draw_measuring, is_measured, provisional
from sightline.app.runs import loaders
from sightline.explain.attribution.methods import METHODS
from sightline.explain.judging.verdicts import NOT_SUPPORTED, SUPPORTED, UNDECIDED, Verdict
from sightline.report.words.text import escape_markdown
from sightline.run_store.quality import INPUT
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


def draw_which_layer(run: Run, method: str, query: Mapping[str, str | list[str]]) -> None:
    """Say which layers of a method are supported on the run. query: of the link to Trust."""
    try:
        rows, verdicts = loaders.quality(run), loaders.verdicts(run)
    except RunError as error:
        st.caption(escape_markdown(str(error)))
        return
    st.markdown(":gray[**Which layer to believe?**]")
    of_method = [verdict for verdict in verdicts if verdict.method == method]
    if of_method or rows and not is_measured(run):
        st.markdown(layer_sentences(of_method, method))
        st.page_link(pages()["Trust"], label="Why? Open Trust →", query_params=query)
    if not rows or provisional(rows) or is_measured(run):
        draw_measuring(run, rows, "layers")


def layer_sentences(verdicts: Sequence[Verdict], method: str) -> str:
    """Name in Markdown the layers whose maps are supported, and those whose are not. verdicts: of the method."""
    title = METHODS[method].title
    if not verdicts:
        return f"{title} was not measured on this run."
    start = "On this run" if all(verdict.final for verdict in verdicts) else "So far"
    if [verdict.layer for verdict in verdicts] == [INPUT]:
        return f"{start}, {title} is **{verdicts[0].name}**."
    parts = []
    for name in (SUPPORTED, NOT_SUPPORTED, UNDECIDED):
        layers = sorted(verdict.layer for verdict in verdicts if verdict.name == name)
        if layers:
            named = " and ".join(
                filter(None, (", ".join(map(escape_markdown, layers[:-1])), escape_markdown(layers[-1])))
            )
            parts.append(f"**{name}** at {named}")
    return f"{start}, {title} is {'; '.join(parts)}."
