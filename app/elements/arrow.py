"""Data of charts as Arrow, made once: Streamlit would convert them at every click, and import pandas for it."""

import pyarrow as pa


def arrow_bytes(table: pa.Table) -> bytes:
    """Write a table as an Arrow stream, which Streamlit passes on as it is."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content
