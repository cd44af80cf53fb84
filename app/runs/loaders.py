"""What is read from runs, cached; maps.compute has what needs the model. No other file has an st.cache_* function.

Entries are keyed by path, modification time and size of the files behind them. What is looked up many times a click is
kept by lru_cache, which takes a thousandth of the time; st.cache_* lets only one of many users compute.
"""

import gc
import io
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st
from pyarrow.json import ParseOptions, read_json

from sightline.app.elements.learning_curves import learning_curves
from sightline.run_store.comparison import Comparison
from sightline.run_store.metrics import Epoch
from sightline.run_store.neighbours import nearest, unit_rows
from sightline.run_store.predictions import Predictions
from sightline.run_store.quality import QualityRow, read_quality
from sightline.run_store.run import (
    FEATURES_FILE,
    IMAGES_FILE,
    MASKS_FILE,
    METRICS_FILE,
    MODEL_FILE,
    PREDICTIONS_FILE,
    QUALITY_FILE,
    RECORD_FILE,
    Run,
    RunError,
    RunRecord,
    State,
    is_locked,
)

MOST_NEIGHBOURS = 50_000  # images that are searched for similar ones: 100 MB of memory for ResNet18
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class RunStatus:
    """reason: why a run failed, was interrupted or is damaged, in a sentence; empty otherwise."""

    state: State
    reason: str = ""


def status(run: Run) -> RunStatus:
    return _status(str(run.path), file_stamps(run, RECORD_FILE, PREDICTIONS_FILE, IMAGES_FILE), is_locked(run.path))


def record(run: Run) -> RunRecord:
    """Raises RunError."""
    return _record(str(run.path), file_stamps(run, RECORD_FILE))


def metrics(run: Run) -> list[Epoch]:
    """Raises RunError."""
    return _metrics(str(run.path), file_stamps(run, METRICS_FILE))


def predictions(run: Run) -> Predictions:
    """Raises RunError."""
    return _predictions(str(run.path), file_stamps(run, RECORD_FILE, PREDICTIONS_FILE, IMAGES_FILE))


def comparison(before: Run, after: Run) -> Comparison:
    """Of runs on the same test split. Raises RunError."""
    stamps = (file_stamps(run, RECORD_FILE, PREDICTIONS_FILE, IMAGES_FILE) for run in (before, after))
    return _comparison(str(before.path), str(after.path), *stamps)


def images(run: Run) -> np.ndarray:
    """uint8 N×H×W×3, memory-mapped, read-only. Raises RunError."""
    return _images(str(run.path), file_stamps(run, IMAGES_FILE))


def masks(run: Run) -> np.ndarray | None:
    """uint8 N×H×W, memory-mapped, read-only; None where the data set has none. Raises RunError."""
    return _masks(str(run.path), file_stamps(run, MASKS_FILE))


def similar(run: Run, image: int, count: int) -> np.ndarray:
    """int64: the images of the test split nearest to `image` in the penultimate features; not to be written to.

    Raises RunError.
    """
    return _similar(str(run.path), file_stamps(run, RECORD_FILE, FEATURES_FILE, IMAGES_FILE), image, count)


def quality(run: Run) -> list[QualityRow]:
    """How far its maps may be believed; empty where that was not measured. Raises RunError."""
    return _quality(str(run.path), file_stamps(run, QUALITY_FILE, MODEL_FILE))


def images_token(run: Run) -> str:
    """Changes whenever the images do: part of every thumbnail's URL, which browsers keep for ever."""
    return "-".join(f"{number:x}" for _, *numbers in file_stamps(run, IMAGES_FILE) for number in numbers)


@st.cache_data(max_entries=32, show_spinner=False)
def matrix_spec(class_names: tuple[str, ...], dark: bool, is_large: bool) -> dict[str, Any]:
    """Vega-Lite of the confusion matrix without its data: Altair takes longer to write it than a click may last."""
    from sightline.app.elements.matrix_chart import confusion_cells, confusion_matrix  # which import Altair and pandas

    nothing = confusion_cells(np.zeros((1, 1), int), class_names[:1])
    spec = confusion_matrix(nothing, class_names, dark=dark, is_large=is_large).to_dict()
    return {key: value for key, value in spec.items() if key not in ("data", "datasets")}


