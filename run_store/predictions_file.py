"""predictions.parquet: made from logits, and checked when it is read."""

from io import BufferedReader
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sightline.run_store import files
from sightline.run_store.files import FileError
from sightline.run_store.predictions import REQUIRED_COLUMNS, Predictions, to_numpy

CODECS = ("SNAPPY", "UNCOMPRESSED")  # of others, one byte may become thousands, whatever the footer says of that
MOST_COLUMNS = 1000
MOST_IMAGES = 5_000_000
VALUE_BYTES = 16  # that one may take in the file
MOST_PACKED = 20  # values in a byte of the file, of more than MANY: probabilities that are all alike take no room there
MANY = 2**26  # values, read in 500 MB: of 60,000 images and 1,000 classes

_LISTS = "probabilities"  # the one column that holds several values an image
_FLOAT_COLUMNS = ("confidence", "margin", "loss", "entropy")
_OF_ALL = ("margin", "loss", "entropy")  # what nobody knows who knows the predicted classes alone


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


def classes_table(
    predicted: np.ndarray,
    labels: np.ndarray,
    paths: tuple[str, ...] | None = None,
    confidence: np.ndarray | None = None,
) -> pa.Table:
    """Make the table of predictions from predicted and true codes N alone, with NaN for what they do not say.

    confidence: N probabilities of the predicted class, where they are known.
    """
    unknown = np.full(len(labels), np.nan, np.float32)
    columns = {
        "index": pa.array(np.arange(len(labels), dtype=np.int64)),
        "label": pa.array(labels.astype(np.int16)),
        "predicted": pa.array(predicted.astype(np.int16)),
        "confidence": pa.array(unknown if confidence is None else confidence.astype(np.float32)),
        **{name: pa.array(unknown) for name in _OF_ALL},
    }
    if paths is not None:
        columns["path"] = pa.array(paths)
    return pa.table(columns)


def read_predictions(file: BufferedReader | Path, class_names: tuple[str, ...], images: int) -> Predictions:
    """Read the table of a run with so many images. Raises FileError when it is not one over these classes.

    Only a table that knows margin, loss and entropy of no image may lack probabilities. Columns of lists, which are no
    filters, are passed over. Texts come as dictionaries, as they stand in the file: written out, a few kilobytes may be
    gigabytes.
    """
    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as opened:
            _refuse_bomb(opened, images, len(class_names))
            columns = [field for field in opened.schema_arrow if _is_read(field.name, field.type)]
        texts = [field.name for field in columns if pa.types.is_string(field.type)]
        with pq.ParquetFile(file, page_checksum_verification=True, read_dictionary=texts) as opened:
            table = opened.read([field.name for field in columns])
        table.validate(full=True)
    except FileError:
        raise
    except Exception as error:  # other bytes make pyarrow raise many kinds
        raise FileError(f"cannot be read ({type(error).__name__})") from error
    _check(table, len(class_names))
    probabilities = None
    if _LISTS in table.column_names or any(np.isfinite(to_numpy(table[name])).any() for name in _OF_ALL):
        probabilities = _probabilities(table, len(class_names))
    scalars = table.select([position for position, name in enumerate(table.column_names) if name != _LISTS])
    return Predictions(class_names, scalars, probabilities)


def _is_read(name: str, kind: pa.DataType) -> bool:
    return name == _LISTS or not pa.types.is_nested(kind)


