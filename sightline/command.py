"""The command `sightline`: its first word names what to do, and what follows are that command's own options."""

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, NamedTuple

import tyro

from sightline.explain.command_line import name_of
from sightline.explain.output import patient_output


class Command(NamedTuple):
    """What a word stands for. module: imported only when it is wanted, since most load torch, which takes seconds."""

    module: str
    about: str


COMMANDS = {
    "train": Command("sightline.training.train", "train a classifier and write its run"),
    "evaluate": Command(
        "sightline.training.evaluate",
        "make a run of a model that was trained elsewhere, or write the predictions of a run again",
    ),
    "precompute": Command("sightline.explain.precompute", "compute the maps of a run ahead of time"),
    "quality": Command("sightline.explain.quality", "measure how far the maps of a run may be believed"),
    "patterns": Command("sightline.explain.patterns", "find what the mistakes of a run share"),
    "influence": Command("sightline.explain.influence", "find the training images behind the mistakes of a run"),
    "prove": Command(
        "sightline.training.prove", "train a run again without what taught its mistakes, and compare the two"
    ),
    "report": Command("sightline.report.write", "write the report of a run: one HTML file that opens anywhere"),
    "check": Command("sightline.report.check.command_line", "check a run by rules, for CI: exit code, table, files"),
    "show": Command("sightline.app.show", "open the dashboard"),
}


@dataclass(frozen=True)
class FirstWord:
    """What to do."""

    command: Annotated[str, name_of(COMMANDS), tyro.conf.Positional]
    """what to do; each command has its own help: sightline train --help"""


def main() -> None:
    """Run the command that the first word of the command line names, with the rest of the line."""
    about = "\n\n".join(f"{name}: {command.about}" for name, command in COMMANDS.items())
    with patient_output():
        word = tyro.cli(FirstWord, prog="sightline", description=about, args=sys.argv[1:2]).command
        sys.argv = [f"sightline {word}", *sys.argv[2:]]
        import_module(COMMANDS[word].module).main()


if __name__ == "__main__":
    main()
