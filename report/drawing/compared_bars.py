"""How two runs differ, as bars: by class, by pair of classes, and on one image."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sightline.report.address.selection import Selection
from sightline.report.drawing.bars import Bar, RunBar
from sightline.report.drawing.subject import Subject
from sightline.report.words.comparison import LIKELY, MARK, SHOWN_CLASSES
from sightline.report.words.text import counted, percent
from sightline.run_store.comparison import Comparison, wilson

SHOWN_PAIRS = 8

Legend = Sequence[tuple[str, str]]  # of A and B the title, plain text, and the colour


def changed_bars(comparison: Comparison, selection: Selection) -> list[Bar]:
    """Return the pairs of classes that A confuses more or less often than B; orange where more, by more than chance."""
    names, shown = comparison.a.class_names, []
    for label, predicted, images, p in comparison.changed_pairs.most(SHOWN_PAIRS):
        number = f"{images:+d}".replace("-", "−")
        is_chance = p >= LIKELY
        title = f"{names[label]} taken for {names[predicted]}: {number} image{'' if abs(images) == 1 else 's'}"
        shown.append(
            Bar(
                names[label],
                abs(images),
                (number if is_chance else f"{number}{MARK}",),
                taken_for=names[predicted],
                id=f"{label}-{predicted}",
                kind="muted" if is_chance else "wrong" if images > 0 else "",
                title=title if is_chance else f"{title}, more than chance",
                selected=(selection.label, selection.predicted) == (names[label], names[predicted]),
            )
        )
    return [replace(bar, value=bar.value / max(bar.value for bar in shown)) for bar in shown]


def class_bars(comparison: Comparison, legend: Legend, selection: Selection) -> list[Bar]:
    """Return the classes whose accuracies differ most; id: the code."""
    shown = []
    classes = sorted(comparison.classes, key=lambda row: -abs(row.a - row.b) / row.images)
    for row in classes[:SHOWN_CLASSES]:
        name, bars, told = comparison.a.class_names[row.code], [], []
        for right, (title, colour) in zip((row.a, row.b), legend, strict=True):
            low, high = wilson(right, row.images)
            bars.append(RunBar(right / row.images, percent(right / row.images, 0), colour, (low, high)))
            told.append(f"{title} {percent(right / row.images)} ({100 * low:.1f}–{percent(high)})")
        is_chance = row.p_value >= LIKELY
        told.append("the difference may be chance" if is_chance else "more than chance")
        points = f"{100 * (row.a - row.b) / row.images:+z.0f}".replace("-", "−")
        shown.append(
            Bar(
                name,
                0,
                (points if is_chance else f"{points}{MARK}",),
                id=str(row.code),
                title=f"{name}, {counted(row.images, 'image')}: {', '.join(told)}",
                selected=selection.label == name and selection.predicted is None,
                runs=tuple(bars),
            )
        )
    return shown


def probability_bars(subjects: Sequence[Subject], legend: Legend, shown: int = 3) -> list[Bar]:
    """Return the likeliest classes of either run, and the true one, with the probabilities of both.

    subjects: of A and B, whose codes may differ. Classes of which neither run knows a probability are left out.
    """
    names = [subject.name(code) for subject in subjects for code in subject.likeliest[:shown]]
    label = None if subjects[0].label is None else subjects[0].name(subjects[0].label)
    bars = []
    for name in dict.fromkeys([*filter(None, [label]), *names]):
        p = [float(subject.probabilities[subject.class_names.index(name)]) for subject in subjects]
        if np.isnan(p).all():
            continue
        told = ", ".join(f"{title} {percent(share, 2)}" for (title, _), share in zip(legend, p, strict=True))
        runs = tuple(RunBar(s if s == s else 0.0, percent(s), colour) for (_, colour), s in zip(legend, p, strict=True))
        is_true = name == label
        title = f"{name}{' (true)' if is_true else ''}: {told}"
        bars.append(Bar(name, 0, (), kind="right" if is_true else "", title=title, runs=runs))
    return bars
