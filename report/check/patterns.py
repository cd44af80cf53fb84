"""The rule on patterns: what the mistakes of the run share, and those of the baseline do not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightline.report.asked import Asked
from sightline.report.check.result import SIGNIFICANT, Found, listed, outcome_of
from sightline.report.check.rules import PatternsRule
from sightline.report.words.pattern import rate_words
from sightline.report.words.text import count, counted, p_words, percent
from sightline.run_store.commands import command
from sightline.run_store.comparison import Comparison, holm, mcnemar
from sightline.run_store.patterns import DISCOVERED, Pattern, Patterns, read_patterns


@dataclass(frozen=True)
class _Against:
    """A pattern of A, beside B: its images that count, and how many of them only A and only B has wrong.

    p_value: of McNemar's exact test, corrected by Holm for all patterns, 0–1.
    """

    pattern: Pattern
    images: int
    only_a: int
    only_b: int
    p_value: float

    @property
    def is_new(self) -> bool:
        """Whether A errs more than B, by more than chance."""
        return self.only_a > self.only_b and self.p_value < SIGNIFICANT


def judge_patterns(rule: PatternsRule, asked: Asked) -> Found:
    """Count the patterns of A or, with B, the new ones. Raises RunError."""
    if not asked.predictions.wrong.any():
        return "passed", "The run makes no mistake on its test images, so there is nothing that they share."
    found = read_patterns(asked.run)
    if found is None:
        asked.run.require_network()
        return "cannot be judged", f"Nobody looked for patterns: {command('patterns', '--run', asked.run.path)}"
    patterns = [one for one in found.patterns if one.kind == "pattern"]
    names = asked.predictions.class_names
    if asked.comparison:
        new = [one for one in _against(found, patterns, asked.comparison) if one.is_new]
        are = "is" if len(new) == 1 else "are"
        tests = "McNemar's exact tests, corrected by Holm"
        said = f"{count(len(new))} of {counted(len(patterns), 'pattern')} {are} new ({tests})"
        return outcome_of(len(new) > rule.at_most), _sentence(said, [_new_words(one, names) for one in new])
    said = f"{counted(len(patterns), 'pattern')} among {counted(found.groups, 'group')} of images"
    described = [
        f"{_name(one, names)}, {rate_words(one)} wrong, {percent(one.rest_rate, 0)} of other images" for one in patterns
    ]
    return outcome_of(len(patterns) > rule.at_most), _sentence(said, described)


def _against(found: Patterns, patterns: Sequence[Pattern], comparison: Comparison) -> list[_Against]:
    """Hold each pattern of A against B, on its images of the half that formed the groups.

    That it is a pattern was decided by the mistakes of A on the other half: these were chosen for being many, and
    cannot prove it a second time.
    """
    of_half, counts = found.half == DISCOVERED, []
    for one in patterns:
        rows = of_half & (found.pattern == one.number)
        only_a, only_b = (int((rows & comparison.masks[change]).sum()) for change in ("only B right", "only A right"))
        counts.append((int(rows.sum()), only_a, only_b))
    p_values = holm(np.array([mcnemar(only_a, only_b) for _, only_a, only_b in counts])).tolist()
    return [_Against(one, *numbers, p) for one, numbers, p in zip(patterns, counts, p_values, strict=True)]


def _name(pattern: Pattern, class_names: Sequence[str]) -> str:
    return f"pattern {pattern.number} (taken for {class_names[pattern.taken_for]})"


def _new_words(one: _Against, class_names: Sequence[str]) -> str:
    return (
        f"{_name(one.pattern, class_names)}, {counted(one.images, 'image')}, of which only this run has "
        f"{count(one.only_a)} wrong, and only the baseline {count(one.only_b)} ({p_words(one.p_value)})"
    )


def _sentence(said: str, described: Sequence[str]) -> str:
    return f"{said}: {listed(described)}." if described else f"{said}."
