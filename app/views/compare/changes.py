"""How A and B differ: in words, in bars, and image by image."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from sightline.app.elements.bars import Bar, RunBar
from sightline.app.runs import run_list
from sightline.report.address.selection import Selection
from sightline.report.drawing.subject import Subject
from sightline.report.words.text import count, counted, escape_markdown, p_words, percent
from sightline.run_store.comparison import ONE_SIDED, Change, Comparison, wilson
from sightline.run_store.run import Run

SHOWN_PAIRS, SHOWN_CLASSES = 8, 50
MARK = "*"  # of what is more than chance
LIKELY = 0.05  # what chance does as often as this, or more often, is not held against it


Legend = Sequence[tuple[str, str]]  # of A and B the title, plain text, and the colour


def legend_of(a: Run, b: Run) -> Legend:
    """Return how both runs are told apart."""
    return [(run_list.title(run), run_list.colour(run)) for run in (a, b)]


def better_words(comparison: Comparison, names: Sequence[str]) -> str:
    """Say in Markdown which run is better, with McNemar's test in words. names: of A and B, Markdown."""
    accuracies = comparison.a.accuracy, comparison.b.accuracy
    points = 100 * (accuracies[0] - accuracies[1])
    how = f"{abs(points):.1f} points {'more' if points > 0 else 'less'}" if abs(points) >= 0.05 else "as many"
    sentence = f"{names[0]} is right on {percent(accuracies[0])}, {names[1]} on {percent(accuracies[1])}: {how}."
    only_a, only_b = (comparison.images[change] for change in ONE_SIDED)
    if not only_a + only_b:
        return f"{sentence} They are right on the same images."
    p = comparison.p_value
    likely = "chance alone could well do this" if p >= LIKELY else "chance alone would hardly do this"
    return (
        f"{sentence} On {count(only_a + only_b)} images only one of them is right: {names[0]} on {count(only_a)}, "
        f"{names[1]} on {count(only_b)}; {likely} (McNemar's exact test, {p_words(p)})."
    )


def set_words(a: str, b: str) -> dict[Change, str]:
    """Return what each set is called. a, b: names of the runs, Markdown."""
    one_sided = {change: f"Only {name} right" for change, name in zip(ONE_SIDED, (a, b), strict=True)}
    return {change: one_sided.get(change, change.capitalize()) for change in get_args(Change)}


def with_both(items: Sequence[dict[str, Any]], comparison: Comparison, legend: Legend) -> list[dict[str, Any]]:
    """Return items of A's gallery, which also say what B predicts."""
    classes, codes = comparison.b.class_names, comparison.b.column("predicted")
    found = []
    for item in items:
        names = item["predicted"], classes[codes[item["index"]]]
        guesses = tuple(
            {"name": name, "wrong": name != item["true"], "colour": colour}
            for name, (_, colour) in zip(names, legend, strict=True)
        )
        said = ", ".join(f"{title} predicts {name}" for name, (title, _) in zip(names, legend, strict=True))
        alt = f"Image {item['index']}: true {item['true']}, {said}"
        found.append(item | {"alt": alt, "guesses": guesses, "confidence": ""})
    return found


def changed_bars(comparison: Comparison, selection: Selection) -> list[Bar]:
    """Return the pairs of classes that A confuses more or less often than B; orange where more, by more than chance."""
    names, shown = comparison.a.class_names, []
    for label, predicted, images, p in comparison.changed_pairs.most(SHOWN_PAIRS):
        number = f"{images:+d}".replace("-", "−")
        is_chance = p >= LIKELY
        title = f"{names[label]} taken for {names[predicted]}: {number} images"
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


def changed_words(comparison: Comparison) -> str:
    """Say in Markdown how many pairs differ by more than chance, and of how many."""
    p_values = comparison.changed_pairs.p_values
    found = int((p_values < LIKELY).sum())
    how = f"{escape_markdown(MARK)} {count(found)}" if found else "None"
    return (
        f"{how} of the {count(len(p_values))} pairs of classes that either run confuses differ by more than chance "
        f"({100 * LIKELY:.0f} %; McNemar's exact test for each, with Holm's correction for all of them)."
    )


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
        points = f"{100 * (row.a - row.b) / row.images:+.0f}".replace("-", "−")
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


def class_words(comparison: Comparison) -> str:
    """Say in Markdown what the lines over the bars are, and how many classes differ by more than chance."""
    found, classes = sum(row.p_value < LIKELY for row in comparison.classes), len(comparison.classes)
    fewer = f" Shown are the {SHOWN_CLASSES} that differ most." if classes > SHOWN_CLASSES else ""
    return (
        "Share of each true class that is right, with its 95 % interval (Wilson), and the difference in points. "
        f"{escape_markdown(MARK)} more than chance ({100 * LIKELY:.0f} %; McNemar's exact test for each, with Holm's "
        f"correction for all of them): {count(found) if found else 'none'} of {count(classes)}.{fewer}"
    )


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
