"""All measures of the maps of one method, image by image."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from explain.controls import CONTROLS
from explain.engine import layer_attributions, upsample
from explain.localisation import gridpg, positive_share, tag_minus_decoy
from explain.methods import PIXEL_METHODS
from explain.pixels import pixel_attributions
from explain.randomisation import Attribute, randomisation, smooth
from explain.removal import deletion, drop_and_increase, insertion, road_gap
from explain.sample import Sample
from explain.similarity import pearson
from image_data.splits import DECOY, OBJECT, TAG
from run_store.quality import INPUT

# Integrated Gradients costs a hundred times Grad-CAM: pixel methods are measured on the first images of the sample,
# and the randomised models, which are many, on fewer. Column n says on how many.
MOST_IMAGES = {"layer": 10**9, "pixel": 100}
MOST_RANDOMISED = {"layer": 500, "pixel": 50}
MOST_SMOOTH = {"layer": 100, "pixel": 10}
IMAGE_MEMORY = 64 * 2**20  # bytes of images at once; the engine divides them further
CHUNK = 64  # images, at most, between two moves of the progress
PIXEL_CHUNK = 16  # images of a call of Captum, which makes copies of them

Values = dict[str, np.ndarray]  # measure → float N, one an image; NaN: no value


def measures_of(sample: Sample) -> set[str]:
    """The keys of MEASURES that can be had."""
    wanted = {"road_gap", "insertion", "deletion", "average_drop", "increase", "class_sensitivity"}
    wanted |= {"randomisation", "randomisation_smooth"}
    if len(sample.mosaics):
        wanted.add("gridpg")
    if sample.masks is not None:
        wanted |= {"object_share", "tag_minus_decoy"}
    return wanted


def judge_method(
    model: nn.Module, sample: Sample, method: str, layers: Sequence[str], progress: tqdm
) -> Iterator[tuple[str, Values]]:
    """Layer by layer, the values of all measures; what all layers share is computed before the first.

    method: of LAYER_METHODS, PIXEL_METHODS or CONTROLS; `layers` is (INPUT,) for the latter two. progress: counts the
    images of the sample once a layer.
    """
    left_out = len(sample)
    sample = sample.first(MOST_IMAGES[_kind(method)])
    left_out -= len(sample)
    progress.set_description(f"{method}: maps")
    maps = _maps(model, sample, method, layers)
    progress.set_description(f"{method}: mosaics")
    grids = _gridpg(model, sample, method, layers)
    progress.set_description(f"{method}: randomised")
    changed = _randomised(model, sample, method, layers)
    for layer in layers:
        progress.set_description(f"{method}: {layer}")
        values = {"class_sensitivity": pearson(maps[layer][:, 0], maps[layer][:, 1]).numpy()}
        if layer in grids:
            values["gridpg"] = grids[layer]
        values |= changed[layer]
        values |= _of_predicted(model, sample, maps[layer][:, :1], progress)
        progress.update(left_out)
        yield layer, values


def _maps(model: nn.Module, sample: Sample, method: str, layers: Sequence[str]) -> dict[str, Tensor]:
    """Layer → maps of the two likeliest classes, N×2×h×w on the CPU."""
    parts = []
    for part in _chunks(sample, len(sample)):
        images = sample.images(part, device_of(model))
        seeds = sample.rows[part].tolist()
        maps = attributions(model, images, sample.classes[part], method, layers, seeds)
        parts.append({layer: values.cpu() for layer, values in maps.items()})
    return _joined(parts)


def _gridpg(model: nn.Module, sample: Sample, method: str, layers: Sequence[str]) -> dict[str, np.ndarray]:
    parts = []
    for part in _chunks(sample, len(sample.mosaics), pixels=4):
        images = sample.mosaic_images(part, device_of(model))
        seeds = range(len(sample.mosaics))[part]
        maps = attributions(model, images, sample.mosaic_classes[part], method, layers, seeds)
        size = (images.shape[2], images.shape[3])
        parts.append({layer: gridpg(upsample(values, size)).cpu() for layer, values in maps.items()})
    return {layer: values.numpy() for layer, values in _joined(parts).items()}


def _randomised(model: nn.Module, sample: Sample, method: str, layers: Sequence[str]) -> dict[str, Values]:
    found: dict[str, Values] = {layer: {} for layer in layers}
    for name, most in (("randomisation", MOST_RANDOMISED), ("randomisation_smooth", MOST_SMOOTH)):
        few = sample.first(most[_kind(method)])
        parts = []
        for part in _chunks(few, len(few), most=len(few)):
            images = few.images(part, device_of(model))
            attribute = _attribute(method, layers, few.classes[part, :1], few.rows[part].tolist())
            parts.append(randomisation(model, images, smooth(attribute) if name.endswith("smooth") else attribute))
        for layer, values in _joined(parts).items():
            found[layer][name] = values.numpy()
    return found


def _attribute(method: str, layers: Sequence[str], targets: Tensor, seeds: Sequence[int]) -> Attribute:
    def attribute(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
        maps = attributions(model, images, targets, method, layers, seeds)
        return {layer: values[:, 0] for layer, values in maps.items()}

    return attribute


def _of_predicted(model: nn.Module, sample: Sample, maps: Tensor, progress: tqdm) -> Values:
    """The measures that look at one map an image, N×1×h×w, of the predicted class."""
    parts = []
    for part in _chunks(sample, len(sample)):
        images = sample.images(part, device_of(model))
        size = (images.shape[2], images.shape[3])
        large = upsample(maps[part].to(images.device), size)[:, 0]
        judged = (model, images, large, sample.classes[part, 0].to(images.device))
        drop, increase = drop_and_increase(*judged)
        values = {
            "road_gap": road_gap(*judged, seed=part.start),
            "insertion": insertion(*judged),
            "deletion": deletion(*judged),
            "average_drop": drop,
            "increase": increase,
        }
        if sample.masks is not None:
            masks = _resized(torch.from_numpy(np.array(sample.masks[part])), size).to(images.device)
            values["object_share"] = positive_share(large, masks & OBJECT != 0)
            values["tag_minus_decoy"] = tag_minus_decoy(large, masks & TAG != 0, masks & DECOY != 0)
        parts.append({name: numbers.cpu() for name, numbers in values.items()})
        progress.update(len(images))
    return {name: numbers.numpy() for name, numbers in _joined(parts).items()}


def _resized(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 N×h×w → N×H×W: where the run keeps thumbnails, their masks are stretched."""
    if masks.shape[1:] == size:
        return masks
    return nn.functional.interpolate(masks[:, None].float(), size, mode="nearest")[:, 0].byte()


