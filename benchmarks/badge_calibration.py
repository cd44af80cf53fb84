"""How often is a badge wrong? Candidates for the thresholds of findings, where planted shapes tell the truth.

python -m benchmarks.badge_calibration --runs FOLDER [--chosen-on 0 1 2] [--checked-on 3 4]

A false alarm: the badge is shown although it does not hold; a miss: it holds and is not shown. The truths:

*same for all*: two classified images stand side by side, and the maps of their two classes are made. Maps of a kind
depend on the class if that moves a tenth of the positive map or more to the other image, on average. The badge then
goes by the correlation of the two likeliest classes' maps on single images, as in the dashboard. Beside them stands a
map that ignores the class by construction, the mean magnitude of a layer's activations. It counts in no rate: its
correlation of exactly 1 would flatter every threshold.

*coarse*: the best map of h×w cells there can be is the object's mask, averaged over the cells. It can be read as an
outline if, once enlarged and cut at its best level, it overlaps the object better (intersection over union) than the
best disc around the object's middle, which knows its place and its size and nothing of its outline.

*flat*: the mask on 8×8 cells with so little contrast, painted over its image as the dashboard paints. It stands out if
the eye can tell the hottest cells from the coldest: their mean colours differ by 2.3 in CIELAB, the just noticeable
difference (Mahy et al. 1994), over the same pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import tyro
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from benchmarks.calibration import activation_maps, demo_runs, error_rates
from sightline.explain.attribution.engine import upsample
from sightline.explain.judging.examination import attributions
from sightline.explain.judging.localisation import positive_share
from sightline.explain.judging.sample import Sample, draw_sample
from sightline.explain.judging.similarity import pearson
from sightline.image_data.planted_shapes import planted_shapes
from sightline.image_data.splits import OBJECT, ImageSplit
from sightline.report.drawing.map_settings import COLOURS
from sightline.report.drawing.paint import overlay
from sightline.run_store.quality import Kind
from sightline.run_store.run import Run

METHODS = ("gradcam", "hirescam", "layercam", "gradcam++")
IGNORES = "activations"  # the maps that know no class
LEAST_MOVED = 0.1  # of the positive map, from one image of a pair to the other
NOTICEABLE = 2.3  # in CIELAB
OPACITY = 0.6  # of a map over its image, the dashboard's default
CANDIDATES = {
    "same for all: correlation above": (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99),
    "coarse: cells a side below": (2, 3, 4, 5, 6, 7, 8),
    "flat: contrast below": (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1),
}
SIDES = range(1, 9)  # cells of a coarse map
CONTRASTS = (np.arange(20) + 0.5) / 200  # to 10 %, between the candidates


@dataclass(frozen=True)
class Config:
    """Sweep the thresholds of three findings, and print tables in Markdown."""

    runs: Path
    """folder of demo runs, a folder a seed; those that are missing are trained"""
    chosen_on: tuple[int, ...] = (0, 1, 2)
    """seeds of the runs by which a threshold is chosen"""
    checked_on: tuple[int, ...] = (3, 4)
    """seeds of those that it is reported on"""
    images: int = 300
    """of each run's test split; of planted shapes, as many for choosing and as many for checking"""


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.badge_calibration")
    seeds = (*config.chosen_on, *config.checked_on)
    maps = pd.concat(
        real_maps(run, config.images).assign(run=run.path, chosen=seed in config.chosen_on)
        for seed, run in demo_runs(config.runs, seeds)
    )
    print_kinds(maps)
    maps = maps[maps.method != IGNORES].rename(columns={"correlation": "value"})
    maps["holds"] = maps.moved < LEAST_MOVED
    shapes = planted_shapes("honest", 1, 2 * config.images).test
    cases = (maps, regions(shapes), unseen(shapes))
    print("\n| badge | threshold | false alarms | misses | sum | checked: false alarms | misses |")
    print("|---|---|---|---|---|---|---|")
    for (name, candidates), found in zip(CANDIDATES.items(), cases, strict=True):
        print_sweep(name, candidates, found)


