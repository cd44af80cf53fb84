"""Labels as data sets give them, as codes; and the names of classes that data sets know."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.folder.passed_over import summarise
from sightline.image_data.objects.pictures import as_array
from sightline.image_data.splits import DataError

MOST_CLASSES = 2**15 - 1  # that a run may have: a label of no sense would otherwise fill the memory with names


def label_of(value: Any) -> int | str:
    """Return the code, or the name, that a label stands for. Raises DataError, without whose image it is.

    It may be a number of any library, a name, an array of length 1, or a row with a single 1 (one-hot).

    >>> label_of(np.array([3])), label_of([0, 0, 1]), label_of("cat"), label_of(True)
    (3, 2, 'cat', 1)
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    try:
        numbers = as_array(value)
        if numbers.dtype.kind in "US" and numbers.size == 1:
            return str(numbers.item())
        numbers = numbers.astype(np.float64).ravel()
    except (TypeError, ValueError):
        raise DataError(f"it has a label of type {type(value).__name__}, not a whole number or a name") from None
    if numbers.size > 1 and set(numbers) <= {0, 1}:
        if numbers.sum() == 1:
            return int(numbers.argmax())
        raise DataError(f"it has {numbers.sum():.0f} classes; Sightline is for one class an image")
    if numbers.size != 1 or numbers[0] != np.rint(numbers[0]) or abs(numbers[0]) > 2**53:
        raise DataError(f"it has the label {str(value)[:40]}, not a whole number or a name")
    return int(numbers[0])


def codes(labels: Sequence[int | str], names: tuple[str, ...]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels as codes, and the names of the classes.

    names: of the classes, in the order of their codes; none: the labels' own, sorted, or "0", "1", … for codes.
    Raises DataError for a label that is out of range.
    """
    are_names = [isinstance(label, str) for label in labels]
    if any(are_names) and not all(are_names):
        raise DataError(f"Labels must be all names or all numbers; item {are_names.index(False)} has a number.")
    if any(are_names):
        return _by_name([unicodedata.normalize("NFC", str(label)) for label in labels], names)
    numbers = np.array(labels, dtype=np.int64)
    outside = np.flatnonzero((numbers < 0) | (numbers >= (len(names) or np.inf)))
    if len(outside):
        allowed = f"0 to {len(names) - 1} ({summarise(list(names))})" if names else "0 or more"
        hint = "A split without labels has -1 instead." if (numbers == -1).all() else "Codes count from 0."
        raise DataError(f"Item {outside[0]} has the label {numbers[outside[0]]}; it may be {allowed}. {hint}")
    return numbers, names or numbered(numbers)


def numbered(labels: NDArray[np.integer[Any]]) -> tuple[str, ...]:
    """Return "0", "1", … as the names of classes that have none. Raises DataError where there would be too many."""
    largest = int(labels.max(initial=-1))
    if largest >= MOST_CLASSES:
        raise DataError(
            f"The largest label is {largest:,}, and there may be {MOST_CLASSES:,} classes: number them from 0, without "
            "gaps, or give their names."
        )
    return tuple(map(str, range(largest + 1)))


def _by_name(labels: list[str], names: tuple[str, ...]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    names = names or tuple(sorted(set(labels)))
    by_name = {name: code for code, name in enumerate(names)}
    for row, label in enumerate(labels):
        if label not in by_name:
            raise DataError(f"Item {row} is of the class {label!r}, which is not among {summarise(list(names))}.")
    return np.array([by_name[label] for label in labels], dtype=np.int64), names


def names_of(data: Any) -> tuple[str, ...]:
    """Return the names of its classes that a data set knows, in the order of their codes; none where it knows none."""
    features = getattr(data, "features", None)
    if isinstance(features, Mapping):
        found: Any = next((each.names for each in features.values() if getattr(each, "names", None)), None)
    else:
        candidates = (getattr(data, name, None) for name in ("classes", "class_names", "categories"))
        found = next((each for each in candidates if isinstance(each, (list, tuple)) and each), None)
    info = getattr(data, "info", None)
    by_code = info.get("label") if isinstance(info, Mapping) else None  # MedMNIST's
    if found is None and isinstance(by_code, Mapping) and by_code:
        found = [by_code.get(str(code), by_code.get(code)) for code in range(len(by_code))]
    if found is None or not all(isinstance(name, (str, tuple)) for name in found):
        return ()
    # ImageNet of torchvision has several names for each class.
    return tuple(unicodedata.normalize("NFC", name if isinstance(name, str) else ", ".join(name)) for name in found)
