"""Which bound must a sanity check keep? Maps that are known to be good and known to be bad, on demo runs.

python -m benchmarks.check_calibration --runs FOLDER [--seeds 0 1 2 3 4] [--images 50]

Good by construction: Grad-CAM and HiResCAM at the last layer, whose cells add up to the logit (Draelos and Carin 2020);
Integrated Gradients, whose pixels do (Sundararajan et al. 2017); occlusion, which is the effect of an intervention.
Bad by construction: an edge detector, which sees no model; and Guided Backpropagation, which recovers the image
whatever the upper layers have learned (Adebayo et al. 2018; Nie et al. 2018, arXiv 1805.07039). The mean magnitude of
activations knows no class, and at layer1 nothing of what the layers above have learned.

The figure of a run's kind of maps is its mean over images, as in quality.csv. A false alarm is a good kind on a run
that fails; a miss is a bad one that passes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from benchmarks.calibration import activation_maps, demo_runs, error_rates
from sightline.explain.judging.examination import attributions
from sightline.explain.judging.randomisation import Explain, randomisation, smooth
from sightline.explain.judging.sample import Sample, draw_sample
from sightline.explain.judging.similarity import pearson
from sightline.run_store.quality import INPUT, Kind
from sightline.run_store.run import Run

CAMS = ("gradcam", "hirescam", "layercam", "gradcam++")
GUIDED, ACTIVATIONS = "guided backpropagation", "activations"
RANDOMISATION, SMOOTH, CLASS = "randomisation", "randomisation_smooth", "class_sensitivity"
GOOD = {("gradcam", "layer4"), ("hirescam", "layer4"), ("integrated_gradients", INPUT), ("occlusion", INPUT)}
BAD = {("sobel", INPUT), (GUIDED, INPUT), (ACTIVATIONS, "layer1")}
KNOWS_NO_CLASS = {(ACTIVATIONS, f"layer{number}") for number in (2, 3, 4)}  # bad for class sensitivity alone
BOUNDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
PIXEL_IMAGES = SMOOTH_IMAGES = 10  # what costs a hundred passes, or ten noisy copies, is measured on so many


@dataclass(frozen=True)
class Config:
    """Sweep the bounds of the sanity checks, and print tables in Markdown."""

    runs: Path
    """folder of demo runs, a folder a seed; those that are missing are trained"""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    images: int = 50


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.check_calibration")
    rows = []
    for seed, run in demo_runs(config.runs, config.seeds):
        rows += [(*row, f"{seed} {run.name}") for row in figures(run, config.images)]
        print(f"{run.name} of seed {seed}", flush=True)
    table = pd.DataFrame(rows, columns=["check", "method", "layer", "value", "run"])
    print_figures(table)
    print_sweep(table)


def print_figures(table: pd.DataFrame) -> None:
    """A row a kind of map: whether it is known to be good, and the figures of all runs, median (least to most)."""
    checks = table.check.unique()
    print(f"\n| layer | method | known to be | {' | '.join(checks)} |\n|---|---|---|{'---|' * len(checks)}")
    for (layer, method), found in table.groupby(["layer", "method"], sort=False):
        known = truth((method, layer), RANDOMISATION) or ("bad: no class" if (method, layer) in KNOWS_NO_CLASS else "")
        by_check = [found.value[found.check == check] for check in checks]
        words = " | ".join(in_words(values) if len(values) else "–" for values in by_check)
        print(f"| {layer} | {method} | {known} | {words} |")


def in_words(values: pd.Series) -> str:
    return f"{values.median():.2f} ({values.min():.2f}–{values.max():.2f})"


def print_sweep(table: pd.DataFrame) -> None:
    print("\n| check | bound | false alarms | misses |\n|---|---|---|---|")
    for check, found in table.groupby("check", sort=False):
        known = np.array([truth((row.method, row.layer), check) for row in found.itertuples()])
        values = found.value.to_numpy()[known != ""]
        for bound in BOUNDS:
            alarms, misses = error_rates(values > bound, known[known != ""] == "bad")
            print(f"| {check} | {bound} | {alarms:.0%} | {misses:.0%} |")


def truth(kind: Kind, check: str) -> str:
    """Return "good" or "bad"; "" where it is not known."""
    if kind in GOOD:
        return "good"
    return "bad" if kind in BAD or check == CLASS and kind in KNOWS_NO_CLASS else ""


def figures(run: Run, images: int) -> list[tuple[str, str, str, float]]:
    """Check, method, layer and figure of all kinds of maps of a run."""
    model, sample = run.load_model(), draw_sample(run, images)
    few = sample.first(PIXEL_IMAGES)
    cams = [(method, layer) for method in CAMS for layer in run.record.layers]
    pixels = [("integrated_gradients", INPUT), ("occlusion", INPUT)]
    cheap = [*cams, ("sobel", INPUT)]
    found = {
        RANDOMISATION: randomised(model, sample, cheap, is_extended=True) | randomised(model, few, pixels),
        SMOOTH: randomised(model, sample.first(SMOOTH_IMAGES), cheap, is_extended=True, is_smooth=True),
        CLASS: class_sensitivity(model, sample, cheap, is_extended=True) | class_sensitivity(model, few, pixels),
    }
    return [(check, *kind, value) for check, values in found.items() for kind, value in values.items()]


def randomised(
    model: nn.Module, sample: Sample, kinds: list[Kind], is_extended: bool = False, is_smooth: bool = False
) -> dict[Kind, float]:
    """Mean over images of the correlation with the maps of models with random parameters."""
    explain, images = explain_by(sample, kinds, is_extended, rival=0), sample.images(slice(None), torch.device("cpu"))
    found = randomisation(model, images, smooth(explain) if is_smooth else explain)
    return {kind: float(np.nanmean(values)) for kind, values in found.items()}


def class_sensitivity(
    model: nn.Module, sample: Sample, kinds: list[Kind], is_extended: bool = False
) -> dict[Kind, float]:
    """Mean over images of the correlation of the two likeliest classes' maps."""
    images = sample.images(slice(None), torch.device("cpu"))
    one, other = (explain_by(sample, kinds, is_extended, rival)(model, images) for rival in (0, 1))
    return {kind: float(np.nanmean(pearson(one[kind].numpy(), other[kind].numpy()))) for kind in one}


