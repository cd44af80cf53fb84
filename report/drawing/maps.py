"""The maps of test images: read where they were computed ahead of time, else computed. Keeps nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from sightline.explain.attribution.methods import LAYER_METHODS, METHODS, PIXEL_METHODS
from sightline.image_data import Progress
from sightline.report.drawing.cells import Maps, Score
from sightline.report.drawing.subject import Subject
from sightline.run_store.commands import command
from sightline.run_store.maps import read_maps
from sightline.run_store.quality import INPUT
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

if TYPE_CHECKING:
    from torch import nn

_LAYERS_AT_ONCE, _PIXELS_AT_ONCE = 8, 4  # images, of the methods of both kinds; the latter are slow


def stored_maps(
    run: Run, subjects: Sequence[Subject], method: str, layers: Sequence[str], scores: Sequence[Sequence[Score]]
) -> tuple[list[Maps], str]:
    """Return the maps of each image that were computed ahead of time, and why what is there is no use. Loads no torch.

    scores: of each image. An upload has none.
    """
    found: list[dict[tuple[str, Score], np.ndarray]] = [{} for _ in subjects]
    known = [place for place, subject in enumerate(subjects) if subject.image is not None and method in LAYER_METHODS]
    rows = [subjects[place].image or 0 for place in known]
    codes: dict[str, list[int | None]] = {
        "predicted": [subjects[place].predicted for place in known],
        "label": [subjects[place].label for place in known],
    }
    try:
        for layer in layers if known else ():
            for target, classes in codes.items():
                values = read_maps(run, method, layer, target, rows)
                for place, code, one in zip(known, classes, () if values is None else values, strict=False):
                    if code is not None:
                        found[place][layer, (code, None)] = one
    except RunError as error:
        return [{} for _ in subjects], str(error)
    return [with_differences(one, method, layers, own) for one, own in zip(found, scores, strict=True)], ""


def maps_of(
    run: Run,
    subjects: Sequence[Subject],
    method: str,
    layers: Sequence[str],
    scores: Sequence[Sequence[Score]],
    progress: Progress | None = None,
) -> tuple[list[Maps], str]:
    """Return the maps of each test image, computed where they were not ahead of time, and why some are missing.

    scores: of each image. layers: as of MapSettings. progress: called while maps are computed, with how many images
    have theirs; what it raises ends the work. Loads torch where maps are computed.
    """
    stored, problem = stored_maps(run, subjects, method, layers, scores)
    lacking = [
        place
        for place, own in enumerate(scores)
        if any((layer, score) not in stored[place] for layer in layers for score in own)
    ]
    if not lacking:
        return stored, problem
    if not run.has_network:
        return stored, problem or f"Run {run.name} has no network, and not all of these maps were computed before."
    made = list(stored)
    at_once = _PIXELS_AT_ONCE if method in PIXEL_METHODS else _LAYERS_AT_ONCE
    try:
        model = run.load_model()
        for begun in range(0, len(lacking), at_once):
            if progress:
                progress(begun, len(lacking))
            some = lacking[begun : begun + at_once]
            pixels = np.concatenate([model_pixels(run, subjects[place]) for place in some])
            own = [parts(method, scores[place]) for place in some]
            found = compute_maps(run, model, pixels, method, layers, own)
            for place, one in zip(some, found, strict=True):
                made[place] = joined(run, method, layers, scores[place], one, stored[place])
    except RunError as error:
        return made, str(error)
    return made, ""


def compute_maps(
    run: Run,
    model: "nn.Module",
    pixels: np.ndarray,
    method: str,
    layers: Sequence[str],
    scores: Sequence[Sequence[Score]],
) -> list[Maps]:
    """Compute the maps of images, uint8 n×S×S×3, each of its own scores, of `parts`. Loads torch. Raises RunError."""
    from torch import tensor

    from sightline.explain.attribution.engine import layer_attributions
    from sightline.explain.attribution.pixels import pixel_attributions

    found: list[dict[tuple[str, Score], np.ndarray]] = [{} for _ in pixels]
    for is_difference in (False, True):
        asked = [[score for score in own if (score[1] is not None) == is_difference] for own in scores]
        some = [place for place, own in enumerate(asked) if own]
        if not some:
            continue
        most = max(map(len, asked))
        padded = [[*asked[place], *asked[place][:1] * (most - len(asked[place]))] for place in some]
        images, plus = run.to_input(pixels[some]), tensor([[score[0] for score in own] for own in padded])
        with explaining(run):
            if method in PIXEL_METHODS:  # each is linear, so that no difference is asked for
                values = {INPUT: pixel_attributions(model, images, plus, method)}
            else:
                minus = tensor([[score[1] for score in own] for own in padded]) if is_difference else None
                values = layer_attributions(model, images, layers, plus, method, minus)
        for layer, stack in values.items():
            for place, own, one in zip(some, padded, stack.float().numpy(), strict=True):
                found[place] |= {(layer, score): value for score, value in zip(own, one, strict=True)}
    return list(found)


def parts(method: str, scores: Sequence[Score]) -> tuple[Score, ...]:
    """Return what has to be computed: of a linear method single classes, whose maps may be subtracted."""
    if not METHODS[method].linear:
        return tuple(dict.fromkeys(scores))
    return tuple(dict.fromkeys((code, None) for score in scores for code in score if code is not None))


def joined(
    run: Run, method: str, layers: Sequence[str], scores: Sequence[Score], found: Maps, stored: Maps
) -> dict[tuple[str, Score], np.ndarray]:
    """Join what was computed now, by `parts`, with what was there ahead of time. Raises RunError for other sizes."""
    sizes = {layer: values.shape for (layer, _), values in found.items()}
    if any(values.shape != sizes.get(layer, values.shape) for (layer, _), values in stored.items()):
        raise RunError(
            f"Run {run.name}: the maps computed ahead of time are of another network. Write them again with: "
            + command("precompute", "--run", run.path, "--method", method)
        )
    return {**with_differences(found, method, layers, scores), **stored}


def with_differences(
    found: Maps, method: str, layers: Sequence[str], scores: Sequence[Score]
) -> dict[tuple[str, Score], np.ndarray]:
    """Return the maps of the scores, of a linear method also those that are the difference of two of them."""
    made = {key: values for key, values in found.items() if key[1] in scores}
    for layer in layers if METHODS[method].linear else ():
        for plus, minus in scores:
            if minus is not None and (layer, (plus, None)) in found and (layer, (minus, None)) in found:
                made[layer, (plus, minus)] = found[layer, (plus, None)] - found[layer, (minus, None)]
    return made


def map_layers(run: Run, model: "nn.Module | None" = None) -> Mapping[str, tuple[int, int]]:
    """Return every layer of the network that has a map → its height and width, in cells.

    model: the network, where it is loaded already. Loads torch. Raises RunError.
    """
    from sightline.explain.attribution.grids import map_layers

    side = run.record.input_size
    with explaining(run):
        return map_layers(model or run.load_model(), run.to_input(np.zeros((1, side, side, 3), np.uint8)))


def model_pixels(run: Run, subject: Subject) -> np.ndarray:
    """Return uint8 1×S×S×3: of the test split what the model saw, of an upload its own pixels."""
    return subject.pixels[None] if subject.image is None else run.model_images([subject.image])


@contextmanager
def explaining(run: Run) -> Iterator[None]:
    """Turn every ExplainError into a RunError that names the run."""
    from sightline.explain.attribution.errors import ExplainError

    try:
        yield
    except ExplainError as error:
        raise RunError(f"Run {run.name}: {error}") from error
