"""The figures of a run in a table: as they are sorted, and as they are read."""

import math
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sightline.report.address.run_order import COLUMNS, SETTINGS
from sightline.report.words.text import count, duration, percent
from sightline.run_store.metrics import Epoch
from sightline.run_store.record import RunRecord


def values(record: RunRecord | None, metrics: Sequence[Epoch], accuracy: float | None) -> Mapping[str, Any]:
    """Return what stands in the columns, by their ids; of an epoch, the last in which it is known. None: not known.

    accuracy: of the predictions, where the epochs may be of other images. Accuracies are shares, times seconds, the
    date seconds since 1970.
    """
    tested = [epoch for epoch in metrics if not math.isnan(epoch.test_accuracy)]
    best = max(tested, key=lambda epoch: epoch.test_accuracy, default=None)
    gaps = [gap for epoch in metrics if not math.isnan(gap := epoch.train_accuracy - epoch.test_accuracy)]
    seconds = [epoch.seconds for epoch in metrics if not math.isnan(epoch.seconds)]
    found = {
        "accuracy": accuracy if accuracy is not None else tested[-1].test_accuracy if tested else None,
        "best": best.test_accuracy if best else None,
        "best_epoch": best.epoch if best else None,
        "gap": gaps[-1] if gaps else None,
        "epochs": metrics[-1].epoch if metrics else None if record and record.foreign else 0,
        "time": sum(seconds) if seconds else None,
    }
    if record is None:
        return found
    about = {
        "date": made_at(record.created),
        "parameters": record.parameters or None,
        "model": record.model or None,
        "data": record.dataset or None,
    }
    return found | about | {name: record.recipe.get(name) for name in SETTINGS}


def made_at(created: str) -> float | None:
    """Return the second since 1970 of an ISO 8601 time, UTC where it names no zone; None for what is none.

    >>> made_at("1970-01-01T00:01:00Z"), made_at("1970-01-01T00:01:00"), made_at("yesterday")
    (60.0, 60.0, None)
    >>> made_at("0001-01-01T00:00:00+14:00")  # which in UTC lies in no year that there is
    """
    try:
        found = datetime.fromisoformat(created)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def texts(found: Mapping[str, Any], columns: Sequence[str]) -> tuple[str, ...]:
    """Write what stands in these columns."""
    return tuple(_text(column, found.get(column), found) for column in columns)


def _text(column: str, value: Any, found: Mapping[str, Any]) -> str:
    if value is None:
        return "–"
    if column not in COLUMNS:
        return ("yes" if value else "no") if isinstance(value, bool) else _plain(column, value)
    if column == "accuracy":
        return percent(value)
    if column == "best":
        return f"{percent(value)} ({found['best_epoch']})"
    if column == "gap":
        return f"{100 * value:+.1f} points".replace("-", "−")
    if column == "date":
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if column == "time":
        return duration(value)
    return count(value) if column == "parameters" else str(value)


def _plain(column: str, value: Any) -> str:
    """Write a setting: 0.05 as “0.05”, of a path its last part."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return os.path.basename(text) if column in ("without", "pretrained") else text


def differing_settings(records: Sequence[RunRecord]) -> list[str]:
    """Name the settings that are not the same in all trainings; one that a training does not have counts as None."""
    return [name for name in SETTINGS if len({str(record.recipe.get(name)) for record in records}) > 1]


def sources(record: RunRecord | None) -> str:
    """Name the files that a foreign run was made of: “weights: best.pt, log: metrics.csv”."""
    found = record.recipe if record and record.foreign else {}
    named = {name: found.get(name) for name in ("weights", "predictions", "log")}
    return ", ".join(f"{name}: {os.path.basename(str(file))}" for name, file in named.items() if file)
