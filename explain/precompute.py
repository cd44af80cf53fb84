"""Write the attribution maps of a whole test split into its run: the app then shows them without computing.

sightline precompute --run runs/NAME [--layers layer3,layer4] [--targets predicted,label] [--method gradcam]

Ctrl-C loses nothing: the same command goes on where it stopped.
"""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro
from torch import nn
from tqdm import tqdm

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.methods import LAYER_METHODS
from sightline.explain.batches import image_batches
from sightline.explain.command_line import ending_in_a_sentence, name_of, names
from sightline.model_zoo import ModelError
from sightline.model_zoo.device import choose_device, device_of, keep_freed_memory
from sightline.run_store.maps import PRECOMPUTED_TARGETS, MapsWriter, are_written
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter

EXPLAIN_ERRORS = (ExplainError, ModelError, RunError, OSError, MemoryError, torch.OutOfMemoryError)

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
) -> str:
    """Write the maps that are missing, and return the sentence to print. The caller holds the lock of the run.

    layers: `named_modules()` names, by default the run's own. targets: of PRECOMPUTED_TARGETS.
    method: of LAYER_METHODS. device: by default the CPU. Raises one of EXPLAIN_ERRORS.
    """
    layers = tuple(dict.fromkeys(layers or run.record.layers))
    targets = [target for target in PRECOMPUTED_TARGETS if target in targets]  # predicted first: label copies from it
    missing = {target: [layer for layer in layers if not are_written(run, method, layer, target)] for target in targets}
    what = f"{run.name}: the {method} maps of {', '.join(layers)} for {' and '.join(targets)}"
    if not any(missing.values()):
        return f"{what} are complete, there is nothing to do."
    model = run.load_model().to(device or torch.device("cpu"))
    predictions = run.predictions()
    sizes = _sizes(run, model, layers, method)
    for target in targets:
        writers = [MapsWriter(run, method, layer, target, sizes[layer]) for layer in missing[target]]
        if target == "label":  # where the model is right, the map is there already
            _copy(run, method, writers, np.flatnonzero(~predictions.wrong))
        _write(run, model, writers, predictions.column(target), method, target)
    return f"{what} are complete: {len(predictions):,} images."


def _sizes(run: Run, model: nn.Module, layers: Sequence[str], method: str) -> dict[str, tuple[int, int]]:
    """Return height and width of each layer's maps, in cells. Raises ExplainError for what is no layer with a map."""
    maps = _maps(run, model, np.arange(1), layers, np.zeros(1, np.int64), method)
    return {layer: (values.shape[1], values.shape[2]) for layer, values in maps.items()}


def _copy(run: Run, method: str, writers: Sequence[MapsWriter], right: np.ndarray) -> None:
    """Take the maps of the images `right` (rows) from those of the predicted class, as far as these are there."""
    for writer in writers:
        rows = right[writer.todo[right]]
        if len(rows) and are_written(run, method, writer.layer, "predicted"):
            writer.copy(run, method, "predicted", rows)


def _write(
    run: Run, model: nn.Module, writers: Sequence[MapsWriter], codes: np.ndarray, method: str, target: str
) -> None:
    """Compute what is still missing of one target, all layers in one pass, and let readers see it."""
    if not writers:
        return
    todo = np.any([writer.todo for writer in writers], axis=0)
    with tqdm(desc=target, total=len(todo), initial=int((~todo).sum()), unit="image", smoothing=0.05) as progress:
        missing, most = np.flatnonzero(todo), MOST_IMAGES.get(device_of(model).type, MOST_IMAGES["cpu"])
        for part in image_batches(len(missing), run.record.input_size, most):
            rows = missing[part]
            maps = _maps(run, model, rows, [writer.layer for writer in writers], codes[rows], method)
            for writer in writers:
                writer.write(rows, maps[writer.layer])
            progress.update(len(rows))
    for writer in writers:
        writer.finish()


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
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end is an interruption like Ctrl-C
    with ending_in_a_sentence(
        *EXPLAIN_ERRORS, interrupted="what was computed is kept, and the same command goes on with the rest."
    ):
        keep_freed_memory()
        run = Run(config.run)
        with RunWriter.reopen(run.path, run.record):
            device = choose_device(config.device)
            print(precompute(run, config.layers, config.targets, config.method, device))


if __name__ == "__main__":
    main()