def real_maps(run: Run, images: int) -> pd.DataFrame:
    """A row for each map of the predicted class: kind, correlation, contrast, and `moved`, which is its kind's."""
    sample = draw_sample(run, images)
    singles = sample.images(slice(None), torch.device("cpu"))
    pairs, classes = side_by_side(sample)
    of_pairs = maps_of_two_classes(run, pairs, classes)
    frames = []
    for (method, layer), both in maps_of_two_classes(run, singles, sample.classes).items():
        values = both.numpy()
        largest = np.abs(values[:, 0]).max(axis=(1, 2))
        with np.errstate(invalid="ignore"):  # 0/0, of blank maps
            contrast = np.ptp(values[:, 0], axis=(1, 2)) / largest
        figures = {"correlation": pearson(values[:, 0], values[:, 1]), "contrast": contrast}
        kind = {"method": method, "layer": layer, "moved": share_moved(of_pairs[method, layer])}
        frames.append(pd.DataFrame(kind | figures))
    return pd.concat(frames)


def side_by_side(sample: Sample) -> tuple[Tensor, Tensor]:
    """Pairs of images of two classes that the model is sure of, one right of the other: N×3×S×2S; int64 N×2."""
    rows = sample.mosaics[:, :2]
    images = sample.run.to_input(sample.run.model_images(rows.flatten().tolist())).unflatten(0, rows.shape)
    return torch.cat([images[:, 0], images[:, 1]], dim=3), sample.mosaic_classes[:, :2]


def maps_of_two_classes(run: Run, images: Tensor, classes: Tensor) -> dict[Kind, Tensor]:
    """Maps N×2×h×w of every kind."""
    model, layers = run.load_model(), run.record.layers
    kinds = [(method, layer) for method in METHODS for layer in layers]
    found = attributions(model, images, classes, kinds, range(len(images)))
    ignoring = activation_maps(model, images, layers)
    return found | {(IGNORES, layer): maps[:, None].expand(-1, 2, -1, -1) for layer, maps in ignoring.items()}