def explain_by(sample: Sample, kinds: list[Kind], is_extended: bool, rival: int) -> Explain[Kind]:
    """Maps of the predicted class (rival 0) or the next (1); extended: with activations and Guided Backpropagation."""
    targets, layers = sample.classes[:, rival], sample.run.record.layers

    def explain(model: nn.Module, images: Tensor) -> dict[Kind, Tensor]:
        maps = attributions(model, images, targets[:, None], kinds, sample.rows.tolist())
        found = {kind: values[:, 0] for kind, values in maps.items()}
        if is_extended:
            found[GUIDED, INPUT] = guided_backpropagation(model, images, targets)
            activations = activation_maps(model, images, layers)
            found |= {(ACTIVATIONS, layer): values for layer, values in activations.items()}
        return found

    return explain


class _Guided(torch.autograd.Function):
    """ReLU through which only what is positive goes back (Springenberg et al. 2015, arXiv 1412.6806)."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        context.save_for_backward(values > 0)
        return values.clamp(min=0)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (is_positive,) = context.saved_tensors
        return gradient.clamp(min=0) * is_positive


class _GuidedRelu(TorchFunctionMode):
    """Within it, `functional.relu` is `_Guided`."""

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        if function is functional.relu:
            return _Guided.apply(arguments[0])
        return function(*arguments, **(named or {}))


def guided_backpropagation(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Mean magnitude over channels of the guided gradient of each image's logit, N×H×W.

    The model: with `functional.relu`, as those of the demo.
    """
    inputs = images.detach().clone().requires_grad_()
    with torch.enable_grad(), _GuidedRelu():
        logits = model(inputs).gather(1, targets[:, None]).sum()
    return torch.autograd.grad(logits, inputs)[0].abs().mean(dim=1)


if __name__ == "__main__":
    main()
