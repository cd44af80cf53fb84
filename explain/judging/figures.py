"""Turn the values of single images into the figures of quality.csv, and say which values are still wanted."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sightline.explain.attribution.methods import LAYER_METHODS, METHODS, PIXEL_METHODS
from sightline.explain.judging.controls import CONTROLS, MEAN_MAP
from sightline.explain.judging.families import Family, families_for
from sightline.explain.judging.intervals import level_of, may_decide, mean_figure
from sightline.explain.judging.localisation import CELLS
from sightline.explain.judging.measures import MEASURES, MOSAICS
from sightline.explain.judging.sample import Sample
from sightline.explain.judging.verdicts import DECISIVE, SECOND, UNDECIDED, check, measure_of, over, undecided
from sightline.run_store.quality import INPUT, Kind, QualityRow, Values

ALL_CONTROLS = (*CONTROLS, MEAN_MAP)
EXAMPLES = 4  # images named in each figure's row, best and worst
_ORDER = (*ALL_CONTROLS, *METHODS)


def kinds_of(methods: Sequence[str], layers: Sequence[str]) -> list[Kind]:
    """List what is measured: the controls, layer methods at every layer, pixel methods.

    >>> kinds_of(["gradcam", "occlusion"], ["layer3", "layer4"])[-3:]
    [('gradcam', 'layer3'), ('gradcam', 'layer4'), ('occlusion', 'input')]
    """
    of_layers = [method for method in dict.fromkeys(methods) if method in LAYER_METHODS]
    of_pixels = [method for method in dict.fromkeys(methods) if method in PIXEL_METHODS]
    at_layers = [(method, layer) for method in of_layers for layer in layers]
    return [*((control, INPUT) for control in ALL_CONTROLS), *at_layers, *((method, INPUT) for method in of_pixels)]


@dataclass
class Measured:
    """What has been measured on a sample: the values of every kind of map, image by image.

    exhaustive: whether values are wanted of all images, also where they can change no verdict.
    """

    sample: Sample
    values: dict[Kind, Values]
    exhaustive: bool = False

    def add(self, found: Mapping[Kind, Values]) -> None:
        """Append values, which must be of the next images."""
        for kind, of_kind in found.items():
            mine = self.values.setdefault(kind, {})
            for measure, numbers in of_kind.items():
                mine[measure] = np.concatenate([mine.get(measure, np.empty(0)), numbers])

    def count(self, family: Family, kind: Kind) -> int:
        """Return how many values of a family a kind has."""
        return len(self.values.get(kind, {}).get(family.measures[0], ()))

    def wanting(self, family: Family, kinds: Collection[Kind], images: int) -> list[Kind]:
        """Return those kinds that lack values among so many images, and are not decided without them."""
        lacking = [kind for kind in kinds if self.count(family, kind) < family.count(kind, self.sample, images)]
        if self.exhaustive or all(not self.count(family, kind) for kind in lacking):
            return lacking
        measure = family.measures[0]
        is_open = _undecided(self.figures([measure]), measure)
        return [kind for kind in lacking if not self.count(family, kind) or kind in is_open]

    def rows(self) -> list[QualityRow]:
        """Return all figures, which are final where no more values are wanted."""
        wanted = {
            (*kind, measure)
            for family in families_for(self.sample)
            for kind in self.wanting(family, self.values, len(self.sample))
            for measure in family.measures
        }
        rows = self.figures(MEASURES)
        return [replace(row, final=(row.method, row.layer, measure_of(row.measure)) not in wanted) for row in rows]

    def figures(self, measures: Collection[str]) -> list[QualityRow]:
        """Return the figures of some measures, and of the leads of those that decide."""
        kinds = sorted(self.values, key=lambda kind: (*(kind[0] != name for name in _ORDER), *kind))
        return [
            self._figure(kind, name, values)
            for kind in kinds
            for name, values in self._with_leads(kind)
            if measure_of(name) in measures
        ]

    def _with_leads(self, kind: Kind) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the values of every measure, none where it was not begun; of those that decide, less each control's.

        Where there can be no mosaics GridPG has none either, and never will: that is how whoever reads it later knows.
        """
        mine = self.values[kind]
        planned = {MOSAICS, *(measure for family in families_for(self.sample) for measure in family.measures)}
        for measure in MEASURES:
            if measure in planned or measure in mine:
                yield measure, mine.get(measure, np.empty(0))
        for measure in (DECISIVE, SECOND) if kind[0] not in ALL_CONTROLS else ():
            for control in ALL_CONTROLS:
                theirs = self.values.get((control, INPUT), {}).get(measure)
                if measure in mine and theirs is not None:
                    both = min(len(mine[measure]), len(theirs))
                    yield over(measure, control), mine[measure][:both] - theirs[:both]

    def _figure(self, kind: Kind, measure: str, values: np.ndarray) -> QualityRow:
        method, layer = kind
        looked_at = len(values) * (CELLS if measure == MOSAICS else 1)
        found = mean_figure(values, level_of(looked_at))
        return QualityRow(
            method,
            layer,
            measure,
            *(found.value, found.low, found.high, found.n),
            control=method in ALL_CONTROLS,
            images=max(len(self.sample), looked_at),
            best=self._examples(measure, values, is_best=True),
            worst=self._examples(measure, values, is_best=False),
            level=found.level,
        )

    def _examples(self, measure: str, values: np.ndarray, is_best: bool) -> tuple[int, ...]:
        """Name the images of the test split whose maps the measure calls best or worst, or those of such a mosaic.

        Of a measure that does not rank, the first and last in its order. No images where all values are alike.
        """
        if measure not in MEASURES:
            return ()
        values = values[: len(self.sample.mosaics if measure == MOSAICS else self.sample)]  # there may be more
        lower_first = MEASURES[measure].is_highest_first != is_best
        order = np.argsort(values if lower_first else -values, kind="stable")
        order = order[np.isfinite(values[order])]
        if not len(order) or np.ptp(values[order]) == 0:
            return ()
        found = self.sample.mosaics[order[0]] if measure == MOSAICS else self.sample.rows[order[:EXAMPLES]]
        return tuple(found.tolist())


def _undecided(rows: Sequence[QualityRow], measure: str) -> set[Kind]:
    """Return the kinds and controls of which more values may change what is said of them."""
    if measure in (DECISIVE, SECOND):
        early = {row.kind for row in rows if row.measure == measure and row.n and not may_decide(row.n)}
        return early | undecided(rows, measure)
    is_check = MEASURES[measure].bound is not None
    of_measure = (row for row in rows if row.measure == measure)
    return {(row.method, row.layer) for row in of_measure if not is_check or check(row) == UNDECIDED}