def curves_spec(
    shown: Mapping[str, Run], quantity: str, colours: Mapping[str, str], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Vega-Lite of the learning curves with their data, by title; options: of `learning_curves`. Raises RunError."""
    key = tuple((title, str(run.path), file_stamps(run, METRICS_FILE), colours[title]) for title, run in shown.items())
    return _curves_spec(key, quantity, options)


@st.cache_resource(show_spinner=False)
def warm_up(delay: float = 3.0) -> threading.Thread:
    """Once a server: import what other pages need, after the first one is drawn."""

    def load() -> None:
        time.sleep(delay)
        for name in (
            "sightline.app.elements.matrix_chart",
            "sightline.explain.attribution.engine",
        ):  # which import Altair and pandas, and torch
            import_module(name)
        gc.collect()
        gc.freeze()  # from then on a full collection, in which nobody is answered, takes some 15 ms instead of 190

    thread = threading.Thread(target=load, name="warm-up", daemon=True)
    thread.start()
    return thread


def file_stamps(run: Run, *names: str) -> Stamp:
    """Part of a cache's key: changes with the files."""
    return tuple(file_stamp(run.path / name) for name in names)


def file_stamp(file: Path) -> tuple[str, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (file.name, 0, -1)
    return (file.name, found.st_mtime_ns, found.st_size)


@lru_cache(256)
def _status(path: str, stamp: Stamp, locked: bool) -> RunStatus:
    run = Run(Path(path))
    state = run.state
    return RunStatus(state, _reason(run, state))


def _reason(run: Run, state: State) -> str:
    if state == "interrupted":
        what = "evaluation" if run.record.evaluated_only else "training"
        return f"The {what} stopped before its end. {_resume_hint(run)}"
    if state == "failed":
        return f"{run.record.reason or 'The training failed and left no reason.'} {_resume_hint(run)}"
    if state == "damaged":
        try:
            _ = run.record
            run.predictions()
        except RunError as error:
            return str(error)
    return ""


def _resume_hint(run: Run) -> str:
    if run.record.evaluated_only:
        return f"Finish it with: sightline evaluate --run {run.path}"
    return f"The same command with --run {run.path} --resume goes on after its last finished epoch."


@lru_cache(256)
def _record(path: str, stamp: Stamp) -> RunRecord:
    return Run(Path(path)).record


@lru_cache(256)
def _metrics(path: str, stamp: Stamp) -> list[Epoch]:
    return Run(Path(path)).metrics()


@st.cache_resource(max_entries=8, show_spinner=False)
def _predictions(path: str, stamp: Stamp) -> Predictions:
    return Run(Path(path)).predictions()


@st.cache_resource(max_entries=8, show_spinner=False)
def _comparison(before: str, after: str, before_stamp: Stamp, after_stamp: Stamp) -> Comparison:
    found = Comparison(_predictions(before, before_stamp), _predictions(after, after_stamp))
    first, second = ((len(predictions), predictions.class_names) for predictions in (found.before, found.after))
    if first != second:  # the fingerprint of one of them is not that of its images
        raise RunError(f"Runs {Path(before).name} and {Path(after).name} do not have the same images and classes.")
    return found


@lru_cache(16)
def _images(path: str, stamp: Stamp) -> np.ndarray:
    return Run(Path(path)).images()


@st.cache_resource(max_entries=2, show_spinner=False)
def _unit_features(path: str, stamp: Stamp) -> np.ndarray:
    return unit_rows(Run(Path(path)).features()[:MOST_NEIGHBOURS])


@st.cache_resource(max_entries=4096, show_spinner=False)
def _similar(path: str, stamp: Stamp, image: int, count: int) -> np.ndarray:
    units = _unit_features(path, stamp)  # 100 MB to go through, while the image stays the same for many clicks
    found = nearest(units, unit_rows(Run(Path(path)).features()[image : image + 1])[0], count + 1)
    return found[found != image][:count]


@lru_cache(16)
def _quality(path: str, stamp: Stamp) -> list[QualityRow]:
    return read_quality(Run(Path(path)))


@lru_cache(16)
def _masks(path: str, stamp: Stamp) -> np.ndarray | None:
    return Run(Path(path)).masks()


@st.cache_data(max_entries=64, show_spinner=False)
def _curves_spec(
    shown: tuple[tuple[str, str, Stamp, str], ...], quantity: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    metrics = {title: _metrics(path, stamp) for title, path, stamp, _ in shown}
    colours = {title: colour for title, *_, colour in shown}
    spec = learning_curves(metrics, quantity, colours, **options)
    return spec | {"datasets": {name: arrow_rows(rows) for name, rows in spec["datasets"].items()}}


def arrow_rows(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows with the same keys. Through JSON, since `pa.table` imports pandas, as Streamlit does for anything else."""
    if not rows:
        return rows
    kinds = {str: pa.string(), bool: pa.bool_(), int: pa.int64()}  # else Arrow reads a run's name as a date
    schema = pa.schema([(key, kinds.get(type(value), pa.float64())) for key, value in rows[0].items()])
    content = "\n".join(map(json.dumps, rows)).encode()
    return read_json(io.BytesIO(content), parse_options=ParseOptions(explicit_schema=schema))
