"""Find what the mistakes of a run share, on one half of its test images, and test it on the other: patterns.json.

sightline patterns --run runs/NAME [--layer layer4] [--device auto]

A pattern is a group of images that attend to alike things and in which the model errs more often than elsewhere. On the
way the maps of the predicted class are written into the run, as `sightline precompute` does.
"""

import math
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from torch import nn
from tqdm import tqdm

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.batches import image_batches
from sightline.explain.command_line import ending_in_a_sentence
from sightline.explain.output import in_columns
from sightline.explain.precompute import MOST_IMAGES
from sightline.explain.why.attended import METHOD, attended_features
from sightline.explain.why.covering import confirm
from sightline.explain.why.patterns import divide_images, judge_groups, refuse_few
from sightline.explain.why.shared import find_shared, usual_colours
from sightline.explain.world import ALONE, together
from sightline.model_zoo.device import choose_device, device_of, keep_freed_memory
from sightline.run_store.hashes import weights_hash
from sightline.run_store.maps import MapsWriter, are_written
from sightline.run_store.patterns import TESTED, Attended, Pattern, Patterns, write_patterns
from sightline.run_store.run import Run

MOST_LOOKED_AT = 1000  # images of a pattern, for the colour, size and place of what is attended
MOST_PIXELS = 2**26  # of them: of images of more than 256 pixels a side fewer are looked at


@dataclass(frozen=True)
class PatternsConfig:
    """Find what mistakes share: groups of test images that attend to alike things and are wrong more often."""

    run: Path
    """the run directory"""
    layer: str = ""
    """layer of the network; default: the deepest of those the run names"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one"""


def find_patterns(run: Run, layer: str = "", device: torch.device | None = None) -> str:
    """Write the patterns of a run, and return the lines to print. The caller holds the lock of the run.

    layer: a `named_modules()` name, by default the last that the run names. device: by default the CPU.
    Raises ExplainError, ModelError or RunError.
    """
    layer = _checked(run, layer)
    model = run.load_model().to(device or torch.device("cpu"))
    features, maps = go_over_images(run, model, layer)
    predictions, images = run.predictions(), run.images()
    side = images.shape[1]
    division = divide_images(features, len(predictions.class_names))
    usual = usual_colours(images[_few(np.arange(len(images)), side)])

    def attended(rows: np.ndarray) -> Attended:
        few = _few(rows, side)
        return find_shared(images[few], maps[few], usual).attended

    predicted = predictions.column("predicted").astype(np.int64)
    patterns, space = judge_groups(division, predicted, predictions.wrong, attended)
    pattern = np.where(space.numbers > 0, space.numbers, -1)[division.group]
    found = Patterns(layer, METHOD, len(space.numbers), weights_hash(run), patterns, pattern, division.half)
    found = confirm(run, model, found, maps)
    write_patterns(run, found, vars(space))
    return f"{patterns_table(found, predictions.class_names)}{run.name}: {summary(found, predictions.wrong)}"


