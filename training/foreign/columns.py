"""Which column of somebody else's table holds what."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sightline.training.foreign.scores import numbers
from sightline.training.foreign.table import LABEL, PATH, PREDICTED, word

CONFIDENCE = ("confidence", "conf", "max_prob", "prob", "probability", "score")
TIMM = ({"filename", "label", "prob"}, {"filename", "label", "logit"})  # what its inference.py writes, with an index


class Columns(NamedTuple):
    """What stands in which column of a table."""

    label: str | None
    predicted: str | None
    confidence: str | None
    path: str | None
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def columns_of(table: pa.Table) -> Columns:
    """Find labels, predicted classes and paths by the words for them, and what timm's inference.py writes."""
    flat = {word(field.name): field.name for field in table.schema if not pa.types.is_nested(field.type)}
    label, predicted, confidence, path = (_first(flat, words) for words in (LABEL, PREDICTED, CONFIDENCE, PATH))
    if predicted and pa.types.is_floating(table.schema.field(predicted).type):
        predicted = None if (np.nan_to_num(numbers(table[predicted])) % 1).any() else predicted  # scores
    if best := _first(flat, ("label_0", "index_0")):  # timm's inference.py writes the best few classes so
        others = tuple(name for name in flat.values() if re.fullmatch(r"(label|index|prob|logit)_\d+", name))
        return Columns(label, best, flat.get("prob_0"), path, others)
    if {*flat} - {"index", "", "unnamed:_0"} in TIMM:
        note = "The column label is taken for the predicted class, as timm's inference.py writes it."
        return Columns(None, label, flat.get("prob"), path, notes=(note,))
    return Columns(label, predicted, confidence if predicted else None, path)


def _first(columns: Mapping[str, str], words: Iterable[str]) -> str | None:
    return next((columns[name] for name in words if name in columns), None)
