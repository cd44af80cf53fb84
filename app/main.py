"""The launcher: streamlit run app/main.py [-- --runs DIR --read-only …]"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

FOLDER = Path(__file__).resolve().parent
if (FOLDER.parent / "sightline").is_dir():  # a clone, whose root Streamlit does not put on the path
    sys.path.insert(0, str(FOLDER.parent))

from sightline.app.announced import PROOF_ROUTES, announced  # noqa: E402 (found only once the root is on the path)
from sightline.app.connections import answer_at_once  # noqa: E402 (found only once the root is on the path)
from sightline.app.elements.report_button import ROUTES as REPORT_ROUTES  # noqa: E402 (found only once the root is on the path)
from sightline.app.elements.thumbnails import ROUTES  # noqa: E402 (found only once the root is on the path)
from sightline.app.gate import Gate, check_origin  # noqa: E402 (found only once the root is on the path)
from sightline.app.permissions import (  # noqa: E402 (found only once the root is on the path)
    DATASETS_VARIABLE,
    READ_ONLY_VARIABLE,
    is_read_only,
)
from sightline.app.runs import demo, processes  # noqa: E402 (found only once the root is on the path)
from sightline.app.runs.folder import RUNS_VARIABLE, runs_root  # noqa: E402 (found only once the root is on the path)

parser = argparse.ArgumentParser(prog="streamlit run app/main.py --", description="Sightline")
parser.add_argument("--runs", metavar="DIR", help="the folder of runs (default: $SIGHTLINE_RUNS, else ./runs)")
parser.add_argument("--demo", action="store_true", help="train the two demo runs there, unless they are there already")
parser.add_argument("--read-only", action="store_true", help="visitors only look (or: $SIGHTLINE_READ_ONLY is 1)")
parser.add_argument(
    "--datasets", metavar="DIR", action="append", default=[], help="visitors may train on images below this folder; "
    "may be given several times (default: those in $SIGHTLINE_DATASETS, else the working directory)"
)  # fmt: skip
parser.add_argument(
    "--host", metavar="NAME", action="append", default=[], help="a name under which browsers reach this server, beside "
    "localhost and those in Streamlit's settings; *.example.org is all below it; may be given several times"
)  # fmt: skip
parser.add_argument(
    "--framed-by", metavar="ORIGIN", action="append", default=[], type=check_origin,
    help="a page that may show this one in a frame, such as a notebook's http://localhost:8888",
)  # fmt: skip
parser.add_argument("--until-input-ends", action="store_true", help="end with standard input: the program that started "
    "this one holds it open, so it ends with that, however that ends")  # fmt: skip
# Served by another program, the words of the command line are that program's.
options = parser.parse_args(sys.argv[1:] if Path(sys.argv[0]).name == Path(__file__).name else [])
if options.runs:
    os.environ[RUNS_VARIABLE] = options.runs
if options.read_only:
    os.environ[READ_ONLY_VARIABLE] = "1"
if options.datasets:
    os.environ[DATASETS_VARIABLE] = os.pathsep.join(options.datasets)
if options.demo and is_read_only():
    parser.error("--demo trains, and --read-only lets nothing be trained; leave one of them out")


@asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """Train the demo where it is asked for, and end what the pages have started with the server."""
    if options.demo:
        demo.train_demo(runs_root())
    if options.until_input_ends:
        threading.Thread(target=end_with_input, name="input", daemon=True).start()
    async with answer_at_once(app):
        with announced(runs_root(), options.framed_by):
            yield
    processes.stop_all()


def end_with_input() -> None:
    """Wait until standard input ends, and end the server as its user would."""
    while os.read(0, 1024):  # not through sys.stdin, whose lock the end of the program would wait for
        pass
    os.kill(os.getpid(), signal.SIGTERM)


gate = Middleware(Gate, hosts=options.host, framed_by=options.framed_by)
app = st.App(
    FOLDER / "dashboard.py", routes=[*ROUTES, *REPORT_ROUTES, *PROOF_ROUTES], lifespan=lifespan, middleware=[gate]
)
