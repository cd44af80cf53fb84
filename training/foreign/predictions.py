"""Predictions that another program wrote: what a table says of every image, checked, and nothing guessed in silence."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import logsumexp

from sightline.image_data import DataError
from sightline.image_data.objects.labels import MOST_CLASSES
from sightline.run_store.predictions import REQUIRED_COLUMNS
from sightline.training.foreign.columns import columns_of
from sightline.training.foreign.scores import LEAST, Scores, as_logits, find_scores, is_number, numbers, refuse
from sightline.training.foreign.table import listed, read_table, word

ROUNDING = 1e-3  # of logits, where the predicted class is compared with the largest
_WHOLE = re.compile(r"-?\d{1,9}(\.0*)?")


@dataclass(frozen=True, eq=False)
class ForeignPredictions:
    """What a table says of N images and C classes."""

    file: Path
    class_names: tuple[str, ...] | None
    """In the order of the codes; None where the table has codes alone."""
    predicted: NDArray[np.int64]
    """N codes."""
    labels: NDArray[np.int64] | None
    """N codes; None where the table has no truth."""
    logits: NDArray[np.float32] | None
    """N×C, of probabilities their logarithms; None where there are predicted classes alone."""
    confidence: NDArray[np.float32] | None
    """N probabilities of the predicted class, where there are these and no others."""
    paths: tuple[str, ...] | None
    """N, as they stand in the table; None where its order says which image a row is of."""
    extra: pa.Table
    """N rows of the other columns that hold numbers, words, or true and false."""
    notes: tuple[str, ...] = ()
    """Sentences for the user on what was understood how."""

    def __len__(self) -> int:
        return len(self.predicted)

    def rows(self, rows: NDArray[np.int64]) -> "ForeignPredictions":
        """Return some of the images, in this order."""

        def taken(values: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if values is None else values[rows]

        return replace(
            self,
            predicted=self.predicted[rows],
            labels=taken(self.labels),
            logits=taken(self.logits),
            confidence=taken(self.confidence),
            paths=None if self.paths is None else tuple(self.paths[row] for row in rows),
            extra=self.extra.take(rows),
        )

    def of_classes(self, class_names: Sequence[str], codes: NDArray[np.int64]) -> "ForeignPredictions":
        """Return the same of other classes: of each of these, its code among `class_names`. One that is new has 0 %."""
        logits = None
        if self.logits is not None:
            shares = self.logits - logsumexp(self.logits, axis=1, keepdims=True)
            logits = np.full((len(self), len(class_names)), np.log(LEAST), np.float32)
            logits[:, codes] = shares
        labels = None if self.labels is None else codes[self.labels]
        return replace(
            self, class_names=tuple(class_names), predicted=codes[self.predicted], labels=labels, logits=logits
        )

    @property
    def classes(self) -> int:
        """C where it is known, else one more than the largest code."""
        if self.class_names is not None:
            return len(self.class_names)
        if self.logits is not None:
            return self.logits.shape[1]
        return 1 + max(int(codes.max()) for codes in (self.predicted, self.labels) if codes is not None)


def read_foreign_predictions(
    file: Path, class_names: tuple[str, ...] | None, in_data: tuple[str, ...] = ()
) -> ForeignPredictions:
    """Read what another program predicted: labels, and probabilities, logits or just the predicted classes.

    Columns are found by the words of `table` and `scores`: label, target, y_true …; predicted, y_pred
    …; path, filename …; scores in one column of lists, or a column a class, called as it or prob_0, logit_0 …

    class_names: of the model, in its order; None: those of the columns, else, where the labels are words, `in_data`,
    the classes of the data set, if all of them are among these, else the labels, sorted.

    Raises:
        DataError: it is no such table, or a row says what cannot be; the sentence names rows, from 1.
    """
    table, found = read_table(file)
    columns = columns_of(table)
    answers = {name: _values(file, name, table[name]) for name in (columns.label, columns.predicted) if name}
    said = sorted({value for values in answers.values() if isinstance(values, list) for value in values})
    if all(map(_WHOLE.fullmatch, said)):  # codes, unless classes are called so
        said = []
    rest = table.drop_columns(list(columns.others))
    scores = find_scores(file, rest, class_names or found, said or in_data, is_alone=not columns.predicted)
    likely = in_data if said and {*said} <= {*in_data} else tuple(said)
    names, scores, notes = _classes(file, class_names or found, scores, likely)
    classes = len(names) if names else scores.values.shape[1] if scores else MOST_CLASSES
    codes = {name: _codes(file, name, values, names, classes) for name, values in answers.items()}
    predicted = codes.get(columns.predicted or "")
    logits, more = as_logits(file, scores) if scores else (None, [])
    if logits is not None:
        predicted = _most_probable(file, logits, predicted)
    if predicted is None:
        raise DataError(
            f"{file} says of no image what was predicted: it has {listed(table.column_names)}; in its first line, "
            "call columns prob_0, prob_1 … or logit_0, logit_1 …, or one of them predicted."
        )
    used = {*columns[:4], *columns.others, *(scores.columns if scores else ())}
    return ForeignPredictions(
        file,
        names,
        predicted,
        codes.get(columns.label or ""),
        logits,
        _confidence(file, table, None if scores else columns.confidence),
        _paths(file, table, columns.path),
        table.select([field.name for field in table.schema if field.name not in used and _is_kept(field)]),
        (*notes, *more, *columns.notes),
    )


def _values(file: Path, name: str, column: pa.ChunkedArray) -> list[str] | NDArray[np.int64]:
    """Return the words of a column of classes in NFC, or its codes."""
    if is_number(column.type) or pa.types.is_boolean(column.type):
        codes = numbers(column)
        refuse(file, np.isnan(codes), f"no {name}")
        refuse(file, np.abs(codes) > MOST_CLASSES, f"a {name} that is no code of a class")
        refuse(file, codes % 1 != 0, f"a {name} that is no code of a class")
        return codes.astype(np.int64)
    values = ["" if value is None else str(value).strip() for value in column.to_pylist()]
    refuse(file, np.array(values) == "", f"no {name}")
    return [unicodedata.normalize("NFC", value) for value in values]


def _classes(
    file: Path, given: Sequence[str] | None, scores: Scores | None, likely: Sequence[str]
) -> tuple[tuple[str, ...] | None, Scores | None, list[str]]:
    """Return the names of the classes, the scores in this order, and notes. Raises DataError where they do not fit."""
    called = scores.names if scores else None
    names = tuple(given or called or likely) or None
    if scores is None or names is None:
        return names, scores, []
    if called and {*called} != {*names}:
        raise DataError(f"{file} has scores for {listed(called)}, and the classes are {listed(names)}.")
    if scores.values.shape[1] != len(names):
        raise DataError(
            f"{file} has {scores.values.shape[1]:,} scores an image, and the classes are {len(names):,}: "
            f"{listed(names)}; name those of the model, in its order, with --classes FILE."
        )
    if called:
        return names, replace(scores, values=scores.values[:, [called.index(name) for name in names]]), []
    in_order = f"The scores in {file} are taken to be of {listed(names)}, in this order; --classes FILE names another."
    return names, scores, [] if given else [in_order]


def _codes(
    file: Path, name: str, values: list[str] | NDArray[np.int64], names: Sequence[str] | None, classes: int
) -> NDArray[np.int64]:
    """Return codes, of words by their place among the names. Raises DataError for what is no class."""
    places = {each: code for code, each in enumerate(names or ())}
    if isinstance(values, list):
        unknown = np.array([value not in places for value in values])
        if not unknown.any():
            return np.array([places[value] for value in values], np.int64)
        odd = np.array([not _WHOLE.fullmatch(value) for value in values])
        if odd.any():
            wrong = unknown & odd if (unknown & odd).any() else unknown
            value = values[int(wrong.argmax())][:50]
            refuse(file, wrong, f"a {name} that is no class ({value}); the classes are {listed(names or ())}")
        values = np.array([int(float(value)) for value in values], np.int64)
    refuse(file, (values < 0) | (values >= classes), f"a {name} outside 0–{classes - 1}")
    return values


def _most_probable(file: Path, logits: NDArray[np.float32], predicted: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the classes of the largest scores, which may not contradict what the table says is predicted."""
    if predicted is None:
        return logits.argmax(axis=1)
    is_less = logits[np.arange(len(logits)), predicted] < logits.max(axis=1) - ROUNDING
    refuse(file, is_less, "a predicted class without the largest score; the scores may be in another order of classes")
    return predicted


def _confidence(file: Path, table: pa.Table, name: str | None) -> NDArray[np.float32] | None:
    if name is None or not is_number(table.schema.field(name).type):
        return None
    values = numbers(table[name])
    refuse(file, ~((values >= 0) & (values <= 1)), f"a {name} that is missing or outside 0–1")
    return values.astype(np.float32)


def _paths(file: Path, table: pa.Table, name: str | None) -> tuple[str, ...] | None:
    if name is None:
        return None
    paths = ["" if path is None else str(path).strip() for path in table[name].to_pylist()]
    refuse(file, np.array(paths) == "", f"no {name}")
    first = {path: row for row, path in reversed([*enumerate(paths)])}
    refuse(file, np.array([first[path] != row for row, path in enumerate(paths)]), f"a {name} that is there before")
    return tuple(paths)


def _is_kept(field: pa.Field) -> bool:
    """Tell whether a column may become a filter: pandas' own index may not, nor one that the run has itself."""
    if word(field.name) in (*REQUIRED_COLUMNS, "path", "") or re.match(r"Unnamed: |__index_level_", field.name):
        return False
    return is_number(field.type) or pa.types.is_boolean(field.type) or pa.types.is_string(field.type)
