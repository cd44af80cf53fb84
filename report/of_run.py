"""The report of a run for programs and notebooks."""

import os
from dataclasses import replace
from pathlib import Path

from sightline.report.asked import IMAGES, ask
from sightline.report.page import Report, make_report
from sightline.report.run_summary import run_summary
from sightline.run_store.commands import command
from sightline.run_store.run import Run


def report_of(
    run: Run | str | os.PathLike[str],
    beside: Run | str | os.PathLike[str] | None = None,
    *,
    set: str = "",
    images: int = IMAGES,
    height: int = 720,
) -> Report:
    """Make the report of a run. A notebook shows it in a frame, `height` pixels high, and keeps it in its file.

    beside: a second run, tested on the same images, that it is compared with. set: which images are shown: the part of
    the dashboard's address behind the ?, such as "true=cat&predicted=dog&layer=layer4"; by default the mistakes, the
    most confident first. images: of the set that are shown, from 0 to 500 at most. Raises RunError where a run cannot
    be read or compared, AskedError where the set names what is not there: their texts are sentences.

    >>> import sightline
    >>> sightline.report_of("runs/pets", set="true=cat").save("report.html")
    PosixPath('report.html')
    """
    ours, theirs = _opened(run), None if beside is None else _opened(beside)
    asked = ask(ours, theirs, set, images, report_command(ours, theirs, set, images))
    report = make_report(asked)
    return replace(report, height=height, summary=". ".join(str(run_summary(shown.run)) for shown in asked.runs))


def _opened(run: Run | str | os.PathLike[str]) -> Run:
    return run if isinstance(run, Run) else Run(Path(run))


def report_command(run: Run, beside: Run | None, query: str, images: int) -> str:
    """Write the command that makes the report again; "" of a run after an epoch, which the command does not open."""
    if run.epoch is not None or (beside and beside.epoch is not None):
        return ""
    words: list[str | Path] = ["report", "--run", run.path]
    words += ["--beside", beside.path] if beside else []
    words += ["--set", query] if query else []
    words += ["--images", str(images)] if images != IMAGES else []
    return command(*words, "--output", "report.html")
