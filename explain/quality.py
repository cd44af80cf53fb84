"""Measure how far a run's maps may be believed, beside maps that know nothing: quality.csv in the run.

sightline quality --run runs/NAME [--layers layer3,layer4] [--methods gradcam,hirescam] [--images 500]
sightline quality --run runs/NAME --verdicts [--json]
torchrun --standalone --nproc-per-node 2 -m sightline.explain.quality -- --run runs/NAME

It goes in rounds: after the first 25 images there are figures of all kinds of maps, and the next rounds narrow them. A
kind whose verdict is certain is left out of the rounds to come. Ctrl-C keeps what is measured, and the same command
goes on, in any number of processes.
"""

import json
import math
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from torch import nn
from tqdm import tqdm

from sightline.explain.attribution.engine import layer_attributions, probabilities
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.methods import LAYER_METHODS, PIXEL_METHODS
from sightline.explain.command_line import ending_in_a_sentence, names
from sightline.explain.judging.examination import Examination, begin
from sightline.explain.judging.families import Family, families_for
from sightline.explain.judging.figures import Measured, kinds_of
from sightline.explain.judging.intervals import looks
from sightline.explain.judging.measures import NO_MOSAICS
from sightline.explain.judging.sample import LEAST_IMAGES, Sample, draw_sample
from sightline.explain.judging.verdicts import Verdict, has_no_mosaics, missing_controls, verdicts
from sightline.explain.output import in_columns
from sightline.explain.world import ALONE, World, together
from sightline.model_zoo.device import choose_device, device_of, keep_freed_memory
from sightline.run_store import files
from sightline.run_store.commands import command
from sightline.run_store.quality import Kind, QualityRow, read_quality, read_values, write_quality, write_values
from sightline.run_store.run import Run

PIXELS_AT_ONCE = 2**25  # through the model until values are kept: of 224 pixels a side, a kind on 25 images
MEASURED_METHODS = ("gradcam", "hirescam", "layercam", "gradcam++", *PIXEL_METHODS)


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
    exhaustive: bool = False
    """measure all images, also of maps whose verdict is certain after fewer"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one"""
    verdicts: bool = False
    """measure nothing: print which kinds of maps are supported by what was measured, and why"""
    json: bool = False
    """the verdicts for programs"""


def measure(
    run: Run,
    layers: Sequence[str] = (),
    methods: Sequence[str] = MEASURED_METHODS,
    images: int = 500,
    device: torch.device | None = None,
    world: World = ALONE,
    exhaustive: bool = False,
) -> str:
    """Measure what is missing in quality.csv, and return the sentences to print. The caller holds the lock of the run.

    layers: `named_modules()` names, by default the run's own. methods: of LAYER_METHODS and PIXEL_METHODS. images: how
    many to judge on, 10 or more. device: by default the CPU. world: the processes, each of which takes a part of the
    work; the first one writes, and holds the lock. exhaustive: measure all images, also where that can change no
    verdict. Raises ExplainError, ModelError, RunError or WorldError.
    """
    layers = tuple(dict.fromkeys(layers or run.record.layers))
    model = run.load_model().to(device or torch.device("cpu"))
    before = read_quality(run)
    sample = draw_sample(run, images)
    _check_layers(model, sample, layers)
    sample, note = _with_usable_mosaics(model, sample)
    measured, kinds = Measured(sample, read_values(run), exhaustive), kinds_of(methods, layers)
    families = families_for(sample)
    left = _passes_left(measured, kinds, families)
    if not left:
        if world.is_first:  # or whoever removed the figures, not the values, never saw them again
            _write(run, measured, before)
        return f"{run.name}: everything is measured already, there is nothing to do.{note}"
    with tqdm(total=left, unit="pass", unit_scale=True, smoothing=0.05, disable=not world.is_first) as progress:
        progress.set_description("maps of the controls")
        examination = begin(model, sample, (run.record.layers or layers)[-1], progress, world)
        for _ in rounds(examination, measured, kinds, families):
            if world.is_first:
                write_values(run, measured.values)
                _write(run, measured, before)
    return f"{run.name}: measured {len(kinds)} kinds of maps on {len(sample)} images: {run.path / files.QUALITY}.{note}"


def _write(run: Run, measured: Measured, before: Sequence[QualityRow]) -> None:
    """Write the measured figures, and keep those of before that it does not have."""
    old = {(row.method, row.layer, row.measure): row for row in before}
    new = {(row.method, row.layer, row.measure): row for row in measured.rows()}
    to_come = {key for key, row in new.items() if key in old and not (row.n or row.final)}
    write_quality(
        run,
        [
            *(old[key] if key in to_come else row for key, row in new.items()),
            *(row for key, row in old.items() if key not in new),
        ],
    )


