"""How two runs compare, in words: the dashboard and the report say the same."""

from collections.abc import Sequence
from typing import get_args

from sightline.report.words.text import count, counted, escape_markdown, p_words, percent
from sightline.run_store.comparison import ONE_SIDED, Change, Comparison

SHOWN_CLASSES = 50  # of those whose accuracies differ
MARK = "*"  # of what is more than chance
LIKELY = 0.05  # what chance does as often as this, or more often, is not held against it


def better_words(comparison: Comparison, names: Sequence[str]) -> str:
    """Say in Markdown which run is better, with McNemar's test in words. names: of A and B, Markdown."""
    accuracies = comparison.a.accuracy, comparison.b.accuracy
    points = 100 * (accuracies[0] - accuracies[1])
    by = f"{abs(points):.1f} points" if abs(points) >= 0.05 else "less than 0.1 points"
    how = f"{by} {'more' if points > 0 else 'less'}" if points else "as many"
    sentence = f"{names[0]} is right on {percent(accuracies[0])}, {names[1]} on {percent(accuracies[1])}: {how}."
    only_a, only_b = (comparison.images[change] for change in ONE_SIDED)
    if not only_a + only_b:
        return f"{sentence} They are right on the same images."
    p = comparison.p_value
    likely = "chance alone could well do this" if p >= LIKELY else "chance alone would hardly do this"
    return (
        f"{sentence} On {counted(only_a + only_b, 'image')} only one of them is right: {names[0]} on {count(only_a)}, "
        f"{names[1]} on {count(only_b)}; {likely} (McNemar's exact test, {p_words(p)})."
    )


def set_words(a: str, b: str) -> dict[Change, str]:
    """Return what each set is called. a, b: names of the runs."""
    one_sided = {change: f"Only {name} right" for change, name in zip(ONE_SIDED, (a, b), strict=True)}
    return {change: one_sided.get(change, change.capitalize()) for change in get_args(Change)}


def changed_words(comparison: Comparison) -> str:
    """Say in Markdown how many pairs differ by more than chance, and of how many."""
    p_values = comparison.changed_pairs.p_values
    found = int((p_values < LIKELY).sum())
    how = f"{escape_markdown(MARK)} {count(found)}" if found else "None"
    return (
        f"{how} of the {counted(len(p_values), 'pair')} of classes that either run confuses "
        f"{'differs' if len(p_values) == 1 else 'differ'} by more than chance "
        f"({100 * LIKELY:.0f} %; McNemar's exact test for each, with Holm's correction for all of them)."
    )


def class_words(comparison: Comparison) -> str:
    """Say in Markdown what the lines over the bars are, and how many classes differ by more than chance."""
    found, classes = sum(row.p_value < LIKELY for row in comparison.classes), len(comparison.classes)
    fewer = f" Shown are the {SHOWN_CLASSES} that differ most." if classes > SHOWN_CLASSES else ""
    return (
        "Share of each true class that is right, with its 95 % interval (Wilson), and the difference in points. "
        f"{escape_markdown(MARK)} more than chance ({100 * LIKELY:.0f} %; McNemar's exact test for each, with Holm's "
        f"correction for all of them): {count(found) if found else 'none'} of {count(classes)}.{fewer}"
    )
