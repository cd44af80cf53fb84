"""The chosen run and the pinned one, A and B, as they are asked for maps of one image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sightline.explain.attribution.methods import METHODS
from sightline.report.address.selection import Selection
from sightline.report.drawing.cells import Cell, Cells, Row, Score, Whose, rows_of, scores_to_judge, settings_for
from sightline.report.drawing.map_settings import MapSettings
from sightline.report.drawing.maps import map_layers
from sightline.report.drawing.resolve import LayersOf, resolve
from sightline.report.drawing.subject import Subject
from sightline.report.words.text import after_words
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


@dataclass(frozen=True)
class Side:
    """A run, and what it is asked for.

    settings: of what it can show. columns: of the grid, its layer in each; "" where it has none. reason: why it shows
    nothing at all, in a sentence. whose: None where it is alone.
    """

    run: Run
    subject: Subject
    settings: MapSettings
    columns: tuple[str, ...]
    whose: Whose | None = None
    reason: str = ""

    @property
    def rows(self) -> list[Row]:
        """Its rows of the grid, in the order of the targets."""
        rows = rows_of(self.subject, self.settings.targets, self.settings.sign, self.settings.method)
        return [replace(row, whose=self.whose) for row in rows]

    @property
    def scores(self) -> list[Score]:
        """What has to be computed: beside the rows what tells whether its layers tell classes apart."""
        return list(dict.fromkeys([row.score for row in self.rows] + scores_to_judge(self.subject)))

    @property
    def name(self) -> str:
        """What the run is called in files, with the epoch after which it is seen."""
        return self.run.name + after_words(self.run.epoch)

    def named(self, words: str) -> str:
        """Say of which run words are, where there are two."""
        return f"{words}, {self.whose.title}" if self.whose else words


def alone(run: Run, subject: Subject, settings: MapSettings, whose: Whose | None = None) -> Side:
    """Ask one run for maps of an image. settings: as `resolve` returns them for it."""
    own = settings_for(subject, settings, is_stored=not run.has_network)
    return Side(run, subject, own, own.layers, whose)


def side_by_side(first: Side, second: Side) -> list[Side]:
    """Ask two runs for maps of the same targets, the second one at the layers of the first where it has them.

    Their settings are as `resolve` and `settings_beside` return them, and so are their columns.
    """
    wanted = first.settings.targets or _targets(first.subject, second.subject)
    found = []
    for side in (first, second):
        asked = replace(side.settings, targets=wanted)
        asked = settings_for(side.subject, asked, is_stored=not side.run.has_network)
        found.append(replace(side, settings=asked, columns=_columns(first.settings.layers, asked.layers)))
    return found


def settings_beside(
    second: Run, settings: MapSettings, selection: Selection, layers_of: LayersOf = map_layers
) -> MapSettings:
    """Return what a second run can show of what the first one shows. layers_of: as of `resolve`. Raises RunError."""
    found, _ = resolve(second, replace(selection, method=settings.method, layers=settings.layers), layers_of)
    if found.method != settings.method:
        titles = (METHODS[method].title for method in (settings.method, found.method))
        raise RunError("It has no network, and no maps by {} were computed ahead of time, but by {}.".format(*titles))
    return replace(found, layers=tuple(filter(None, _columns(settings.layers, found.layers))))


def merged(sides: Sequence[Side], cells: Sequence[Cells], failed: Sequence[RunError | None]) -> Cells:
    """Lay the rows of two runs one after the other, target by target: A, B, A, B. Those of one stay as they are.

    cells: of each side its rows, at its layers. failed: why a side has none.
    """
    if len(sides) == 1:
        return cells[0]
    keyed: list[tuple[int, Sequence[Cell]]] = []
    order = list(dict.fromkeys(target for side in sides for target in side.settings.targets))
    for side, rows, error in zip(sides, cells, failed, strict=True):
        reason = side.reason or (str(error) if error else "")
        if reason:
            row = Row("", "", "", (0, None), side.settings.sign, side.whose, reason)
            keyed.append((0, [Cell("", row)]))
            continue
        for target, row_of_cells in zip(side.settings.targets, rows, strict=True):
            keyed.append((order.index(target), _spread(side, row_of_cells)))
    return [row for _, row in sorted(keyed, key=lambda pair: pair[0])]


def _spread(side: Side, cells: Sequence[Cell]) -> list[Cell]:
    """Put the cells of a row under the columns of the grid."""
    found = {cell.layer: cell for cell in cells}
    return [found.get(layer, Cell(layer, cells[0].row, missing="no such layer")) for layer in side.columns]


def _targets(subject: Subject, other: Subject) -> tuple[str, ...]:
    """Return the default of two runs: the same for both, so that their rows can be compared."""
    return ("predicted", "true" if subject.is_wrong or other.is_wrong else "runner-up", "difference")


def _columns(wanted: tuple[str, ...], found: tuple[str, ...]) -> tuple[str, ...]:
    """Return the layer in each column: the wanted ones that it has; where it has none, its deepest ones."""
    if set(found) & set(wanted):
        return tuple(layer if layer in found else "" for layer in wanted)
    own = found[-len(wanted) :]
    return ("",) * (len(wanted) - len(own)) + own
