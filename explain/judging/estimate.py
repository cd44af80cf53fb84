"""Say beforehand how long measuring the maps of a run takes on this machine."""

import time
from collections.abc import Callable, Sequence

import torch

from sightline.explain.attribution.engine import layer_attributions, probabilities
from sightline.explain.judging.controls import centred_gaussian
from sightline.explain.judging.families import Autocast, families_for
from sightline.explain.judging.figures import kinds_of
from sightline.explain.judging.intervals import LOOKS
from sightline.explain.judging.removal import road_gap
from sightline.explain.judging.sample import draw_sample
from sightline.explain.judging.verdicts import DECISIVE
from sightline.model_zoo.device import choose_precision
from sightline.run_store.run import Run

TRIED = 16  # images in the passes that are timed
TRIED_PIXELS = 2**16  # of the images on which ROAD is timed: one of 224 pixels a side
QUICK = 1.0  # seconds
START = 8.0  # seconds until a process has loaded its libraries and the run


def seconds(run: Run, methods: Sequence[str], layers: Sequence[str], images: int) -> tuple[float, float]:
    """Return the seconds until there are verdicts of all kinds, and those until all is measured, at most.

    They are for the CPU, from passes of a few images, and from ROAD of a blob: to fill in large holes in large images
    costs more than the passes. Less is needed where verdicts are certain after fewer images.
    Arguments as of `quality.measure`. Raises ExplainError, ModelError or RunError.
    """
    model, sample = run.load_model(), draw_sample(run, images)
    kinds = kinds_of(methods, layers or run.record.layers)
    few = sample.first(TRIED)
    inputs = few.images(slice(None), torch.device("cpu"))
    quick = Autocast(model, choose_precision("auto", inputs.device))
    layer_attributions(model, inputs[:1], run.record.layers, few.classes[:1])  # whether it can be explained at all
    probabilities(quick, inputs)  # at the first time, libraries choose their ways
    a_pass = _seconds_of(lambda: probabilities(quick, inputs)) / len(inputs)
    hurt = inputs[: max(1, TRIED_PIXELS // sample.side**2)]
    blobs, targets = centred_gaussian(hurt, ()), few.classes[: len(hurt), 0]
    a_road = _seconds_of(lambda: road_gap(quick, hurt, blobs, targets)) / len(hurt)
    families = families_for(sample)
    costs = {family.name: a_road if DECISIVE in family.measures else a_pass * family.passes for family in families}
    first, all_of_them = (
        sum(costs[family.name] * family.count(kind, sample, end) for kind in kinds for family in families[:number])
        for number, end in ((1, LOOKS[0]), (len(families), len(sample)))
    )
    return START + first, START + all_of_them


def _seconds_of(do: Callable[[], object]) -> float:
    """Return how long it takes: of what is quick the shorter of two times, since the first also loads what it needs."""

    def once() -> float:
        start = time.perf_counter()
        do()
        return time.perf_counter() - start

    first = once()
    return first if first > QUICK else min(first, once())
