"""The errors that the commands of this package end with, and the bar that says how far they are."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from tqdm import tqdm

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.world import WorldError
from sightline.image_data import DataError, Progress
from sightline.model_zoo import ModelError
from sightline.run_store.record import RunError
from sightline.training.recipe import TrainingError

USER_ERRORS = (DataError, ExplainError, ModelError, RunError, TrainingError, WorldError)
RESOURCE_ERRORS = (OSError, MemoryError, torch.OutOfMemoryError)  # a full disk, a full memory
COMMAND_ERRORS = (*USER_ERRORS, *RESOURCE_ERRORS)


class UsageError(Exception):
    """A sentence for the user: which options do not go together, or which value an option may have."""


def warn(sentences: Iterable[str]) -> None:
    """Print each sentence to stderr, as a warning."""
    for sentence in sentences:
        print(f"Warning: {sentence}", file=sys.stderr)


@contextmanager
def progress_bar(doing: str) -> Iterator[Progress]:
    """Yield a Progress that draws a bar, named `doing`; there is none before its first call, and none in the end."""
    with tqdm(desc=doing, unit="image", delay=1e-3, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
