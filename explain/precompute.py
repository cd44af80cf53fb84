"""Write the attribution maps of a whole test split into its run: the app then shows them without computing.

sightline precompute --run runs/NAME [--layers layer3,layer4] [--targets predicted,label] [--method gradcam]
torchrun --standalone --nproc-per-node 2 -m sightline.explain.precompute -- --run runs/NAME

Ctrl-C loses nothing: the same command goes on where it stopped, in any number of processes.
"""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro
from torch import nn
from tqdm import tqdm

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.attribution.methods import LAYER_METHODS
from sightline.explain.batches import image_batches
from sightline.explain.command_line import ending_in_a_sentence, name_of, names
from sightline.explain.world import ALONE, World, together
from sightline.model_zoo.device import choose_device, device_of, keep_freed_memory
from sightline.run_store.maps import PRECOMPUTED_TARGETS, MapsWriter, are_written
from sightline.run_store.run import Run

MOST_IMAGES = {"cpu": 256, "cuda": 4096}  # at once: few enough that the progress moves and little is lost


@dataclass(frozen=True)
class PrecomputeConfig:
    """Compute the attribution maps of a run's whole test split, so that the app shows them without computing."""

    run: Path
    """the run directory"""
    layers: Annotated[tuple[str, ...], names()] = ()
    """layers of the network, separated by commas; default: those the run names"""
    targets: Annotated[tuple[str, ...], names(*PRECOMPUTED_TARGETS)] = PRECOMPUTED_TARGETS
    """classes to explain: predicted, label (the true class), or both, separated by a comma"""
    method: Annotated[str, name_of(LAYER_METHODS)] = "gradcam"
    """how the maps are computed"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one"""


def precompute(
    run: Run,
    layers: Sequence[str] = (),
    targets: Sequence[str] = PRECOMPUTED_TARGETS,
    method: str = "gradcam",
    device: torch.device | None = None,
    world: World = ALONE,
    model: nn.Module | None = None,
) -> str:
    """Write the maps that are missing, and return the sentence to print. The caller holds the lock of the run.

    layers: `named_modules()` names, by default the run's own. targets: of PRECOMPUTED_TARGETS.
    method: of LAYER_METHODS. device: by default the CPU. world: the processes, each of which takes a part of the
    images; the first one holds the lock. model: the network, as `adapt` returns it,
    of a run that does not keep it; it stays on its device.
    Raises ExplainError, ModelError, RunError or WorldError.
    """
    if model is None:
        run.require_network()
    layers = tuple(dict.fromkeys(layers or run.record.layers))
    targets = [target for target in PRECOMPUTED_TARGETS if target in targets]  # predicted first: label copies from it
    missing = world.share(
        {target: [layer for layer in layers if not are_written(run, method, layer, target)] for target in targets}
    )
    what = f"{run.name}: the {method} maps of {', '.join(layers)} for {' and '.join(targets)}"
    if not any(missing.values()):
        return f"{what} are complete, there is nothing to do."
    model = model or run.load_model().to(device or torch.device("cpu"))
    sizes = _sizes(run, model, layers, method)
    for target in targets:
        if missing[target]:
            _write(run, model, {layer: sizes[layer] for layer in missing[target]}, method, target, world)
    return f"{what} are complete: {len(run.predictions()):,} images."


def _sizes(run: Run, model: nn.Module, layers: Sequence[str], method: str) -> dict[str, tuple[int, int]]:
    """Return height and width of each layer's maps, in cells. Raises ExplainError for what is no layer with a map."""
    maps = _maps(run, model, np.arange(1), layers, np.zeros(1, np.int64), method)
    return {layer: (values.shape[1], values.shape[2]) for layer, values in maps.items()}


def _write(
    run: Run, model: nn.Module, sizes: Mapping[str, tuple[int, int]], method: str, target: str, world: World
) -> None:
    """Compute what is missing of one target, all layers of `sizes` in one pass, and let readers see it."""
    with world.first_alone():  # it makes the files that the others open
        writers = [MapsWriter(run, method, layer, target, size) for layer, size in sizes.items()]
    batches = world.share(_batches(run, model, writers, method, target) if world.is_first else [])
    codes = run.predictions().column(target)

    def done() -> int:  # by all processes
        return len(codes) - int(_todo(writers).sum())

    with tqdm(
        desc=target, total=len(codes), initial=done(), unit="image", smoothing=0.05, disable=not world.is_first
    ) as progress:
        for rows in world.part(batches):
            maps = _maps(run, model, rows, list(sizes), codes[rows], method)
            for writer in writers:
                writer.write(rows, maps[writer.layer])
            progress.update(done() - progress.n)
        world.wait_for_all()
        progress.update(done() - progress.n)
    if world.is_first:
        for writer in writers:
            writer.finish()


def _batches(run: Run, model: nn.Module, writers: Sequence[MapsWriter], method: str, target: str) -> list[np.ndarray]:
    """Return the images (rows) of every batch of which a map is missing.

    What was left by whom makes no difference to which images are one batch: the maps of another one could be rounded
    otherwise.
    """
    rows = np.arange(len(run.images()))
    if target == "label":  # where the model is right, the map is there already
        right = ~run.predictions().wrong
        if all([_copy(run, method, writer, np.flatnonzero(right)) for writer in writers]):
            rows = rows[~right]
    most = MOST_IMAGES.get(device_of(model).type, MOST_IMAGES["cpu"])
    batches = [rows[part] for part in image_batches(len(rows), run.record.input_size, most)]
    todo = _todo(writers)
    return [batch for batch in batches if todo[batch].any()]


def _copy(run: Run, method: str, writer: MapsWriter, right: np.ndarray) -> bool:
    """Take the maps of the images `right` (rows) from those of the predicted class; tell whether these are there."""
    if not are_written(run, method, writer.layer, "predicted"):
        return False
    writer.copy(run, method, "predicted", right[writer.todo[right]])
    return not writer.todo[right].any()


def _todo(writers: Sequence[MapsWriter]) -> np.ndarray:
    """Return which images lack a map of any layer, bool N: those that are there now, whoever wrote them."""
    return np.any([writer.todo for writer in writers], axis=0)


def _maps(
    run: Run, model: nn.Module, rows: np.ndarray, layers: Sequence[str], codes: np.ndarray, method: str
) -> dict[str, np.ndarray]:
    """Compute the maps of the images `rows`, each for its class of `codes` (int n): layer → float32 n×h×w."""
    images = run.to_input(run.model_images(rows.tolist())).to(device_of(model))
    targets = torch.from_numpy(codes.astype(np.int64)).to(images.device)
    maps = layer_attributions(model, images, layers, targets[:, None], method)
    return {layer: values[:, 0].float().cpu().numpy() for layer, values in maps.items()}


def main() -> None:
    """Run the command `sightline precompute`."""
    config = tyro.cli(PrecomputeConfig, prog="sightline precompute")
    world = World.of_environment()
    signal.signal(signal.SIGTERM, world.interrupt)
    with (
        world.leaving(),
        ending_in_a_sentence(interrupted="what was computed is kept, and the same command goes on with the rest."),
    ):
        keep_freed_memory()
        run, device = Run(config.run), choose_device(config.device)
        with together(world, run, device):
            said = precompute(run, config.layers, config.targets, config.method, device, world)
        if world.is_first:
            print(said)


if __name__ == "__main__":
    main()