def share_moved(maps: Tensor) -> float:
    """How much of the positive map the other class moves from one half to the other: N×2×h×w → mean, 0–1."""
    left = torch.zeros(maps.shape[2:], dtype=torch.bool)
    left[:, : maps.shape[3] // 2] = True
    shares = [positive_share(maps[:, place], left.expand(len(maps), -1, -1)) for place in (0, 1)]
    return (shares[0] - shares[1]).abs().nanmean().item()  # NaN: a map that is not finite


def regions(shapes: ImageSplit) -> pd.DataFrame:
    """For every number of cells a side (value) and shape: whether its best map is but a region (holds)."""
    masks = masks_of(shapes)
    disc = best_overlap(-distance_from_middle(masks), masks)
    frames = []
    for side in SIDES:
        large = upsample(adaptive_avg_pool2d(masks[:, None].float(), side), (masks.shape[1], masks.shape[2]))[:, 0]
        is_region = best_overlap(large, masks) <= disc
        frames.append(pd.DataFrame({"value": side, "holds": is_region, "chosen": halves(shapes)}))
    return pd.concat(frames)


def distance_from_middle(masks: Tensor) -> Tensor:
    """Distance in pixels of every pixel from the centroid of its mask: bool N×H×W → float N×H×W."""
    rows, columns = torch.meshgrid(*(torch.arange(side).float() for side in masks.shape[1:]), indexing="ij")
    area = masks.sum(dim=(1, 2))
    middles = [(masks * places).sum(dim=(1, 2)) / area for places in (rows, columns)]
    return torch.hypot(rows - middles[0][:, None, None], columns - middles[1][:, None, None])


def best_overlap(maps: Tensor, masks: Tensor) -> np.ndarray:
    """Intersection over union of each mask with its map, N×H×W both, cut at the level where that is largest."""
    order = maps.flatten(1).argsort(dim=1, descending=True)
    inside = masks.flatten(1).gather(1, order).cumsum(dim=1)
    union = torch.arange(1, order.shape[1] + 1) + inside[:, -1:] - inside
    return (inside / union).amax(dim=1).numpy()


def unseen(shapes: ImageSplit) -> pd.DataFrame:
    """For every contrast (value), scale of colours and shape: whether hot and cold look the same (holds)."""
    ideal = adaptive_avg_pool2d(masks_of(shapes)[:, None].float(), 8)[:, 0].numpy()
    ideal /= ideal.max(axis=(1, 2), keepdims=True)
    scales = [(sign, colours) for sign, names in COLOURS.items() for colours in names]
    seen = [
        (contrast, difference(image, 1 - contrast * (1 - cells), *scale) >= NOTICEABLE, is_chosen)
        for image, cells, is_chosen in zip(shapes.images, ideal, halves(shapes), strict=True)
        for contrast in CONTRASTS
        for scale in scales
    ]
    found = pd.DataFrame(seen, columns=["value", "seen", "chosen"])
    return found.assign(holds=~found.seen)


def difference(image: np.ndarray, values: np.ndarray, sign: str, colours: str) -> float:
    """Mean difference in CIELAB between the coldest tenth of the pixels and the hottest colour in their place."""
    drawn, hottest = (
        overlay(image, painted, sign=sign, cells="smooth", colours=colours, opacity=OPACITY, largest=1)
        for painted in (values, np.ones_like(values))
    )
    distance = np.linalg.norm(cielab(drawn) - cielab(hottest), axis=2)
    return float(np.sort(distance.flatten())[-distance.size // 10 :].mean())


def cielab(pixels: np.ndarray) -> np.ndarray:
    """Convert sRGB, uint8 …×3, to CIE L*a*b* with the white point D65 (CIE 15:2004)."""
    rgb = pixels / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = np.moveaxis(linear @ np.transpose(matrix) / [0.95047, 1, 1.08883], -1, 0)
    x, y, z = (np.where(v > (6 / 29) ** 3, np.cbrt(v), v / (3 * (6 / 29) ** 2) + 4 / 29) for v in (x, y, z))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def masks_of(shapes: ImageSplit) -> Tensor:
    return torch.from_numpy(np.asarray(shapes.masks) & OBJECT != 0)


def halves(shapes: ImageSplit) -> np.ndarray:
    """True for the first half, by which thresholds are chosen."""
    return np.arange(len(shapes.images)) < len(shapes.images) // 2


def print_sweep(name: str, candidates: Sequence[float], found: pd.DataFrame) -> None:
    for threshold in candidates:
        rates = []
        for is_chosen in (True, False):
            part = found[found.chosen == is_chosen]
            flagged = part.value > threshold if name.endswith("above") else part.value < threshold
            rates.append(error_rates(flagged.to_numpy(), part.holds.to_numpy()))
        (alarms, misses), checked = rates
        words = " | ".join(f"{rate:.1%}" for rate in (alarms, misses, alarms + misses, *checked))
        print(f"| {name} | {threshold} | {words} |")


def print_kinds(maps: pd.DataFrame) -> None:
    print("| layer | method | moved, least to most | correlation, median (10–90 %) | lowest contrast |")
    print("|---|---|---|---|---|")
    for (layer, method), rows in maps.groupby(["layer", "method"], sort=False):
        low, median, high = rows.correlation.quantile([0.1, 0.5, 0.9])
        moved = f"{rows.moved.min():.2f}–{rows.moved.max():.2f}"
        print(f"| {layer} | {method} | {moved} | {median:.2f} ({low:.2f}–{high:.2f}) | {rows.contrast.min():.2f} |")


if __name__ == "__main__":
    main()
