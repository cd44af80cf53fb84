"""Judge a run by the rules of a check."""

from collections.abc import Callable, Mapping
from functools import partial

from sightline.explain.attribution.methods import PIXEL_METHODS
from sightline.explain.judging.verdicts import NOT_SUPPORTED, SUPPORTED
from sightline.report.asked import Asked
from sightline.report.check.patterns import judge_patterns
from sightline.report.check.result import SIGNIFICANT, Found, Result, listed, outcome_of, visible
from sightline.report.check.rules import AccuracyRule, CalibrationRule, ClassesRule, MapsRule, PatternsRule, Rule
from sightline.report.words.support import map_words, support_of
from sightline.report.words.text import count, counted, p_words, percent
from sightline.run_store.calibration import Calibration
from sightline.run_store.commands import command
from sightline.run_store.comparison import ClassAccuracy, wilson
from sightline.run_store.quality import INPUT
from sightline.run_store.record import RunError

_NEEDS_A_BASELINE = "There is no baseline; name one with --against."
_percent = partial(percent, digits=2)


def judge(rules: Mapping[str, Rule], asked: Asked) -> list[Result]:
    """Judge A, held against B where there is one, by each rule. What cannot be read makes its rule unjudged."""
    results = []
    for name, rule in rules.items():
        wanted, judge_rule = _asked_for(rule, asked)
        try:
            outcome, found = judge_rule()
        except RunError as error:
            outcome, found = "cannot be judged", str(error)
        results.append(Result(name, visible(wanted), outcome, visible(found)))
    return results


def _asked_for(rule: Rule, asked: Asked) -> tuple[str, Callable[[], Found]]:
    """Say what a rule asks for, and return what judges it."""
    match rule:
        case AccuracyRule():
            bounds = [f"at least {100 * rule.at_least:g} % right"] if rule.at_least or not asked.b else []
            if asked.b:
                bounds.append(f"at most {_points(rule.at_most_below)} below the baseline")
            return ", ".join(bounds), partial(_accuracy, rule, asked)
        case ClassesRule():
            which = "no class" if not rule.only else f"none of {', '.join(rule.only)}"
            return f"{which} more than {_points(rule.at_most_below)} below the baseline", partial(_classes, rule, asked)
        case PatternsRule():
            new = "new " if asked.b else ""
            return f"at most {counted(rule.at_most, f'{new}pattern')}", partial(judge_patterns, rule, asked)
        case CalibrationRule():
            return f"an expected calibration error of at most {rule.at_most:g}", partial(_calibration, rule, asked)
        case MapsRule():
            return f"{map_words(*_kind(rule, asked))} supported", partial(_maps, rule, asked)


def _points(share: float) -> str:
    """Write 0.05 as '5 points'."""
    points = f"{100 * share:g}"
    return f"{points} point{'' if points == '1' else 's'}"


def _accuracy(rule: AccuracyRule, asked: Asked) -> Found:
    if not rule.at_least and not asked.b:
        return "cannot be judged", "There is nothing to hold it against; set at_least, or name a run with --against."
    images = len(asked.predictions)
    right = images - int(asked.predictions.wrong.sum())
    low, high = wilson(right, images)
    said = (
        f"{count(right)} of {counted(images, 'test image')} are right, {_percent(right / images)} "
        f"({100 * low:.2f}–{_percent(high)})."
    )
    is_low = right / images < rule.at_least
    if not asked.comparison:
        return outcome_of(is_low), said
    only_run, only_baseline = (asked.comparison.images[change] for change in ("only A right", "only B right"))
    lower, p = (only_baseline - only_run) / images, asked.comparison.p_value
    said += (
        f" The baseline has {count(right + only_baseline - only_run)} right: {count(only_baseline)} that this run has "
        f"wrong, while this run has {count(only_run)} right that the baseline has wrong "
        f"(McNemar's exact test, {p_words(p)}; {_difference(-lower)})."
    )
    if lower > rule.at_most_below and p >= SIGNIFICANT:
        said += " That may be chance."
    return outcome_of(is_low or (lower > rule.at_most_below and p < SIGNIFICANT)), said


