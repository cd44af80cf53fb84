"""What measures say of single images, kept in a folder: several scripts share what takes minutes.

python -m benchmarks.measured_values --runs FOLDER --values FOLDER [--exhaustive] [--methods gradcam,hirescam,layercam]

Measures the demo runs in FOLDER/seed-*/ with one thread and prints how long each took.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from tqdm import tqdm

from sightline.explain.attribution.methods import LAYER_METHODS, PIXEL_METHODS
from sightline.explain.command_line import names
from sightline.explain.judging.controls import Control
from sightline.explain.judging.examination import begin
from sightline.explain.judging.families import families_for
from sightline.explain.judging.figures import Measured, kinds_of
from sightline.explain.judging.sample import Sample, draw_sample
from sightline.explain.quality import MEASURED_METHODS, rounds
from sightline.run_store.quality import Kind, Values
from sightline.run_store.run import Run

QUICK = ("road_gap", "blur_gap", "class_sensitivity", "object_share", "gridpg")  # one measure of each family


@dataclass(frozen=True)
class Config:
    """Measure demo runs, and keep the values."""

    runs: Path
    """folder of folders seed-0, seed-1 …, as `python -m benchmarks.shortcut_methods --runs` makes them"""
    values: Path
    """folder for the values; what is there is not measured again"""
    only: tuple[str, ...] = ()
    """runs to measure, as seed-0/demo-honest; default: all"""
    methods: Annotated[tuple[str, ...], names(*LAYER_METHODS, *PIXEL_METHODS)] = MEASURED_METHODS
    measures: Annotated[tuple[str, ...], names()] = QUICK
    exhaustive: bool = False
    """measure all images, also of maps whose verdict is certain after fewer"""
    images: int = 500


def measure_more(
    run: Run,
    measured: Measured,
    kinds: Sequence[Kind],
    measures: Sequence[str],
    file: Path,
    more: Mapping[str, Control] | None = None,
) -> None:
    """Measure in rounds what is wanted of families that `measures` name, and keep it in `file`, an .npz.

    more: maps that are given as if they were methods, by name, and that are no controls of what is measured.
    """
    families = [family for family in families_for(measured.sample) if set(family.measures) & set(measures)]
    with tqdm(disable=True) as progress:
        examination = begin(run.load_model(), measured.sample, run.record.layers[-1], progress)
        for _ in rounds(
            replace(examination, controls={**examination.controls, **(more or {})}), measured, kinds, families
        ):
            write(file, measured.values)


def write(file: Path, values: Mapping[Kind, Values]) -> None:
    arrays = {"/".join((measure, *kind)): of for kind, found in values.items() for measure, of in found.items()}
    unfinished = file.with_suffix(".part.npz")
    np.savez(unfinished, **arrays)  # type: ignore[arg-type] (numpy takes any name but "file")
    unfinished.replace(file)


def read(file: Path) -> dict[Kind, Values]:
    found: dict[Kind, Values] = {}
    if file.exists():
        with np.load(file) as arrays:
            for name, values in arrays.items():
                measure, method, layer = name.split("/", 2)
                found.setdefault((method, layer), {})[measure] = values
    return found


def file_of(folder: Path, run: Run) -> Path:
    return folder / f"{run.path.parent.name}-{run.path.name}.npz"


def part_of(sample: Sample, part: slice) -> Sample:
    """Take other images than the first, without mosaics."""
    masks = None if sample.masks is None else sample.masks[part]
    return replace(sample.without_mosaics(), rows=sample.rows[part], classes=sample.classes[part], masks=masks)


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.measured_values")
    torch.set_num_threads(1)
    config.values.mkdir(parents=True, exist_ok=True)
    for path in [config.runs / name for name in config.only] or sorted(config.runs.glob("seed-*/demo-*")):
        run, start = Run(path), time.process_time()
        measured = Measured(draw_sample(run, config.images), read(file_of(config.values, run)), config.exhaustive)
        kinds = kinds_of(config.methods, run.record.layers)
        measure_more(run, measured, kinds, config.measures, file_of(config.values, run))
        print(f"{path.parent.name}/{path.name}: {time.process_time() - start:.0f} s of processor time", flush=True)


if __name__ == "__main__":
    main()
