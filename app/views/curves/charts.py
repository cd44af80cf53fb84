"""The charts of Curves, whose Vega-Lite is kept: to write it takes longer than a click may last."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from sightline.app.elements.arrow import arrow_bytes, arrow_rows
from sightline.app.elements.learning_curves import CLICKED, QUANTITIES, learning_curves
from sightline.app.runs import loaders
from sightline.app.views.curves.settings import CurveOptions
from sightline.run_store.files import Stamp
from sightline.run_store.run import Run


class _Shown(NamedTuple):
    """A run as a chart depends on it."""

    title: str
    path: str
    stamp: Stamp
    colour: str


def draw_chart(
    shown: Mapping[str, Run],
    quantity: str,
    colours: Mapping[str, str],
    options: CurveOptions,
    on_epoch: Callable[[int], None] | None,
) -> None:
    """Draw one quantity of runs, which are named by their titles. on_epoch: takes a click. Raises RunError."""
    runs = tuple(_Shown(title, str(run.path), run.stamp("metrics"), colours[title]) for title, run in shown.items())
    lines = " and ".join(filter(None, QUANTITIES[quantity].lines))
    key = f"curves_{quantity}"

    def take() -> None:
        clicked = st.session_state[key].selection[CLICKED]
        if on_epoch and clicked:
            on_epoch(int(clicked[0]["epoch"]))

    st.vega_lite_chart(
        _spec(runs, quantity, options),
        width="stretch",
        key=key,
        on_select=take if on_epoch else "ignore",
        selection_mode=CLICKED if on_epoch else None,
        alt=f"{lines} {quantity} by epoch".strip().capitalize(),
    )


@lru_cache(64)
def _spec(shown: tuple[_Shown, ...], quantity: str, options: CurveOptions) -> dict[str, Any]:
    """Write Vega-Lite with its data."""
    metrics = {run.title: loaders.metrics(Run(Path(run.path))) for run in shown}
    colours = {run.title: run.colour for run in shown}
    spec = learning_curves(metrics, quantity, colours, **options.as_arguments())
    return spec | {"datasets": {name: arrow_bytes(arrow_rows(rows)) for name, rows in spec["datasets"].items()}}
