"""predictions.parquet: made from logits, and checked when it is read."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sightline.run_store.predictions import REQUIRED_COLUMNS, Predictions, to_numpy

_FLOAT_COLUMNS = ("confidence", "margin", "loss", "entropy")


class PredictionsError(Exception):
    """A sentence for the user: what is wrong with the predictions and how to write them again."""


def predictions_table(logits: np.ndarray, labels: np.ndarray, paths: tuple[str, ...] | None = None) -> pa.Table:
    """Make the table of predictions from float32 logits N×C and true codes N.

    confidence: largest probability; margin: largest minus second; loss: −ln p(label); entropy: −Σ p ln p, in nats.
    """
    with np.errstate(invalid="ignore"):  # of logits that are not finite: the loss is NaN, and the caller looks at it
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    p = np.exp(log_p)
    first, second = p.max(axis=1), np.partition(p, -2, axis=1)[:, -2] if p.shape[1] > 1 else 0.0
    rows = np.arange(len(labels))
    columns = {
        "index": pa.array(rows.astype(np.int64)),
        "label": pa.array(labels.astype(np.int16)),
        "predicted": pa.array(logits.argmax(axis=1).astype(np.int16)),
        "confidence": pa.array(first.astype(np.float32)),
        "margin": pa.array((first - second).astype(np.float32)),
        "loss": pa.array((-log_p[rows, labels]).astype(np.float32)),
        "entropy": pa.array((-(p * log_p).sum(axis=1)).astype(np.float32)),
        "probabilities": pa.FixedSizeListArray.from_arrays(pa.array(p.astype(np.float16).ravel()), p.shape[1]),
    }
    if paths is not None:
        columns["path"] = pa.array(paths)
    return pa.table(columns)


def read_predictions(file: Path, class_names: tuple[str, ...]) -> Predictions:
    """Read the table. Raises PredictionsError when the file is not one over these classes."""
    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as opened:
            table = opened.read()
    except Exception as error:  # other bytes make pyarrow raise many kinds
        raise PredictionsError(f"{file.name} cannot be read ({type(error).__name__})") from error
    wrong = [name for name in REQUIRED_COLUMNS if table.column_names.count(name) != 1]
    if wrong:
        raise PredictionsError(f"{file.name} must have each of these columns once: {', '.join(wrong)}")
    if not np.array_equal(to_numpy(table["index"]), np.arange(len(table))):
        raise PredictionsError(f"{file.name} is not in the order of the images: its index must count from 0")
    wrong = [name for name in _FLOAT_COLUMNS if not pa.types.is_floating(table.schema.field(name).type)]
    if wrong:
        raise PredictionsError(f"{file.name} does not hold numbers in {', '.join(wrong)}")
    for codes in (_integers(table["label"]), _integers(table["predicted"])):
        if codes is None or (len(codes) and not 0 <= codes.min() <= codes.max() < len(class_names)):
            raise PredictionsError(f"{file.name} names a class outside 0–{len(class_names) - 1}")
    probabilities = _probabilities(table["probabilities"], len(class_names))
    if probabilities is None:
        raise PredictionsError(f"{file.name} does not hold {len(class_names)} probabilities an image")
    scalars = table.select([position for position, name in enumerate(table.column_names) if name != "probabilities"])
    return Predictions(class_names, scalars, probabilities)


def _integers(column: pa.ChunkedArray) -> np.ndarray | None:
    """Return the column; None where it holds something else, or nothing in a row."""
    return to_numpy(column) if pa.types.is_integer(column.type) and not column.null_count else None


def _probabilities(column: pa.ChunkedArray, classes: int) -> np.ndarray | None:
    """Return float16 N×classes, read-only, from lists of any float type; None where the column is something else."""
    wanted = pa.list_(pa.float16(), classes)
    try:  # a cast imports pyarrow.compute, which takes longer than the reading
        lists = (column if column.type == wanted else column.cast(wanted)).combine_chunks()
    except pa.ArrowException:
        return None
    if lists.null_count or lists.flatten().null_count:
        return None
    probabilities = np.from_dlpack(lists.flatten()).reshape(-1, classes)
    probabilities.flags.writeable = False
    return probabilities
