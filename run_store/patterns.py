"""What mistakes share, as `sightline patterns` found it: patterns.json, and patterns.parquet with a row a test image.

Beside them patterns.safetensors holds the space in which the patterns lie: with it an image that is not in the test
split, such as one of the training split, is given to its pattern.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from safetensors.numpy import load, save

from sightline.run_store import files
from sightline.run_store.commands import command
from sightline.run_store.epochs import refuse_epoch
from sightline.run_store.files import FileError
from sightline.run_store.hashes import refuse_stale
from sightline.run_store.record import MOST_TEXT
from sightline.run_store.run import Run
from sightline.run_store.tables import Kinds, read_table, table_bytes

Kind = Literal["pattern", "hard class"]
DISCOVERED, TESTED = 0, 1  # the halves: patterns are discovered on the one, and tested on the other
MOST_PATTERNS = 1000
STANDS_OUT = 0.1

_ROWS: Kinds = {"index": np.int64, "half": np.int8, "pattern": np.int64}


@dataclass(frozen=True)
class Attended:
    """What maps call hot, over some images, each of which counts alike."""

    colour: tuple[float, float, float]  # red, green, blue, 0–255: the one that stands out most from all images
    excess: float  # how much more of the heat of the maps that colour has than of the images, a share, 0–1
    size: float  # share of the image, 0–1, that is at least half as hot as its hottest place
    place: tuple[float, float]  # of the centre of the heat: from the left and from the top, 0–1
    spread: float  # how far from there the centre of an image lies (root mean square), in sides

    @property
    def stands_out(self) -> bool:
        """Whether the colour is worth a word: where maps follow no colour, some has a little more by chance."""
        return self.excess >= STANDS_OUT


@dataclass(frozen=True)
class Covered:
    """How many of some mistakes become right when the hottest tenth is covered, beside as much covered at random."""

    mistakes: int  # that were tried
    right: int  # become right
    right_at_random: int
    p_value: float  # of McNemar's exact test between the two, 0–1


@dataclass(frozen=True)
class Pattern:
    """One of the groups in which the model errs more often than elsewhere. Rates are 0–1, of the tested half.

    kind: a "hard class" errs no more, but for chance, than other images of the classes that it is taken for.
    """

    number: int  # from 1, the strongest first
    kind: Kind
    images: int  # of both halves
    tested: int  # of these, in the half on which the pattern was tested
    mistakes: int  # of those
    error_rate: float
    low: float  # ends of its 95 % interval
    high: float
    rest_rate: float  # of all other images
    same_classes_rate: float  # of the other images that are taken for the same classes, in the same proportions
    p_value: float  # of Fisher's exact test against the rest, one-sided, corrected for the number of groups
    p_same_classes: float  # likewise, of the test against the same classes
    stability: float  # 0–1: how alike the group is when it is looked for from other starting points
    taken_for: int  # code of the class that most of its mistakes are taken for
    attended: Attended
    covered: Covered | None = None


@dataclass(frozen=True)
class Patterns:
    """The patterns of a run, and how they were looked for. They may be none.

    pattern: int N, of each test image the number of its pattern, −1: of none. half: int8 N, DISCOVERED or TESTED.
    """

    layer: str
    method: str
    groups: int  # that were tried
    weights: str  # the `weights_hash` of the network
    patterns: tuple[Pattern, ...]
    pattern: np.ndarray
    half: np.ndarray

    def numbered(self, number: int) -> Pattern:
        """Return a pattern by its number. Raises KeyError."""
        return {pattern.number: pattern for pattern in self.patterns}[number]

    def rows(self, number: int) -> np.ndarray:
        """Return the test images (int64) of a pattern."""
        return np.flatnonzero(self.pattern == number)


def read_patterns(run: Run) -> Patterns | None:
    """Return what was found; None where nobody looked.

    Raises RunError where the files are damaged, do not belong together, or are of other weights than the run has now.
    """
    refuse_epoch(run.name, run.epoch, "the patterns among its mistakes")
    if not os.path.exists(run.path / files.PATTERNS):
        return None
    with run.reading(files.PATTERNS, _hint(run)):
        content = json.loads(run.read(files.PATTERNS))
        found = tuple(_parse(entry, len(run.record.class_names)) for entry in content["patterns"])
        if len(found) > MOST_PATTERNS or [one.number for one in found] != list(range(1, len(found) + 1)):
            raise FileError("does not number its patterns from 1")
        layer, method, weights, groups = (content[name] for name in ("layer", "method", "weights", "groups"))
        if not all(
            isinstance(word, str) and word.isprintable() and len(word) <= MOST_TEXT for word in (layer, method, weights)
        ):
            raise FileError("does not say how the patterns were found")
        if type(groups) is not int or not 0 < groups < 2**53:
            raise FileError("does not say how many groups were tried")
    with run.reading(files.PATTERN_ROWS, _hint(run)):
        images = len(run.images())
        columns, facts = read_table(run, files.PATTERN_ROWS, _ROWS, images)
        if not np.array_equal(columns["index"], np.arange(images)) or facts.get("weights") != weights:
            raise FileError(f"does not belong to {files.PATTERNS} and {files.IMAGES}")
        if set(np.unique(columns["pattern"]).tolist()) - {-1, *range(1, len(found) + 1)}:
            raise FileError("names patterns that there are not")
        if any(not one.images == np.count_nonzero(columns["pattern"] == one.number) > 0 for one in found):
            raise FileError("does not hold the images of every pattern")
        if set(np.unique(columns["half"]).tolist()) - {DISCOVERED, TESTED}:
            raise FileError("names halves that there are not")
    refuse_stale(run, files.PATTERNS, weights, _hint(run))
    return Patterns(layer, method, groups, weights, found, columns["pattern"], columns["half"])


def write_patterns(run: Run, found: Patterns, space: dict[str, np.ndarray]) -> None:
    """Replace the three files; the caller holds the run's lock. patterns.json comes last: with it they are there.

    space: what `read_space` returns.
    """
    columns = {"index": np.arange(len(found.pattern)), "half": found.half, "pattern": found.pattern}
    # Safetensors writes the bytes of an array as they lie, in whatever order.
    arrays = {name: np.ascontiguousarray(array) for name, array in space.items()}
    files.write_atomically(run.path / files.PATTERN_SPACE, save(arrays | {"weights": _as_bytes(found.weights)}))
    files.write_atomically(run.path / files.PATTERN_ROWS, table_bytes(columns, {"weights": found.weights}))
    content = {
        "layer": found.layer,
        "method": found.method,
        "groups": found.groups,
        "weights": found.weights,
        "patterns": [asdict(pattern) for pattern in found.patterns],
    }
    files.write_atomically(run.path / files.PATTERNS, (json.dumps(content, indent=2) + "\n").encode())


def read_space(run: Run, found: Patterns) -> dict[str, np.ndarray]:
    """Return the arrays of the space in which the patterns lie. Raises RunError where it is not that of `found`.

    mean: float32 K. components: float32 D×K. centres: float32 G×D, of the groups. numbers: int64 G, of the pattern
    that each group is; 0: of none.
    """
    with run.reading(files.PATTERN_SPACE, _hint(run)):
        arrays = load(run.read(files.PATTERN_SPACE))
        if arrays.pop("weights").tobytes() != _as_bytes(found.weights).tobytes():
            raise FileError(f"does not belong to {files.PATTERNS}")
        mean, components, centres, numbers = (arrays[name] for name in ("mean", "components", "centres", "numbers"))
        features, dimensions, groups = *mean.shape, len(components), found.groups
        shapes = (dimensions, features), (groups, dimensions), (groups,)
        if (components.shape, centres.shape, numbers.shape) != shapes or numbers.dtype != np.int64:
            raise FileError("holds no space of these groups")
        if any(one.dtype != np.float32 or not np.isfinite(one).all() for one in (mean, components, centres)):
            raise FileError("holds what is no finite number")
        if sorted(numbers[numbers != 0].tolist()) != [one.number for one in found.patterns]:
            raise FileError("names other patterns than there are")
    return {"mean": mean, "components": components, "centres": centres, "numbers": numbers}


def _as_bytes(weights: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(weights), np.uint8)


def _parse(entry: dict[str, Any], classes: int) -> Pattern:
    """Read a pattern. Raises FileError, or KeyError, TypeError or ValueError, where it is none of ours."""
    known = {field.name: entry[field.name] for field in fields(Pattern)}
    attended, tried = known.pop("attended"), known.pop("covered")
    red, green, blue = attended["colour"]
    left, top = attended["place"]
    seen = Attended((red, green, blue), attended["excess"], attended["size"], (left, top), attended["spread"])
    covered = None if tried is None else Covered(**tried)
    found = Pattern(**known, attended=seen, covered=covered)
    counts = [found.number, found.images, found.tested, found.mistakes, found.taken_for]
    rates = [found.error_rate, found.low, found.high, found.rest_rate, found.stability, found.p_value]
    rates += [found.p_same_classes, seen.excess, seen.size, left, top, seen.spread, red / 255, green / 255, blue / 255]
    if covered:
        counts += [covered.mistakes, covered.right, covered.right_at_random]
        rates += [covered.p_value]
    if not _is_nan(found.same_classes_rate):  # which no image may be left to know
        rates += [found.same_classes_rate]
    if not all(type(count) is int and 0 <= count < 2**53 for count in counts) or found.taken_for >= classes:
        raise FileError("holds a count that is none")
    if not 0 < found.mistakes <= found.tested <= found.images:
        raise FileError("counts more mistakes than images, or none")
    if covered and not max(covered.right, covered.right_at_random, 1) <= covered.mistakes:
        raise FileError("counts more images that become right than were tried")
    if not all(type(rate) in (int, float) and 0 <= rate <= 1 for rate in rates):
        raise FileError("holds a rate, a colour or a place that is none")
    if found.kind not in get_args(Kind):
        raise FileError("holds a pattern of another kind than there is")
    return found


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def patterns_column(found: Patterns) -> Sequence[str | None]:
    """Return the column `pattern` of the predictions: "1", "2" …; None: of no pattern."""
    return [str(number) if number > 0 else None for number in found.pattern.tolist()]


def _hint(run: Run) -> str:
    return f"Find the patterns again with: {command('patterns', '--run', run.path)}"