def _difference(share: float) -> str:
    """Write −0.05 as '−5.00 points'."""
    return f"{100 * share:+z.2f} points".replace("-", "−")


def _classes(rule: ClassesRule, asked: Asked) -> Found:
    if not asked.comparison:
        return "cannot be judged", _NEEDS_A_BASELINE
    names = asked.predictions.class_names
    if missing := [name for name in rule.only if name not in names]:
        some = ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
        return "cannot be judged", f"The run has no class {missing[0]!r}; it has: {some}."
    compared = [one for one in asked.comparison.classes if not rule.only or names[one.code] in rule.only]
    if empty := {*rule.only} - {names[one.code] for one in compared}:
        return "cannot be judged", f"There is no test image of class {min(empty)!r}."
    compared.sort(key=_drop, reverse=True)
    lower = [one for one in compared if _drop(one) > rule.at_most_below]
    worse = [one for one in lower if one.p_value < SIGNIFICANT]
    described = [_class_words(one, names[one.code]) for one in (worse or lower or compared)]
    tests = f"McNemar's exact tests, corrected by Holm for all {count(len(asked.comparison.classes))}"
    if worse:
        return "failed", f"{_classes_words(len(worse))} worse: {listed(described)} ({tests})."
    if lower:
        return "passed", f"{_classes_words(len(lower))} lower by chance, perhaps: {listed(described)} ({tests})."
    return "passed", f"None of {count(len(compared))} is lower by more than that; the lowest is {described[0]}."


def _classes_words(number: int) -> str:
    return f"{count(number)} class{'' if number == 1 else 'es'} {'is' if number == 1 else 'are'}"


def _drop(one: ClassAccuracy) -> float:
    return (one.b - one.a) / one.images


def _class_words(one: ClassAccuracy, name: str) -> str:
    return (
        f"{name}, {count(one.a)} of {counted(one.images, 'image')} right and {count(one.b)} in the baseline "
        f"({_difference(-_drop(one))}, {p_words(one.p_value)})"
    )


def _calibration(rule: CalibrationRule, asked: Asked) -> Found:
    found = Calibration.of(asked.predictions.column("confidence"), ~asked.predictions.wrong)
    if found is None:
        return "cannot be judged", "The run says of no image how sure the model was; record it with probabilities."
    low, high = found.interval
    said = (
        f"The expected calibration error of {counted(len(found), 'image')} is {found.error:.3f} ({low:.3f} to "
        f"{high:.3f}); chance alone makes up to {found.by_chance:.3f}. The mean confidence is {_percent(found.says)}, "
        f"and {_percent(found.accuracy)} are right."
    )
    if found.error > rule.at_most and found.error <= found.by_chance:
        return "cannot be judged", f"{said} The images are too few to tell it from chance."
    return outcome_of(found.error > rule.at_most), said


def _kind(rule: MapsRule, asked: Asked) -> tuple[str, str]:
    """Return the method and the layer that a rule is about."""
    if rule.method in PIXEL_METHODS:
        return rule.method, rule.layer or INPUT
    return rule.method, rule.layer or next(iter(asked.run.record.layers[::-1]), "the deepest layer")


def _maps(rule: MapsRule, asked: Asked) -> Found:
    method, layer = kind = _kind(rule, asked)
    verdict = next((one for one in asked.verdicts if one.kind == kind), None)
    if verdict is None:
        asked.run.require_network()
        layers = (INPUT,) if method in PIXEL_METHODS else asked.run.record.layers
        if layer not in layers:
            return "cannot be judged", f"The run has no layer {layer!r} for this method; it has: {', '.join(layers)}."
        measure = command("quality", "--run", asked.run.path, "--methods", method)
        return "cannot be judged", f"{map_words(*kind)} was not measured: {measure}"
    said = f"{map_words(*kind)} is {verdict.name}: {support_of(verdict).reason}"
    if not verdict.final or verdict.name not in (SUPPORTED, NOT_SUPPORTED):
        return "cannot be judged", said
    return outcome_of(verdict.name == NOT_SUPPORTED), said
