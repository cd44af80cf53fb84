"""Make a run of predictions and their images, without a network."""

import io
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from sightline.image_data import ImageSplit
from sightline.run_store.commands import command
from sightline.run_store.files import FileError
from sightline.run_store.predictions_file import classes_table, predictions_table, read_predictions
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.thumbnails import thumbnails
from sightline.run_store.writer import RunWriter
from sightline.training.foreign_predictions import ForeignPredictions
from sightline.training.new_run import describe


def record_predictions(
    run: Path, foreign: ForeignPredictions, split: ImageSplit, dataset: str, model: str = ""
) -> pa.Table:
    """Make a run without a network of predictions and their images, as `joined` or `images_by_path` return them.

    Returns the table of predictions. dataset: what the images are called. model: what the network is called, "" where
    nobody said. Raises RunError where the run cannot be made; then there is none.
    """
    table = _table(foreign, split)
    content = io.BytesIO()
    pq.write_table(table, content)
    try:
        read_predictions(io.BufferedReader(io.BytesIO(content.getvalue())), split.class_names, len(split))
    except FileError as error:
        raise RunError(f"The predictions in {foreign.file} cannot be kept: the table {error}.") from error
    settings = {"model": model, "dataset": dataset, "predictions": foreign.file}
    network = command("evaluate", "--model", "NAME", "--weights", "FILE", "--dataset", dataset)
    record = RunRecord(
        layers=(),
        mean=(),
        std=(),
        seed=0,
        network="none",
        without_network=f"It was made of predictions alone; record its network on the same images with: {network}",
        **describe(settings, {"test": split}, None, torch.device("cpu")),
    )
    with RunWriter.create(run, record) as writer:
        try:
            writer.save_images(thumbnails(split.images), split.masks)
            writer.complete(table, None)
        except BaseException:
            shutil.rmtree(run, ignore_errors=True)  # ours: it was empty before
            raise
    return table


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
