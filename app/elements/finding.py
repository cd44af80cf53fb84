"""The button that finds patterns, and how far that is."""

import streamlit as st

from sightline.app.elements.no_network import draw_no_network
from sightline.app.elements.task import Task, draw_task
from sightline.app.runs import processes
from sightline.run_store.commands import command
from sightline.run_store.run import Run


def draw_finding(run: Run, *, again: bool = False) -> None:
    """Draw the button, its progress, or why there is none. again: there are patterns already, perhaps of before."""
    if not run.has_network:
        draw_no_network(run)
        return

    def draw_start(is_looked_at_again: bool) -> None:
        st.button(
            "Find again" if again else "Find patterns",
            icon=":material/pattern:",
            key="patterns_find_button",
            type="tertiary" if again else "primary",
            on_click=processes.start,
            args=(task.key, "sightline.explain.patterns", "--run", str(run.path.absolute())),
        )

    task = finding(run)
    draw_task(task, "", draw_start)


def finding(run: Run) -> Task:
    """Return what the button starts."""
    return Task(
        run,
        key=("patterns", run.path),
        reading="patterns",
        name="patterns_find",
        doing="Finding patterns",
        elsewhere="Patterns that it finds appear here.",
        deed="find them",
        command=command("patterns", "--run", run.path),
        failed="Patterns could not be found.",
    )
