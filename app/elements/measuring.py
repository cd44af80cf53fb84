"""The button that measures which kinds of maps are supported on a run, how far that is, and how to go on."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import streamlit as st

from sightline.app.elements.no_network import draw_no_network
from sightline.app.elements.task import Task, draw_task
from sightline.app.elements.terminal import draw_command
from sightline.app.runs import loaders, processes
from sightline.app.runs.kept import kept, read_once
from sightline.explain.attribution.methods import METHODS
from sightline.report.words.text import about, count, counted, escape_markdown
from sightline.run_store.commands import command
from sightline.run_store.quality import INPUT, QualityRow
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

MEASURED = ("gradcam", "hirescam", "layercam", "gradcam++")  # by the button: pixel methods take too long to wait for
SIZES = (25, 100, 250, 500, 1000)  # images
USUAL = 500
_ESTIMATING = "Estimating how long it takes …"
_estimator = ThreadPoolExecutor(1, "estimate")


def draw_measuring(run: Run, rows: Sequence[QualityRow], view: str) -> None:
    """Draw the button, its progress, or how to go on; the page is drawn anew with every figure that comes.

    rows: the figures that the page shows. view: whose page it is.
    """
    if not run.has_network:
        draw_no_network(run)
        return
    draw_task(_task(run, view), _what_is_there(rows), partial(_draw_start, run, rows, view))


def is_measured(run: Run) -> bool:
    """Tell whether the run is measured at this moment, or will be."""
    return _task(run).is_busy


def provisional(rows: Sequence[QualityRow]) -> list[QualityRow]:
    """Return the figures for which more images are to be measured."""
    return [row for row in rows if not row.final]


def _task(run: Run, view: str = "") -> Task:
    return Task(
        run,
        key=("quality", run.path),
        reading="quality",
        name=f"{view}_measure",
        doing="Measuring",
        elsewhere="Figures that it measures appear here.",
        deed="measure them",
        command=command("quality", "--run", run.path),
        failed="It could not be measured.",
    )


def _draw_start(run: Run, rows: Sequence[QualityRow], view: str, is_estimated: bool) -> None:
    """Draw the button that measures, or goes on with what was stopped."""
    begun = provisional(rows)
    with st.container(key=f"{view}_measure_start", horizontal=True, vertical_alignment="bottom", gap="small"):
        images = begun[0].images if begun else _draw_size(run, view)
        same = [row for row in rows if begun and row.images == images]  # also of kinds that are decided by one measure
        arguments = ("--methods", ",".join(_methods(same)), *_layers(run, same), "--images", str(images))
        st.button(
            "Go on" if begun else "Measure again" if rows else "Measure",
            icon=":material/play_arrow:" if begun else ":material/straighten:",
            key=f"{view}_measure_button",
            type="secondary" if rows else "primary",
            on_click=processes.start,
            args=(_task(run).key, "sightline.explain.quality", "--run", str(run.path.absolute()), *arguments),
        )
        draw_command(command("quality", "--run", run.path, *arguments))
    if not begun:
        st.caption(_estimate_words(run, images) if is_estimated else _ESTIMATING)


def _what_is_there(rows: Sequence[QualityRow]) -> str:
    if provisional(rows):
        return "Not all images are measured yet."
    if rows:
        return f"Measured on up to {counted(max(row.images for row in rows), 'test image')}."
    titles = ", ".join(METHODS[name].title for name in MEASURED)
    return f"Not measured yet: {titles}, beside control maps."


def _draw_size(run: Run, view: str) -> int:
    """Draw the choice of how many images are measured, and return it."""
    there = loaders.record(run).image_counts.get("test", 0)
    sizes = [*(size for size in SIZES if size < there), there]
    chosen: int = st.selectbox(
        "Test images",
        sizes,
        index=sizes.index(USUAL) if USUAL in sizes else len(sizes) - 1,
        format_func=lambda size: f"all {count(size)}" if size == there else count(size),
        key=f"{view}_measure_images",
        width=140,
    )
    return chosen


def _methods(same: Sequence[QualityRow]) -> tuple[str, ...]:
    """Return the methods to measure: those that were begun, else what the button measures."""
    return tuple(dict.fromkeys(row.method for row in same if row.method in METHODS)) or MEASURED


def _layers(run: Run, same: Sequence[QualityRow]) -> tuple[str, ...]:
    """Return the option that names the layers that were begun, where the run itself does not name them."""
    layers = dict.fromkeys(row.layer for row in same if row.layer != INPUT)
    return () if set(layers) <= set(loaders.record(run).layers) else ("--layers=" + ",".join(layers),)


def _estimate_words(run: Run, images: int) -> str:
    """Say how long it takes, as soon as that is known: the fragment looks again."""
    estimate = _estimate(run, images)
    return escape_markdown(estimate.result()) if estimate.done() else _ESTIMATING


@kept("maps", read_once(64))
def _estimate(run: Run, images: int) -> "Future[str]":
    """Begin to find out how long it takes, aside: it loads torch and the network."""
    return _estimator.submit(_estimated_words, run, images)


def _estimated_words(run: Run, images: int) -> str:
    from sightline.explain.attribution.errors import ExplainError
    from sightline.explain.judging.estimate import seconds
    from sightline.model_zoo.spec import ModelError

    try:
        first, all_of_it = seconds(run, MEASURED, run.record.layers, images)
    except (ExplainError, ModelError, RunError) as error:
        return f"It cannot be measured: {error}"
    return f"It takes at most {about(all_of_it)} on this machine; the first figures come after {about(first)}."
