"""From the lines of a log to the figures of its epochs, which count from 1."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import fmean, median

from sightline.run_store.files import FileError
from sightline.run_store.metrics import METRICS_COLUMNS, MOST_EPOCHS, Epoch
from sightline.training.logs.columns import Column, shown
from sightline.training.logs.rows import Row

FIGURES = METRICS_COLUMNS[1:]
_MEAN = ("train_loss", "train_accuracy")  # over an epoch; of the others the last value counts
_LEAST_GROWTH = 0.2  # of the first value: how much a clock that runs through a training gains in any epoch
MOST_EPOCH = 10**7

NO_STEP = math.nan
Point = tuple[str, float, float, float]  # figure, epoch as the log counts it, step, value
Series = dict[int, float]  # by epoch


def epochs_of(rows: Sequence[Row], columns: Mapping[str, Column]) -> tuple[list[Epoch], list[str]]:
    """Return the epochs in their order, and sentences that say what was made of the lines.

    columns: as `choose` returns them. Raises FileError where nothing says what an epoch is, or there are too many.
    """
    named = {figure: column.name for figure, column in columns.items()}
    notes: list[str] = []
    if "epoch" in named:
        points = list(_by_epoch(rows, named))
    elif "step" in named:
        points, notes = _by_step(rows, named)
    else:
        points = [(figure, place, NO_STEP, row[name]) for place, row in enumerate(rows, 1)
                  for figure, name in named.items() if name in row]  # fmt: skip
        notes = ["No column counts epochs: each line was taken for one."]
    whole, how = _count_from_one(points)
    series, repeated = _gather(points, whole)
    if repeated:
        notes.append(f"More than once there: {_epochs(repeated)}, of which what was written last counts.")
    notes += [*how, *_as_shares(series, columns), *_as_seconds(series, columns)]
    numbers = sorted(set().union(*series.values()))
    if len(numbers) > MOST_EPOCHS:
        raise FileError(f"has {len(numbers):,} epochs, and at most {MOST_EPOCHS:,} can be drawn")
    epochs = [Epoch(number, *(series.get(name, {}).get(number, math.nan) for name in FIGURES)) for number in numbers]
    return epochs, notes + _gaps(epochs, series)


def _by_epoch(rows: Sequence[Row], named: Mapping[str, str]) -> Iterator[Point]:
    """Yield the points of a log that counts epochs.

    A line that names none belongs to the epoch before, where it is of test images, and else to the one that begins.
    """
    epoch = math.nan
    waiting: list[tuple[str, float, float]] = []
    for row in rows:
        here, here_step = row.get(named["epoch"], math.nan), row.get(named.get("step", ""), NO_STEP)
        is_known = 0 <= here < MOST_EPOCH
        if is_known:
            epoch = here
            yield from ((figure, epoch, step, value) for figure, step, value in waiting)
            waiting = []
        for figure, name in named.items():
            if figure not in FIGURES or name not in row:
                continue
            if is_known or (figure.startswith("test") and epoch >= 0):
                yield figure, epoch, here_step, row[name]
            elif figure != "seconds":  # which may be those of anything
                waiting.append((figure, here_step, row[name]))
    if epoch >= 0:
        yield from ((figure, epoch, step, value) for figure, step, value in waiting)


def _by_step(rows: Sequence[Row], named: Mapping[str, str]) -> tuple[list[Point], list[str]]:
    """Return the points of a log that counts steps, and how they became epochs. Raises FileError."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        step = row.get(named["step"], -1)
        for figure, name in named.items():
            if figure in FIGURES and name in row and 0 <= step < 2**53:
                found.setdefault(figure, []).append((step, row[name]))
    steps = {figure: {step for step, _ in pairs} for figure, pairs in found.items()}
    of_test = set().union(*(steps[figure] for figure in steps if figure.startswith("test")))
    marks = sorted(of_test or set().union(*(steps[figure] for figure in steps if figure.startswith("train"))))
    if marks and marks[-1] - marks[0] == len(marks) - 1 and marks[0] < MOST_EPOCH:
        note = "No column counts epochs: steps were taken for them."
        # A figure with more steps than there are epochs was written several times in each.
        several = {figure: math.ceil((max(known) + 1) / len(marks)) if len(known) > len(marks) else 1
                   for figure, known in steps.items()}  # fmt: skip
        points = [(figure, marks[0] + step // several[figure] if several[figure] > 1 else step, step, value)
                  for figure, pairs in found.items() for step, value in pairs]  # fmt: skip
        return points, [note]
    if not of_test:
        raise FileError("counts steps, and nothing says which of them are one epoch's; add a column “epoch”")
    points = [(figure, bisect_left(marks, step) + 1.0, step, value)
              for figure, pairs in found.items() for step, value in pairs]  # fmt: skip
    return points, ["No column counts epochs: one was taken to end at each figure of test images."]


def _count_from_one(points: Sequence[Point]) -> tuple[dict[float, int], list[str]]:
    """Return the epoch, from 1, for each number of the log; one before the training is left out."""
    numbers = sorted({epoch for _, epoch, _, _ in points})
    if any(number % 1 for number in numbers):  # 0.4 of the first epoch had passed
        return {number: math.ceil(number - 1e-6) for number in numbers if number > 1e-6}, []
    if not numbers or numbers[0] > 0:
        return {number: int(number) for number in numbers}, []
    at_zero = {figure for figure, epoch, _, _ in points if epoch == 0}
    if not any(figure.startswith("train") for figure in at_zero) and any(
        point[0].startswith("train") for point in points
    ):
        return {number: int(number) for number in numbers[1:]}, ["Epoch 0, before the training, is left out."]
    return {number: int(number) + 1 for number in numbers}, ["Epochs count from 1 here, and from 0 in the log."]


def _gather(points: Iterable[Point], whole: Mapping[float, int]) -> tuple[dict[str, Series], list[int]]:
    """Return each figure by epoch, and the epochs that were written again.

    Several values of an epoch are of its steps where these rise; else the last counts.
    """
    values: dict[tuple[str, int], list[float]] = {}
    at: dict[tuple[str, int], float] = {}
    repeated: set[int] = set()
    for figure, epoch, step, value in points:
        if epoch not in whole:
            continue
        key = figure, whole[epoch]
        if key in values and not step > at[key]:
            repeated.add(key[1])
            values[key] = []
        values.setdefault(key, []).append(value)
        at[key] = step
    series: dict[str, Series] = {}
    for (figure, number), found in values.items():
        series.setdefault(figure, {})[number] = fmean(found) if figure in _MEAN else found[-1]
    return series, sorted(repeated)


def _as_shares(series: dict[str, Series], columns: Mapping[str, Column]) -> list[str]:
    """Turn accuracies into shares of 1, in place: percent where any is above 1, and 1 − x of errors."""
    notes = []
    names = [name for name in ("train_accuracy", "test_accuracy") if name in series]
    for name in [*names]:
        known = [value for value in series[name].values() if not math.isnan(value)]
        if not all(0 <= value <= 100 + 1e-6 for value in known):
            del series[name]
            names.remove(name)
            notes.append(f"{shown([columns[name].name])} is no accuracy: it is below 0, or above 100.")
    percent = [name for name in names if any(value > 1 + 1e-6 for value in series[name].values())]
    for name in names:
        other = next((other for other in percent if other != name), None)
        if name not in percent and other and _is_nearer_in_percent(series[name], series[other]):
            percent.append(name)
    for name in names:
        scale = 100 if name in percent else 1
        is_error = columns[name].quantity == "error"
        for epoch, value in series[name].items():
            share = min(value / scale, 1.0)  # 1.0000001 is rounding
            series[name][epoch] = 1 - share if is_error else share
    if percent:
        read = " and ".join(f"{shown([columns[name].name])}" for name in names if name in percent)
        notes.append(f"{read} {'is' if len(percent) == 1 else 'are'} read as percent, since figures are above 1.")
    return notes


def _is_nearer_in_percent(small: Series, percent: Series) -> bool:
    """Tell whether figures that stay below 1 are nearer to those of the other images if both are percent.

    The first epochs with a thousand classes may all be below one percent; a log may also mix both.
    """
    both = [epoch for epoch in small if epoch in percent]
    if not both:
        return True
    return median(abs(small[epoch] - percent[epoch]) - abs(100 * small[epoch] - percent[epoch]) for epoch in both) < 0


def _as_seconds(series: dict[str, Series], columns: Mapping[str, Column]) -> list[str]:
    """Turn a clock that runs through the training into seconds of an epoch, in place; drop what may be a step's."""
    if "seconds" not in series or columns["seconds"].quantity != "time":
        return []
    clock, name = series["seconds"], shown([columns["seconds"].name])
    gains = {epoch: clock[epoch] - clock[before] for before, epoch in pairwise(sorted(clock))}
    first = clock[min(clock)]
    if gains and all(gain > _LEAST_GROWTH * first for gain in gains.values()):
        series["seconds"] = {min(clock): first} | gains
        return [f"{name} runs through the training: an epoch's seconds are what it gains."]
    if "step" in columns:
        del series["seconds"]
        return [f"{name} is not taken: it may be that of a step."]
    return []


def _gaps(epochs: Sequence[Epoch], series: Mapping[str, Series]) -> list[str]:
    """Say what is missing, and what is no number."""
    notes = []
    numbers = [epoch.epoch for epoch in epochs]
    if numbers and len(numbers) < numbers[-1] - numbers[0] + 1 <= 10 * MOST_EPOCHS:
        missing = sorted(set(range(numbers[0], numbers[-1])).difference(numbers))
        notes.append(f"Missing: {_epochs(missing)}.")
    for name in FIGURES[:4]:
        figure = name.replace("_", " ")
        known = series.get(name, {})
        if not known:
            notes.append(f"There is no {figure}.")
        elif odd := sorted(epoch for epoch, value in known.items() if not math.isfinite(value)):
            notes.append(f"The {figure} is no number in {_epochs(odd)}.")
    return notes


def _epochs(numbers: Sequence[int]) -> str:
    """Write [3, 4, 5, 9] as “epochs 3–5, 9”."""
    among = set(numbers)
    starts = [number for number in numbers if number - 1 not in among]
    ends = [number for number in numbers if number + 1 not in among]
    parts = [str(start) if start == end else f"{start}–{end}" for start, end in zip(starts, ends, strict=True)]
    return f"epoch{'s' if len(numbers) > 1 else ''} {', '.join(parts[:5])}{', …' if len(parts) > 5 else ''}"