def rounds(
    examination: Examination, measured: Measured, kinds: Sequence[Kind], families: Sequence[Family]
) -> Iterator[None]:
    """Measure what is wanted of some families, round by round; pause whenever it has new values.

    In a round all kinds come to the same number of images, wherever an interruption left them; controls come first, so
    that what is decided on the way does not depend on it.
    """
    sample, progress = examination.sample, examination.progress
    for images in looks(len(sample)):
        for family in families:
            parts: dict[tuple[int, int], list[Kind]] = {}
            for kind in measured.wanting(family, kinds, images):
                parts.setdefault((measured.count(family, kind), family.count(kind, sample, images)), []).append(kind)
            for (start, stop), alike in parts.items():
                at_once = _kinds_at_once(examination, family, stop - start)
                for few in (alike[place : place + at_once] for place in range(0, len(alike), at_once)):
                    progress.set_description(f"{images} images, {family.name}")
                    examination.passes = family.passes
                    done = progress.n + (stop - start) * len(few) * family.passes
                    measured.add(family.take(examination, few, slice(start, stop)))
                    progress.update(done - progress.n)
                    progress.total = done + _passes_left(measured, kinds, families)  # fewer if a verdict became certain
                    yield


def _kinds_at_once(examination: Examination, family: Family, values: int) -> int:
    """Return of how many kinds so many values are taken before they are kept, in any number of processes.

    With few kinds an interruption loses little of large images; with many, they share the passes for their maps.
    """
    pixels = values * family.unit * family.passes * examination.sample.side**2
    return max(1, int(PIXELS_AT_ONCE / pixels))


def _passes_left(measured: Measured, kinds: Sequence[Kind], families: Sequence[Family]) -> float:
    """Return how many forward passes are to come, roughly, if no more kinds are decided."""
    sample = measured.sample
    return sum(
        family.passes * (family.count(kind, sample, len(sample)) - measured.count(family, kind))
        for family in families
        for kind in measured.wanting(family, kinds, len(sample))
    )


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


def verdict_table(found: Sequence[Verdict]) -> str:
    """Write a line a kind of map: method, layer, verdict, and why; in columns.

    Raises ExplainError where there are none.
    """
    lines = [("method", "layer", "verdict", "reason")]
    lines += [(one.method, one.layer, f"{one.name}{'' if one.final else ' so far'}", one.reason) for one in found]
    return in_columns(lines)


def verdicts_json(found: Sequence[Verdict]) -> str:
    """Write the same for programs, with the lead over the control that decides; null where an interval has no end."""
    plain = [asdict(one) | {"reason": one.reason} for one in found]
    for one in plain:
        for end in ("low", "high"):
            if not math.isfinite(one["lead"][end]):
                one["lead"][end] = None
    return json.dumps(plain, indent=2, allow_nan=False)


def _print_verdicts(run: Run, as_json: bool) -> None:
    """Print what is known. Raises ExplainError where nothing is."""
    rows = read_quality(run)
    found = verdicts(rows)
    if not found:
        raise ExplainError(
            f"Run {run.name} has no verdicts: its maps were not measured, or not beside controls. "
            f"Measure them with: {command('quality', '--run', run.path)}"
        )
    print(verdicts_json(found) if as_json else verdict_table(found))
    if as_json:
        return
    if missing := missing_controls(rows):
        print(f"Of the controls, {missing} was not measured; measuring again adds it.")
    if has_no_mosaics(rows):
        print(NO_MOSAICS)


def main() -> None:
    """Run the command `sightline quality`."""
    config = tyro.cli(QualityConfig, prog="sightline quality")
    if config.images < LEAST_IMAGES:
        print(f"Error: --images {config.images}: choose {LEAST_IMAGES} or more.", file=sys.stderr)
        sys.exit(2)
    world = World.of_environment()
    signal.signal(signal.SIGTERM, world.interrupt)
    with (
        world.leaving(),
        ending_in_a_sentence(interrupted="what was measured is kept, and the same command goes on with the rest."),
    ):
        run = Run(config.run)
        if config.verdicts or config.json:
            _print_verdicts(run, config.json)
            return
        keep_freed_memory()
        device = choose_device(config.device)
        with together(world, run, device):
            said = measure(run, config.layers, config.methods, config.images, device, world, config.exhaustive)
        if world.is_first:
            print(said)


if __name__ == "__main__":
    main()