def _few(rows: np.ndarray, side: int) -> np.ndarray:
    """Return as many of the rows as are looked at, drawn at random, always the same. side: of the images, in pixels."""
    most = min(MOST_LOOKED_AT, max(1, MOST_PIXELS // side**2))
    return np.sort(np.random.default_rng(0).permutation(rows)[:most])


def _checked(run: Run, layer: str) -> str:
    """Return the layer. Raises ExplainError, before anything is computed, where there can be no patterns."""
    run.require_network()
    predictions = run.predictions()
    if len(predictions.class_names) < 2:
        raise ExplainError(f"Run {run.name} has one class, of which nothing can be mistaken for another.")
    refuse_few(len(predictions))
    if not predictions.wrong.any():
        raise ExplainError(f"Run {run.name} makes no mistake on its test images, so there is nothing that they share.")
    return layer or run.record.layers[-1]


def go_over_images(run: Run, model: nn.Module, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """Go once over the test images: attended features, float32 N×K, and maps of the predicted class, float32 N×h×w.

    The maps are written into the run too, unless it has them.
    """
    classes = torch.from_numpy(run.predictions().column("predicted").astype(np.int64))
    device, is_written = device_of(model), are_written(run, METHOD, layer, "predicted")
    most = MOST_IMAGES.get(device.type, MOST_IMAGES["cpu"])
    features: list[np.ndarray] = []
    maps: list[np.ndarray] = []
    rows = np.arange(len(classes))
    with tqdm(total=len(rows), desc="attended features", unit="image") as progress:
        for part in image_batches(len(rows), run.record.input_size, most):
            images = run.to_input(run.model_images(rows[part].tolist())).to(device)
            found = attended_features(model, images, layer, classes[part].to(device))
            for values, kept in zip(found, (features, maps), strict=True):
                kept.append(values.float().cpu().numpy())
            progress.update(len(images))
    every = np.concatenate(maps)
    if not is_written:
        writer = MapsWriter(run, METHOD, layer, "predicted", (every.shape[1], every.shape[2]))
        writer.write(rows, every)
        writer.finish()
    return np.concatenate(features), every


def patterns_table(found: Patterns, class_names: Sequence[str]) -> str:
    """Write a line a pattern, in columns; nothing where there are none. Rates are of the tested half."""
    if not found.patterns:
        return ""
    head = ("", "kind", "images", "wrong", "95 %", "rest", "same classes", "p", "stable", "taken for", "attended")
    lines = [(*head, "right when covered (at random)"), *(_line(one, class_names) for one in found.patterns)]
    return f"{in_columns(lines)}\n"


def _line(one: Pattern, class_names: Sequence[str]) -> tuple[str, ...]:
    rates = (one.error_rate, one.rest_rate, one.same_classes_rate, one.stability, one.attended.size)
    wrong, rest, same, stable, size = (f"{rate:.0%}" if math.isfinite(rate) else "–" for rate in rates)
    tried = one.covered
    return (
        str(one.number),
        one.kind,
        f"{one.images:,}",
        wrong,
        f"{one.low:.0%}–{one.high:.0%}",
        rest,
        same,
        f"{one.p_value:.1g}",
        stable,
        class_names[one.taken_for],
        f"{size}, {_colour(one.attended)}",
        f"{tried.right} ({tried.right_at_random}) of {tried.mistakes}" if tried else "–",
    )


def _colour(attended: Attended) -> str:
    if not attended.stands_out:
        return "no colour stands out"
    return f"#{bytes(round(value) for value in attended.colour).hex()} stands out (+{attended.excess:.0%})"


def summary(found: Patterns, wrong: np.ndarray) -> str:
    """Say how many patterns there are, and how many mistakes (bool N) they hold, or that none was found."""
    how = (
        f"{found.groups} groups of images that attend to alike things at {found.layer}, made of one half of the test "
        "images and tested on the other"
    )
    if not found.patterns:
        return f"no pattern was found. In none of {how}, does the model err more often than elsewhere."
    tested = wrong & (found.half == TESTED)
    kinds = [one.kind for one in found.patterns]
    held = int((tested & (found.pattern > 0)).sum())
    several = {"pattern": "patterns", "hard class": "hard classes"}
    numbers = {kind: kinds.count(kind) for kind in several if kind in kinds}
    counts = " and ".join(f"{number} {kind if number == 1 else several[kind]}" for kind, number in numbers.items())
    share = f"{held:,} of the {int(tested.sum()):,} mistakes ({held / tested.sum():.0%})"
    return f"{counts} among {how}, with {share} that are made there."


def main() -> None:
    """Run the command `sightline patterns`."""
    config = tyro.cli(PatternsConfig, prog="sightline patterns")
    signal.signal(signal.SIGTERM, ALONE.interrupt)
    with ending_in_a_sentence(interrupted="what was found before is kept; the same command begins again."):
        keep_freed_memory()
        run, device = Run(config.run), choose_device(config.device)
        with together(ALONE, run, device):
            print(find_patterns(run, config.layer, device))


if __name__ == "__main__":
    main()
