"""The command `sightline`: its first word names what to do, and what follows are that command's own options."""

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Literal

import tyro

# Imported only when they are named: most of them load torch, which takes seconds.
MODULES = {
    "train": "sightline.training.train",
    "evaluate": "sightline.training.evaluate",
    "precompute": "sightline.explain.precompute",
    "quality": "sightline.explain.quality",
    "show": "sightline.app.show",
}


@dataclass(frozen=True)
class Command:
    """Where does an image classifier fail, where was it looking, and may that picture be believed?

    train: train a classifier and write its run. evaluate: make a run of a model that was trained elsewhere, or write
    the predictions of a run again. precompute: compute the maps of a run ahead of time. quality: measure whether they
    may be believed. show: open the dashboard. Each has its own help: sightline train --help.
    """

    name: Annotated[Literal["train", "evaluate", "precompute", "quality", "show"], tyro.conf.Positional]
    """what to do"""


def main() -> None:
    """Run the command that the first word of the command line names, with the rest of the line."""
    command = tyro.cli(Command, prog="sightline", args=sys.argv[1:2])
    sys.argv = [f"sightline {command.name}", *sys.argv[2:]]
    import_module(MODULES[command.name]).main()


if __name__ == "__main__":
    main()
