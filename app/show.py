"""Open the dashboard.

sightline show [--runs DIR]
"""

import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from sightline.explain.output import patient_output


@dataclass(frozen=True)
class ShowConfig:
    """Open the dashboard in a browser; Ctrl-C ends it."""

    runs: Path | None = None
    """the folder of runs; default: $SIGHTLINE_RUNS, else ./runs"""
    port: int | None = None
    """on which it listens, on this machine only; default: the first that is free from 8501 on"""
    browser: bool = True
    """open a browser, where there is one"""


def streamlit_arguments(config: ShowConfig) -> list[str]:
    """Return the command line of Streamlit that serves the dashboard as `config` says."""
    launcher = Path(__file__).resolve().with_name("main.py")
    options = [] if config.port is None else [f"--server.port={config.port}"]
    options += [] if config.browser else ["--server.headless=true"]  # otherwise Streamlit looks whether there is one
    runs = [] if config.runs is None else ["--", "--runs", str(config.runs)]
    return ["streamlit", "run", str(launcher), *options, *runs]


def main() -> None:
    """Serve the dashboard until Ctrl-C."""
    with patient_output():
        sys.argv = streamlit_arguments(tyro.cli(ShowConfig, prog="sightline show"))
    runpy.run_module("streamlit", run_name="__main__")


if __name__ == "__main__":
    main()
