"""The launcher: streamlit run app/main.py [-- --runs DIR]"""

import argparse
import os
import sys
from pathlib import Path

import streamlit as st

FOLDER = Path(__file__).resolve().parent
if str(FOLDER.parent) not in sys.path:
    sys.path.insert(0, str(FOLDER.parent))

from app.connections import answer_at_once  # noqa: E402 (found only once the root is on the path)
from app.thumbnails import ROUTES  # noqa: E402 (likewise)

parser = argparse.ArgumentParser(prog="streamlit run app/main.py --", description="Sightline")
parser.add_argument("--runs", metavar="DIR", help="the folder of runs (default: $SIGHTLINE_RUNS, else ./runs)")
runs = parser.parse_known_args()[0].runs
if runs:
    os.environ["SIGHTLINE_RUNS"] = runs


app = st.App(FOLDER / "dashboard.py", routes=ROUTES, lifespan=answer_at_once)
