"""Write the figures of metrics.csv as event files, which TensorBoard opens."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sightline.run_store.metrics import METRICS_COLUMNS

TAGS = {
    "train_loss": "loss/train",
    "test_loss": "loss/test",
    "train_accuracy": "accuracy/train",
    "test_accuracy": "accuracy/test",
    "learning_rate": "learning_rate",
    "seconds": "seconds",
}


@contextmanager
def event_files(
    folder: Path | None, rows: Sequence[Sequence[float]]
) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Write `rows`, each with METRICS_COLUMNS, in place of what the folder holds; yield what adds another epoch.

    Needs the package tensorboard. Without a folder nothing is written.
    """
    if folder is None:
        yield lambda row: None
        return
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(folder, ignore_errors=True)
    with SummaryWriter(str(folder)) as events:

        def add(row: Mapping[str, float]) -> None:
            for name, tag in TAGS.items():
                events.add_scalar(tag, row[name], int(row["epoch"]))
            events.flush()

        for row in rows:
            add(dict(zip(METRICS_COLUMNS, row, strict=True)))
        yield add
