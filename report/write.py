"""Write the report of a run: one HTML file that opens anywhere.

sightline report --run runs/NAME --output report.html
sightline report --run runs/NAME --beside runs/OTHER --set 'true=cat&predicted=dog' --images 48 --output report.html
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from sightline.explain.command_line import UsageError, ending_in_a_sentence
from sightline.report.asked import IMAGES, AskedError, ask
from sightline.report.page import make_report
from sightline.run_store.commands import command
from sightline.run_store.run import Run


@dataclass(frozen=True)
class ReportConfig:
    """Write the report of a run: one HTML file that opens without a network and without Sightline."""

    run: Path
    """the run directory"""
    output: Path
    """the file to write"""
    beside: Path | None = None
    """a second run, tested on the same images, that it is compared with"""
    set: str = ""
    """which images are shown: the part of the dashboard's address behind the ?, as true=cat&predicted=dog&layer=layer4;
    default: the mistakes, most confident first"""
    images: int = IMAGES
    """how many images of the set are shown, at most"""


def main() -> None:
    """Run the command `sightline report`."""
    config = tyro.cli(ReportConfig, prog="sightline report")
    with ending_in_a_sentence(interrupted="no report was written."):
        beside = Run(config.beside) if config.beside else None
        try:
            asked = ask(Run(config.run), beside, config.set, config.images, command("report", *sys.argv[1:]))
        except AskedError as error:
            raise UsageError(str(error)) from error
        print(f"Wrote {make_report(asked).save(config.output)}.")


if __name__ == "__main__":
    main()
