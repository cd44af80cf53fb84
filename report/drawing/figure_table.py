"""All figures of a run as a table of HTML: a row a kind of map, the verdict first."""

from collections.abc import Sequence
from html import escape

from sightline.explain.judging.measures import MEASURES
from sightline.explain.judging.verdicts import (
    DECISIVE,
    RULE,
    SECOND,
    Verdict,
    check,
    indexed,
    interval,
    signed_interval,
)
from sightline.report.drawing.pictures import svg_url
from sightline.report.drawing.trust_figures import MEANS, Figures
from sightline.report.words.support import MARKS, NOT_MEASURED, Support, map_words, support_html, support_of
from sightline.report.words.trust import measure_words
from sightline.run_store.quality import Kind, QualityRow

_ARROWS = {"higher": "↑", "lower": "↓", None: ""}
_WORDS = ' class="words"'


def table_html(runs: Sequence[Figures]) -> str:
    """Write the verdicts of one run or two, and all figures of the first."""
    rows = runs[0].rows
    index, measures = indexed(rows), columns(rows)
    kinds = _kinds(runs)
    best = {name: best_kind(rows, name) for name in measures}
    by_kind = [figures.by_kind for figures in runs]
    controls = {row.kind for row in rows if row.control}
    body = ""
    for kind in kinds:
        cells = "".join(f"<td{_WORDS}>{_verdict(found.get(kind), kind in controls)}</td>" for found in by_kind)
        cells += f"<td>{_lead(by_kind[0].get(kind))}</td>"
        cells += "".join(_figure(index.get((*kind, name)), kind == best[name]) for name in measures)
        faint = ' class="control"' if kind in controls else ""
        body += f'<tr{faint}><th scope="row">{escape(map_words(*kind))}</th>{cells}</tr>'
    table = f"<table><thead><tr>{_head(runs, measures)}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="figure-table" tabindex="0" role="region" aria-label="All figures">{table}</div>'


def columns(rows: Sequence[QualityRow]) -> list[str]:
    """Return the measures that were taken: the decisive one and its second first, then the checks."""
    taken = {row.measure for row in rows}
    names = [name for name in MEASURES if name in taken]
    return sorted(names, key=lambda name: (name != DECISIVE, name != SECOND, MEASURES[name].bound is None))


def best_kind(rows: Sequence[QualityRow], measure: str) -> Kind | None:
    """Return the kind with the best figure; None where none is better, or nothing is better: of checks, for example."""
    known = MEASURES[measure]
    found = [row for row in rows if row.measure == measure and row.n and not row.control]
    if len(found) < 2 or not known.better:
        return None
    sign = 1 if known.better == "higher" else -1
    best = max(found, key=lambda row: sign * row.value)
    return best.kind


def _kinds(runs: Sequence[Figures]) -> list[Kind]:
    """List the kinds, those with a verdict first, the best of them first, and controls last."""
    judged = [kind for figures in runs for kind in figures.by_kind]
    rows = sorted(runs[0].rows, key=lambda row: row.control)
    return list(dict.fromkeys([*judged, *(row.kind for row in rows)]))


def _head(runs: Sequence[Figures], measures: Sequence[str]) -> str:
    words = '<th scope="col">Map</th>'
    for figures in runs:
        dot = _dot(figures.colour) if len(runs) > 1 else ""
        words += _explained(f"{dot}Verdict" + (f" · {escape(figures.title)}" if len(runs) > 1 else ""), RULE, _WORDS)
    decisive = MEASURES[DECISIVE].title
    words += _explained(
        f"{decisive} lead\u00a0↑",
        f"How far {decisive} lies above that of the control map that decides the verdict, image by image.",
    )
    for name in measures:
        known = MEASURES[name]
        direction = _ARROWS[known.better]
        deed = " ".join(filter(None, (known.deed, known.figure, measure_words(known))))
        words += _explained(f"{escape(known.title)}\u00a0{direction}".strip(), deed)
    return words


def _dot(colour: str) -> str:
    circle = f'<circle cx="50%" cy="50%" r="50%" fill="{colour}"/>'
    return f'<img class="dot" alt="" src="{svg_url(circle)}">'


def _explained(title: str, reason: str, attribute: str = "") -> str:
    """Write the head of a column. title: HTML. reason: plain text, shown while mouse or keyboard is on the title."""
    return (
        f'<th scope="col"{attribute}><span class="explained" tabindex="0">{title}'
        f'<span class="reason"> {escape(reason)}</span></span></th>'
    )


def _verdict(verdict: Verdict | None, is_control: bool) -> str:
    if is_control:
        return '<span class="support">control</span>'
    return support_html(support_of(verdict) if verdict else Support(NOT_MEASURED, "Its verdict takes ROAD."))


def _lead(verdict: Verdict | None) -> str:
    if verdict is None:
        return "–"
    lead = verdict.lead
    return signed_interval(lead.value, lead.low, lead.high)


def _figure(row: QualityRow | None, is_best: bool) -> str:
    if row is None:
        return "<td>–</td>"
    words = interval(row)
    if MEASURES[row.measure].bound is not None and not row.control:
        found = check(row)
        mark = MEANS.get(found, found)
        words = f'<span class="check {mark.replace(" ", "-")}">{MARKS[mark]} {found}</span> {_number(row.value)}'
        return f'<td title="{escape(interval(row))}">{words}</td>'
    return (
        f'<td class="best"><b>{words}</b><span class="hidden"> (best)</span></td>' if is_best else f"<td>{words}</td>"
    )


def _number(value: float) -> str:
    return f"{value:z.2f}".replace("-", "−")
