"""Do the training images behind a mistake show what taught it? Pairs of demo runs, whose truth is known; and the cost.

python -m benchmarks.why_culprits --runs FOLDER [--seeds 0 1 2]
python -m benchmarks.why_culprits --speed 2000

The runs are looked into as `sightline influence` does, which knows nothing of tags and writes into them. Of a shortcut
run the mistakes count whose tag has the colour of the class that they are taken for: of their ten training images, how
many have a tag of the same colour (chance: one in ten of the coloured 57 %), and how much of the positive part of
either map, brought to the size of the image, lies on the tag and on the decoy, as a multiple of its share of the area.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from benchmarks.calibration import demo_runs
from benchmarks.timing import seconds_of
from benchmarks.why_proof import tag_colours
from sightline.explain.attribution.engine import upsample
from sightline.explain.influence import influence
from sightline.explain.why.margins import RUNNER_UP, activations, margins, pooled
from sightline.explain.why.training_features import TrainingFeatures
from sightline.explain.why.training_images import load_training_split
from sightline.image_data import load_image_data
from sightline.image_data.splits import DECOY, TAG
from sightline.model_zoo import build_model
from sightline.run_store.culprits import COUNT, Culprits, culprit_maps, read_culprits
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter

SUREST = 100
COLUMNS = (
    "mistakes", "same colour", f"of the surest {SUREST}", "training map: tag", "decoy", "tag / decoy",
    "test map: tag", "decoy",
)  # fmt: skip
STORED, CHANNELS, CLASSES = 50_000, 512, 10
AT_ONCE, ROUNDS = 250, 5


@dataclass(frozen=True)
class Config:
    """Look behind the mistakes of demo runs, and print a table in Markdown; or time how long that takes."""

    runs: Path | None = None
    """folder of the runs, a folder a seed; what is trained there already is kept"""
    seeds: tuple[int, ...] = (0, 1, 2)
    """of the trainings"""
    speed: int | None = None
    """time the features of so many images by ResNet18, beside its forward alone, and a question about one image"""


def looked_behind(run: Run) -> Culprits:
    with RunWriter.reopen(run.path, run.record):
        print(influence(run), flush=True)
    found = read_culprits(run)
    assert found is not None
    return found


def share_on(maps: np.ndarray, masks: np.ndarray, bit: int) -> float:
    """Return how much of the positive part of maps, M×h×w, lies on what has a bit of M×H×W, over its share of the area.

    Where it lies evenly that is 1. A map that is nowhere positive counts as 0.
    """
    seen = masks & bit > 0
    positive = torch.from_numpy(maps).float().clamp(min=0)[:, None]
    spread = upsample(positive, (masks.shape[1], masks.shape[2]))[:, 0].clamp(min=0).numpy()
    total = np.maximum(spread.sum(axis=(1, 2)), np.finfo(np.float32).tiny)
    return float(((spread * seen).sum(axis=(1, 2)) / total).mean() / seen.mean())


def figures_of(run: Run) -> list[float]:
    """Return the figures of COLUMNS."""
    found, predictions, train = looked_behind(run), run.predictions(), load_training_split(run)
    test = load_image_data(run.record.dataset).test
    assert train.masks is not None and test.masks is not None
    of_train, of_test = tag_colours(train), tag_colours(test)
    goes_by_the_tag = predictions.wrong & (of_test == predictions.column("predicted"))
    rows = goes_by_the_tag[found.index]
    index, train_index = found.index[rows], found.train_index[rows]
    same = of_train[train_index] == of_test[index]
    confidence = predictions.column("confidence")
    surest = np.flatnonzero(goes_by_the_tag)[np.argsort(-confidence[goes_by_the_tag], kind="stable")[:SUREST]]
    maps = culprit_maps(run, found)[rows].astype(np.float32)
    shares = [
        share_on(maps[:, half], masks, bit)
        for half, masks in ((1, train.masks[train_index]), (0, test.masks[index]))
        for bit in (TAG, DECOY)
    ]
    of_surest = same[np.isin(index, surest)].mean()
    return [goes_by_the_tag.sum(), same.mean(), of_surest, *shares[:2], shares[0] / shares[1], *shares[2:]]


def line(name: str, figures: list[float]) -> str:
    mistakes, same, surest, *shares = figures
    return (
        f"| {name} | {mistakes:,.0f} | {same:.1%} | {surest:.1%} | {' | '.join(f'{share:.2f}' for share in shares)} |"
    )


def report(folder: Path, seeds: tuple[int, ...]) -> None:
    rows = {seed: figures_of(run) for seed, run in demo_runs(folder, seeds) if run.record.dataset.endswith("shortcut")}
    print(f"\n| run | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
    for seed, figures in rows.items():
        print(line(f"shortcut, seed {seed}", figures))
    print(line(f"mean of {len(rows)}", np.mean(list(rows.values()), axis=0).tolist()))


def time_features(images: int) -> None:
    """Print how long the features of images take, beside the forward alone: the least of some rounds, in turns."""
    model = build_model("resnet18", CLASSES).eval()
    plain = copy.deepcopy(model)
    batches = [batch.to(memory_format=torch.channels_last) for batch in torch.randn(images, 3, 32, 32).split(AT_ONCE)]

    def forward() -> None:
        with torch.no_grad():
            for batch in batches:
                plain(batch)

    def features() -> None:
        for batch in batches:
            activations(model, batch, "layer4", pooled)

    features()
    found = [[seconds_of(action) for action in (features, forward)] for _ in range(ROUNDS)]
    with_features, alone = (min(column) for column in zip(*found, strict=True))
    print(f"features of {images:,} images: {with_features:.2f} s, {with_features / alone:.3f} × the forward alone")


def time_question() -> None:
    """Print how long it takes to find the training images behind one image, the features of which are at hand."""
    random = np.random.default_rng(0)
    features = random.random((STORED, CHANNELS), np.float32).astype(np.float16)
    training = TrainingFeatures(features, 1.0, np.arange(STORED) % CLASSES)
    model = build_model("resnet18", CLASSES).eval()
    image, code, rival = torch.randn(1, 3, 32, 32), torch.tensor([3]), torch.tensor([RUNNER_UP])

    def ask() -> None:
        training.similar(margins(model, image, "layer4", code, rival), 3, COUNT)

    first = seconds_of(ask)
    one_class = TrainingFeatures(features, 1.0, np.full(STORED, 3))
    asked = margins(model, image, "layer4", code, rival)
    one_class.similar(asked, 3, COUNT)
    again = min(seconds_of(ask) for _ in range(ROUNDS))
    worst = min(seconds_of(lambda: one_class.similar(asked, 3, COUNT)) for _ in range(ROUNDS))
    print(
        f"one image beside {STORED:,}×{CHANNELS} features: {1000 * first:.0f} ms at first, then {1000 * again:.0f} ms "
        f"with its forward; {1000 * worst:.0f} ms without where all have one label"
    )


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.why_culprits")
    torch.set_num_threads(1)
    if config.speed:
        time_features(config.speed)
        time_question()
    if config.runs:
        report(config.runs, config.seeds)


if __name__ == "__main__":
    main()
