"""The demo, trained when somebody asks for it."""

from pathlib import Path

from sightline.app.runs import processes
from sightline.run_store.files import is_locked
from sightline.run_store.run import Run


def train_demo(runs: Path) -> None:
    """Train the two demo runs in this folder, unless that is being done."""
    processes.start(key(runs), "sightline.training.demo", "--runs", str(runs.absolute()))


def is_training(runs: Path) -> bool:
    """Tell whether the demo is being trained in this folder."""
    return processes.is_running(key(runs))


def trains(run: Run) -> bool:
    """Tell whether the demo is being trained in the folder of this run, and the run is one of its two."""
    return run.path.name.startswith("demo-") and is_training(run.path.parent) and is_locked(run.path)


def is_waiting(runs: Path) -> bool:
    """Tell whether the demo waits until something else has ended."""
    return processes.is_waiting(key(runs))


def failure(runs: Path) -> str:
    """Return the last words of a demo that failed, else nothing."""
    return processes.failure(key(runs))


def key(runs: Path) -> processes.Key:
    """Return the key of the process that trains the demo in this folder."""
    return "demo", runs.absolute()
