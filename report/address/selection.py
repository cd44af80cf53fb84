"""What is selected: one typed object, each of whose fields is a row that says how it stands in the address.

To add a setting, add its row to `Selection`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, get_args
from urllib.parse import urlencode

from sightline.explain.attribution.methods import METHODS
from sightline.explain.judging.measures import MEASURES
from sightline.report.address.parameters import (
    Known,
    Parameter,
    Query,
    RunFacts,
    Texts,
    conditions,
    in_order,
    many,
    number,
    one,
    switch,
    word,
    word_or_none,
)
from sightline.report.address.run_order import RUN_ORDERS
from sightline.report.drawing.learning_curves import QUANTITIES
from sightline.report.drawing.map_settings import CELLS, COLOURS, SCALES, SIGNS
from sightline.run_store.comparison import Change
from sightline.run_store.culprits import MOST_TRAINING_IMAGES
from sightline.run_store.predictions import ORDERS, Columns, Condition, Filter, Outcome


def _images(known: Known) -> Collection[int] | None:
    return None if known.images is None else range(known.images)


@dataclass(frozen=True)
class Selection:
    """Classes, runs and layers by name; None and () mean: the view's default."""

    run: str | None = one("run", lambda known: known.runs, narrows=True)
    beside: str | None = one("beside", lambda known: known.runs)  # B, beside which `run` is A
    compared: Change | None = word_or_none("compared", get_args(Change), narrows=True)  # None: the larger one-sided set
    of_compare: bool = switch("set", "compared")  # whether Layers goes through Compare's set, in place of Mistakes'
    shown: tuple[str, ...] = many("runs", lambda known: known.runs)  # the runs in Curves
    quantities: tuple[str, ...] = many("chart", QUANTITIES, ("loss", "accuracy"))  # its charts
    smoothing: int = number("smoothing", range(100), 0)  # weight of the past, percent
    logarithmic: bool = switch("axis", "log")
    runs_order: str | None = one("sort", RUN_ORDERS)  # of their table; None: the newest first, experiments together
    label: str | None = one("true", lambda known: known.classes, narrows=True)
    predicted: str | None = one("predicted", lambda known: known.classes, narrows=True)
    outcome: Outcome = word("show", get_args(Outcome), narrows=True)
    columns: Columns = conditions()  # what else the set asks of the predictions, ranges first
    order: str = word("order", ORDERS, narrows=True)
    image: int | None = number("image", _images, None)  # None: the first
    epoch: int | None = number("epoch", lambda known: known.epochs, None)  # after which the run is seen; None: the last
    culprit: int | None = number("culprit", range(MOST_TRAINING_IMAGES), None)  # the training image; None: the first
    behind: bool = switch("behind", "set")  # whether Mistakes shows the training images behind the set in its place
    with_map: bool = switch("map", "shown")  # whether Mistakes shows where the model looked
    map_layer: str | None = one("at")  # where Mistakes and Compare show one map; None: the deepest of `layers`
    maps_over: bool = switch("tiles", "maps")  # whether stored maps lie over the images of the gallery
    method: str = word("method", METHODS)
    layers: tuple[str, ...] = many("layer")  # the view asks the network which it has
    targets: tuple[str, ...] = many("target", lambda known: known.targets)
    scale: str = word("scale", SCALES)
    sign: str = word("sign", SIGNS)
    cells: str = word("cells", CELLS)
    colours: str | None = one("colours", [name for names in COLOURS.values() for name in names])
    opacity: int = number("opacity", range(101), 60)  # of a map over its image, percent
    hide: str | None = one("hide")  # the layer whose hottest tenth is covered; None: the deepest
    all_classes: bool = switch("classes", "all")  # whether the deepest layer's maps of all classes are shown
    present: bool = switch("present", "on")  # whether the page is shown to others, without its settings
    measure: str | None = one("measure", MEASURES)  # by which Trust compares maps

    @classmethod
    def from_query(
        cls,
        query: Query,
        runs: Collection[str],
        facts_of: Callable[[str], RunFacts | None],
        default_run: Callable[[], str | None] = lambda: None,
    ) -> tuple["Selection", list[str]]:
        """Read the selection in `query`; beside it, for each value that does not exist, what was ignored.

        runs: the names of those there are. facts_of: asked of the chosen run; None where its record cannot be read
        (then classes and indices pass unchecked). default_run: asked where the query names none.
        """
        texts = Texts(query, Known(runs))
        run = PARAMETERS["run"].read(texts) or default_run()
        texts.known = Known(runs, facts_of(run) if run in runs and run is not None else None)
        found = {name: parameter.read(texts) for name, parameter in PARAMETERS.items() if name != "run"}
        return cls(run=run, **{name: value for name, value in found.items() if value is not None}), texts.ignored

    def to_query(self) -> dict[str, str | list[str]]:
        """Return the query that this is read from. Values that equal the default stay out."""
        query: dict[str, str | list[str]] = {}
        for row in fields(self):
            value = getattr(self, row.name)
            if value != row.default:
                query |= PARAMETERS[row.name].write(value)
        return query

    def in_query(self) -> str:
        """Write that query as it stands in an address; a name that is no text keeps its bytes."""
        return urlencode(self.to_query(), doseq=True, errors="surrogateescape")

    def filter(self, class_names: Sequence[str]) -> Filter:
        """Return the same filter in class codes."""
        label, predicted = (None if name is None else class_names.index(name) for name in (self.label, self.predicted))
        return Filter(self.outcome, label, predicted, self.columns)

    def ask(self, name: str, condition: Condition | None) -> Columns:
        """Return `columns` with this asked of the column `name`, or nothing."""
        others = {other: asked for other, asked in self.columns if other != name}
        return in_order(others if condition is None else others | {name: condition})

    def change(self, **changes: Any) -> "Selection":
        """Return a copy with other values. Another filter or order starts at its first image, a run as it ended."""
        changed = replace(self, **changes)
        if changed.run != self.run:
            changed = replace(changed, epoch=changes.get("epoch"))
        if any(row.narrows and getattr(self, name) != getattr(changed, name) for name, row in PARAMETERS.items()):
            changed = replace(changed, image=changes.get("image"))
        return changed


PARAMETERS: Mapping[str, Parameter] = {row.name: row.metadata["parameter"] for row in fields(Selection)}
