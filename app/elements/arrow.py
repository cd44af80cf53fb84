"""Data of charts as Arrow, made once: Streamlit would convert them at every click, and import pandas for it."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow.json import ParseOptions, read_json


def arrow_rows(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Convert rows with the same keys; through JSON, since `pa.table` imports pandas."""
    if not rows:
        return pa.schema([]).empty_table()
    kinds = {str: pa.string(), bool: pa.bool_(), int: pa.int64()}  # else Arrow reads a run's name as a date
    schema = pa.schema([(key, kinds.get(type(value), pa.float64())) for key, value in rows[0].items()])
    content = "\n".join(map(json.dumps, rows)).encode()
    return read_json(io.BytesIO(content), parse_options=ParseOptions(explicit_schema=schema))


def arrow_bytes(table: pa.Table) -> bytes:
    """Write a table as an Arrow stream, which Streamlit passes on as it is."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content
