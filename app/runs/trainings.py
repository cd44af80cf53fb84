"""Trainings that are started, resumed or stopped on the page. Those of a terminal are only watched."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import streamlit as st

from sightline.app.elements.text import escape_markdown
from sightline.app.runs import loaders, processes
from sightline.image_data.sources import dataset_help
from sightline.run_store.note import MOST_NAME
from sightline.run_store.run import Run

_WHAT = "training"
_MODEL = "resnet18_narrow"  # what is quick enough to be watched


def draw_control(run: Run) -> None:
    """Draw the button that stops a training, or resumes it: none where neither can be done."""
    if processes.is_running(_key(run.path)):
        name, icon, act = "stop", "stop", _stop
    elif can_resume(run):
        name, icon, act = "resume", "play_arrow", _resume
    else:
        return
    st.button(
        f"{name.capitalize()} training",
        icon=f":material/{icon}:",
        key=f"training_{name}",
        help=f"{name.capitalize()} {escape_markdown(run.name)}",
        on_click=act,
        args=(run,),
    )


def can_resume(run: Run) -> bool:
    """Tell whether a training of this run can go on."""
    return loaders.status(run).state in ("interrupted", "failed") and not loaders.record(run).evaluated_only


def draw_new(root: Path) -> None:
    """Draw a form that starts a training, which then is a run like any other."""
    place = st.popover("Train", icon=":material/add:", type="tertiary", key="training_new", on_change="rerun", width=90)
    if not place.open:
        return
    from sightline.model_zoo import MODELS  # imports torch

    with place, st.form("train", border=False):
        left, right = st.columns(2)
        dataset = left.text_input("Images", "planted-shapes", help=dataset_help())
        model = right.selectbox("Model", list(MODELS), index=list(MODELS).index(_MODEL))
        epochs = left.number_input("Epochs", 1, value=10)
        free = next(f"training-{number}" for number in count(1) if not (root / f"training-{number}").exists())
        name = right.text_input("Name of the run", free, max_chars=MOST_NAME).strip()
        st.caption("Other settings: `sightline train --help`. It ends with this server, and can be resumed.")
        if st.form_submit_button("Start", type="primary"):
            if not name or Path(name).name != name or (root / name).exists():
                st.error("Choose a name that no run has yet, without slashes.")
            else:
                _start(root / name, dataset.strip(), model, int(epochs))
                st.rerun()


def draw_news(root: Path) -> None:
    """Name trainings of this page that are no run yet, or have failed, until somebody has read why."""
    for path in processes.folders(_WHAT):
        key = _key(path)
        if path.parent != root.absolute():
            continue
        if processes.is_running(key) and not Run(path).exists:
            st.caption(f"{escape_markdown(path.name)} is starting …")
        elif words := processes.failure(key):
            with st.container(key=f"training_failed_{path.name}", horizontal=True, vertical_alignment="center"):
                st.error(f"{escape_markdown(path.name)}: {escape_markdown(words)}", icon=":material/error:")
                st.button("Dismiss", key=f"dismiss_{path.name}", on_click=processes.forget, args=(key,))


def options(recipe: Mapping[str, Any]) -> list[str]:
    """Return the command line of training.train that a recorded recipe stands for, without --run and --resume."""
    words: list[str] = []
    for name, value in recipe.items():
        option = name.replace("_", "-")
        if name in ("run", "resume", "processes") or value is None:
            continue
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", str(value)]
    return words


def _start(path: Path, dataset: str, model: str, epochs: int) -> None:
    arguments = ("--dataset", dataset, "--model", model, "--epochs", str(epochs), "--run", str(path.absolute()))
    processes.start(_key(path), "sightline.training.train", *arguments)


def _resume(run: Run) -> None:
    arguments = (*options(loaders.record(run).recipe), "--run", str(run.path.absolute()), "--resume")
    processes.start(_key(run.path), "sightline.training.train", *arguments)


def _stop(run: Run) -> None:
    processes.stop(_key(run.path))


def _key(path: Path) -> processes.Key:
    return _WHAT, path.absolute()
