"""Write the report of a run: one HTML file that opens anywhere.

sightline report --run runs/NAME --output report.html
sightline report --run runs/NAME --beside runs/OTHER --set 'true=cat&predicted=dog' --images 48 --output report.html
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from sightline.explain.command_line import UsageError, ending_in_a_sentence, whole
from sightline.explain.progress import progress_bar
from sightline.report.address.typed import AskedError
from sightline.report.asked import IMAGES, MOST_IMAGES, Asked, ask
from sightline.report.page import make_report
from sightline.run_store.commands import command
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


class OutputError(Exception):
    """A sentence for the user: why the file could not be written."""


@dataclass(frozen=True)
class ReportConfig:
    """Write the report of a run: one HTML file that opens without a network and without Sightline."""

    run: Path
    """the run directory"""
    output: Path
    """the file to write; it ends in .html, and one that is there is replaced"""
    beside: Path | None = None
    """a second run, tested on the same images, that it is compared with"""
    set: str = ""
    """which images are shown: the dashboard's address, or the part of it behind the ?, such as
    true=cat&predicted=dog&layer=layer4; runs in it are passed over. Default: the mistakes, most confident first"""
    images: Annotated[int, whole(0, MOST_IMAGES)] = IMAGES
    """how many images of the set are shown, at most"""


def main() -> None:
    """Run the command `sightline report`."""
    config = tyro.cli(ReportConfig, prog="sightline report")
    with ending_in_a_sentence(interrupted="no report was written."):
        _check_output(config.output)
        beside = Run(config.beside) if config.beside else None
        try:
            with progress_bar("maps") as progress:
                again = command("report", *sys.argv[1:])
                asked = ask(Run(config.run), beside, config.set, config.images, again, progress=progress)
                report = make_report(asked)
        except AskedError as error:
            raise UsageError(str(error)) from error
        try:
            report.save(config.output)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise OutputError(f"{config.output} could not be written: {why}. Nothing was left there.") from error
        print(f"Wrote {config.output}.{_without_predictions(asked)}")


def _check_output(file: Path) -> None:
    """Raise UsageError for what no report can be written to: before it is made, which may take long."""
    if os.path.isdir(file):
        raise UsageError(f"--output {file} is a folder; name a file in it, such as {file / 'report.html'}.")
    if file.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--output {file} does not end in .html, so no browser opens it; name it {file.name}.html.")
    if os.path.lexists(file) and not os.path.isfile(file):
        raise UsageError(f"--output {file} is no regular file; name another one.")
    if not os.path.isdir(file.parent):
        raise UsageError(f"The folder {file.parent} is not there; make it first, or name another one.")
    if not os.access(file.parent, os.W_OK):
        raise UsageError(f"The folder {file.parent} may not be written to; name another one.")


def _without_predictions(asked: Asked) -> str:
    """Say what is missing in the report of a run whose predictions cannot be read."""
    try:
        _ = asked.predictions
    except RunError as error:
        return f" It has the curves alone. {error}"
    return ""


if __name__ == "__main__":
    main()
