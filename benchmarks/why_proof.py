"""Is a shortcut cured by training without what taught it? Pairs of demo runs, whose truth is known.

python -m benchmarks.why_proof --runs FOLDER [--seeds 0 1 2] [--draws 3]

Of each run the patterns are looked for, as `sightline patterns` does, and the run is trained again without the training
images of all of them, and without as many at random, as `sightline prove` does; either knows nothing of tags. A telling
tag is one of the colour of the image's class: of the honest runs every tenth coloured tag is one. One
training without as many at random says little, since what is drawn decides how much is cheated: there are several
draws, of which the first is that of the proof; the accuracy at random is their mean, and gained is the accuracy without
the listed images less that. Whatever ends this, the same command goes on.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import torch
import tyro

from benchmarks.calibration import demo_runs
from sightline.explain.patterns import find_patterns
from sightline.explain.why.tracing import at_random
from sightline.explain.why.training_images import load_training_split
from sightline.image_data import ImageSplit
from sightline.image_data.planted_shapes import VARIANTS, patch_colours
from sightline.image_data.splits import TAG
from sightline.run_store.left_out import read_list
from sightline.run_store.patterns import read_patterns
from sightline.run_store.proofs import Judged, read_proofs, read_result
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.prove import ProveConfig, prove, same_training
from sightline.training.side_by_side import run_side_by_side

COLUMNS = (
    "listed",
    "telling",
    "of all telling",
    "mended",
    "mended at random",
    "before",
    "without",
    "at random",
    "gained",
)


@dataclass(frozen=True)
class Config:
    """Prove what taught the demo runs their mistakes; prints a table in Markdown."""

    runs: Path
    """folder of the runs, a folder a seed; what is trained there already is kept"""
    seeds: tuple[int, ...] = (0, 1, 2)
    """of the trainings"""
    draws: int = 3
    """of images that are left out at random, 1 or more, each a training"""


def tag_colours(split: ImageSplit) -> np.ndarray:
    """Return the colour of each image's tag, int N: the class that it gives away, or one more for grey."""
    assert split.masks is not None
    colours = np.rint(255 * patch_colours()[0])
    tags = (split.masks & TAG > 0)[..., None]
    seen = (split.images * tags).sum(axis=(1, 2)) / tags.sum(axis=(1, 2))
    return np.abs(seen[:, None] - colours).sum(axis=2).argmin(axis=1)


def telling(split: ImageSplit) -> np.ndarray:
    """Say which images have a tag of the colour of their class, bool N."""
    return np.asarray(tag_colours(split) == split.labels)


def proved(run: Run, draws: int) -> list[float] | None:
    """Return the figures of COLUMNS: images, and shares 0–1; None for a run without patterns. Prints the comparison."""
    if read_patterns(run) is None:
        with RunWriter.reopen(run.path, run.record):
            find_patterns(run)
    found = read_patterns(run)
    assert found is not None
    if not any(pattern.kind == "pattern" for pattern in found.patterns):
        return None
    print(prove(ProveConfig(run.path)), flush=True)
    proof = read_proofs(run)[-1]
    result = read_result(run, proof)
    assert result is not None
    left_out, tells = read_list(run.path / proof.listed).indices, telling(load_training_split(run))
    listed = tells[left_out]

    def mended(judged: Judged) -> float:
        return judged.mended.value

    drawn = [result.random.accuracy.value, *(accuracy_of_draw(run, proof.images, seed) for seed in range(1, draws))]
    print(f"without as many at random: {', '.join(f'{accuracy:.1%}' for accuracy in drawn)}", flush=True)
    accuracies = [result.before.accuracy.value, result.without.accuracy.value, float(np.mean(drawn))]
    gained = accuracies[1] - accuracies[2]
    shares = [listed.mean(), listed.sum() / tells.sum(), mended(result.without), mended(result.random)]
    return [float(len(left_out)), *map(float, shares), *accuracies, gained]


def accuracy_of_draw(run: Run, images: int, seed: int) -> float:
    """Train without so many images drawn with another seed, where that is not done yet."""
    path = run.path.with_name(f"{run.path.name}-without-{images}-draw-{seed}")
    if Run(path).state != "complete":
        options = same_training(run)
        with NamedTemporaryFile("w", suffix=".csv") as listed:
            listed.write("\n".join(map(str, at_random(images, run.record.image_counts["train"], seed).index)))
            listed.flush()
            words = ["sightline.training.train", *options, f"--without={listed.name}", f"--run={path}", "--resume"]
            run_side_by_side({path: words}, at_once=1, what="another draw")
    return Run(path).predictions().accuracy


def line(name: str, figures: list[float]) -> str:
    images, *shares = figures
    return f"| {name} | {images:,.0f} | {' | '.join(f'{share:.1%}' for share in shares)} |"


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.why_proof")
    torch.set_num_threads(1)
    figures: dict[str, list[list[float]]] = {variant: [] for variant in VARIANTS}
    lines = []
    for seed, run in demo_runs(config.runs, config.seeds):
        variant = next(name for name in VARIANTS if name in run.record.dataset)
        found = proved(run, config.draws)
        if found is None:
            lines.append(f"| {variant}, seed {seed} | no patterns |{' |' * (len(COLUMNS) - 1)}")
            continue
        figures[variant].append(found)
        lines.append(line(f"{variant}, seed {seed}", found))
    print(f"\n| run | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
    print("\n".join(lines))
    for variant, rows in figures.items():
        if rows:
            print(line(f"{variant}, mean of {len(rows)}", np.mean(rows, axis=0).tolist()))
        if len(rows) > 1:
            print(line(f"{variant}, standard deviation", np.std(rows, axis=0, ddof=1).tolist()))


if __name__ == "__main__":
    main()
