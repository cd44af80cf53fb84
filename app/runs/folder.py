"""Where the runs are. The launcher imports this before the server answers: keep it light."""

import os
from pathlib import Path

RUNS_VARIABLE = "SIGHTLINE_RUNS"


def runs_root() -> Path:
    """Return the folder of runs."""
    return Path(os.environ.get(RUNS_VARIABLE, "runs"))
