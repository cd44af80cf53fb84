"""What the rules of a check ask for: a dataclass a rule, whose fields are the keys of its table in the rules file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sightline.explain.attribution.methods import METHODS


@dataclass(frozen=True)
class Values:
    """Which values a key takes, in words that follow “must be”."""

    words: str
    allow: Callable[[Any], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


SHARE = Values(
    "a share from 0 to 1, such as 0.05 for 5 %", lambda value: type(value) in (int, float) and 0 <= value <= 1
)
COUNT = Values("a whole number from 0 on", lambda value: type(value) is int and value >= 0)
TEXT = Values("a text in quotes", _is_text)
NAMES = Values(
    'a list of texts in quotes, such as ["cat", "dog"]',
    lambda value: isinstance(value, (list, tuple)) and all(map(_is_text, value)),
)
METHOD = Values(f"one of {', '.join(METHODS)}, in quotes", lambda value: _is_text(value) and value in METHODS)


def _key(default: Any, values: Values, about: str) -> Any:
    """Make a field of a rule: a key of its table."""
    return field(default=default, metadata={"values": values, "about": about})


@dataclass(frozen=True)
class AccuracyRule:
    """The accuracy is not below a bound, nor below the baseline's."""

    at_least: float = _key(0.0, SHARE, "the share of the test images that must be right; 0: any")
    at_most_below: float = _key(
        0.01, SHARE, "how far below the baseline's accuracy it may lie where that is more than chance"
    )


@dataclass(frozen=True)
class ClassesRule:
    """No class is worse than in the baseline."""

    at_most_below: float = _key(
        0.05, SHARE, "how far below its accuracy in the baseline a class may lie where that is more than chance"
    )
    only: tuple[str, ...] = _key((), NAMES, "the names of the classes that count; none: all classes")


@dataclass(frozen=True)
class PatternsRule:
    """The mistakes share no pattern, or none that the baseline does not have."""

    at_most: int = _key(0, COUNT, "how many patterns there may be; with a baseline, how many new ones")


@dataclass(frozen=True)
class CalibrationRule:
    """The confidences can be taken at their word."""

    at_most: float = _key(0.05, SHARE, "the largest expected calibration error")


@dataclass(frozen=True)
class MapsRule:
    """Maps of a kind are supported."""

    method: str = _key("gradcam", METHOD, "how the maps are computed")
    layer: str = _key("", TEXT, 'the layer of the network; "": the deepest of those the run names')


Rule = AccuracyRule | ClassesRule | PatternsRule | CalibrationRule | MapsRule
RULES: Mapping[str, type[Any]] = {  # table → the dataclass, a Rule
    "accuracy": AccuracyRule,
    "classes": ClassesRule,
    "patterns": PatternsRule,
    "calibration": CalibrationRule,
    "maps": MapsRule,
}
OF_A_BASELINE = ("accuracy", "classes")  # by themselves these rules ask for nothing but a baseline


def default_rules(has_baseline: bool) -> dict[str, Rule]:
    """Return the rules of a check without a file: all with their defaults, those of a baseline only with one."""
    return {name: rule() for name, rule in RULES.items() if has_baseline or name not in OF_A_BASELINE}
