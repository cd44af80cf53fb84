"""What the grid of the Layers view shows, before it is drawn: its rows, and in each cell a map, a scale, a finding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sightline.explain.attribution.methods import METHODS
from sightline.explain.judging.findings import Finding, find
from sightline.report.drawing.map_settings import CLASS_TARGET, STORED_TARGETS, MapSettings
from sightline.report.drawing.paint import extremes, strongest
from sightline.report.drawing.subject import Subject
from sightline.report.words.support import Support
from sightline.report.words.text import percent

Score = tuple[int, int | None]  # a class code, or two: the logit of the first, less that of the second
Maps = Mapping[tuple[str, Score], np.ndarray]  # (layer, score) → float32 h×w, signed

UNCHECKED = Finding(
    "not checked",
    "Whether other classes have the same map is not known: theirs is not computed.",
    "Wait until it is, or mend what the message names.",
)


@dataclass(frozen=True)
class Whose:
    """Which of two runs a row of the grid is of. title: plain text. colour: of the run, #rrggbb."""

    title: str
    colour: str
    is_second: bool


@dataclass(frozen=True)
class Row:
    """One explained logit, or the difference of two. Texts are plain; `key` names it in files.

    whose: where two runs stand in one grid. reason: why that run has no maps, in place of all its rows.
    """

    key: str
    title: str
    subtitle: str
    score: Score
    sign: str
    whose: Whose | None = None
    reason: str = ""

    @property
    def name(self) -> str:
        """What is explained, in one line."""
        return f"{self.title} · {self.whose.title}: {self.subtitle}" if self.whose else f"{self.title}: {self.subtitle}"


@dataclass(frozen=True)
class Cell:
    """One map, float32 h×w, signed; None where there is none (yet). largest: what has the strongest colour.

    support: of maps of this kind, on the run. missing: why there is none, in two or three words. shares: of what lies
    in the image, how much of what the map calls positive is on it, 0–1.
    """

    layer: str
    row: Row
    values: np.ndarray | None = None
    largest: float = 0.0
    finding: Finding | None = None
    support: Support | None = None
    missing: str = "no map"
    shares: tuple[tuple[str, float], ...] = ()

    @property
    def extremes(self) -> str:
        """The raw extremes of the map, in words."""
        return "" if self.values is None else extremes(self.values, self.row.sign)

    @property
    def is_drawable(self) -> bool:
        """Whether there is a map of numbers."""
        return self.values is not None and bool(np.isfinite(self.values).all())


Cells = Sequence[Sequence[Cell]]  # rows of cells, a cell a layer


def described(cell: Cell, method: str) -> str:
    """Write the text alternative of a map: what it is of, its extremes, what it lies on, what was found."""
    found = cell.finding.name if cell.finding else cell.missing if cell.values is None else ""
    shares = ", ".join(f"{percent(share, 0)} on {name}" for name, share in cell.shares if share == share)
    where = f"{METHODS[method].title} at {cell.layer}, {cell.row.name}" if cell.layer else cell.row.name
    return "; ".join(filter(None, (where, cell.extremes, shares, found)))


