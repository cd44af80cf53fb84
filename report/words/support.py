"""Whether maps of a kind are supported on a run, in words. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from sightline.explain.attribution.methods import METHODS
from sightline.explain.judging.verdicts import CONTROL_WORDS, NOT_SUPPORTED, SUPPORTED, UNDECIDED, Verdict
from sightline.run_store.quality import INPUT

NOT_MEASURED = "not measured"
MARKS = {SUPPORTED: "✓", NOT_SUPPORTED: "✕", UNDECIDED: "?", NOT_MEASURED: "–"}
TO_COME = "This is provisional: more images are to be measured."


@dataclass(frozen=True)
class Support:
    """What is said of a kind of map, and why; plain texts. name: a key of MARKS."""

    name: str
    reason: str


def support_of(verdict: Verdict) -> Support:
    """Put a verdict into words."""
    return Support(verdict.name, verdict.reason if verdict.final else f"{verdict.reason} {TO_COME}")


def supports_of(
    found: Sequence[Verdict], method: str, layers: Sequence[str], problem: str = ""
) -> Mapping[str, Support]:
    """Return by layer whether the maps of a method are supported on a run, by its verdicts.

    problem: why these cannot be read, if so.
    """
    nothing = Support(NOT_MEASURED, problem or "Maps of this kind were not measured on this run: Trust says how to.")
    known = {verdict.layer: support_of(verdict) for verdict in found if verdict.method == method}
    return {layer: known.get(layer, nothing) for layer in layers}


def support_html(support: Support) -> str:
    """Write mark and word; the reason is shown while mouse or keyboard is on them, and is always read out with them."""
    style = support.name.replace(" ", "-")
    reason = f'<span class="reason"> {escape(support.reason)}</span>'
    mark = f'<i aria-hidden="true">{MARKS[support.name]}</i>'
    return f'<span class="support {style}" tabindex="0">{mark} {support.name}{reason}</span>'


def map_words(method: str, layer: str) -> str:
    """Write 'Grad-CAM at layer4'; plain text."""
    if method not in METHODS:
        return f"control: {CONTROL_WORDS.get(method, method)}"
    return METHODS[method].title if layer == INPUT else f"{METHODS[method].title} at {layer}"
