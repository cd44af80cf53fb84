"""Small tables of a run in parquet: columns of numbers, checked when they are read."""

import io
from collections.abc import Mapping
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sightline.run_store import files
from sightline.run_store.files import FileError
from sightline.run_store.predictions import to_numpy
from sightline.run_store.predictions_file import CODECS
from sightline.run_store.run import Run

Kinds = Mapping[str, type[np.generic]]  # column → what its numbers are


def table_bytes(columns: Mapping[str, np.ndarray], facts: Mapping[str, str]) -> bytes:
    """Return a parquet file of columns of numbers, and of facts about all of them."""
    buffer = io.BytesIO()
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    pq.write_table(table.replace_schema_metadata(facts), buffer, write_page_checksum=True)
    return buffer.getvalue()


def read_table(run: Run, name: str, kinds: Kinds, most_rows: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the columns `kinds` of a file of the run, each of its type, and the facts in it.

    To be called inside `Run.reading`. Raises FileError for other columns or more rows; damaged files raise anything.
    """
    with closing(files.open_file(run.path, name)) as stream:
        with pq.ParquetFile(stream, page_checksum_verification=True) as opened:
            _refuse_odd(opened, kinds, most_rows)
            table = opened.read(list(kinds))
        if any(table[column].null_count for column in kinds):
            raise FileError("lacks a value")
        facts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    return {column: np.asarray(to_numpy(table[column])) for column in kinds}, facts


def _refuse_odd(opened: pq.ParquetFile, kinds: Kinds, most_rows: int) -> None:
    """Raise FileError for what is not this table, before any of it is unpacked."""
    found, schema = opened.metadata, opened.schema_arrow
    if found.num_rows > most_rows:
        raise FileError(f"has {found.num_rows:,} rows, and there may be {most_rows:,}")
    wrong = [
        name
        for name, kind in kinds.items()
        if schema.names.count(name) != 1 or schema.field(name).type != pa.from_numpy_dtype(kind)
    ]
    if wrong:
        raise FileError(f"must have each of these columns once, as numbers of its kind: {', '.join(wrong)}")
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    parts = [group.column(number) for group in groups for number in range(group.num_columns)]
    parts = [part for part in parts if part.path_in_schema in kinds]
    if others := {part.compression for part in parts}.difference(CODECS):
        raise FileError(f"is compressed with {', '.join(sorted(others))} and may be with {' or '.join(CODECS)}")
    if any(
        part.num_values > found.num_rows or part.total_uncompressed_size > 32 * found.num_rows + 2**16 for part in parts
    ):
        raise FileError("holds more values than it has rows")
