"""What becomes of an image's probabilities, and of its map, when part of it is covered.

What is covered, the hottest tenth of a map or what somebody painted, is filled in from its surroundings. Loads torch.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sightline.app.maps.compute import Listener, maps, network, of_subjects
from sightline.app.maps.watched import watch
from sightline.app.runs.kept import kept
from sightline.explain.attribution.methods import LAYER_METHODS
from sightline.image_data import Progress
from sightline.report.drawing.maps import explaining, model_pixels
from sightline.report.drawing.subject import Subject
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

if TYPE_CHECKING:
    from sightline.explain.judging.hiding import Hidden


@dataclass(frozen=True)
class Painted:
    """The probabilities of an image and with what is painted covered.

    maps: of the class that it is taken for, of the image and of the covered one, float32 h×w, signed; None where they
    would take too long.
    """

    hidden: "Hidden"
    maps: tuple[np.ndarray, np.ndarray] | None


def cover_hottest(run: Run, subject: Subject, method: str, layer: str, values: np.ndarray, look: Progress) -> "Hidden":
    """Cover the hottest tenth of `values`, the predicted class's map.

    look: called ten times a second while the network is asked, so that a visitor who has gone on is not waited for.
    Raises RunError, also for a map that has no hottest tenth.
    """
    if not np.isfinite(values).all() or values.max() <= max(values.min(), 0):
        raise RunError("the map of the predicted class has no hottest tenth; what is wrong with it stands below it.")

    def compute(progress: Progress) -> "Hidden":
        return _hottest_hidden(run, subject, method, layer, values, Listener(progress))

    return watch(("hidden", run.path, run.stamp("maps"), subject.key, method, layer), compute, look)


def cover_painted(run: Run, subject: Subject, method: str, layer: str, painted: bytes) -> Painted:
    """Cover what was painted over the picture that people see, and compute the map of what is left.

    painted: a bit a pixel of that picture, row by row, as numpy.packbits writes them; some but not all are set. There
    are no maps of a pixel method: they take too long to follow a brush. Raises RunError.
    """
    if method not in LAYER_METHODS:
        return Painted(_painted_hidden(run, subject, painted), None)
    before = predicted_map(run, subject, method, layer)
    after = _painted_map(run, subject, method, layer, painted)
    return Painted(_painted_hidden(run, subject, painted), (before, after))


def predicted_map(
    run: Run, subject: Subject, method: str, layer: str, look: Progress = lambda done, total: None
) -> np.ndarray:
    """Return the map of the predicted class, float32 h×w. look: as of `maps`. Raises RunError."""
    score = (subject.predicted, None)
    return maps(run, subject, method, (layer,), [score], look).maps[layer, score]


@kept("maps", of_subjects())
def _hottest_hidden(
    run: Run, subject: Subject, method: str, layer: str, values: np.ndarray, listener: Listener
) -> "Hidden":
    from torch import from_numpy

    from sightline.explain.judging.hiding import hide, hottest

    (pixels,) = model_pixels(run, subject)
    with explaining(run):
        return hide(
            network(run), pixels, hottest(from_numpy(values), pixels.shape[:2]), run.to_input, listener.progress
        )


@kept("maps", of_subjects())
def _painted_hidden(run: Run, subject: Subject, painted: bytes) -> "Hidden":
    from sightline.explain.judging.hiding import enlarged, hide

    (pixels,) = model_pixels(run, subject)
    mask = enlarged(unpacked(painted, subject.pixels.shape[0]), pixels.shape[:2])
    with explaining(run):
        return hide(network(run), pixels, mask, run.to_input)


@kept("maps", of_subjects())
def _painted_map(run: Run, subject: Subject, method: str, layer: str, painted: bytes) -> np.ndarray:
    from torch import tensor

    from sightline.explain.attribution.engine import layer_attributions

    image = run.to_input(_painted_hidden(run, subject, painted).image[None])
    with explaining(run):
        found = layer_attributions(network(run), image, [layer], tensor([subject.predicted]), method)
    values: np.ndarray = found[layer][0, 0].float().numpy()
    return values


def unpacked(painted: bytes, side: int) -> np.ndarray:
    """Return what is painted on a picture of side×side pixels, bool: see `cover_painted`."""
    return np.unpackbits(np.frombuffer(painted, np.uint8), count=side * side).astype(bool).reshape(side, side)
