"""The predictions table of a run: one row a test image, written once, then filtered, sorted and counted."""

import math
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pyarrow as pa

from sightline.run_store.confusion import Confusion

if TYPE_CHECKING:
    import pandas as pd

Outcome = Literal["wrong", "right", "all"]
REQUIRED_COLUMNS = ("index", "label", "predicted", "confidence", "margin", "loss", "entropy")
MOST_WORDS = 1000  # a column with more different ones is no choice but a description, such as a path

LEARNED_AT, FORGOTTEN, NEVER_LEARNED = "learned at", "forgotten", "never learned"  # columns that a history adds

ORDERS: dict[str, Callable[["Predictions"], np.ndarray]] = {
    "most confident first": lambda predictions: -predictions.column("confidence"),
    "least confident first": lambda predictions: predictions.column("confidence"),
    "highest loss first": lambda predictions: -predictions.column("loss"),
    "smallest margin first": lambda predictions: predictions.column("margin"),
    "highest entropy first": lambda predictions: -predictions.column("entropy"),
    "learned last first": lambda predictions: -predictions.number(LEARNED_AT),
    "most often forgotten first": lambda predictions: -predictions.number(FORGOTTEN),
    "test order": lambda predictions: predictions.column("index"),
}


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; NaN is in none."""

    low: float = -math.inf
    high: float = math.inf


Condition = Range | str
Columns = tuple[tuple[str, Condition], ...]


@dataclass(frozen=True)
class Filter:
    """Which predictions are wanted; classes are codes into `class_names`."""

    outcome: Outcome = "wrong"
    label: int | None = None
    predicted: int | None = None
    columns: Columns = ()
    """of a column of numbers a range, of one of words the word; a column that there is not excludes nothing"""


@dataclass(frozen=True)
class Words:
    """A column of few different words: `codes` (N) count into `words`; −1 where the row has none."""

    words: tuple[str, ...]
    codes: np.ndarray


@dataclass(frozen=True)
class Predictions:
    """N predictions over C classes; row i belongs to image i of `images.npy`.

    `scalars` has one value an image in each column (`label` and `predicted` are int16 codes), also the foreign ones;
    `probabilities` is float16 N×C, read-only; None where the predicted classes alone are known: then margin, loss and
    entropy are NaN, and perhaps confidence too.
    """

    class_names: tuple[str, ...]
    scalars: pa.Table
    probabilities: np.ndarray | None
    _kept: dict[Hashable, np.ndarray] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return self.scalars.num_rows

    def column(self, name: str) -> np.ndarray:
        """Return a column of `scalars`, converted once; not to be written to."""
        return self._once(("column", name), lambda: to_numpy(self.scalars[name]))

    def number(self, name: str) -> np.ndarray:
        """Return a column of `numbers` as float64; NaN where there is no such column."""
        return self.column(name).astype(np.float64) if name in self.numbers else np.full(len(self), np.nan)

    def ends(self, name: str) -> np.ndarray:
        """Return the least and the greatest of a column's finite values; empty where it has none."""
        return self._once(("ends", name), lambda: _finite_ends(self.column(name)))

    def _once(self, key: Hashable, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Compute only the first time: of a million rows, that may take longer than a click is allowed to."""
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]

    def with_columns(self, columns: Mapping[str, np.ndarray | pa.Array]) -> "Predictions":
        """Return the same predictions with more columns, one value an image; one of their own goes before."""
        scalars = self.scalars
        for name, values in columns.items():
            if name not in scalars.column_names:
                scalars = scalars.append_column(name, pa.array(values))
        return replace(self, scalars=scalars)

    @property
    def table(self) -> "pd.DataFrame":
        """`scalars` for pandas, less what it cannot hold, such as a day after the year 9999."""
        import pandas as pd

        columns = {}
        for name, column in zip(self.scalars.column_names, self.scalars.columns, strict=True):
            with suppress(pa.ArrowException, ValueError):
                columns[name] = column.to_pandas()
        return pd.DataFrame(columns)

    @cached_property
    def wrong(self) -> np.ndarray:
        """Which predictions are wrong, bool N."""
        return self.column("label") != self.column("predicted")

    @property
    def accuracy(self) -> float:
        """The share of right predictions, 0–1."""
        return 1.0 - float(self.wrong.mean())

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The columns that a Range can be asked of, also the foreign ones."""
        known = ("index", "label", "predicted")
        return tuple(name for name in self._names if _is_number(self.scalars[name].type) and name not in known)

    @cached_property
    def words(self) -> dict[str, Words]:
        """The foreign columns that a word can be asked of."""
        encoded = {name: _encode_words(self.scalars[name]) for name in self._names if name != "path"}
        return {name: words for name, words in encoded.items() if words is not None}

    @property
    def _names(self) -> list[str]:
        """The columns but for those that share a name."""
        names = self.scalars.column_names
        return [name for name in names if names.count(name) == 1]

    def has(self, name: str, condition: Condition) -> bool:
        """Tell whether there is such a column."""
        return name in (self.words if isinstance(condition, str) else self.numbers)

    def passing(self, wanted: Filter) -> np.ndarray:
        """Tell which rows pass the filter, bool N."""
        keep = np.ones(len(self), bool) if wanted.outcome == "all" else self.wrong == (wanted.outcome == "wrong")
        for name, code in (("label", wanted.label), ("predicted", wanted.predicted)):
            if code is not None:
                keep &= self.column(name) == code
        for name, condition in wanted.columns:
            if not self.has(name, condition):
                continue
            if isinstance(condition, Range):
                values = self.column(name)
                keep &= (values >= condition.low) & (values <= condition.high)
            else:
                column = self.words[name]
                keep &= column.codes == column.words.index(condition) if condition in column.words else False
        return keep

    def select(self, wanted: Filter, order: str = "most confident first") -> np.ndarray:
        """Return the rows (int64) that pass the filter, in the order named in ORDERS; ties by row."""
        return self.in_order(self.passing(wanted), order)

    def in_order(self, keep: np.ndarray, order: str) -> np.ndarray:
        """Return row numbers (int64) where `keep` (bool N) holds, in the order named in ORDERS; ties by row."""
        rows = self._once(("order", order), lambda: np.argsort(ORDERS[order](self), kind="stable"))  # NaN is last
        return rows[keep[rows]]

    @cached_property
    def orders(self) -> tuple[str, ...]:
        """The names in ORDERS by which images differ: not by a figure that is known of none."""
        return tuple(name for name, order in ORDERS.items() if np.isfinite(order(self)).any())

    def known_order(self, order: str) -> str:
        """Return the order; where its figure is known of no image, the one that images stand in then."""
        return order if order in self.orders else self.orders[-1]

    def class_counts(self, name: Literal["label", "predicted"], wanted: Filter) -> np.ndarray:
        """Count the rows that pass with each class, whichever the filter asks for: int64 C."""
        pairs, other = self.confusion_of(wanted.columns), wanted.predicted if name == "label" else wanted.label
        right = pairs.hits if other is None else pairs.hits * (np.arange(pairs.classes) == other)
        every = pairs.per_class(name, other)
        return {"all": every, "right": right, "wrong": every - right}[wanted.outcome]

    def word_counts(self, name: str, wanted: Filter) -> np.ndarray:
        """Count the rows that pass with each of `words[name].words`, whichever the filter asks for: int64."""
        codes = self.words[name].codes[self._passing_but(name, wanted)]
        return np.bincount(codes[codes >= 0], minlength=len(self.words[name].words))

    def histogram(self, name: str, wanted: Filter, edges: np.ndarray) -> np.ndarray:
        """Count the rows that pass between each two of the edges, whatever the filter asks of this column.

        edges: float B+1, rising, 255 at most. Returns int64 B; the last edge counts as before it, NaN nowhere.
        """
        places = self._once(("places", name, edges.tobytes()), lambda: _places(self.column(name), edges))
        return np.bincount(places[self._passing_but(name, wanted)], minlength=len(edges))[:-1]

    def is_whole(self, name: str) -> bool:
        """Tell whether all finite numbers of a column are whole."""
        return bool(self._once(("whole", name), lambda: _are_whole(self.column(name))))

    def _passing_but(self, name: str, wanted: Filter) -> np.ndarray:
        others = tuple(pair for pair in wanted.columns if pair[0] != name)
        return self.passing(replace(wanted, columns=others))

    def outcome_counts(self, wanted: Filter) -> dict[Outcome, int]:
        """Count the rows that pass with each outcome, whichever the filter asks for."""
        label = slice(None) if wanted.label is None else wanted.label
        return {
            outcome: int(self.class_counts("label", replace(wanted, outcome=outcome))[label].sum())
            for outcome in get_args(Outcome)
        }

    @cached_property
    def confusion(self) -> Confusion:
        """How many images of each true class were predicted as each class."""
        return Confusion.of(self.column("label"), self.column("predicted"), len(self.class_names))

    @cached_property
    def confusion_of(self) -> Callable[[Columns], Confusion]:
        """Count the `confusion` of the rows that pass these conditions: all that Mistakes counts is in it."""

        @lru_cache(maxsize=8)
        def count(columns: Columns) -> Confusion:
            if not columns:
                return self.confusion
            keep = self.passing(Filter("all", columns=columns))
            return Confusion.of(self.column("label")[keep], self.column("predicted")[keep], len(self.class_names))

        return count

    def per_class(self) -> "pd.DataFrame":
        """Return a row for each class: class, support (images), precision and recall.

        Both lie in 0–1; precision is NaN where the class was never predicted, recall where it has no image.
        """
        import pandas as pd

        found = self.confusion
        figures = {"support": found.per_class("label"), "precision": found.precision, "recall": found.recall}
        return pd.DataFrame({"class": self.class_names, **figures})

    def most_confused(
        self, count: int = 10, label: int | None = None, predicted: int | None = None
    ) -> list[tuple[int, int, int]]:
        """Return the most frequent mistakes (of these classes, if given): codes true and predicted, images."""
        return self.confusion.most_confused(count, label, predicted)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def to_numpy(column: pa.ChunkedArray) -> np.ndarray:
    """Convert a column; numbers not by pyarrow's own way, which imports pandas: the first page comes before."""
    array = column.combine_chunks()
    is_plain = _is_number(array.type) and not array.null_count
    return np.from_dlpack(array) if is_plain else array.to_numpy(zero_copy_only=False)


def _finite_ends(values: np.ndarray) -> np.ndarray:
    finite = values[np.isfinite(values)]
    return np.array([finite.min(), finite.max()]) if len(finite) else finite


def _places(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return between which edges each value lies, uint8; the number of the last edge where between none."""
    places = np.searchsorted(edges, values, side="right") - 1
    places[values == edges[-1]] -= 1
    places[~((values >= edges[0]) & (values <= edges[-1]))] = len(edges) - 1
    return places.astype(np.uint8)


def _are_whole(values: np.ndarray) -> np.ndarray:
    finite = values[np.isfinite(values)]
    return np.array((finite == np.round(finite)).all())


def _encode_words(column: pa.ChunkedArray) -> Words | None:
    """Return the words of a column; None where it holds something else, or too many different ones."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind)):
        return None
    encoded = column.combine_chunks().dictionary_encode()
    if len(encoded.dictionary) > MOST_WORDS:
        return None
    codes = np.array(encoded.indices.fill_null(-1)).astype(np.int64)
    return Words(tuple(str(word) for word in encoded.dictionary.to_pylist()), codes)
