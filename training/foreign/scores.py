"""Find the probabilities or logits in a table of somebody else's, and check them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sightline.image_data import DataError
from sightline.image_data.folder.passed_over import summarise
from sightline.training.foreign.table import word

Kind = Literal["probabilities", "logits", "scores"]  # scores: either of the two, which their values say
PREFIXES: dict[str, Kind] = {
    "prob": "probabilities", "probs": "probabilities", "probability": "probabilities", "probabilities": "probabilities",
    "proba": "probabilities", "p": "probabilities", "logit": "logits", "logits": "logits", "score": "scores",
    "scores": "scores", "output": "scores", "outputs": "scores",
}  # fmt: skip
ARRAYS: dict[str, Kind] = PREFIXES | {"predictions": "scores", "preds": "scores", "y_pred": "scores"}  # of lists
SUM_TOLERANCE = 0.02  # of the probabilities of an image, which are rounded in a table
LEAST = float(np.finfo(np.float32).eps)  # instead of a probability that was rounded to 0
_COLUMN = re.compile(rf"({'|'.join(PREFIXES)})[ _.-]*(?:(\d+)|(?<=[ _.-])(.+))", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of N images for C classes."""

    values: NDArray[np.float32]
    """N×C"""
    kind: Kind
    names: tuple[str, ...] | None
    """of the classes, where the columns are called after them"""
    columns: tuple[str, ...]
    """where they stand in the table"""


def score_columns(table: pa.Table) -> dict[str, tuple[Kind, list[tuple[str, str]]]]:
    """Return prefix → kind, and name and ending of each column that starts with it, such as prob_0 or logit_cat."""
    found: dict[str, tuple[Kind, list[tuple[str, str]]]] = {}
    for field in table.schema:
        match = _COLUMN.fullmatch(field.name.strip())
        if match and is_number(field.type):
            prefix = match[1].lower()
            found.setdefault(prefix, (PREFIXES[prefix], []))[1].append((field.name, match[2] or match[3].strip()))
    return found


def find_scores(
    file: Path, table: pa.Table, class_names: Sequence[str] | None, said: Iterable[str], *, is_alone: bool
) -> Scores | None:
    """Find a column of lists, columns with a prefix, or columns that are called as classes; None where there are none.

    class_names: those that are known; said: else the names among the labels. is_alone: the table has no predicted
    class, so that a single score an image is that of the second of two classes. Raises DataError.
    """
    lists = [field.name for field in table.schema if pa.types.is_nested(field.type) and word(field.name) in ARRAYS]
    if lists:
        values = _matrix_of_lists(file, lists[0], table[lists[0]])
        return of_two(Scores(values, ARRAYS[word(lists[0])], None, (lists[0],)))
    numbers_in = [field.name for field in table.schema if is_number(field.type)]
    wanted = list(class_names if class_names is not None else sorted(said))
    by_name = {name.strip(): name for name in numbers_in}
    if len(wanted) > 1 and all(name in by_name for name in wanted):
        others = [name for name in numbers_in if pa.types.is_floating(table.schema.field(name).type)]
        columns = [by_name[name] for name in wanted]
        if class_names is None and len(others) > len(columns) and not _wrong_sums(_matrix(table, others)).any():
            columns = others  # no image is of the classes that are missing among the labels
        return Scores(_matrix(table, columns), "scores", tuple(name.strip() for name in columns), tuple(columns))
    groups = [
        (kind, found)
        for kind, found in score_columns(table).values()
        if len(found) > 1 and _are_of_classes([ending for _, ending in found], wanted)
    ]
    if groups:
        return _group(file, table, *max(groups, key=lambda group: len(group[1])))
    single = [name for name in numbers_in if word(name) in ARRAYS]
    if is_alone and single:
        return of_two(Scores(_matrix(table, single[:1]), ARRAYS[word(single[0])], None, (single[0],)))
    return None


def of_two(scores: Scores) -> Scores:
    """Make of a single score an image, N×1, that of the second of two classes, those of both; others are as they are.

    A logit is against 0, as of a sigmoid.
    """
    if scores.values.shape[1] != 1:
        return scores
    score = scores.values
    is_share = scores.kind == "probabilities" or scores.kind == "scores" and score.min() >= 0 and score.max() <= 1
    both = np.hstack([1 - score if is_share else np.zeros_like(score), score])
    return replace(scores, values=both, kind="probabilities" if is_share else "logits")


