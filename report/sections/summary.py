"""What the runs are worth, in figures and sentences: those of the dashboard."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from sightline.explain.judging.verdicts import known_rows, verdicts
from sightline.report.asked import Asked, Shown
from sightline.report.sections.section import Facts
from sightline.report.words.calibration import says_words
from sightline.report.words.comparison import better_words
from sightline.report.words.pattern import strongest_sentence
from sightline.report.words.patterns import found_words, nothing_words
from sightline.report.words.standing_out import (
    accuracy_words,
    gap_words,
    interval_words,
    largest_taken_for,
    last_with_gap,
    pair_words,
    taken_for_words,
)
from sightline.report.words.text import count, counted, escape_markdown, percent
from sightline.report.words.trust import run_sentence
from sightline.run_store.calibration import Calibration
from sightline.run_store.patterns import read_patterns
from sightline.run_store.predictions import Predictions
from sightline.run_store.quality import read_quality
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


@dataclass(frozen=True)
class _OfRun:
    """What is said of one run. figures: each a text and what it is, plain; sentences: Markdown."""

    shown: Shown
    figures: tuple[tuple[str, str], ...]
    sentences: tuple[str, ...]


def summary(asked: Asked) -> Facts:
    """Return the figures and the sentences of each run, and which is better.

    Raises RunError where the predictions of one cannot be read.
    """
    predictions, verdict = [asked.predictions], ""
    if asked.comparison:
        predictions.append(asked.comparison.b)
        verdict = better_words(asked.comparison, [f"**{escape_markdown(shown.title)}**" for shown in asked.runs])
    runs = [_of_run(shown, found) for shown, found in zip(asked.runs, predictions, strict=True)]
    return {"runs": runs, "verdict": verdict}


def _of_run(shown: Shown, predictions: Predictions) -> _OfRun:
    images, mistakes = len(predictions), int(predictions.wrong.sum())
    found = Calibration.of(predictions.column("confidence"), ~predictions.wrong)
    figures = [
        (percent(predictions.accuracy), f"right ({interval_words(images - mistakes, images)})"),
        (count(mistakes), f"mistake{'' if mistakes == 1 else 's'} in {counted(images, 'test image')}"),
    ]
    if found:
        figures.append((percent(found.error), f"calibration error (chance makes up to {percent(found.by_chance)})"))
    return _OfRun(shown, tuple(figures), tuple(_sentences(shown.run, predictions, found)))


def _sentences(run: Run, predictions: Predictions, found: Calibration | None) -> Iterator[str]:
    """Yield what is known of the run; a file of it that is damaged costs its own sentence alone."""
    names, confusion = predictions.class_names, predictions.confusion
    yield accuracy_words(predictions)
    if taken := largest_taken_for(confusion):
        yield f"{pair_words(confusion, names)} {taken_for_words(taken, names)}"
    if found:
        yield "".join(f"**{part}**" if place % 2 else part for place, part in enumerate(says_words(found)))
    if run.epoch is None:  # what follows is of the run as it ended
        yield from _sentences_of_end(run, predictions)


def _sentences_of_end(run: Run, predictions: Predictions) -> Iterator[str]:
    with suppress(RunError):
        if epoch := last_with_gap(run.metrics(), len(predictions)):
            yield gap_words(epoch)
    with suppress(RunError):
        if rows := known_rows(read_quality(run)):
            yield run_sentence(verdicts(rows))
    with suppress(RunError):
        if patterns := read_patterns(run):
            strongest = next((one for one in patterns.patterns if one.kind == "pattern"), None)
            words = found_words if patterns.patterns else nothing_words
            yield words(patterns, predictions)
            if strongest:
                yield f"Pattern {strongest.number}: {strongest_sentence(strongest, predictions.class_names)}"
