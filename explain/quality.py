"""Measure how far a run's maps may be believed, beside maps that know nothing: quality.csv in the run.

sightline quality --run runs/NAME [--layers layer3,layer4] [--methods gradcam,hirescam] [--images 500]
torchrun --standalone --nproc-per-node 2 -m sightline.explain.quality -- --run runs/NAME

Ctrl-C keeps every kind of map that is finished: the same command goes on with the rest, in any number of processes.
"""

import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro
from torch import nn
from tqdm import tqdm

from sightline.explain.attribution.engine import layer_attributions, probabilities
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.methods import LAYER_METHODS, PIXEL_METHODS
from sightline.explain.command_line import ending_in_a_sentence, names
from sightline.explain.judging.bootstrap import bootstrap_mean
from sightline.explain.judging.controls import CONTROLS
from sightline.explain.judging.measures import MEASURES
from sightline.explain.judging.measuring import Kind, Values, measure_maps, measures_of
from sightline.explain.judging.sample import LEAST_IMAGES, Sample, draw_sample
from sightline.explain.world import ALONE, World, together
from sightline.model_zoo.device import choose_device, device_of, keep_freed_memory
from sightline.run_store import files
from sightline.run_store.quality import INPUT, QualityRow, read_quality, write_quality
from sightline.run_store.run import Run

MEASURED_METHODS = ("gradcam", "hirescam", "layercam", "gradcam++", *PIXEL_METHODS)
EXAMPLES = 4  # images named in each figure's row, best and worst


@dataclass(frozen=True)
class QualityConfig:
    """Measure how far the maps of a run may be believed: quality.csv in the run, with control maps beside them."""

    run: Path
    """the run directory"""
    layers: Annotated[tuple[str, ...], names()] = ()
    """layers of the network, separated by commas; default: those the run names"""
    methods: Annotated[tuple[str, ...], names(*LAYER_METHODS, *PIXEL_METHODS)] = MEASURED_METHODS
    """how the maps are computed, separated by commas; control maps are always measured"""
    images: int = 500
    """of the test split, drawn at random, always the same"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one"""


def measure(
    run: Run,
    layers: Sequence[str] = (),
    methods: Sequence[str] = MEASURED_METHODS,
    images: int = 500,
    device: torch.device | None = None,
    world: World = ALONE,
) -> str:
    """Measure what is missing in quality.csv, and return the sentences to print. The caller holds the lock of the run.

    layers: `named_modules()` names, by default the run's own. methods: of LAYER_METHODS and PIXEL_METHODS. images: how
    many to judge on, 10 or more. device: by default the CPU. world: the processes, each of which takes a part of the
    work; the first one writes, and holds the lock. Raises ExplainError, ModelError, RunError or WorldError.
    """
    layers = tuple(dict.fromkeys(layers or run.record.layers))
    model = run.load_model().to(device or torch.device("cpu"))
    rows = read_quality(run)
    sample = draw_sample(run, images)
    _check_layers(model, sample, layers)
    sample, note = _with_usable_mosaics(model, sample)
    groups = kinds_that_share_passes(methods, layers)
    measured = {kind for kinds in groups for kind in kinds if _is_measured(rows, kind, sample)}
    total = sum(map(len, groups)) - len(measured)
    if not total:
        return f"{run.name}: everything is measured already, there is nothing to do.{note}"
    with tqdm(total=total * len(sample), unit="image", smoothing=0.05, disable=not world.is_first) as progress:
        for kinds in groups:
            if measured.issuperset(kinds):
                continue
            for kind, values in measure_maps(model, sample, kinds, progress, measured, world):
                if world.is_first:
                    rows = _replaced(rows, kind, values, sample)
                    write_quality(run, rows)
    return f"{run.name}: measured {total} kinds of maps on {len(sample)} images: {run.path / files.QUALITY}.{note}"