def _refuse_bomb(opened: pq.ParquetFile, images: int, classes: int) -> None:
    """Raise FileError for a file of another length than the images, or one whose columns are far larger than theirs."""
    found, leaves = opened.metadata, opened.schema
    if found.num_rows != images:
        raise FileError(f"has {found.num_rows:,} rows but {files.IMAGES} {images:,} images")
    if images > MOST_IMAGES:
        raise FileError(f"has {images:,} rows, and there may be {MOST_IMAGES:,}")
    if found.num_columns > MOST_COLUMNS:
        raise FileError(f"has {found.num_columns:,} columns, and there may be {MOST_COLUMNS:,}")
    are_read = [
        number
        for number in range(found.num_columns)
        if leaves.column(number).max_repetition_level == 0 or leaves.column(number).path.startswith(f"{_LISTS}.")
    ]
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    parts = [group.column(number) for group in groups for number in are_read]
    values = sum(part.num_values for part in parts)
    unpacked = sum(part.total_uncompressed_size for part in parts)
    packed = sum(part.total_compressed_size for part in parts)
    most = min(images * (classes + found.num_columns), max(MANY, MOST_PACKED * packed))
    if values > most or unpacked > VALUE_BYTES * values + _text_room(images):
        held = f"holds {values:,} values in {unpacked // 2**20:,} MiB"
        raise FileError(f"{held}, too many for {images:,} images, or for {packed // 2**10:,} KiB of the file")
    if others := {part.compression for part in parts}.difference(CODECS):
        raise FileError(f"is compressed with {', '.join(sorted(others))} and may be with {' or '.join(CODECS)}")


def _check(table: pa.Table, classes: int) -> None:
    """Raise FileError where a column is not what it should be."""
    counts = {name: table.column_names.count(name) for name in (*REQUIRED_COLUMNS, _LISTS)}
    wrong = [name for name, times in counts.items() if times != 1 and (times or name != _LISTS)]
    if wrong:
        raise FileError(f"must have each of these columns once: {', '.join(wrong)}")
    if not np.array_equal(to_numpy(table["index"]), np.arange(len(table))):
        raise FileError("is not in the order of the images: its index must count from 0")
    wrong = [name for name in _FLOAT_COLUMNS if not pa.types.is_floating(table.schema.field(name).type)]
    if wrong:
        raise FileError(f"does not hold numbers in {', '.join(wrong)}")
    for codes in (_integers(table["label"]), _integers(table["predicted"])):
        if codes is None or (len(codes) and not 0 <= codes.min() <= codes.max() < classes):
            raise FileError(f"names a class outside 0–{classes - 1}")
    texts = [column for column in table.columns if column.type == pa.dictionary(pa.int32(), pa.string())]
    written = sum(map(_written_out, texts))
    if written > _text_room(len(table)):
        raise FileError(f"holds {written // 2**20:,} MiB of text")


def _text_room(images: int) -> int:
    """Return how many bytes of text so many images may have."""
    return 2**26 + 2**9 * images


def _written_out(column: pa.ChunkedArray) -> int:
    """Return how many bytes the texts of a column take, each written out."""
    total = 0
    for chunk in column.chunks:
        texts = chunk.dictionary
        offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
        lengths = np.append(np.diff(offsets), 0).astype(np.int64)
        total += int(lengths[np.asarray(chunk.indices.fill_null(len(texts)))].sum())
    return total


def _integers(column: pa.ChunkedArray) -> np.ndarray | None:
    """Return the column; None where it holds something else, or nothing in a row."""
    return to_numpy(column) if pa.types.is_integer(column.type) and not column.null_count else None


def _probabilities(table: pa.Table, classes: int) -> np.ndarray:
    """Return float16 N×classes, read-only, from lists of any float type. Raises FileError for anything else."""
    wanted, wrong = pa.list_(pa.float16(), classes), FileError(f"does not hold {classes} probabilities an image")
    if _LISTS not in table.column_names:
        raise wrong
    column = table[_LISTS]
    try:  # a cast imports pyarrow.compute, which takes longer than the reading
        lists = (column if column.type == wanted else column.cast(wanted)).combine_chunks()
    except pa.ArrowException as error:
        raise wrong from error
    if lists.null_count or lists.flatten().null_count:
        raise wrong
    probabilities = np.from_dlpack(lists.flatten()).reshape(-1, classes)
    probabilities.flags.writeable = False
    return probabilities
