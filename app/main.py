"""The launcher: streamlit run app/main.py [-- --runs DIR]"""

import argparse
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st

FOLDER = Path(__file__).resolve().parent
if (FOLDER.parent / "sightline").is_dir():  # a clone, whose root Streamlit does not put on the path
    sys.path.insert(0, str(FOLDER.parent))

from sightline.app.connections import answer_at_once  # noqa: E402 (found only once the root is on the path)
from sightline.app.elements.thumbnails import ROUTES  # noqa: E402 (found only once the root is on the path)
from sightline.app.runs import demo, processes  # noqa: E402 (found only once the root is on the path)
from sightline.app.runs.folder import RUNS_VARIABLE, runs_root  # noqa: E402 (found only once the root is on the path)

parser = argparse.ArgumentParser(prog="streamlit run app/main.py --", description="Sightline")
parser.add_argument("--runs", metavar="DIR", help="the folder of runs (default: $SIGHTLINE_RUNS, else ./runs)")
parser.add_argument("--demo", action="store_true", help="train the two demo runs there, unless they are there already")
options = parser.parse_known_args()[0]
if options.runs:
    os.environ[RUNS_VARIABLE] = options.runs


@asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """Train the demo where it is asked for, and end what the pages have started with the server."""
    if options.demo:
        demo.train_demo(runs_root())
    async with answer_at_once(app):
        yield
    processes.stop_all()


app = st.App(FOLDER / "dashboard.py", routes=ROUTES, lifespan=lifespan)
