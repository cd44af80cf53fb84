"""Trainings that are started, resumed or stopped on the page. Those of a terminal are only watched."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from sightline.app.elements.popover import close_popover, draw_popover
from sightline.app.elements.stop import draw_stop
from sightline.app.permissions import NotPermitted, check_training, is_read_only
from sightline.app.runs import demo, loaders, processes
from sightline.app.runs.folder import runs_root
from sightline.image_data import DataError
from sightline.image_data.sources import dataset_help
from sightline.report.words.text import escape_markdown
from sightline.run_store.names import check_folder_name
from sightline.run_store.note import MOST_NAME
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.training_options import training_options

Control = Literal["", "stop", "stopping", "cancel", "resume"]

_WHAT = "training"
_NEW = "training_new"
_PROBLEM = "training_problem"  # of the session, by form: why what was sent could not be started
_MODEL = "resnet18_narrow"  # what is quick enough to be watched


def control(run: Run) -> tuple[Control, str]:
    """Return what can be done about the training of a run; and of one that can be resumed, why not here, else nothing.

    "stopping": it was told to stop, and still runs.
    """
    process = process_of(run)
    if is_read_only():
        return "", ""
    if processes.is_stopping(process):
        return "stopping", ""
    if processes.is_running(process) or processes.is_waiting(process):
        return "stop" if processes.is_running(process) else "cancel", ""
    return ("resume", why_not(loaders.record(run).recipe)) if can_resume(run) else ("", "")


def process_of(run: Run) -> processes.Key:
    """Return the key of the process that trains a run, if any does: the demo trains two in one."""
    return demo.key(run.path.parent) if demo.trains(run) else _key(run.path)


def draw_control(run: Run) -> None:
    """Draw the button that stops a training, takes back that it waits, or resumes it: none where none can be done."""
    what, problem = control(run)
    if what == "resume":
        st.button(
            "Resume training",
            icon=":material/play_arrow:",
            key="training_resume",
            help=escape_markdown(problem or f"Resume {run.name}"),
            on_click=resume,
            args=(run,),
            disabled=bool(problem),
        )
    elif what:
        draw_stop(process_of(run), "training_stop", "training")


def can_resume(run: Run) -> bool:
    """Tell whether a training of this run can go on."""
    return (
        not is_read_only()
        and loaders.status(run).state in ("interrupted", "failed")
        and not loaders.record(run).foreign
    )


def draw_new(root: Path) -> None:
    """Draw a form that starts a training, which then is a run like any other; nothing where visitors only look."""
    if is_read_only():
        return
    place = draw_popover("Train", _NEW, icon=":material/add:", type="tertiary", width=90)
    if not place.open:
        forget_problem(_NEW)
        return
    from sightline.model_zoo import MODELS  # imports torch

    with place, st.form("train", border=False):
        left, right = st.columns(2)
        dataset = left.text_input("Images", "planted-shapes", help=dataset_help())
        model = right.selectbox("Model", list(MODELS), index=list(MODELS).index(_MODEL))
        epochs = left.number_input("Epochs", 1, value=10)
        name = right.text_input("Name of the run", free_name(root, "training-{}"), max_chars=MOST_NAME).strip()
        st.caption("Other settings: `sightline train --help`. It ends with this server, and can be resumed.")
        if draw_start(_NEW, name, {"dataset": dataset.strip(), "model": model, "epochs": int(epochs)}):
            close_popover(_NEW)
            st.rerun()


def draw_start(form: str, name: str, recipe: Mapping[str, Any]) -> bool:
    """Draw the button of a form that starts a training under a name, and why it could not; tell whether it did."""
    answer, root, problem = st.empty(), runs_root(), f"{_PROBLEM}_{form}"
    if st.form_submit_button("Start", type="primary"):
        st.session_state[problem] = _name_problem(root, name) or why_not(recipe)
        if not st.session_state[problem]:
            _start(root / name, recipe)
            return True
    if words := st.session_state.get(problem):  # until it is sent again: all is drawn every few seconds
        answer.error(escape_markdown(words))
    return False


def forget_problem(form: str) -> None:
    """Forget why a form could not be started: it is closed, or opened anew."""
    st.session_state.pop(f"{_PROBLEM}_{form}", None)


def free_name(root: Path, pattern: str, start: int = 1) -> str:
    """Return the first name that no run has. pattern: “training-{}”, with a place for a number from `start` on."""
    before, _, after = pattern.rpartition("{}")
    return next(name for name in (f"{before}{n}{after}" for n in count(start)) if not _is_taken(root / name))


def _name_problem(root: Path, name: str) -> str:
    """Say why a new run cannot be named so, else nothing."""
    try:
        check_folder_name(name)
    except RunError as error:
        return str(error)
    is_free = name and Path(name).name == name and not _is_taken(root / name)
    return "" if is_free else "Choose a name that no run has yet, without slashes."


def _is_taken(path: Path) -> bool:
    """Tell whether there is something already, or will be."""
    return path.exists() or processes.is_running(_key(path)) or processes.is_waiting(_key(path))


def why_not(recipe: Mapping[str, Any]) -> str:
    """Say why a training of this recipe, as in run.json, may not be started here, else nothing."""
    try:
        options(recipe)
    except (NotPermitted, DataError) as error:
        return str(error)
    return ""


def draw_news(root: Path) -> None:
    """Name what this page trains and is no run yet, or has failed, until somebody has read why; and the demo."""
    if demo.is_training(root) or demo.is_waiting(root):
        words = processes.waiting_words() if demo.is_waiting(root) else "is being trained, in two runs"
        _draw_news(f"The demo · {words}", demo.key(root), "demo")
    for path in processes.folders(_WHAT):
        key, name = _key(path), escape_markdown(path.name)
        if path.parent != root.absolute():
            continue
        if words := processes.failure(key):
            with st.container(key=f"training_failed_{path.name}", horizontal=True, vertical_alignment="center"):
                st.error(f"{name}: {escape_markdown(words)}", icon=":material/error:")
                st.button("Dismiss", key=f"dismiss_{path.name}", on_click=processes.forget, args=(key,))
        elif processes.is_waiting(key) and not Run(path).exists:
            _draw_news(f"{name} · {processes.waiting_words()}", key, path.name)
        elif processes.is_running(key) and not Run(path).exists:
            _draw_news(f"{name} is starting …", key, path.name)


def _draw_news(words: str, process: processes.Key, name: str) -> None:
    with st.container(key=f"training_news_{name}", horizontal=True, vertical_alignment="center"):
        st.caption(words, width="stretch")
        if not is_read_only():
            draw_stop(process, f"training_news_stop_{name}")


def options(recipe: Mapping[str, Any]) -> list[str]:
    """Return the command line of training.train that a recorded recipe stands for, without --run and --resume.

    Raises NotPermitted and DataError where a page may not start such a training.
    """
    check_training(recipe)
    return training_options(recipe)


def _start(path: Path, recipe: Mapping[str, Any], *more: str) -> None:
    arguments = (*options(recipe), f"--run={path.absolute()}", *more)
    processes.start(_key(path), "sightline.training.train", *arguments)


def resume(run: Run) -> None:
    """Go on with its training. Raises NotPermitted and DataError where no page may, RunError for a damaged record."""
    _start(run.path, loaders.record(run).recipe, "--resume")


def stop(run: Run) -> None:
    """Stop its training, or take back that it waits. Raises NotPermitted."""
    processes.stop(process_of(run))


def _key(path: Path) -> processes.Key:
    return _WHAT, path.absolute()
