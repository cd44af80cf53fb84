"""What do mistakes share? Patterns of honest and shortcut demo runs, whose tags are known, and of shuffled mistakes.

python -m benchmarks.why [--runs FOLDER] [--seeds 0 1 2] [--repeats 20]

Nothing that finds patterns knows of tags. A pattern goes by a tag where one of the ten hues is on most of its images;
by chance a hue is on 5.7 % of them. False ones: groups that are significant when which images are wrong is shuffled,
in all repeats together. Figures of several patterns are their median, least and most.
"""

import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from benchmarks.calibration import demo_runs
from sightline.explain.patterns import find_patterns, go_over_images
from sightline.explain.why.patterns import divide_images, judge_groups
from sightline.image_data.planted_shapes import GREY, VARIANTS, patch_colours
from sightline.image_data.splits import TAG
from sightline.run_store.patterns import TESTED, Attended, Patterns, read_patterns
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter


@dataclass(frozen=True)
class Config:
    """Find the patterns of pairs of demo runs, and say how far they go by tags; prints a table in Markdown."""

    runs: Path | None = None
    """folder for the runs, a folder a seed; what is trained there already is kept. Default: a temporary one"""
    seeds: tuple[int, ...] = (0, 1, 2)
    repeats: int = 20
    """shuffles of a run"""


def tag_hues(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the hue of each image's tag, int N, 0 to 9; GREY where it says nothing."""
    is_tag = (masks & TAG > 0)[..., None]
    mean = (images * is_tag).sum(axis=(1, 2)) / is_tag.sum(axis=(1, 2)) / 255
    nearest: np.ndarray = ((mean[:, None] - patch_colours()[0]) ** 2).sum(axis=2).argmin(axis=1)
    return nearest


def most_frequent_share(hues: np.ndarray) -> float:
    """Return the share of images that have the most frequent of the ten hues."""
    return float(np.bincount(hues[hues != GREY], minlength=1).max() / len(hues))


def false_patterns(run: Run, layer: str, repeats: int) -> int:
    """Return how many groups are significant, in all repeats together, when mistakes fall on any images."""
    features, _ = go_over_images(run, run.load_model(), layer)
    division, predictions, rng = (
        divide_images(features, len(run.record.class_names)),
        run.predictions(),
        np.random.default_rng(0),
    )
    predicted, seen = predictions.column("predicted").astype(int), Attended((0, 0, 0), 0, 0, (0, 0), 0)
    shuffles = (rng.permutation(predictions.wrong) for _ in range(repeats))
    return sum(len(judge_groups(division, predicted, wrong, lambda _: seen)[0]) for wrong in shuffles)


def tag_shares(run: Run, found: Patterns) -> list[float]:
    """Return of each pattern the share of its images that have the most frequent hue of their tags."""
    masks = run.masks()
    assert masks is not None  # of planted shapes
    hues = tag_hues(run.images()[:], masks[:])
    return [most_frequent_share(hues[found.rows(one.number)]) for one in found.patterns]


def figures(run: Run, found: Patterns, shares: list[float]) -> list[str]:
    """Return the words of a run's row."""
    wrong = run.predictions().wrong & (found.half == TESTED)
    kinds = [one.kind for one in found.patterns]
    covered = [one.covered for one in found.patterns if one.covered]
    tried = sum(one.mistakes for one in covered)
    right, random = sum(one.right for one in covered), sum(one.right_at_random for one in covered)
    return [
        f"{run.predictions().wrong.mean():.0%}",
        f"{kinds.count('pattern')} + {kinds.count('hard class')}",
        f"{(wrong & (found.pattern > 0)).sum() / wrong.sum():.0%}",
        in_words([one.error_rate for one in found.patterns]),
        in_words(shares),
        in_words([one.stability for one in found.patterns]),
        f"{right / tried:.0%} ({random / tried:.0%}) of {tried}" if tried else "–",
    ]


def in_words(values: list[float]) -> str:
    return f"{np.median(values):.0%} ({min(values):.0%}–{max(values):.0%})" if values else "–"


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.why")
    torch.set_num_threads(1)
    head = ("run", "wrong", "patterns + hard classes", "of the tested mistakes", "wrong in them", "tag of one hue")
    print(f"| {' | '.join((*head, 'stability', 'right when covered (at random)', 'false ones'))} |\n|{'---|' * 9}")
    of_variant: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with tempfile.TemporaryDirectory() if config.runs is None else nullcontext(config.runs) as folder:
        for seed, run in demo_runs(Path(folder), config.seeds):
            with RunWriter.reopen(run.path, run.record):
                find_patterns(run)
            found = read_patterns(run)
            assert found is not None
            variant, shares = next(name for name in VARIANTS if name in run.record.dataset), tag_shares(run, found)
            of_variant[variant] += shares
            words = [f"{variant}, seed {seed}", *figures(run, found, shares)]
            print(f"| {' | '.join(words)} | {false_patterns(run, found.layer, config.repeats)} |", flush=True)
    for variant, shares in of_variant.items():
        print(f"\n{variant}: a tag of one hue on {in_words(shares)} of the images of {len(shares)} patterns")


if __name__ == "__main__":
    main()
