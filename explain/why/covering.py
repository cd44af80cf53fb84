"""Confirm patterns: does covering what was attended make their mistakes right, more than covering as much at random?"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from sightline.explain.attribution.engine import probabilities
from sightline.explain.batches import image_batches
from sightline.explain.judging.hiding import hottest
from sightline.explain.judging.imputation import impute
from sightline.model_zoo.device import device_of
from sightline.run_store.comparison import mcnemar
from sightline.run_store.patterns import TESTED, Covered, Patterns
from sightline.run_store.run import Run

MOST_MISTAKES = 50  # of a pattern
FEWEST_MISTAKES = 10  # of large images
_PIXELS = 2**23  # of all mistakes that are tried, but for the fewest: to fill in large images takes long
_AT_ONCE = 64  # images


def confirm(run: Run, model: nn.Module, found: Patterns, maps: np.ndarray) -> Patterns:
    """Return the patterns with how many mistakes of their tested half become right when what was attended is covered.

    Up to 50 of each are tried, drawn at random, always the same; of large images fewer, but 10 at least.
    maps: float N×h×w, signed, of all test images and the predicted class. Raises RunError where originals are missing.
    """
    if not found.patterns:
        return found
    may_be_tried = run.predictions().wrong & (found.half == TESTED)
    most = _PIXELS // run.record.input_size**2 // len(found.patterns)
    most = int(np.clip(most, FEWEST_MISTAKES, MOST_MISTAKES))
    tried = [_draw(np.flatnonzero(may_be_tried & (found.pattern == one.number)), most) for one in found.patterns]
    rows = np.concatenate(tried)
    right = _cover(run, model, rows, maps[rows])
    each = np.split(right, np.cumsum([len(few) for few in tried])[:-1], axis=1)
    patterns = (replace(one, covered=_count(of_one)) for one, of_one in zip(found.patterns, each, strict=True))
    return replace(found, patterns=tuple(patterns))


def _draw(rows: np.ndarray, most: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(rows)[:most])


def _cover(run: Run, model: nn.Module, rows: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Cover the hottest tenth of images (int n), and a random place of the same shape: which become right, bool 2×n."""
    labels, side = run.predictions().column("label").astype(np.int64)[rows], run.record.input_size
    rng, right = np.random.default_rng(0), np.zeros((2, len(rows)), bool)
    with tqdm(total=len(rows), desc="covering", unit="image") as progress:
        for part in image_batches(len(rows), side, _AT_ONCE):
            images = torch.from_numpy(run.model_images(rows[part].tolist())).permute(0, 3, 1, 2).float() / 255
            hot = torch.stack([hottest(torch.from_numpy(values), (side, side)) for values in maps[part]])
            moved = torch.stack([mask.roll(rng.integers(side, size=2).tolist(), (0, 1)) for mask in hot])
            for way, hidden in enumerate((hot, moved)):
                right[way, part] = _predicted(run, model, images, hidden) == labels[part]
            progress.update(len(images))
    return right


def _predicted(run: Run, model: nn.Module, images: Tensor, hidden: Tensor) -> np.ndarray:
    """Return the predicted classes of images (float n×3×H×W, 0–1) without the pixels `hidden`, bool n×H×W."""
    filled = impute(images, hidden, torch.Generator().manual_seed(0)).clamp(0, 1)
    pixels = (filled * 255).round().byte().permute(0, 2, 3, 1).numpy()
    found: np.ndarray = probabilities(model, run.to_input(pixels).to(device_of(model))).argmax(dim=1).cpu().numpy()
    return found


def _count(right: np.ndarray) -> Covered:
    hot, random = right
    p_value = mcnemar(int((hot & ~random).sum()), int((random & ~hot).sum()))
    return Covered(right.shape[1], int(hot.sum()), int(random.sum()), p_value)
