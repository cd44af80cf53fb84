"""Does blurring say the same of maps as ROAD does, and which of them is right where it is known what the model reads?

python -m benchmarks.second_measure [--runs FOLDER] [--seeds 0 1 2 3 4] [--images 100]

The honest demo model can read the class from the object alone, the shortcut model from object and tag. Their masks
make three maps that are right: the mask, the mask with a rim of one pixel (a shape is told by its outline), and the
mask softened, which comes to the rest of the image by and by. Beside them what is wrong on purpose (the rest of the
image; mask and rim, moved by half an image), the controls and Grad-CAM, all judged by ROAD, by blurring as much as
`blur_gap` does and half as much, and by the same gap with grey instead (insertion less deletion). Two maps of a run
are ordered where the mean of their differences, image by image, is more than two standard errors from 0. The right
order is that of the area under the ROC curve of the map as a finder of mask and rim, likewise decided.
"""

import sys
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import ceil
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from sightline.explain.attribution.engine import probabilities, upsample
from sightline.explain.judging.controls import CONTROLS
from sightline.explain.judging.examination import attributions
from sightline.explain.judging.families import Autocast
from sightline.explain.judging.removal import BLUR_WIDTH, blurred, blurring, removal_curve, road_gap
from sightline.explain.judging.sample import draw_sample
from sightline.image_data.planted_shapes import VARIANTS
from sightline.image_data.splits import OBJECT, TAG
from sightline.model_zoo.device import choose_precision, keep_freed_memory
from sightline.run_store.quality import INPUT
from sightline.run_store.run import Run, list_runs
from sightline.training.demo import DemoConfig, train_demo


def by_grey(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor) -> Tensor:
    """The same gap with the mean colour in place of hidden pixels: insertion less deletion, both by grey."""

    def replace(images: Tensor, hidden: Tensor) -> Tensor:
        return torch.where(hidden[:, :, None], 0, images[:, None])

    most, least = (removal_curve(model, images, order, targets, replace) for order in (maps, -maps))
    return (least - most).mean(dim=1)


def by_blurring(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor, width: float = BLUR_WIDTH) -> Tensor:
    """The gap of blurring."""
    return blurring(model, images, maps, targets, width).gap


MEASURES = {
    "ROAD": road_gap,
    "blurring": by_blurring,
    "blurring by half": partial(by_blurring, width=BLUR_WIDTH / 2),
    "grey": by_grey,
}
RIGHT = "ROC area"
TRUTH = {"honest": OBJECT, "shortcut": OBJECT | TAG}  # bits of the masks
MASK, RIM, SOFT = TRUE_MAPS = ("mask", "mask and rim", "mask, softened")
REST, MOVED = "all but the mask", "mask and rim, moved"
SOFTNESS = 3  # pixels, of 32
WIDTHS = (1 / 16, 1 / 8, 1 / 6, 1 / 4)  # of a side: standard deviations of a whole image's blur
DECIDED = 2  # standard errors

Figures = dict[str, dict[str, np.ndarray]]  # measure → map → float N, one an image


@dataclass(frozen=True)
class Config:
    """Judge maps of which it is known how right they are by ROAD and by blurring; prints tables in Markdown."""

    runs: Path | None = None
    """folder for the runs, a folder a seed; what is trained there already is kept. Default: a temporary one"""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    images: int = 100


