"""Train once more what a run was trained with, and change a few settings."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from sightline.app.permissions import MOST_EPOCHS, MOST_KEPT
from sightline.app.runs import loaders, trainings
from sightline.app.runs.folder import runs_root
from sightline.image_data.sources import IMAGE_SIZES, dataset_help
from sightline.report.words.text import escape_markdown
from sightline.run_store.note import MOST_NAME
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run

FORM = "duplicate"
_MOST = 2**31  # of what has no bound of its own


class _Number(NamedTuple):
    """A setting that is a number: its name in a recipe, in the form, and its range. optional: it may be left empty."""

    name: str
    words: str
    least: float
    most: float
    optional: str = ""  # what it means there
    help: str = ""


_CHANGES = (
    _Number("epochs", "Epochs", 1, MOST_EPOCHS),
    _Number("batch_size", "Batch size", 2, _MOST, help="Images a step."),
    _Number("learning_rate", "Learning rate", 1e-9, 1e9, help="Peak of the triangular schedule."),
    _Number("seed", "Seed", 0, 2**53 - 1, help="Decides the initial weights and the order of the images."),
)
_BOUNDS = (
    _Number("threads", "CPU threads", 1, 1024, "one a core"),
    _Number("image_size", "Image side", *IMAGE_SIZES, "as it is", "Pixels, of a folder's images."),
    _Number("held_out", "Held out", 1, _MOST, "none", "Training images to be judged on, instead of the test split."),
    _Number("keep_epochs", "Epochs kept", 0, MOST_KEPT, help="Whose weights stay, to see how maps came about."),
)


def why_not(record: RunRecord) -> str:
    """Say why no page trains this run once more, whatever is changed, else nothing."""
    if record.foreign:
        return (
            "This run was trained elsewhere, so that nothing here can train it again. Train it there, and make a run "
            "of the new model."
        )
    if record.recipe.get("without") or record.recipe.get("left_out"):
        return (
            "This run was trained without some of its training images, which may be listed in any file, and a page "
            "starts no such training. Duplicate the run that it came from, or start it in a terminal: sightline train "
            "--without FILE."
        )
    return ""


def draw_duplicate_form(run: Run) -> bool:
    """Draw the form that trains a run once more with changes, or why there is none; tell whether that was started."""
    try:
        record = loaders.record(run)
        problem = why_not(record)
    except RunError as error:
        problem = str(error)
    if problem:
        st.info(escape_markdown(problem))
        return False
    recipe = {**record.recipe, "dataset": record.dataset}  # which a recipe may misname
    with st.form(f"duplicate_{run.name}", border=False):
        left, right = st.columns(2)
        changes: dict[str, Any] = {
            "dataset": left.text_input("Images", record.dataset, help=dataset_help()).strip(),
        }
        free = trainings.free_name(runs_root(), f"{run.path.name}-{{}}", start=2)
        name = right.text_input("Name of the run", free, max_chars=MOST_NAME).strip()
        changes |= _draw_numbers(recipe, _CHANGES)
        st.caption("Bounds")
        changes |= _draw_numbers(recipe, _BOUNDS)
        st.caption(f"All other settings are those of {escape_markdown(run.name)} ({escape_markdown(record.model)}).")
        return trainings.draw_start(FORM, name, recipe | changes)


def _draw_numbers(recipe: Mapping[str, Any], numbers: tuple[_Number, ...]) -> dict[str, Any]:
    """Draw fields beside each other, with the values of the recipe in them, and return what stands there then."""
    found = {}
    for column, number in zip(st.columns(len(numbers)), numbers, strict=True):
        is_whole = number.name != "learning_rate"
        kind: Any = int if is_whole else float
        value: Any = recipe.get(number.name)
        is_right = type(value) in (int, kind) and number.least <= value <= number.most
        usual = None if number.optional else number.least
        value = value if is_right else usual
        found[number.name] = column.number_input(
            number.words,
            kind(number.least),
            kind(number.most),
            value if value is None else kind(value),
            step=1 if is_whole else 0.01,
            format="%d" if is_whole else "%g",
            placeholder=number.optional or None,
            help=number.help or None,
        )
    return found
