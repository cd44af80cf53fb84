"""Does the rule let through what only looks like an explanation, and what is one?

python -m benchmarks.trust_fakes --runs FOLDER --bare FOLDER --values FOLDER

In every demo run, on each of two parts of the test split that have no image in common, four maps are given as if they
were methods, beside the controls: random numbers, edges, a blob, and the object's mask. The mask is what an explanation
of a model that reads only the object would be: such models are trained on planted shapes without tag and decoy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import tyro
from torch import Tensor
from torch.nn import functional

from benchmarks.measured_values import file_of, measure_more, part_of, read
from sightline.explain.judging.controls import Control, uniform_random
from sightline.explain.judging.figures import ALL_CONTROLS, Measured
from sightline.explain.judging.imputation import impute
from sightline.explain.judging.sample import Sample, draw_sample
from sightline.explain.judging.verdicts import DECISIVE, SECOND, verdicts
from sightline.image_data.planted_shapes import NOISE, SIZE, planted_shapes
from sightline.image_data.sources import SOURCES, Source
from sightline.image_data.splits import DECOY, OBJECT, TAG, ImageSplit, content_fingerprint
from sightline.run_store.quality import INPUT
from sightline.run_store.run import Run
from sightline.training.demo import RECIPE
from sightline.training.train import parse, train

MASK = "the object's mask"
OTHER_SEEDS = 10**6
BARE = "bare-shapes"
LAPLACE = ((0, 1, 0), (1, -4, 1), (0, 1, 0))


@dataclass(frozen=True)
class Config:
    """Judge maps of which it is known what they are worth; prints tables in Markdown."""

    runs: Path
    """folder of folders seed-0, seed-1 …, as `python -m benchmarks.shortcut_methods --runs` makes them"""
    values: Path
    """folder for the values; what is there is not measured again"""
    bare: Path
    """folder for the models that read only the object, a folder a seed; what is trained there already is kept"""
    pattern: str = "seed-*/demo-*"
    """of the demo runs in the folder"""
    models: int = 10
    """that read only the object"""
    draws: int = 2
    images: int = 500
    measures: tuple[str, ...] = (DECISIVE, SECOND)


def noise(images: Tensor, seeds: Sequence[int]) -> Tensor:
    """Draw random numbers, others than the control's."""
    return uniform_random(images, [seed + OTHER_SEEDS for seed in seeds])


def edges(images: Tensor, seeds: Sequence[int]) -> Tensor:
    """Detect edges by the second derivative, where the control takes the first (Laplace's operator, its magnitude)."""
    grey = functional.pad(images.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(grey, images.new_tensor(LAPLACE)[None, None])[:, 0].abs()


def blob(seed: int) -> Control:
    """Return a blob about the middle that differs from the control's in width and place, by chance."""
    rng = np.random.default_rng(seed)
    width, across, down = rng.uniform(0.15, 0.4), *rng.uniform(-0.15, 0.15, 2)

    def blob(images: Tensor, seeds: Sequence[int]) -> Tensor:
        rows, columns = ((torch.arange(side).to(images) + 0.5) / side - 0.5 for side in images.shape[2:])
        bump = torch.exp(-((rows[:, None] - down) ** 2 + (columns[None, :] - across) ** 2) / (2 * width**2))
        return bump.expand(len(images), -1, -1)

    return blob


def object_mask(sample: Sample) -> Control:
    """Return the map that knows where the object is."""
    assert sample.masks is not None  # planted shapes have masks
    masks = torch.from_numpy(sample.masks & OBJECT != 0).float()
    return lambda images, seeds: masks[list(seeds)].to(images)


def bare_shapes() -> dict[str, ImageSplit]:
    """Return planted shapes whose patches are filled in from their surroundings, with the data set's noise."""
    data = planted_shapes("honest")

    def without_patches(split: ImageSplit) -> ImageSplit:
        masks, generator = np.array(split.masks), torch.Generator().manual_seed(0)
        pixels = torch.from_numpy(np.array(split.images)).permute(0, 3, 1, 2) / 255
        hidden = torch.from_numpy(masks & (TAG | DECOY) != 0)
        noise = NOISE * (2 * torch.rand(pixels.shape, generator=generator) - 1)
        pixels = impute(pixels, hidden, generator) + noise * hidden[:, None]
        images = (255 * pixels).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
        fingerprint = content_fingerprint(images, split.labels, split.class_names)
        return replace(split, images=images, masks=masks & OBJECT, fingerprint=fingerprint)

    return {"train": without_patches(data.train), "test": without_patches(data.test)}


def train_bare(folder: Path, seed: int) -> Run:
    """Train the demo's network, by the demo's recipe, on shapes without patches; a finished run is kept."""
    path = folder / f"seed-{seed}" / BARE
    if Run(path).state != "complete":
        SOURCES[BARE] = Source(lambda _: (bare_shapes(), ()), "without patches", side=SIZE)
        train(parse((*RECIPE, "--dataset", BARE, "--run", str(path), "--seed", str(seed), "--threads", "1")))
    return Run(path)


def judged(run: Run, draw: int, config: Config) -> list[tuple[str, ...]]:
    """Judge the four maps on a part of the test split: name, verdict, and that by the second measure."""
    sample = draw_sample(run, (draw + 1) * config.images)
    if draw:
        sample = part_of(sample, slice(draw * config.images, None))
    given = {MASK: object_mask(sample)}
    if run.name != BARE:
        given |= {"random numbers": noise, "edges": edges, "blob": blob(run.record.seed + 1000 * draw)}
    file = file_of(config.values, run).with_suffix(f".fakes-{draw}.npz")
    of_run = read(file_of(config.values, run)) if not draw else {}
    measured = Measured(sample, {kind: found for kind, found in of_run.items() if DECISIVE in found} | read(file))
    kinds = [(name, INPUT) for name in (*ALL_CONTROLS, *given)]
    measure_more(run, measured, kinds, config.measures, file, given)
    found = {verdict.method: verdict for verdict in verdicts(measured.figures(config.measures))}
    return [
        (name, found[name].name, found[name].second, f"{found[name].lead.words}, n = {found[name].lead.n}")
        for name in given
    ]


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.trust_fakes")
    torch.set_num_threads(1)
    config.values.mkdir(parents=True, exist_ok=True)
    rows = []
    runs = [Run(path) for path in sorted(config.runs.glob(config.pattern))]
    for run in [*runs, *(train_bare(config.bare, seed) for seed in range(config.models))]:
        for draw in range(config.draws):
            for name, *said in judged(run, draw, config):
                rows.append((name, run.name, *said))
                print(f"{run.path.parent.name}/{run.name}, draw {draw}: {name}: {', '.join(said)}", flush=True)
    table = pd.DataFrame(rows, columns=["map", "run", "verdict", "second", "lead"])
    print("\n| map | runs | verdict by ROAD | by blurring | how often |\n|---|---|---|---|---|")
    for said, count in table.groupby(["map", "run", "verdict", "second"]).size().items():
        print(f"| {' | '.join(map(str, said))} | {count} |")


if __name__ == "__main__":
    main()
