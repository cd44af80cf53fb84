"""Which kinds of maps are supported, and how that is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sightline.explain.judging.measures import MEASURES
from sightline.explain.judging.verdicts import (
    CONTROL_WORDS,
    DECISIVE,
    RULE,
    indexed,
    interval,
    known_rows,
    leads,
    signed_interval,
    verdicts,
)
from sightline.report.asked import Asked, Shown
from sightline.report.drawing.figure_table import table_html
from sightline.report.drawing.trust_chart import trust_chart
from sightline.report.drawing.trust_figures import Figures
from sightline.report.sections.section import Facts
from sightline.report.words.support import map_words, support_html, support_of
from sightline.report.words.trust import CAVEATS, chart_words, notes, run_sentence
from sightline.run_store.quality import read_quality
from sightline.run_store.record import RunError


@dataclass(frozen=True)
class VerdictRow:
    """A kind of map in the table of verdicts. leads: over each control, and whether it is the one that decides."""

    title: str
    verdict: Markup
    figure: str
    leads: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class OfRun:
    """What is said of the maps of a run. notes: plain texts. controls: in words, the columns of the verdicts."""

    shown: Shown
    sentence: str
    notes: tuple[str, ...]
    controls: tuple[str, ...]
    verdicts: tuple[VerdictRow, ...]


def trust(asked: Asked) -> Facts | None:
    """Return sentences, chart and tables; None where nothing was measured on A. Raises RunError.

    Of B, as where it is pinned in the dashboard, what there is of it; what is damaged there is a sentence.
    """
    if not asked.quality:
        return None
    runs, problem = [Figures(asked.a.title, asked.a.colour, asked.quality, asked.verdicts)], ""
    if asked.b:
        try:
            rows = known_rows(read_quality(asked.b.run))
            runs += [Figures(asked.b.title, asked.b.colour, rows, verdicts(rows))] if rows else []
            problem = "" if rows else f"The maps of {asked.b.title} were not measured."
        except RunError as error:
            problem = str(error)
    taken = {row.measure for row in asked.quality if row.n}
    measure = next(name for name in (DECISIVE, *MEASURES) if name in taken)
    return {
        "runs": [_of_run(*pair) for pair in zip(asked.runs, runs, strict=False)],
        "problem": problem,
        "chart": trust_chart(runs, measure),
        "measure": MEASURES[measure],
        "chart_words": chart_words(measure),
        "rule": RULE,
        "caveats": CAVEATS,
        "all_figures": Markup(table_html(runs)),
    }


def _of_run(shown: Shown, figures: Figures) -> OfRun:
    index, found = indexed(figures.rows), dict(leads(indexed(figures.rows), DECISIVE))
    controls = list(dict.fromkeys(lead.control for some in found.values() for lead in some))
    rows = []
    for kind, verdict in figures.by_kind.items():
        by_control = {lead.control: lead for lead in found[kind]}
        over = [by_control[control] for control in controls]
        rows.append(
            VerdictRow(
                map_words(*kind),
                Markup(support_html(support_of(verdict))),
                interval(index[*kind, DECISIVE]),
                tuple((signed_interval(one.value, one.low, one.high), one == verdict.lead) for one in over),
            )
        )
    return OfRun(
        shown,
        run_sentence(figures.verdicts),
        tuple(notes(figures.rows, figures.verdicts)),
        tuple(_in_words(controls)),
        tuple(rows),
    )


def _in_words(controls: Sequence[str]) -> list[str]:
    return [CONTROL_WORDS.get(control, control) for control in controls]
