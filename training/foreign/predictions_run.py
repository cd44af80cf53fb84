"""Make a run of predictions and their images, without a network."""

import io
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from sightline.image_data import DataError, ImageSplit
from sightline.image_data.resize import CROP, Resize
from sightline.run_store.commands import network_command
from sightline.run_store.files import FileError
from sightline.run_store.metrics import Epoch
from sightline.run_store.predictions_file import classes_table, predictions_table, read_predictions
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.thumbnails import kept_images
from sightline.run_store.writer import RunWriter
from sightline.training.foreign.predictions import ForeignPredictions
from sightline.training.foreign.scores import Scores, as_logits
from sightline.training.new_run import describe


def record_predictions(
    run: Path,
    foreign: ForeignPredictions,
    split: ImageSplit,
    dataset: str,
    epochs: Sequence[Epoch] = (),
    resize: Resize = CROP,
) -> pa.Table:
    """Make a run without a network of predictions and their images, as `joined` or `images_by_path` return them.

    Returns the table of predictions. dataset: what the images are called. epochs: of the log that comes with them.
    resize: how the images became squares. Raises RunError where the run cannot be made; then there is none.
    """
    remedy = f"record its network on the same images with: {network_command(dataset, foreign.file)}"
    record, table = describe_predictions(foreign, split, dataset, remedy)
    with RunWriter.create(run, replace(record, resize=resize)) as writer:
        try:
            for epoch in epochs:
                writer.append_metrics(epoch._asdict())
            complete_with_predictions(writer, table, split)
        except BaseException:
            shutil.rmtree(run, ignore_errors=True)  # ours: it was empty before
            raise
    return table


def describe_predictions(
    foreign: ForeignPredictions, split: ImageSplit, dataset: str, remedy: str
) -> tuple[RunRecord, pa.Table]:
    """Return the record and the table of predictions of such a run.

    remedy: how its network is added. Raises RunError for a table that no reader takes.
    """
    table = _table(foreign, split)
    content = io.BytesIO()
    pq.write_table(table, content)
    try:
        read_predictions(io.BufferedReader(io.BytesIO(content.getvalue())), split.class_names, len(split))
    except FileError as error:
        raise RunError(f"The predictions in {foreign.file} cannot be kept: the table {error}.") from error
    settings = {"model": "", "dataset": dataset, "predictions": foreign.file}
    record = RunRecord(
        layers=(),
        mean=(),
        std=(),
        seed=0,
        network="none",
        without_network=f"It was made of predictions alone; {remedy}",
        **describe(settings, {"test": split}, None, torch.device("cpu")),
    )
    return record, table


def complete_with_predictions(writer: RunWriter, table: pa.Table, split: ImageSplit) -> None:
    """Write images and predictions, with which the run is complete."""
    writer.save_images(kept_images(split), split.masks)
    writer.complete(table, None)


def of_probabilities(probabilities: NDArray[Any], split: ImageSplit) -> ForeignPredictions:
    """Return what a program holds in memory, float N×C, 0–1, of the images of a split, in its order.

    Raises DataError where they are of another shape, or no probabilities.
    """
    name, shape = Path("probabilities="), (len(split), len(split.class_names))
    if probabilities.shape != shape:
        raise DataError(
            f"probabilities= has the shape {probabilities.shape}, and there are {shape[0]:,} images and {shape[1]:,} "
            "classes; give a row an image and a column a class."
        )
    logits, notes = as_logits(name, Scores(probabilities.astype(np.float32), "probabilities", None, ()))
    return ForeignPredictions(
        file=name,
        class_names=split.class_names,
        predicted=logits.argmax(axis=1),
        labels=split.labels,
        logits=logits,
        confidence=None,
        paths=split.paths,
        extra=pa.table({}),
        notes=tuple(notes),
    )


def _table(foreign: ForeignPredictions, split: ImageSplit) -> pa.Table:
    paths = split.paths or foreign.paths
    if foreign.logits is None:
        table = classes_table(foreign.predicted, split.labels, paths, foreign.confidence)
    else:
        table = predictions_table(foreign.logits, split.labels, paths)
        place = table.column_names.index("predicted")  # of equally probable classes, the one that the table says
        table = table.set_column(place, "predicted", pa.array(foreign.predicted.astype(np.int16)))
    for name in foreign.extra.column_names:
        table = table.append_column(name, foreign.extra[name])
    return table
