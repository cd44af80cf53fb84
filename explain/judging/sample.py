"""Draw the images of a run on which its maps are judged."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.judging.localisation import CELLS, assemble, choose_mosaics
from sightline.run_store.run import Run

LEAST_IMAGES = 10  # of fewer, an interval says next to nothing


@dataclass(frozen=True)
class Sample:
    """N images of a run's test split, in random order, the classes that are explained, and M mosaics of four images."""

    run: Run
    rows: np.ndarray  # int N, rows of the predictions
    classes: Tensor  # int64 N×2: predicted, and the likeliest of the others
    masks: np.ndarray | None  # uint8 N×H×W at the size of the run's images, where it has masks
    mosaics: np.ndarray  # int M×4, rows; see `choose_mosaics`
    mosaic_classes: Tensor  # int64 M×4

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def side(self) -> int:
        """The width and height of an image, in pixels."""
        return self.run.record.input_size

    def images(self, part: slice, device: torch.device) -> Tensor:
        """Return the model's input of some images, float n×3×S×S. Raises RunError where the originals are missing."""
        return self.run.to_input(self.run.model_images(self.rows[part].tolist())).to(device)

    def mosaic_images(self, part: slice, device: torch.device) -> Tensor:
        """Return some of the mosaics, float m×3×2S×2S."""
        rows = self.mosaics[part]
        images = self.run.to_input(self.run.model_images(rows.flatten().tolist()))
        return assemble(images.unflatten(0, (len(rows), CELLS))).to(device)

    def first(self, images: int) -> Self:
        """Return a smaller sample, with mosaics of as many images."""
        masks = None if self.masks is None else self.masks[:images]
        mosaics, mosaic_classes = self.mosaics[: images // CELLS], self.mosaic_classes[: images // CELLS]
        return replace(
            self,
            rows=self.rows[:images],
            classes=self.classes[:images],
            masks=masks,
            mosaics=mosaics,
            mosaic_classes=mosaic_classes,
        )

    def without_mosaics(self) -> Self:
        """Return the same sample, for a model that does not take mosaics."""
        return replace(self, mosaics=self.mosaics[:0], mosaic_classes=self.mosaic_classes[:0])


def draw_sample(run: Run, images: int) -> Sample:
    """Draw at most `images` of the test split, whatever the model made of them; always the same.

    Raises ExplainError for a run of one class, or of fewer than ten images; RunError where a file of it is missing.
    """
    predictions = run.predictions()
    if len(run.record.class_names) < 2:
        raise ExplainError(
            f"Run {run.name} has one class, and a map shows what speaks for one class against others; "
            "measure a run with two classes or more."
        )
    if len(predictions) < LEAST_IMAGES:
        raise ExplainError(
            f"Run {run.name} has {len(predictions)} test images; an interval needs {LEAST_IMAGES} or more: "
            "put more images into its test split."
        )
    if predictions.probabilities is None:
        raise ExplainError(
            f"Run {run.name} has no probabilities, and measuring hides what speaks against the likeliest other class."
        )
    rows = np.random.default_rng(0).permutation(len(predictions))[:images]
    labels, predicted = (predictions.column(name).astype(np.int64) for name in ("label", "predicted"))
    others = predictions.probabilities[rows].astype(np.float32)
    others[np.arange(len(rows)), predicted[rows]] = -1
    classes = torch.from_numpy(np.stack([predicted[rows], others.argmax(axis=1)], axis=1))
    masks = run.masks()
    mosaics = choose_mosaics(labels, predicted, predictions.column("confidence"), len(rows) // CELLS)
    return Sample(
        run=run,
        rows=rows,
        classes=classes,
        masks=None if masks is None else masks[rows],
        mosaics=mosaics,
        mosaic_classes=torch.from_numpy(predicted[mosaics]),
    )
