"""Say beforehand how long measuring the maps of a run takes on this machine."""

import time
from collections.abc import Callable, Sequence

import torch

from sightline.explain.attribution.engine import layer_attributions, probabilities
from sightline.explain.judging.families import Autocast, families_for
from sightline.explain.judging.intervals import LOOKS
from sightline.explain.judging.report import kinds_of
from sightline.explain.judging.sample import draw_sample
from sightline.model_zoo.device import choose_precision
from sightline.run_store.run import Run

TRIED = 16  # images in the passes that are timed
START = 8.0  # seconds until a process has loaded its libraries and the run


def seconds(run: Run, methods: Sequence[str], layers: Sequence[str], images: int) -> tuple[float, float]:
    """Return the seconds until there are verdicts of all kinds, and those until all is measured, at most.

    They are for the CPU, from passes of a few images. Less is needed where verdicts are certain after fewer images.
    Arguments as of `quality.measure`. Raises ExplainError, ModelError or RunError.
    """
    model, sample = run.load_model(), draw_sample(run, images)
    kinds = kinds_of(methods, layers or run.record.layers)
    few = sample.first(TRIED)
    inputs = few.images(slice(None), torch.device("cpu"))
    quick = Autocast(model, choose_precision("auto", inputs.device))
    layer_attributions(model, inputs[:1], run.record.layers, few.classes[:1])  # whether it can be explained at all
    a_pass = _seconds_of(lambda: probabilities(quick, inputs)) / len(inputs)
    families = families_for(sample)
    passes = [
        sum(family.passes * family.count(kind, sample, end) for kind in kinds for family in families[:number])
        for number, end in ((1, LOOKS[0]), (len(families), len(sample)))
    ]
    first, all_of_them = (START + a_pass * number for number in passes)
    return first, all_of_them


def _seconds_of(do: Callable[[], object]) -> float:
    """Return how long it takes the second time: at the first, libraries choose their ways."""
    do()
    start = time.perf_counter()
    do()
    return time.perf_counter() - start
