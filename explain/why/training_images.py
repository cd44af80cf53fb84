"""The training images of a run: loaded again, known to be the same by their fingerprint, and shown to its network."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor
from tqdm import tqdm

from sightline.explain.batches import FORWARD_PIXELS, batches
from sightline.explain.reading import read_ahead
from sightline.image_data import (
    DataError,
    ImageData,
    ImageSplit,
    Progress,
    hold_out,
    leave_out,
    load_image_data,
    load_test_split,
    with_classes,
)
from sightline.image_data.images import Images
from sightline.image_data.sources import runs_code
from sightline.model_zoo import normalize
from sightline.run_store import files
from sightline.run_store.left_out import left_out
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

MOST_IMAGES = {"cpu": 256, "cuda": 2048}  # of a batch


def load_training_split(
    run: Run,
    dataset: str | None = None,
    split: str = "train",
    *,
    run_code: bool = False,
    progress: Progress | None = None,
    warn: Callable[[Iterable[str]], object] | None = None,
) -> ImageSplit:
    """Return the images that the network of a run was trained on, less those held out and left out of its training.

    Of a run that was trained here they have the fingerprint in its record. One that was trained elsewhere names none:
    then they are those that the user names, of which nothing can be checked but their classes.

    dataset: where they are, as on the command line; None: where the run says. split: what that calls them, for a run
    that was trained elsewhere. run_code: whether the user named the data set, so that the program in FILE.py:NAME may
    be run. warn: is given sentences about images that were left out.
    Raises RunError or DataError, with a sentence, where they are not to be had, or are others than those.
    """
    record = run.record
    known = record.fingerprints.get("train")
    if dataset is None and known is None:
        raise RunError(
            f"Run {run.name} was trained elsewhere and does not say on which images; name them with --dataset, such as "
            "--dataset folder:DIR, where they lie in DIR/train/<class>/."
        )
    source = dataset or record.dataset
    if not run_code and runs_code(source):
        raise RunError(
            f"The training images of run {run.name} come from the program {source}, which is run only where you name "
            f"it yourself: --dataset {source}."
        )
    if known is None:
        found, warnings = load_test_split(
            source,
            image_size=record.input_size,
            split=split,
            resize=record.resize,
            mean=record.mean,
            std=record.std,
            run_code=run_code,
            progress=progress,
        )
        found = with_classes(found, record.class_names, f"Run {run.name}")
    else:
        data = load_image_data(
            source, image_size=_chosen_size(run), default_size=record.input_size, run_code=run_code, progress=progress
        )
        found, warnings = _trained_on(run, data), data.warnings
        if found.fingerprint != known:
            raise RunError(
                f"The training split of {source} is not the one that run {run.name} was trained on; restore it first."
            )
    if warn:
        warn(warnings)
    return found


def _chosen_size(run: Run) -> int | None:
    size = run.record.recipe.get("image_size")
    return size if isinstance(size, int) else None


def _trained_on(run: Run, data: ImageData) -> ImageSplit:
    """Return the training split less what was held out, and then less what was left out."""
    held_out, without = run.record.recipe.get("held_out"), left_out(run)
    if isinstance(held_out, int):
        data = hold_out(data, held_out)
    try:
        return (leave_out(data, without.indices) if without else data).train
    except DataError as error:
        raise RunError(f"Run {run.name}: {files.WITHOUT} does not fit. {error} Restore it.") from error


def input_batches(run: Run, images: Images, device: torch.device, what: str) -> Iterator[tuple[slice, Tensor]]:
    """Yield the images, a batch at a time, as the network of the run sees them: float32 n×3×S×S, on the device.

    images: uint8 N×S×S×3, of which no more than a few batches are in memory. what: said by the bar that is drawn; ""
    draws none.
    """
    record = run.record
    most = MOST_IMAGES.get(device.type, MOST_IMAGES["cpu"])
    parts = list(batches(len(images), images.shape[1] * images.shape[2], FORWARD_PIXELS, most))
    with tqdm(desc=what, total=len(images), unit="image", smoothing=0.05, disable=not what) as bar:
        for part, pixels in zip(parts, read_ahead(images, parts, device), strict=True):
            yield part, normalize(pixels, record.mean, record.std)
            bar.update(part.stop - part.start)
