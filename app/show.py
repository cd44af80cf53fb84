"""Open the dashboard.

sightline show [--runs DIR]
"""

import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from sightline.explain.command_line import whole
from sightline.explain.output import patient_output


@dataclass(frozen=True)
class ShowConfig:
    """Open the dashboard in a browser; Ctrl-C ends it."""

    runs: Path | None = None
    """the folder of runs; default: $SIGHTLINE_RUNS, else ./runs"""
    port: Annotated[int | None, whole(1, 65535)] = None
    """on which it listens, on this machine only; default: the first that is free from 8501 on"""
    browser: bool = True
    """open a browser, where there is one"""
    read_only: bool = False
    """visitors only look: nothing is trained, measured, renamed or hidden; also where $SIGHTLINE_READ_ONLY is 1"""
    datasets: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """a folder: visitors may train on what lies below it; may be given several times; default: those in
    $SIGHTLINE_DATASETS, else the working directory"""
    host: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """a name under which browsers reach this server, such as that of a proxy; may be given several times"""
    framed_by: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """the origin of a page that may show this one in a frame, such as a notebook's http://localhost:8888; may be given
    several times"""


def streamlit_arguments(config: ShowConfig) -> list[str]:
    """Return the command line of Streamlit that serves the dashboard as `config` says."""
    launcher = Path(__file__).resolve().with_name("main.py")
    options = [] if config.port is None else [f"--server.port={config.port}"]
    options += [] if config.browser else ["--server.headless=true"]  # otherwise Streamlit looks whether there is one
    ours = [] if config.runs is None else [f"--runs={config.runs}"]
    ours += ["--read-only"] if config.read_only else []
    for name in ("datasets", "host", "framed_by"):
        ours += [f"--{name.replace('_', '-')}={value}" for value in getattr(config, name)]
    return ["streamlit", "run", str(launcher), *options, *(["--", *ours] if ours else [])]


def main() -> None:
    """Serve the dashboard until Ctrl-C."""
    with patient_output():
        sys.argv = streamlit_arguments(tyro.cli(ShowConfig, prog="sightline show"))
    runpy.run_module("streamlit", run_name="__main__")


if __name__ == "__main__":
    main()