def targets_of(subject: Subject, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the targets that this image has; by default the prediction, its rival, and what tells them apart."""
    rival = () if subject.rival is None else ("true" if subject.is_wrong else "runner-up", "difference")
    return tuple(target for target in wanted if _has(subject, target)) or ("predicted", *rival)


def settings_for(subject: Subject, settings: MapSettings, *, is_stored: bool = False) -> MapSettings:
    """Return the settings with the targets that this image has, see `targets_of`.

    is_stored: nothing can be computed, so that only the two classes are left whose maps are computed ahead of time.
    """
    targets = targets_of(subject, settings.targets)
    if is_stored:
        most = len(STORED_TARGETS) if METHODS[settings.method].linear else 2
        there = STORED_TARGETS[: most if subject.is_wrong else 1]
        targets = tuple(target for target in targets if target in there) or there
    return replace(settings, targets=targets)


def _has(subject: Subject, target: str) -> bool:
    needs = {"true": subject.label, "runner-up": subject.runner_up, "difference": subject.rival}
    return needs.get(target, 0) is not None


def rows_of(subject: Subject, targets: Sequence[str], sign: str, method: str) -> list[Row]:
    """Return what targets mean for this image: every one must be among its `targets_of`."""
    codes = {"predicted": subject.predicted, "true": subject.label, "runner-up": subject.runner_up}
    codes |= {CLASS_TARGET + name: code for code, name in enumerate(subject.class_names)}
    return [
        _difference(subject, sign, method)
        if target == "difference"
        else _row(subject, target, codes[target] or 0, sign)
        for target in targets
    ]


def _row(subject: Subject, target: str, code: int, sign: str) -> Row:
    key, title = (f"class-{code}", "Class") if target.startswith(CLASS_TARGET) else (target, target.capitalize())
    share = subject.share(code).replace(" ", "\u00a0")
    return Row(key, title, f"{subject.name(code)} {share}".rstrip(), (code, None), sign)


def _difference(subject: Subject, sign: str, method: str) -> Row:
    names = f"{subject.name(subject.predicted)} − {subject.name(subject.rival or 0)}"
    # Without its negative half a difference would be half a truth, but some methods have none.
    sign = "signed" if METHODS[method].signed else sign
    return Row("difference", "Difference", names, (subject.predicted, subject.rival), sign)


def class_rows(subject: Subject, count: int, sign: str) -> list[Row]:
    """Return a row for each of the likeliest classes."""
    return [
        Row(f"class-{code}", subject.name(code), subject.share(code), (code, None), sign)
        for code in subject.likeliest[:count]
    ]


def scores_to_judge(subject: Subject) -> list[Score]:
    """Return the two likeliest classes: whatever is shown, they tell whether a layer tells classes apart."""
    return [(code, None) for code in subject.likeliest[:2]]


def make_cells(
    maps: Maps,
    rows: Sequence[Row],
    subject: Subject,
    settings: MapSettings,
    supports: Mapping[str, Support],
    origin: str | None = None,
    is_stored: bool = False,
) -> Cells:
    """Make a cell for each row and layer.

    supports: by layer. origin: of values that are not finite, see `find`. is_stored: nothing can be computed, so that
    of no map is said that it was not checked against those of other classes: it would be said of all.
    """

    def make(row: Row, layer: str) -> Cell:
        values = maps.get((layer, row.score))
        cell = Cell(layer, row, values, 0.0 if values is None else strongest(values, row.sign))
        finding = _finding(cell, maps, subject, origin, None if is_stored else UNCHECKED)
        return replace(cell, finding=finding, support=supports.get(layer))

    return on_scale([[make(row, layer) for layer in settings.layers] for row in rows], settings.scale)


def _finding(cell: Cell, maps: Maps, subject: Subject, origin: str | None, unchecked: Finding | None) -> Finding | None:
    if cell.values is None:
        return None
    likeliest = [maps.get((cell.layer, score)) for score in scores_to_judge(subject)]
    predicted, runner_up = (*likeliest, None)[:2]
    is_signed = cell.row.sign == "signed"
    finding = find(cell.values, is_signed=is_signed, predicted=predicted, runner_up=runner_up, origin=origin)
    return unchecked if finding is None and any(values is None for values in likeliest) else finding


def on_scale(cells: Cells, scale: str) -> Cells:
    """Give the strongest colour to the maximum of each map, of all maps of a layer, or of all of a row: of SCALES."""
    if scale == "own":
        return cells
    largest: dict[int | str, float] = {}
    keyed = [[(number if scale == "row" else cell.layer, cell) for cell in row] for number, row in enumerate(cells)]
    for row in keyed:
        for key, cell in row:
            largest[key] = max(largest.get(key, 0.0), cell.largest)
    return [[replace(cell, largest=largest[key]) for key, cell in row] for row in keyed]
