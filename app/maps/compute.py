"""Maps and what else needs the model: read where they were computed ahead of time, else computed, and cached."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from sightline.app.elements.subject import Subject
from sightline.explain.attribution.methods import LAYER_METHODS, METHODS, PIXEL_METHODS, Method
from sightline.run_store.files import Stamp
from sightline.run_store.maps import read_map
from sightline.run_store.quality import INPUT
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sightline.explain.judging.hiding import Hidden

Score = tuple[int, int | None]  # a class code, or two: the logit of the first, less that of the second
Maps = Mapping[tuple[str, Score], np.ndarray]  # (layer, score) → float32 h×w, signed


@dataclass(frozen=True)
class Computed:
    """seconds: what computing took; None where all was there ahead of time. problem: why what was there is no use."""

    maps: Maps
    seconds: float | None = None
    problem: str = ""


def stored_maps(run: Run, subject: Subject, method: str, layers: Sequence[str], scores: Sequence[Score]) -> Computed:
    """Those that were computed ahead of time. Loads no torch."""
    found: dict[tuple[str, Score], np.ndarray] = {}
    targets = {"predicted": subject.predicted, "label": subject.label}
    try:
        for layer in layers if subject.image is not None and method in LAYER_METHODS else ():
            for target, code in targets.items():
                values = None if code is None else read_map(run, method, layer, target, subject.image or 0)
                if code is not None and values is not None:
                    found[layer, (code, None)] = values
    except RunError as error:
        return Computed({}, problem=str(error))
    return Computed(_with_differences(found, method, layers, scores))


def maps(
    run: Run,
    subject: Subject,
    method: str,
    layers: tuple[str, ...],
    scores: Sequence[Score],
    stored: Computed | None = None,
) -> Computed:
    """A map of every score at every layer; what was not computed ahead of time is computed now. Loads torch.

    layers: of a layer method names of modules, else INPUT. stored: the `stored_maps`, which are the answer where
    nothing is missing. Raises RunError.
    """
    stored = stored or stored_maps(run, subject, method, layers, scores)
    missing = [key for key in ((layer, score) for layer in layers for score in scores) if key not in stored.maps]
    if not missing:
        return stored
    parts = _parts(METHODS[method], [score for _, score in missing])
    lacking = tuple(layer for layer in layers if any(layer == name for name, _ in missing))
    found, seconds = _computed(str(run.path), run.stamp("maps"), _key(subject), method, lacking, parts, subject.pixels)
    sizes = {layer: values.shape for (layer, _), values in found.items()}
    if any(values.shape != sizes.get(layer, values.shape) for (layer, _), values in stored.maps.items()):
        raise RunError(
            f"Run {run.name}: the maps computed ahead of time are of another network. Write them again with: "
            f"sightline precompute --run {run.path} --method {method}"
        )
    made = _with_differences(found, method, layers, scores)
    return Computed({**made, **stored.maps}, seconds, stored.problem)


def _parts(method: Method, scores: Sequence[Score]) -> tuple[Score, ...]:
    """What has to be computed: of a linear method single classes only, whose maps may be subtracted like the logits."""
    if not method.linear:
        return tuple(dict.fromkeys(scores))
    return tuple(dict.fromkeys((code, None) for score in scores for code in score if code is not None))


def _with_differences(found: Maps, method: str, layers: Sequence[str], scores: Sequence[Score]) -> Maps:
    made = {key: values for key, values in found.items() if key[1] in scores}
    for layer in layers if METHODS[method].linear else ():
        for plus, minus in scores:
            if minus is not None and (layer, (plus, None)) in found and (layer, (minus, None)) in found:
                made[layer, (plus, minus)] = found[layer, (plus, None)] - found[layer, (minus, None)]
    return made


def map_layers(run: Run) -> dict[str, tuple[int, int]]:
    """Every layer of the network that has a map → its height and width, in cells. Loads torch. Raises RunError."""
    return _map_layers(str(run.path), run.stamp("maps"))


def hidden(run: Run, subject: Subject, method: str, layer: str) -> "Hidden":
    """The hottest tenth of the predicted class's map hidden, and random tenths. Loads torch. Raises RunError."""
    values = maps(run, subject, method, (layer,), [(subject.predicted, None)]).maps[layer, (subject.predicted, None)]
    return _hidden(str(run.path), run.stamp("maps"), _key(subject), method, layer, subject.pixels, values)


def probabilities(run: Run, pixels: np.ndarray, token: str) -> np.ndarray:
    """Of an image of one's own, uint8 S×S×3 → float64 C; token: its hash. Loads torch. Raises RunError."""
    return _probabilities(str(run.path), run.stamp("maps"), token, pixels)


