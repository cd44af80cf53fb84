"""The button that finds the training images behind mistakes, how far that is, or why it cannot be done here."""

import streamlit as st

from sightline.app.elements.task import Task, draw_task
from sightline.app.elements.terminal import draw_command
from sightline.app.permissions import NotPermitted, check_images
from sightline.app.runs import loaders, processes
from sightline.image_data import DataError
from sightline.report.words.text import escape_markdown
from sightline.run_store.commands import command
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run

WHAT = "Goes once over the training images, and keeps the ten behind each mistake."


def draw_search(run: Run, view: str) -> None:
    """Draw the button, its progress, or why there is none. view: whose page it is."""
    task = _task(run, view)
    problem = _why_not(loaders.record(run))

    def draw_start(is_looked_at_again: bool) -> None:
        if problem:
            st.caption(escape_markdown(problem))
            draw_command(task.command)
            return
        st.button(
            "Find the training images",
            icon=":material/search:",
            key=f"{task.name}_button",
            on_click=_start,
            args=(run,),
        )

    draw_task(task, "" if problem else WHAT, draw_start)


def is_searched(run: Run) -> bool:
    """Tell whether they are looked for at this moment, or will be, by this server."""
    return processes.is_running(_key(run)) or processes.is_waiting(_key(run))


def _key(run: Run) -> processes.Key:
    return "influence", run.path


def _task(run: Run, view: str) -> Task:
    named = () if _names_training_images(loaders.record(run)) else ("--dataset", "SOURCE")
    return Task(
        run,
        key=_key(run),
        reading="culprits",
        name=f"{view}_influence",
        doing="Looking for them",
        elsewhere="Training images that it finds appear here.",
        deed="find them",
        command=command("influence", "--run", run.path, *named),
        failed="They could not be found.",
    )


def is_looked_for(run: Run) -> bool:
    """Tell whether training images are found, whatever state they are in, or looked for."""
    try:
        return loaders.culprits(run) is not None or is_searched(run)
    except RunError:
        return True


def _why_not(record: RunRecord) -> str:
    """Say why a page may not look for the training images, else nothing."""
    if not _names_training_images(record):
        return "The run was trained elsewhere and does not say on which images; name them:"
    try:
        check_images(record.dataset)
    except (NotPermitted, DataError) as error:
        return str(error)
    return ""


def _names_training_images(record: RunRecord) -> bool:
    return "train" in record.fingerprints


def _start(run: Run) -> None:
    """Start the search. Raises NotPermitted or DataError, whatever the page has offered."""
    check_images(loaders.record(run).dataset)
    processes.start(_key(run), "sightline.explain.influence", "--run", str(run.path.absolute()))
