"""Read the tables in which other programs leave their predictions: CSV, TSV, parquet, npy and npz."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from sightline.explain.command_line import one_line
from sightline.image_data import DataError
from sightline.image_data.folder.passed_over import summarise

# What columns and arrays are called, in small letters, with "_" between words.
LABEL = (
    "label", "labels", "target", "targets", "y_true", "true", "class", "true_label", "true_class", "ground_truth",
    "truth", "gt", "actual", "label_ids", "y_test", "y",
)  # fmt: skip
PREDICTED = (
    "predicted", "pred", "prediction", "y_pred", "predicted_label", "predicted_class", "pred_label", "pred_class",
    "preds", "predictions", "y_hat",
)  # fmt: skip
PATH = (
    "path", "filename", "file", "file_name", "filepath", "file_path", "image_path", "img_path", "image", "paths",
    "filenames", "files",
)  # fmt: skip
CLASS_NAMES = ("class_names", "classes", "categories")  # of an .npz file: not of images
_HEADER_BYTES = 2**20


def word(name: str) -> str:
    """Return the name of a column as it is looked up.

    >>> word(" File Name ")
    'file_name'
    """
    return "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())


def listed(names: Iterable[str]) -> str:
    """Write the first few names, cut short: they are other people's text."""
    return summarise([name[:50] for name in names])


def read_table(file: Path) -> tuple[pa.Table, tuple[str, ...] | None]:
    """Return the columns of a file, and the names of the classes where an .npz file holds them.

    An array N×C is a column of lists. The array of an .npy file is called "scores", or "predicted" where it holds a
    whole number an image. In CSV, a column of labels, predicted classes or paths is text: a class may be called 007.

    Raises:
        DataError: the file is missing, damaged, empty or of another kind, its columns differ in length, or two have one
            name.
    """
    readers = {".csv": _read_csv, ".tsv": _read_csv, ".txt": _read_csv, ".parquet": pq.read_table, ".pq": pq.read_table}
    kind = file.suffix.lower()
    if kind not in (*readers, ".npy", ".npz"):
        raise DataError(f"{file} is no table of predictions; give one of {', '.join([*readers, '.npy', '.npz'])}.")
    try:
        table, class_names = (readers[kind](file), None) if kind in readers else _read_arrays(file)
        table.validate(full=True)
        table = table.cast(pa.schema([field.with_type(_plain(field.type)) for field in table.schema]))
    except DataError:
        raise
    except Exception as error:  # other bytes make NumPy, zipfile and pyarrow raise anything
        raise DataError(f"{file} could not be read as a table ({one_line(error).rstrip('.')}).") from error
    if not len(table):
        raise DataError(f"{file} has no rows; give a row for each image.")
    names = table.column_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{file} has two columns that are called {summarise(twice)}; rename one.")
    return table, class_names


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type that a column has here: text, however a program keeps it (pandas: large, or as categories)."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def _read_csv(file: Path) -> pa.Table:
    with open(file, "rb") as stream:
        start = stream.read(_HEADER_BYTES)
    if b"\0" in start:
        raise DataError(f"{file} is not text in UTF-8; save it so.")
    first = next(iter(start.decode("utf-8-sig", "replace").lstrip("\r\n").splitlines()), "")
    delimiter = max(",\t;", key=first.count)
    header = next(csv.reader(io.StringIO(first), delimiter=delimiter), [])
    text = {name: pa.string() for name in header if word(name) in (*LABEL, *PREDICTED, *PATH)}
    return pa.csv.read_csv(
        file,
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(column_types=text),
    )


def _read_arrays(file: Path) -> tuple[pa.Table, tuple[str, ...] | None]:
    loaded = np.load(file, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        is_predicted = loaded.ndim == 1 and np.issubdtype(loaded.dtype, np.integer)
        return _table(file, {"predicted" if is_predicted else "scores": loaded}), None
    with loaded:
        arrays = {name: loaded[name] for name in loaded.files}
    names = [arrays.pop(name) for name in list(arrays) if word(name) in CLASS_NAMES]
    return _table(file, arrays), tuple(map(str, names[0].tolist())) if names and names[0].ndim == 1 else None


def _table(file: Path, arrays: Mapping[str, np.ndarray]) -> pa.Table:
    columns = {name: _column(array) for name, array in arrays.items() if 1 <= array.ndim <= 2}
    if odd := [f"{name} of shape {arrays[name].shape}" for name in arrays if name not in columns]:
        raise DataError(f"{file} holds {summarise(odd)}; an array has a value for each image, or one for each class.")
    if len({*map(len, columns.values())}) > 1:
        lengths = [f"{name} {len(column):,}" for name, column in columns.items()]
        raise DataError(
            f"{file} holds arrays of several lengths ({summarise(lengths)}); each has a row for each image."
        )
    return pa.table(columns)


def _column(array: np.ndarray) -> pa.Array:
    """Turn N or N×C values of any byte order into a column, of lists where there are several an image."""
    if array.dtype.kind not in "iufb":
        return pa.array(array.astype(str).tolist() if array.dtype.kind in "US" else array.tolist())
    values = pa.array(np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(-1))
    return values if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(values, array.shape[1])
