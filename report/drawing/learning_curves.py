"""Learning curves as numbers: which quantities there are, their lines, and what a chart of them holds.

No Streamlit here, and neither Altair nor pandas: the first page is drawn before they are imported, which takes longer
than all the rest of it (benchmarks/RESULTS.md, "Dashboard").
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from sightline.run_store.metrics import Epoch

# Told apart by the colour-blind, and visible on white and on near-black.
RUN_COLOURS = ("#0b7fab", "#d1495b", "#2a9d6f", "#c77b0a", "#8e6cc0", "#6b7f8c", "#b85c9e", "#4f9ad6")

Metrics = Mapping[str, Sequence[Epoch]]  # by run name


@dataclass(frozen=True)
class Quantity:
    """What one chart shows. lines: by name, an epoch's value; the name of the only line is ""."""

    title: str  # of the axis, with its unit
    number_format: str
    lines: Mapping[str, Callable[[Epoch], float]]
    is_positive: bool = True  # whether a logarithmic axis can show it


QUANTITIES = {
    "loss": Quantity(
        "loss (nats)", ".3f", {"train": lambda epoch: epoch.train_loss, "test": lambda epoch: epoch.test_loss}
    ),
    "accuracy": Quantity(
        "accuracy (%)",
        ".1f",
        {"train": lambda epoch: 100 * epoch.train_accuracy, "test": lambda epoch: 100 * epoch.test_accuracy},
        is_positive=False,
    ),
    "gap": Quantity(
        "accuracy, train − test (points)",
        "+.1f",
        {"": lambda epoch: 100 * (epoch.train_accuracy - epoch.test_accuracy)},
        is_positive=False,
    ),
    "learning rate": Quantity("learning rate at the end", ".3g", {"": lambda epoch: epoch.learning_rate}),
    "seconds": Quantity("time (s)", ".1f", {"": lambda epoch: epoch.seconds}),
}


class Line(NamedTuple):
    """A line of a chart, of which at least one value is known. epochs and values: of the same length, NaN: unknown."""

    run: str
    name: str  # of the quantity's lines
    epochs: list[int]
    values: list[float]


def lines_of(metrics: Metrics, quantity: str) -> list[Line]:
    """Return the lines of a key of QUANTITIES that can be drawn: runs without such a figure have none."""
    lines = [
        Line(run, name, [epoch.epoch for epoch in epochs], [value_of(epoch) for epoch in epochs])
        for run, epochs in metrics.items()
        for name, value_of in QUANTITIES[quantity].lines.items()
    ]
    return [line for line in lines if not all(map(math.isnan, line.values))]


def is_known(epochs: Sequence[Epoch], quantity: str) -> bool:
    """Tell whether any value is known of a key of QUANTITIES."""
    return any(not math.isnan(value_of(epoch)) for value_of in QUANTITIES[quantity].lines.values() for epoch in epochs)


def chart(
    metrics: Metrics,
    quantity: str,
    *,
    full_size_from: Mapping[str, int] | None = None,
    smoothing: float = 0.0,
    logarithmic: bool = False,
) -> dict[str, Any]:
    """Return what a chart of a key of QUANTITIES holds, in types that JSON has.

    Of each line: its run and name, the epochs, and for each of them the value to draw (None: there is none, and the
    line passes over it), the value itself (`raw`), and that as text to read; `beside_gaps`, the epochs that have a
    point, since a line that crosses epochs without a value, or has no other, would say too much or have no length;
    `full_size_from`, the epoch to mark with a dotted rule where it has begun (RunRecord.full_size_from, by run name).

    smoothing: weight of the past in an exponential moving average, 0 up to 1, which is then the value to draw.
    logarithmic: whether the value axis is, where it can be.
    """
    shown, marked = QUANTITIES[quantity], full_size_from or {}
    is_log = logarithmic and shown.is_positive
    lines = [
        {
            "run": run,
            "name": name,
            "epochs": epochs,
            "values": [_drawable(value, is_log) for value in smoothed(raw, smoothing)],
            "raw": [_drawable(value, is_log) for value in raw],
            "texts": ["–" if math.isnan(value) else f"{value:{shown.number_format}}" for value in raw],
            "beside_gaps": sorted(_epochs_beside_gaps(epochs, raw)),
            "full_size_from": marked[run] if marked.get(run) in epochs else None,
        }
        for run, name, epochs, raw in lines_of(metrics, quantity)
    ]
    return {"quantity": quantity, "title": shown.title, "is_log": is_log, "lines": lines}


def _epochs_beside_gaps(epochs: Sequence[int], values: Sequence[float]) -> set[int]:
    """Return the epochs with a value from which a line crosses epochs without one; the only epoch that has any."""
    known = sorted(epoch for epoch, value in zip(epochs, values, strict=True) if math.isfinite(value))
    return {epoch for pair in pairwise(known) if pair[1] - pair[0] > 1 for epoch in pair} or (
        set(known) if len(known) == 1 else set()
    )


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Average exponentially, without the bias towards 0 at the beginning (Kingma and Ba 2014, section 3).

    weight: of the past, 0 up to 1. What is not finite is left out of the average, and stays where it is.
    """
    average, count, result = 0.0, 0, []
    for value in values:
        if math.isfinite(value):
            average, count = weight * average + (1 - weight) * value, count + 1
            result.append(average / (1 - weight**count))
        else:
            result.append(value)
    return result


def _drawable(value: float, is_log: bool) -> float | None:
    """Return None for what JSON (NaN, infinity) or a logarithmic axis (0) does not have."""
    return value if math.isfinite(value) and (value > 0 or not is_log) else None
