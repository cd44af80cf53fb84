"""Which training images taught the mistakes: those that attend to what a pattern attends to, or the ringleaders."""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.why.attended import attended_features
from sightline.explain.why.space import Space, nearest_pattern
from sightline.explain.why.training_images import input_batches
from sightline.image_data import ImageSplit
from sightline.run_store.culprits import Culprits
from sightline.run_store.formulas import no_formula
from sightline.run_store.left_out import INDEX, LABEL
from sightline.run_store.patterns import Patterns, read_space
from sightline.run_store.run import Run

SEED = 0  # of what is drawn at random


@dataclass(frozen=True)
class Traced:
    """M training images, each once, in the order in which they are listed.

    index: int64 M, numbers in the training split. pattern: int64 M, −1: of none. similarity: float32 M, −1 to 1: of
    one of a pattern to its centre, of a ringleader to the mistake that it resembles most; NaN where there is none.
    """

    index: np.ndarray
    pattern: np.ndarray
    similarity: np.ndarray


def trace(run: Run, found: Patterns, numbers: Collection[int], split: ImageSplit, device: torch.device) -> Traced:
    """Return the training images of some patterns: pattern by pattern, the most similar first.

    An image belongs to a pattern where its attended feature, with the map of its own label, falls into the pattern's
    group, and its label is the class that most of the pattern's mistakes are taken for. split: the run's.
    Raises ExplainError where there is none, RunError or ModelError.
    """
    space, model = Space(**read_space(run, found)), run.load_model().to(device)
    pattern = np.empty(len(split), np.int64)
    similarity = np.empty(len(split), np.float32)
    for part, images in input_batches(run, split.images, device, "tracing training images"):
        labels = torch.from_numpy(np.array(split.labels[part])).to(device)
        features, _ = attended_features(model, images, found.layer, labels)
        pattern[part], similarity[part] = nearest_pattern(space, features.float().cpu().numpy())
    taken = {number: found.numbered(number).taken_for for number in numbers}
    belongs = np.array([taken.get(number) for number in pattern.tolist()], object) == split.labels
    index = np.flatnonzero(belongs)
    if not len(index):
        raise ExplainError(
            f"No training image of run {run.name} attends to what these patterns attend to, so nothing can be left out."
        )
    index = index[np.lexsort((-similarity[index], pattern[index]))]
    return Traced(index, pattern[index], similarity[index])


def ringleaders(found: Culprits, mistakes: np.ndarray, count: int) -> Traced:
    """Return the `count` training images behind most of the mistakes (int64), the worst first; fewer if there are none.

    Raises ExplainError where no training image is known behind any of them.
    """
    index, _ = found.behind(mistakes)
    if not len(index):
        raise ExplainError("No training images are known behind these mistakes, so nothing can be left out.")
    index = index[:count]
    rows = np.isin(found.index, mistakes)
    nearest = np.full(len(found.training.label), -np.inf, np.float32)
    np.maximum.at(nearest, found.train_index[rows], found.similarity[rows])
    return Traced(index, np.full(len(index), -1), nearest[index])


def at_random(count: int, images: int, seed: int = SEED) -> Traced:
    """Return so many of a number of training images, drawn at random, always the same, in their order."""
    index = np.sort(np.random.default_rng(seed).choice(images, count, replace=False))
    return Traced(index, np.full(count, -1), np.full(count, np.nan, np.float32))


def list_bytes(traced: Traced, split: ImageSplit) -> bytes:
    """Write a list that people may edit: CSV with a line an image.

    Its columns are train_index, label (the name of the class), pattern, similarity and path, the last three empty where
    there is none. No cell is a formula.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([INDEX, LABEL, "pattern", "similarity", "path"])
    names = [no_formula(name) for name in split.class_names]
    for index, pattern, similarity in zip(traced.index, traced.pattern, traced.similarity, strict=True):
        path = no_formula(split.paths[index]) if split.paths else ""
        alike = "" if np.isnan(similarity) else f"{similarity:.4f}"
        writer.writerow([index, names[split.labels[index]], pattern if pattern > 0 else "", alike, path])
    return text.getvalue().encode("utf-8", "replace")
