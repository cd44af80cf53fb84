"""Find in a checkpoint what lies beside the weights: the accuracy that it claims, and the names of its classes."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sightline.model_zoo.pickled import Made

Entries = Callable[[object], Mapping[str, Any]]  # the entries of a dict, or the attributes of an object
Number = Callable[[object], float | None]  # one number, whichever way it was saved
MOST_ENTRIES, MOST_DEPTH = 200_000, 4  # that are looked at, and how deep they may lie in each other
MOST_CLASSES, MOST_LETTERS = 2**15, 200

# Names of an accuracy, in the order in which they are believed: those of the weights themselves go before the best so
# far, which may be of other weights.
_ACCURACY = re.compile(r"(^|_)(acc|accuracy|top_?1|acc_?1|prec_?1|acc_at_?1|top1_acc)(_epoch)?$")
_ORDER = ("test", "val", "eval")
_CLASSES = (
    "class_names",
    "classes",
    "idx_to_class",
    "id2label",
    "class_to_idx",
    "label2id",
    "label_names",
    "categories",
)


def claimed_accuracy(content: object, file_name: str, entries: Entries, number: Number) -> tuple[float | None, str]:
    """Return the accuracy (0–1) that a checkpoint claims for its weights, and under which key; None where it has none.

    From 1 up to 100 a figure is taken for percent. 1 itself may be either, and 0 is where a best one begins: no claim.
    """
    claims: list[tuple[int, float, str]] = []
    for place in _places(content, entries):
        for name in place:
            value = _share(number(place[name])) if (rank := _rank(name)) is not None else None
            if value is not None and rank is not None:
                claims.append((rank, value, name))
        for value, name in (_of_timm(place, entries, number), _of_lightning(place, file_name, entries, number)):
            if value is not None:
                claims.append((0, value, name))
    _, value, name = min(claims, key=lambda claim: claim[0], default=(0, None, ""))
    return value, name


def class_names(content: object, entries: Entries) -> tuple[str, ...]:
    """Return the names of the classes that lie in a checkpoint, in the order of its outputs; () unless all agree."""
    found = {
        names
        for place in _places(content, entries)
        for name in place
        if name.lower() in _CLASSES and (names := _names(place[name]))
    }
    return found.pop() if len(found) == 1 else ()


def _places(content: object, entries: Entries) -> Iterator[Mapping[str, Any]]:
    """Yield the dicts and objects in a checkpoint, from the outermost on."""
    pending, seen, budget = [(content, 0)], set(), MOST_ENTRIES
    for value, depth in pending:
        if id(value) in seen or budget < 0:
            continue
        seen.add(id(value))
        place = entries(value)
        budget -= len(place)
        yield place
        if depth < MOST_DEPTH and budget > 0:
            pending += [(value, depth + 1) for value in place.values() if isinstance(value, (dict, Made))]


def _rank(name: str) -> int | None:
    """Return how soon an entry of this name is believed to be the accuracy of the weights; None: it is none."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()) if len(name) <= MOST_LETTERS else ""
    if not _ACCURACY.search(plain) or "train" in plain:
        return None
    if "best" in plain:
        return len(_ORDER) + 1
    return next((place for place, word in enumerate(_ORDER) if word in plain), len(_ORDER))


def _share(value: float | None) -> float | None:
    """Return an accuracy, 0–1, of a figure that may be percent; None where that cannot be told."""
    if value is None or not 0 < value <= 100 or value == 1:
        return None
    return round(value if value < 1 else value / 100, 7)  # as much as float32 holds


def _of_timm(place: Mapping[str, Any], entries: Entries, number: Number) -> tuple[float | None, str]:
    """Read what timm's training script saved: in percent, if it is an accuracy that it looked at."""
    looked_at = entries(place.get("args")).get("eval_metric", "top1")
    value = number(place.get("metric")) if "arch" in place and looked_at in ("top1", "acc1") else None
    return (round(value / 100, 7) if value is not None and 0 < value <= 100 else None), "metric"


def _of_lightning(
    place: Mapping[str, Any], file_name: str, entries: Entries, number: Number
) -> tuple[float | None, str]:
    """Read what Lightning's ModelCheckpoint remembers of an accuracy: of this very file, of this epoch, or the best."""
    monitored = place.get("monitor")
    if not isinstance(monitored, str) or _rank(monitored) is None:
        return None, ""
    of_files = entries(place.get("best_k_models"))
    of_file = next((score for path, score in of_files.items() if re.split(r"[/\\]", path)[-1] == file_name), None)
    scores = (number(score) for score in (of_file, place.get("current_score"), place.get("best_model_score")))
    return _share(next((score for score in scores if score is not None), None)), monitored


def _names(found: object) -> tuple[str, ...]:
    """Return the names of classes in a list, or in a dict from their codes or to them; () where it is none of these."""
    if isinstance(found, dict) and all(isinstance(name, str) for name in found.values()):
        found = [found.get(str(code)) for code in range(len(found))]
    elif isinstance(found, dict):
        codes = {code: name for name, code in found.items() if type(code) is int}
        found = [codes.get(code) for code in range(len(found))]
    if not isinstance(found, (list, tuple)) or not 2 <= len(found) <= MOST_CLASSES:
        return ()
    names = tuple(name for name in found if isinstance(name, str) and 0 < len(name) <= MOST_LETTERS)
    return names if len({*names}) == len(found) else ()