def _joined(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]} if parts else {}


def _chunks(sample: Sample, count: int, pixels: int = 1, most: int = CHUNK) -> Iterator[slice]:
    """Slices of `count` images, each `pixels` times as large as the model's input, that fit IMAGE_MEMORY."""
    step = min(most, max(1, IMAGE_MEMORY // (sample.run.record.input_size**2 * 3 * 4 * pixels)))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def attributions(
    model: nn.Module, images: Tensor, targets: Tensor, method: str, layers: Sequence[str], seeds: Sequence[int]
) -> dict[str, Tensor]:
    """Maps of any method or control, N×T×h×w by layer; a pixel method's and a control's lie under INPUT.

    images: float N×C×H×W, normalised. targets: int64 N×T. seeds: N of the random control.
    """
    targets = targets.to(images.device)
    if method in CONTROLS:
        return {INPUT: CONTROLS[method](images, seeds)[:, None].expand(-1, targets.shape[1], -1, -1)}
    if method in PIXEL_METHODS:
        parts = zip(images.split(PIXEL_CHUNK), targets.split(PIXEL_CHUNK), strict=True)
        return {INPUT: torch.cat([pixel_attributions(model, *part, method=method) for part in parts])}
    return layer_attributions(model, images, layers, targets, method)


def _kind(method: str) -> str:
    return "pixel" if method in PIXEL_METHODS else "layer"


def device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