def _are_of_classes(endings: Sequence[str], known: Sequence[str]) -> bool:
    """Tell whether columns stand for classes: other columns may start with "score" too."""
    return not known or all(map(str.isdecimal, endings)) or not {*known}.isdisjoint(endings)


def _group(file: Path, table: pa.Table, kind: Kind, found: list[tuple[str, str]]) -> Scores:
    if not all(ending.isdecimal() for _, ending in found):
        columns, endings = zip(*found, strict=True)
        return Scores(_matrix(table, columns), kind, endings, columns)
    numbered = sorted((int(ending), name) for name, ending in found)
    first, columns = numbered[0][0], tuple(name for _, name in numbered)
    if first > 1 or [number for number, _ in numbered] != list(range(first, first + len(numbered))):
        raise DataError(f"{file} has columns {summarise(list(columns))}: number them from 0, without gaps.")
    return Scores(_matrix(table, columns), kind, None, columns)


def as_logits(file: Path, scores: Scores) -> tuple[NDArray[np.float32], list[str]]:
    """Return logits N×C, of probabilities their logarithms, and notes for the user.

    Raises DataError where values are not finite, or probabilities are none or do not sum to one.
    """
    values, kind, notes = scores.values, scores.kind, list[str]()
    refuse(file, np.any(~np.isfinite(values), axis=1), f"{kind} that are NaN, infinite or missing")
    if kind != "logits" and (values >= 0).all() and not _wrong_sums(values / np.float32(100)).any():
        values = values / np.float32(100)
        notes.append(f"The {kind} in {file} sum to 100 and are taken for percent.")
    outside = np.any((values < 0) | (values > 1 + SUM_TOLERANCE), axis=1)
    if kind == "scores" and outside.any():
        notes.append(f"The scores in {file} are no probabilities, and are taken for logits.")
        kind = "logits"
    if kind == "logits":
        return values, notes
    refuse(file, outside, "probabilities outside 0–1")
    wrong = _wrong_sums(values)
    first = values[wrong][:1].sum()
    refuse(
        file,
        wrong,
        f"{kind} that do not sum to 1 ({first:.3g} in the first of them); "
        "call logits so: columns logit_0, logit_1 …, or an array logits",
    )
    return np.log(np.maximum(values, min(LEAST, float(values[values > 0].min())))), notes


def _wrong_sums(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which rows do not sum to one, bool N."""
    return np.abs(values.sum(axis=1, dtype=np.float64) - 1) > SUM_TOLERANCE


def refuse(file: Path, wrong: NDArray[np.bool_], what: str) -> None:
    """Raise the DataError that names the rows that have `what`, bool N, counted from 1; none if there are none."""
    rows = [f"{row + 1:,}" for row in np.flatnonzero(wrong)]
    if rows:
        raise DataError(f"{file} has, in row{'s' * (len(rows) > 1)} {summarise(rows)} of {len(wrong):,}, {what}.")


def _matrix(table: pa.Table, columns: Sequence[str]) -> NDArray[np.float32]:
    return np.column_stack([_single(table[name]) for name in columns])


def _single(column: pa.ChunkedArray) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # infinity is refused with the other values
        return numbers(column).astype(np.float32)


def numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return a column of numbers or truth values, NaN where there is none."""
    return np.asarray(column.combine_chunks().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _matrix_of_lists(file: Path, name: str, column: pa.ChunkedArray) -> NDArray[np.float32]:
    lengths = np.array(pc.fill_null(pc.list_value_length(column), -1).combine_chunks())
    refuse(file, lengths != np.bincount(lengths.clip(0)).argmax(), f"another number of {name} than in the others")
    values = pa.chunked_array([column.combine_chunks().flatten()])
    if not is_number(values.type) or lengths[0] < 1:
        raise DataError(f"{file} holds no numbers in the lists of {name}.")
    return _single(values).reshape(len(column), -1)


def is_number(kind: pa.DataType) -> bool:
    """Tell whether a column of this type holds numbers."""
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)