def judged(run: Run, variant: str, images: int) -> Figures:
    """All measures of all maps of a run, image by image."""
    model, sample = run.load_model(), draw_sample(run, images)
    quick = Autocast(model, choose_precision("auto", torch.device("cpu")))
    inputs, targets = sample.images(slice(None), torch.device("cpu")), sample.classes[:, 0]
    mask = torch.from_numpy(np.array(sample.masks)) & TRUTH[variant] != 0
    shapes = mask.float()
    rim = max_pool2d(shapes, 3, stride=1, padding=1)
    soft = blurred(shapes[:, None], SOFTNESS, 3 * SOFTNESS)[:, 0]
    moved = rim.roll((mask.shape[1] // 2, mask.shape[2] // 2), (1, 2))
    maps = {MASK: shapes, RIM: rim, SOFT: soft, REST: -shapes, MOVED: moved}
    kinds = [*((name, INPUT) for name in CONTROLS), *(("gradcam", layer) for layer in run.record.layers)]
    found = attributions(model, inputs, targets[:, None], kinds, sample.rows.tolist())
    for (method, layer), values in found.items():
        name = method if layer == INPUT else f"Grad-CAM, {layer}"
        maps[name] = upsample(values, (inputs.shape[2], inputs.shape[3]))[:, 0]
    figures = {
        name: {which: measure(quick, inputs, values, targets).numpy() for which, values in maps.items()}
        for name, measure in MEASURES.items()
    }
    return figures | {RIGHT: {which: roc_area(values, rim > 0) for which, values in maps.items()}}


def left(run: Run, images: int) -> dict[str, float]:
    """What is left of the predicted class's probability when the whole image is removed: its mean over images."""
    model, sample = run.load_model(), draw_sample(run, images)
    inputs, targets = sample.images(slice(None), torch.device("cpu")), sample.classes[:, :1]
    removed = {"nothing removed": inputs, "grey": torch.zeros_like(inputs), "11 pixels": blurred(inputs, 5, 5)}
    for width in WIDTHS:
        deviation = width * inputs.shape[2]
        removed[f"1/{1 / width:.0f} of a side"] = blurred(inputs, deviation, ceil(3 * deviation))
    return {name: probabilities(model, rows).gather(1, targets).mean().item() for name, rows in removed.items()}


def roc_area(maps: Tensor, mask: Tensor) -> np.ndarray:
    """The share of pairs, one pixel inside the mask and one outside, that a map orders rightly: float N.

    Equal pixels stand in reading order, as they are removed.
    """
    ranks = (-maps).flatten(1).argsort(dim=1, stable=True).argsort(dim=1).double()
    inside = mask.flatten(1)
    count = inside.sum(dim=1)
    behind = (ranks * inside).sum(dim=1) / count - (count - 1) / 2  # pixels outside before one inside, on average
    return (1 - behind / (inside.shape[1] - count)).numpy()


def order(one: np.ndarray, other: np.ndarray) -> int:
    """1 where the mean of `one` is the higher, −1 where that of `other` is, 0 where that is not decided."""
    difference = one - other
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return int(np.sign(difference.mean())) if abs(difference.mean()) > DECIDED * error else 0


def print_left(found: list[dict[str, float]]) -> None:
    print(f"\nThe class's probability when the whole image is blurred: mean (least to most) of {len(found)} runs\n")
    print(f"| {' | '.join(found[0])} |\n|{'---|' * len(found[0])}")
    values = [np.array([of_run[name] for of_run in found]) for name in found[0]]
    print(f"| {' | '.join(f'{v.mean():.2f} ({v.min():.2f} to {v.max():.2f})' for v in values)} |")


def print_means(runs: list[Figures], title: str) -> None:
    print(f"\n{title}: means over images, mean (least to most) over {len(runs)} runs\n")
    print(f"| map | {' | '.join([*MEASURES, RIGHT])} |\n|---|{'---|' * (len(MEASURES) + 1)}")
    for which in runs[0][RIGHT]:
        means = [np.array([run[name][which].mean() for run in runs]) for name in (*MEASURES, RIGHT)]
        print(f"| {which} | {' | '.join(f'{m.mean():.2f} ({m.min():.2f} to {m.max():.2f})' for m in means)} |")


def print_true_above(runs: list[Figures], title: str) -> None:
    rivals = [which for which in runs[0][RIGHT] if which not in TRUE_MAPS]
    print(
        f"\n{title}: in how many of {len(runs)} runs a map that is right is above, and below, another; else undecided\n"
    )
    print(f"| map | measure | {' | '.join(rivals)} |\n|---|---|{'---|' * len(rivals)}")
    for true in TRUE_MAPS:
        for name in MEASURES:
            orders = [[order(run[name][true], run[name][rival]) for run in runs] for rival in rivals]
            cells = [f"{found.count(1)}, {found.count(-1)}" for found in orders]
            print(f"| {true} | {name} | {' | '.join(cells)} |")


def print_orders(runs: list[Figures], title: str) -> None:
    pairs = list(combinations(runs[0][RIGHT], 2))
    found = {
        name: np.array([[order(run[name][a], run[name][b]) for a, b in pairs] for run in runs])
        for name in (*MEASURES, RIGHT)
    }
    print(f"\n{title}: {len(pairs)} pairs of maps in each of {len(runs)} runs\n")
    print("| measure | decided | of these and decided by the truth: in the right order |\n|---|---|---|")
    for name in MEASURES:
        both = (found[name] != 0) & (found[RIGHT] != 0)
        right = (found[name] == found[RIGHT])[both]
        print(f"| {name} | {(found[name] != 0).mean():.0%} | {right.mean():.0%} of {right.size} |")
    one, other = found["ROAD"], found["blurring"]
    alike, opposite = (one * other == 1), (one * other == -1)
    print(f"\nROAD and blurring order {alike.mean():.0%} alike, {opposite.mean():.0%} oppositely; others undecided.")
    print("Opposite: the pair, the higher by ROAD first; runs; the higher in truth")
    for place in np.flatnonzero(opposite.any(axis=0)):
        for sign in (1, -1):
            rows = opposite[:, place] & (one[:, place] == sign)
            if rows.any():
                higher, lower = pairs[place][::sign]
                truth = found[RIGHT][rows, place] * sign
                sides = f"ROAD's {np.sum(truth == 1)}, blurring's {np.sum(truth == -1)}"
                print(f"- {higher} above {lower}: {rows.sum()} runs; {sides}")


def print_pairing(runs: list[Figures]) -> None:
    print("\nA Grad-CAM map's gap beside a control's, image by image: median (least to most) over runs and layers\n")
    print("| measure | control | correlation | error of the paired difference, of that of independent means |")
    print("|---|---|---|---|")
    for name in MEASURES:
        for control in CONTROLS:
            pairs = [(run[name][which], run[name][control]) for run in runs for which in run[name] if "CAM" in which]
            correlations = np.array([np.corrcoef(*pair)[0, 1] for pair in pairs])
            ratios = np.array([np.std(a - b) / np.hypot(a.std(), b.std()) for a, b in pairs])
            columns = [f"{np.median(x):.2f} ({x.min():.2f} to {x.max():.2f})" for x in (correlations, ratios)]
            print(f"| {name} | {control} | {' | '.join(columns)} |")


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.second_measure")
    keep_freed_memory()
    figures: dict[str, list[Figures]] = {variant: [] for variant in VARIANTS}
    kept: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() if config.runs is None else nullcontext(config.runs) as folder:
        for seed in config.seeds:
            runs = Path(folder) / f"seed-{seed}"
            train_demo(DemoConfig(runs, seed))
            for variant in VARIANTS:
                run = next(run for run in list_runs(runs) if run.state == "complete" and variant in run.record.dataset)
                kept.append(left(run, config.images))
                figures[variant].append(judged(run, variant, config.images))
                print(f"seed {seed}, {variant}: judged", file=sys.stderr, flush=True)
    print_left(kept)
    for variant, found in figures.items():
        print_means(found, variant)
        print_true_above(found, variant)
        print_orders(found, variant)
    print_pairing([run for found in figures.values() for run in found])


if __name__ == "__main__":
    main()
