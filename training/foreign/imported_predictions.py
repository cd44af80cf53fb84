"""Make a run of predictions that another program wrote, from what the command line names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from sightline.explain.progress import progress_bar, tell, warn
from sightline.image_data import ImageSplit, Progress, load_test_split, read_class_names
from sightline.image_data.preprocessing import Preprocessing
from sightline.image_data.resize import CROP, NAMED, Resize
from sightline.run_store.writer import check_place
from sightline.training.foreign.images import MOST_SIDE, images_by_path, joined, likely_side
from sightline.training.foreign.model_run import check_numbers, doubts
from sightline.training.foreign.predictions import read_foreign_predictions
from sightline.training.foreign.predictions_run import record_predictions
from sightline.training.logs.read_log import read_log
from sightline.training.new_run import default_run


@dataclass(frozen=True)
class PredictionsConfig:
    """The settings for making a run of predictions alone."""

    predictions: Path
    """A table, as `read_foreign_predictions` takes it."""
    dataset: str | None = None
    """A name that `load_test_split` knows; None: the images that the table names."""
    split: str | None = None
    """The name of the split; None: the first test-like one."""
    run: Path | None = None
    """The directory to make; None: runs/<UTC time>_<dataset>_<file>."""
    classes: Path | None = None
    """The names of the model's classes, in its order, as `read_class_names` takes them."""
    resize: Literal["crop", "squash", "margin"] | None = None
    """How an image of another shape becomes a square, a key of `NAMED`; None: as the data set says."""
    image_size: int | None = None
    """Side to which images of any size are brought, pixels, 8–1024."""
    strict: bool = False
    """Refuse a data set where an image would be left out."""
    log: Path | None = None
    """A log of the training, as `read_log` takes it."""
    claimed_accuracy: float | None = None
    """What the predictions should reach, 0–1."""


def import_predictions(config: PredictionsConfig) -> tuple[Path, pa.Table]:
    """Make the run that `config` describes; return its directory and its predictions.

    Raises UsageError, DataError, LogError or RunError with a sentence; then there is no run.
    """
    check_numbers(config.image_size, config.claimed_accuracy)
    if config.run is not None:
        check_place(config.run)
    names = read_class_names(config.classes) if config.classes else None
    epochs, of_log = read_log(config.log) if config.log else ([], [])
    resize = NAMED[config.resize] if config.resize else None
    with progress_bar("decoding") as progress:
        if config.dataset is None:
            foreign = read_foreign_predictions(config.predictions, names)
            foreign, test = images_by_path(foreign, config.image_size, progress, resize or CROP)
            notes: tuple[str, ...] = ()
        else:
            test, notes = _load(config, resize, progress)
            foreign = read_foreign_predictions(config.predictions, names, test.class_names)
            foreign, test, more = joined(foreign, test, config.dataset)
            notes += tuple(more)
    tell(of_log)
    warn((*foreign.notes, *notes))
    dataset = config.dataset or str(config.predictions)
    run = config.run or default_run(dataset, config.predictions.stem)
    shown = Preprocessing(resize=resize).over(test.preprocessing or Preprocessing())
    table = record_predictions(run, foreign, test, dataset, epochs=epochs, resize=shown.resize or CROP)
    warn(doubts(table, test.class_names, config.claimed_accuracy))
    return run, table


def _load(config: PredictionsConfig, resize: Resize | None, progress: Progress) -> tuple[ImageSplit, tuple[str, ...]]:
    """Load the images; no network says at which size, and small ones that are enlarged would be blurred."""

    def load(default_size: int) -> tuple[ImageSplit, tuple[str, ...]]:
        return load_test_split(
            config.dataset or "", image_size=config.image_size, default_size=default_size, split=config.split,
            resize=resize, strict=config.strict, run_code=True, progress=progress,
        )  # fmt: skip

    test, notes = load(MOST_SIDE)
    if config.image_size is None and test.paths and (side := likely_side(test.paths[0])) < test.images.shape[1]:
        return load(side)
    return test, notes
