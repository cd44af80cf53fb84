"""The charts of Curves, whose Vega-Lite is kept: to write it takes longer than a click may last."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import streamlit as st
from pyarrow.json import ParseOptions, read_json

from sightline.app.elements.learning_curves import QUANTITIES, learning_curves
from sightline.app.runs import loaders
from sightline.run_store.files import Stamp
from sightline.run_store.run import Run


def draw_chart(shown: Mapping[str, Run], quantity: str, colours: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """Draw one quantity of runs, which are named by their titles; options: of `learning_curves`. Raises RunError."""
    key = tuple((title, str(run.path), run.stamp("metrics"), colours[title]) for title, run in shown.items())
    lines = " and ".join(filter(None, QUANTITIES[quantity].lines))
    st.vega_lite_chart(
        _spec(key, quantity, options),
        width="stretch",
        key=f"curves_{quantity}",
        alt=f"{lines} {quantity} by epoch".strip().capitalize(),
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _spec(shown: tuple[tuple[str, str, Stamp, str], ...], quantity: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Write Vega-Lite with its data; shown: title, path, stamp and colour of each run."""
    metrics = {title: loaders.metrics(Run(Path(path))) for title, path, *_ in shown}
    spec = learning_curves(metrics, quantity, {title: colour for title, *_, colour in shown}, **options)
    return spec | {"datasets": {name: arrow_rows(rows) for name, rows in spec["datasets"].items()}}


def arrow_rows(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Convert rows with the same keys, through JSON: `pa.table` imports pandas, as Streamlit does for anything else."""
    if not rows:
        return rows
    kinds = {str: pa.string(), bool: pa.bool_(), int: pa.int64()}  # else Arrow reads a run's name as a date
    schema = pa.schema([(key, kinds.get(type(value), pa.float64())) for key, value in rows[0].items()])
    content = "\n".join(map(json.dumps, rows)).encode()
    return read_json(io.BytesIO(content), parse_options=ParseOptions(explicit_schema=schema))
