"""The demo, trained when somebody asks for it."""

from pathlib import Path

from sightline.app.runs import processes


def train_demo(runs: Path) -> None:
    """Train the two demo runs in this folder, unless that is being done."""
    processes.start(_key(runs), "sightline.training.demo", "--runs", str(runs.absolute()))


def is_training(runs: Path) -> bool:
    """Tell whether the demo is being trained in this folder."""
    return processes.is_running(_key(runs))


def is_waiting(runs: Path) -> bool:
    """Tell whether the demo waits until something else has ended."""
    return processes.is_waiting(_key(runs))


def failure(runs: Path) -> str:
    """Return the last words of a demo that failed, else nothing."""
    return processes.failure(_key(runs))


def _key(runs: Path) -> processes.Key:
    return "demo", runs