def kinds_that_share_passes(methods: Sequence[str], layers: Sequence[str]) -> list[list[Kind]]:
    """List what is measured, controls first, in groups whose maps come from the same passes through the model.

    >>> kinds_that_share_passes(["gradcam", "occlusion"], ["layer3", "layer4"])[-2:]
    [[('gradcam', 'layer3'), ('gradcam', 'layer4')], [('occlusion', 'input')]]
    """
    of_layers = [method for method in dict.fromkeys(methods) if method in LAYER_METHODS]
    return [
        *([(control, INPUT)] for control in CONTROLS),
        [(method, layer) for method in of_layers for layer in layers],
        *([(method, INPUT)] for method in dict.fromkeys(methods) if method in PIXEL_METHODS),
    ]


def _check_layers(model: nn.Module, sample: Sample, layers: Sequence[str]) -> None:
    """Raise ExplainError for what is no layer with a map, before anything is measured."""
    layer_attributions(model, sample.images(slice(1), device_of(model)), layers, sample.classes[:1])


def _with_usable_mosaics(model: nn.Module, sample: Sample) -> tuple[Sample, str]:
    """Return the sample, without mosaics where the model cannot take them, and a sentence where there are none."""
    if not len(sample.mosaics):
        return sample, " GridPG is left out: it needs four classes with a correctly classified image each."
    try:
        probabilities(model, sample.mosaic_images(slice(1), device_of(model)))
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except (RuntimeError, ValueError, AssertionError, ExplainError):  # whatever a model says about a size
        wide = f"its mosaics are {2 * sample.side} pixels wide, and the model takes only {sample.side}"
        return sample.without_mosaics(), f" GridPG is left out: {wide}."
    return sample, ""


def _is_measured(rows: Sequence[QualityRow], kind: Kind, sample: Sample) -> bool:
    """Tell whether `rows` has all measures of a kind, on a sample of this size."""
    found = {row.measure for row in rows if (row.method, row.layer, row.images) == (*kind, len(sample))}
    return found >= measures_of(sample)


def _replaced(rows: Sequence[QualityRow], kind: Kind, values: Values, sample: Sample) -> list[QualityRow]:
    """Return the rows with those of one method and layer new."""
    method, layer = kind
    others = [row for row in rows if (row.method, row.layer) != kind]
    is_control, images = method in CONTROLS, len(sample)
    for measure, numbers in values.items():
        found = bootstrap_mean(numbers)
        figures = found.value, found.low, found.high, found.n
        examples = _examples(measure, numbers, sample)
        others.append(QualityRow(method, layer, measure, *figures, is_control, images, *examples))
    return others


def _examples(measure: str, numbers: np.ndarray, sample: Sample) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Name the images of the test split whose maps the measure calls best and worst, or the images of such mosaics.

    No images where all are alike.
    """
    order = np.argsort(-numbers if MEASURES[measure].better == "higher" else numbers, kind="stable")
    order = order[np.isfinite(numbers[order])]
    if not len(order) or np.ptp(numbers[order]) == 0:
        return (), ()
    places = order[:EXAMPLES], order[::-1][:EXAMPLES]
    if measure == "gridpg":
        best, worst = (sample.mosaics[place[0]] for place in places)
    else:
        best, worst = (sample.rows[place] for place in places)
    return tuple(best.tolist()), tuple(worst.tolist())


def main() -> None:
    """Run the command `sightline quality`."""
    config = tyro.cli(QualityConfig, prog="sightline quality")
    if config.images < LEAST_IMAGES:
        print(f"Error: --images {config.images}: choose {LEAST_IMAGES} or more.", file=sys.stderr)
        sys.exit(2)
    world = World.of_environment()
    signal.signal(signal.SIGTERM, world.interrupt)
    with ending_in_a_sentence(interrupted="what was measured is kept, and the same command goes on with the rest."):
        keep_freed_memory()
        run, device = Run(config.run), choose_device(config.device)
        with together(world, run, device):
            said = measure(run, config.layers, config.methods, config.images, device, world)
        if world.is_first:
            print(said)


if __name__ == "__main__":
    main()
