"""What the calibrations of findings and sanity checks share: the demo runs, and how often a rule is wrong."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sightline.explain.attribution.recording import recording
from sightline.image_data.planted_shapes import VARIANTS
from sightline.run_store.run import Run, list_runs
from sightline.training.demo import DemoConfig, train_demo


def demo_runs(folder: Path, seeds: Sequence[int]) -> Iterator[tuple[int, Run]]:
    """Yield the honest and the shortcut run of every seed, each with its seed; trains what is missing."""
    for seed in seeds:
        runs = folder / f"seed-{seed}"
        train_demo(DemoConfig(runs, seed))
        for variant in VARIANTS:
            of_variant = [run for run in list_runs(runs) if run.state == "complete" and variant in run.record.dataset]
            yield seed, next(run for run in of_variant if not run.record.recipe.get("without"))


def error_rates(flagged: np.ndarray, holds: np.ndarray) -> tuple[float, float]:
    """Return false alarms, the share flagged of what does not hold, and misses, the share of what holds not flagged.

    flagged, holds: bool N. NaN where there is none of the kind.

    >>> error_rates(np.array([True, True, False, False]), np.array([True, False, False, False]))
    (0.3333333333333333, 0.0)
    """
    shares = [chosen.mean() if len(chosen) else np.nan for chosen in (flagged[~holds], ~flagged[holds])]
    return float(shares[0]), float(shares[1])


def activation_maps(model: nn.Module, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """Return the mean magnitude of each layer's channels, N×h×w: maps that know no class."""
    with torch.no_grad(), recording(model, layers) as outputs:
        model(images)
    return {layer: outputs[layer].detach().abs().mean(dim=1) for layer in layers}
