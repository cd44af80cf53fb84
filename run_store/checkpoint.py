"""resume.pt: the last finished epoch, from which a training goes on."""

import os
from contextlib import closing
from typing import Any

from sightline.run_store import files
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


def read_checkpoint(run: Run) -> dict[str, Any] | None:
    """Return the last finished epoch, as `RunWriter.save_checkpoint` committed it; None where none is finished.

    Raises RunError where it is lost or damaged.
    """
    import torch

    if not os.path.exists(run.path / files.CHECKPOINT):
        if not run.metrics():
            return None
        raise RunError(f"Run {run.name} has lost its {files.CHECKPOINT}; remove it and train it again.")
    try:
        with closing(files.open_file(run.path, files.CHECKPOINT)) as stream:
            checkpoint: dict[str, Any] = torch.load(stream, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise RunError(f"Run {run.name}: {files.CHECKPOINT} is damaged; train the run again.") from error
    return checkpoint
