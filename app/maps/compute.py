"""Maps and what else needs the model: read where they were computed ahead of time, else computed, and cached."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sightline.app.maps.watched import watch
from sightline.app.runs.kept import computed_once, kept
from sightline.explain.attribution.methods import PIXEL_METHODS
from sightline.image_data import Progress
from sightline.report.drawing import maps as drawing
from sightline.report.drawing.cells import Maps, Score
from sightline.report.drawing.maps import explaining, model_pixels
from sightline.report.drawing.subject import Subject
from sightline.run_store.quality import INPUT
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Listener:
    """Who is told how far a computation is: no part of what is computed."""

    progress: Progress


# Pixels are not looked at to tell subjects apart: an image of the split has its number, an upload its hash.
_KEYS: dict[str | type, Callable[[Any], Any]] = {Subject: lambda subject: subject.key, Listener: lambda _: None}
of_subjects = partial(computed_once, max_entries=128, hash_funcs=_KEYS)


@dataclass(frozen=True)
class Computed:
    """Maps, and where they come from.

    seconds: what computing took; None where all was there ahead of time. problem: why what was there is no use.
    """

    maps: Maps
    seconds: float | None = None
    problem: str = ""


def stored_maps(run: Run, subject: Subject, method: str, layers: Sequence[str], scores: Sequence[Score]) -> Computed:
    """Return the maps that were computed ahead of time. Loads no torch."""
    (found,), problem = drawing.stored_maps(run, [subject], method, layers, [scores])
    return Computed(found, problem=problem)


def maps(
    run: Run,
    subject: Subject,
    method: str,
    layers: tuple[str, ...],
    scores: Sequence[Score],
    look: Progress,
    stored: Computed | None = None,
) -> Computed:
    """Return a map of every score at every layer; what was not computed ahead of time is computed now. Loads torch.

    layers: of a layer method names of modules, else INPUT. look: called ten times a second while a pixel method works;
    what it raises ends this visitor's waiting, and the work where nobody else waits for it. stored: the `stored_maps`,
    which are the answer where nothing is missing, or the run has no network. Raises RunError.
    """
    stored = stored or stored_maps(run, subject, method, layers, scores)
    missing = [key for key in ((layer, score) for layer in layers for score in scores) if key not in stored.maps]
    if not missing or not run.has_network and stored.maps:
        return stored
    if not run.has_network:
        raise RunError(stored.problem or f"Run {run.name} has no network, and no such map of this image.")
    parts = drawing.parts(method, [score for _, score in missing])
    if method in PIXEL_METHODS:
        found, seconds = _pixel_maps(run, subject, method, parts, look)
    else:
        lacking = tuple(layer for layer in layers if any(layer == name for name, _ in missing))
        found, seconds = _layer_maps(run, subject, method, lacking, parts)
    made = drawing.joined(run, method, layers, scores, found, stored.maps)
    return Computed(made, seconds, stored.problem)


@kept("maps", computed_once(max_entries=16))
def map_layers(run: Run) -> Mapping[str, tuple[int, int]]:
    """Return every layer of the network that has a map → its height and width, in cells.

    Loads torch. Raises RunError.
    """
    return drawing.map_layers(run, network(run))


@kept("maps", computed_once(max_entries=128))
def probabilities(run: Run, token: str, pixels: np.ndarray) -> np.ndarray:
    """Return the probabilities, float64 C, of an image of one's own, uint8 S×S×3; token: its hash.

    Loads torch. Raises RunError.
    """
    from sightline.explain.attribution.engine import probabilities

    return probabilities(network(run), run.to_input(pixels[None]))[0].double().numpy()


@kept("maps", of_subjects())
def probabilities_of(run: Run, subject: Subject) -> np.ndarray:
    """Return the probabilities, float64 C, that the network gives. Loads torch. Raises RunError."""
    from sightline.explain.attribution.engine import probabilities

    return probabilities(network(run), run.to_input(model_pixels(run, subject)))[0].double().numpy()


@kept("maps", of_subjects())
def where_not_finite(run: Run, subject: Subject) -> str:
    """Return the first module whose output is not finite; "" where all are. Loads torch. Raises RunError."""
    from sightline.explain.attribution.recording import first_non_finite

    return first_non_finite(network(run), run.to_input(model_pixels(run, subject)))


@kept("maps", computed_once(max_entries=3))
def network(run: Run) -> "nn.Module":
    """Load the network, in eval mode on the CPU; all sessions share it, so explain/ locks it."""
    return run.load_model()


@kept("maps", of_subjects())
def _layer_maps(
    run: Run, subject: Subject, method: str, layers: tuple[str, ...], scores: tuple[Score, ...]
) -> tuple[Maps, float]:
    """Compute maps; beside them the seconds that it took, without those for loading torch and the model."""
    model, pixels = network(run), model_pixels(run, subject)
    start = time.perf_counter()
    (found,) = drawing.compute_maps(run, model, pixels, method, layers, [scores])
    return found, time.perf_counter() - start


def _pixel_maps(run: Run, subject: Subject, method: str, scores: Sequence[Score], look: Progress) -> tuple[Maps, float]:
    """Compute maps of single classes, one after the other, each once for all who wait for it; and add up the seconds.

    Every pixel method is linear.
    """
    found, seconds = {}, 0.0
    for place, score in enumerate(scores):

        def look_at_all(done: int, total: int, place: int = place) -> None:
            look(place * total + done, len(scores) * total)

        def compute(progress: Progress, code: int = score[0]) -> tuple[np.ndarray, float]:
            return _pixel_map(run, subject, method, code, Listener(progress))

        key = (run.path, run.stamp("maps"), subject.key, method, score)
        found[INPUT, score], took = watch(key, compute, look_at_all)
        seconds += took
    return found, seconds


@kept("maps", of_subjects())
def _pixel_map(run: Run, subject: Subject, method: str, code: int, listener: Listener) -> tuple[np.ndarray, float]:
    """Compute the map of one class, and the seconds that it took."""
    from torch import tensor

    from sightline.explain.attribution.pixels import pixel_attributions

    model, images = network(run), run.to_input(model_pixels(run, subject))
    start = time.perf_counter()
    with explaining(run):
        values = pixel_attributions(model, images, tensor([code]), method, listener.progress)
    return values[0, 0].numpy(), time.perf_counter() - start