def where_not_finite(run: Run, subject: Subject) -> str:
    """The first module whose output is not finite; "" where all are. Loads torch. Raises RunError."""
    return _where_not_finite(str(run.path), run.stamp("maps"), _key(subject), subject.pixels)


def _key(subject: Subject) -> int | str:
    return subject.token if subject.image is None else subject.image


@contextmanager
def _explaining(run: Run) -> Iterator[None]:
    """Every ExplainError becomes a RunError that names the run."""
    from sightline.explain.attribution.errors import ExplainError

    try:
        yield
    except ExplainError as error:
        raise RunError(f"Run {run.name}: {error}") from error


def _model_pixels(run: Run, key: int | str, pixels: np.ndarray) -> np.ndarray:
    """uint8 1×S×S×3: of the test split what the model saw, of an upload its own."""
    return run.model_images([key]) if isinstance(key, int) else pixels[None]


@st.cache_resource(max_entries=3, show_spinner=False)
def _model(path: str, stamps: Stamp) -> "nn.Module":
    """In eval mode on the CPU; shared by all sessions, so explain/ locks it."""
    return Run(Path(path)).load_model()


@st.cache_resource(max_entries=128, show_spinner=False)
def _computed(
    path: str,
    stamps: Stamp,
    key: int | str,
    method: str,
    layers: tuple[str, ...],
    scores: tuple[Score, ...],
    _pixels: np.ndarray,
) -> tuple[Maps, float]:
    """And the seconds that it took, without those for loading torch and the model."""
    import_module(
        "sightline.explain.attribution.pixels" if method in PIXEL_METHODS else "sightline.explain.attribution.engine"
    )
    run = Run(Path(path))
    model, images = _model(path, stamps), run.to_input(_model_pixels(run, key, _pixels))
    start = time.perf_counter()
    singles = [score for score in scores if score[1] is None]
    differences = [score for score in scores if score[1] is not None]
    found: dict[tuple[str, Score], np.ndarray] = {}
    with _explaining(run):
        for group in filter(None, (singles, differences)):
            found |= _attributions(model, images, method, layers, group)
    return found, time.perf_counter() - start


def _attributions(
    model: "nn.Module", images: "Tensor", method: str, layers: Sequence[str], scores: Sequence[Score]
) -> Maps:
    """Of one image; scores: single classes, or differences, not both."""
    from torch import tensor

    from sightline.explain.attribution.engine import layer_attributions
    from sightline.explain.attribution.pixels import pixel_attributions

    plus = tensor([[score[0] for score in scores]])
    minus = None if scores[0][1] is None else tensor([[score[1] for score in scores]])
    if method in PIXEL_METHODS:
        values = {INPUT: pixel_attributions(model, images, plus, method)}
    else:
        values = layer_attributions(model, images, layers, plus, method, minus)
    return {
        (layer, score): one
        for layer, stack in values.items()
        for score, one in zip(scores, stack[0].float().numpy(), strict=True)
    }


@st.cache_resource(max_entries=16, show_spinner=False)
def _map_layers(path: str, stamps: Stamp) -> dict[str, tuple[int, int]]:
    from sightline.explain.attribution.grids import map_layers

    run = Run(Path(path))
    side = run.record.input_size
    with _explaining(run):
        return map_layers(_model(path, stamps), run.to_input(np.zeros((1, side, side, 3), np.uint8)))


@st.cache_resource(max_entries=128, show_spinner=False)
def _hidden(
    path: str, stamps: Stamp, key: int | str, method: str, layer: str, _pixels: np.ndarray, _values: np.ndarray
) -> "Hidden":
    from sightline.explain.judging.hiding import hide_hottest

    run = Run(Path(path))
    with _explaining(run):
        return hide_hottest(_model(path, stamps), _model_pixels(run, key, _pixels)[0], _values, run.to_input)


@st.cache_resource(max_entries=128, show_spinner=False)
def _probabilities(path: str, stamps: Stamp, token: str, _pixels: np.ndarray) -> np.ndarray:
    from sightline.explain.attribution.engine import probabilities

    run = Run(Path(path))
    return probabilities(_model(path, stamps), run.to_input(_pixels[None]))[0].double().numpy()


@st.cache_resource(max_entries=128, show_spinner=False)
def _where_not_finite(path: str, stamps: Stamp, key: int | str, _pixels: np.ndarray) -> str:
    from sightline.explain.attribution.recording import first_non_finite

    run = Run(Path(path))
    return first_non_finite(_model(path, stamps), run.to_input(_model_pixels(run, key, _pixels)))
