"""What Trust says in sentences, as Markdown. No Streamlit here."""

from collections.abc import Sequence

from sightline.explain.judging.measures import MEASURES, NO_MOSAICS, Measure
from sightline.explain.judging.verdicts import (
    DECISIVE,
    NOT_SUPPORTED,
    SECOND,
    SUPPORTED,
    UNDECIDED,
    Verdict,
    has_no_mosaics,
    missing_controls,
)
from sightline.report.words.support import map_words
from sightline.report.words.text import counted, escape_markdown
from sightline.run_store.quality import QualityRow

CAVEATS = (
    "A map says what moved this model's answer, by one method's arithmetic. Attribution is not attention: it does not "
    "say what the model saw or thought.",
    "ROAD measures how the answer changes when pixels are imputed, on images that the model never learned from; such "
    "measures disagree with each other (Tomsett et al. 2020, arXiv 1912.01451). So a second one, by blurring, stands "
    "beside it, and the page says where the two disagree.",
    "On the tokens of vision transformers, maps of this family are contested: nothing holds there but a run's own "
    "figures.",
)


def run_sentence(verdicts: Sequence[Verdict]) -> str:
    """Say which kind of map is supported best on the run, and how many are. verdicts: the best first."""
    if not verdicts:
        needed = f"{MEASURES[DECISIVE].title} of some kind, and of control maps"
        return f"Which kinds of maps are supported is not known yet: that takes {needed}."
    best, is_final = verdicts[0], all(verdict.final for verdict in verdicts)
    start = "On this run" if is_final else "So far"
    if best.name == SUPPORTED:
        said = (
            f"{start}, **{_name(best)} is supported**: the model minds losing what it points to more than what any "
            "control map points to."
        )
        return f"{said} {_counts(verdicts)}." if len(verdicts) > 1 else said
    if len(verdicts) == 1:
        return f"{start}, **{_name(best)}**, the only kind of map that was measured, is **{best.name}**."
    if not is_final:
        return f"**Not decided yet.** {_counts(verdicts)} so far."
    return f"**No kind of map is supported on this run.** {_counts(verdicts)}."


def notes(rows: Sequence[QualityRow], verdicts: Sequence[Verdict]) -> list[str]:
    """Say what limits the verdicts: that two measures disagree, or what is missing. Plain texts."""
    found = []
    if disagree := sum(verdict.disagrees for verdict in verdicts):
        found.append(
            f"For {counted(disagree, 'kind')} the two measures, {MEASURES[DECISIVE].title} and "
            f"{MEASURES[SECOND].title.lower()}, disagree: the table says for which."
        )
    if verdicts and (missing := missing_controls(rows)):
        found.append(
            f"Of the controls, {missing} was not measured, so the verdicts rest on fewer: measuring again adds it."
        )
    return [*found, NO_MOSAICS] if has_no_mosaics(rows) else found


def measure_words(measure: Measure) -> str:
    """Say which way is better, or when a check is passed; "" of a measure without either."""
    if measure.bound is not None:
        return f"{measure.direction.capitalize()}, with the whole interval: a check, and no ranking."
    return f"{measure.direction.capitalize()}." if measure.direction else ""


def chart_words(measure: str) -> str:
    """Say what the bars, the words and the colours of the chart mean."""
    decisive = MEASURES[DECISIVE].title
    if MEASURES[measure].bound is not None:
        words = "A check is passed left of the dashed line."
    elif measure == DECISIVE:
        words = "The verdict goes by the lead over every control, image by image."
    elif measure == SECOND:
        words = f"The words say what the same rule says by this measure; the verdict goes by {decisive}."
    else:
        words = f"The words are the verdict, which goes by {decisive}."
    return (
        f"Bars: 95 % intervals, each valid however often one looks. {words} Grey: control maps, which explain nothing."
    )


def _name(verdict: Verdict) -> str:
    return escape_markdown(map_words(*verdict.kind))


def _counts(verdicts: Sequence[Verdict]) -> str:
    names = [verdict.name for verdict in verdicts]
    parts = [
        f"{names.count(name)} {'is' if names.count(name) == 1 else 'are'} {name}"
        for name in (SUPPORTED, NOT_SUPPORTED, UNDECIDED)
        if name in names
    ]
    return f"Of {len(names)} kinds, {', '.join(parts)}"
