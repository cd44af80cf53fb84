"""Take all measures of maps, image by image.

Of several processes, each takes some of the batches that one would take, or some of the random models, and all get
the values of all: so they are the same to the last bit.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from sightline.explain.attribution.engine import attributions_by_method, upsample
from sightline.explain.attribution.methods import LAYER_METHODS, PIXEL_METHODS
from sightline.explain.attribution.pixels import pixel_attributions
from sightline.explain.batches import image_batches
from sightline.explain.judging.controls import CONTROLS
from sightline.explain.judging.localisation import gridpg, positive_share, tag_minus_decoy
from sightline.explain.judging.randomisation import Explain, randomisation, smooth
from sightline.explain.judging.removal import deletion, drop_and_increase, insertion, road_gap
from sightline.explain.judging.sample import Sample
from sightline.explain.judging.similarity import pearson
from sightline.explain.world import ALONE, World
from sightline.image_data.splits import DECOY, OBJECT, TAG
from sightline.model_zoo.device import choose_precision, device_of
from sightline.run_store.quality import INPUT

MOST_IMAGES = 64  # at once: few enough that the progress moves
SAME = 1e-5  # largest difference of two maps that are one, relative to their largest value: rounding of float32

Kind = tuple[str, str]  # method and layer, INPUT for the layer of pixel methods and controls
Key = TypeVar("Key")
Values = dict[str, np.ndarray]  # measure → float N, one an image; NaN: no value


@dataclass(frozen=True)
class ImageLimits:
    """The most images, the first of the sample, that a measure is taken on; column n says how many they were."""

    images: int  # for all other measures
    literature: int  # for insertion, deletion, average drop and increase, which serve comparison with the literature
    randomised: int  # for maps under each of the random models
    smooth: int  # for the same, of ten noisy copies each


# A report of three methods at four layers takes ten minutes on two cores, half of them ROAD's, which judges the most.
# Integrated Gradients costs a hundred times Grad-CAM.
LIMITS = {"layer": ImageLimits(10**9, 100, 200, 50), "pixel": ImageLimits(100, 100, 50, 10)}


def measures_of(sample: Sample) -> set[str]:
    """Return the keys of MEASURES that can be taken on this sample, which may lack masks or mosaics."""
    wanted = {"road_gap", "insertion", "deletion", "average_drop", "increase", "class_sensitivity"}
    wanted |= {"randomisation", "randomisation_smooth"}
    if len(sample.mosaics):
        wanted.add("gridpg")
    if sample.masks is not None:
        wanted |= {"object_share", "tag_minus_decoy"}
    return wanted


def measure_maps(
    model: nn.Module,
    sample: Sample,
    kinds: Sequence[Kind],
    progress: tqdm,
    measured: Collection[Kind] = (),
    world: World = ALONE,
) -> Iterator[tuple[Kind, Values]]:
    """Yield, kind by kind, the values of all measures; first the maps of all kinds are made, which share passes.

    kinds: all of pixel methods, or none. progress: counts the images of the sample once a kind. measured: those of the
    kinds that are left out, but for their maps, so that what is yielded does not depend on them.
    """
    limits = LIMITS["pixel" if kinds[0][0] in PIXEL_METHODS else "layer"]
    whole, sample = sample, sample.first(limits.images)
    progress.set_description("maps")
    maps = _maps(model, sample, kinds, world)
    progress.set_description("mosaics")
    grids = _measure_gridpg(model, sample, kinds, world)
    progress.set_description("random parameters")
    changed = _measure_randomised(model, sample, kinds, limits, world)
    judged: dict[Kind, Values] = {}
    for place, kind in enumerate(kinds):
        if kind in measured:
            continue
        progress.set_description(" at ".join(kind))
        end = progress.n + len(whole)
        values = {"class_sensitivity": pearson(maps[kind][:, 0], maps[kind][:, 1]), **changed[kind]}
        if kind in grids:
            values["gridpg"] = grids[kind]
        twin = next((other for other in kinds[:place] if _are_same(maps[other], maps[kind])), kind)
        if twin not in judged:
            judged[twin] = _measure_predicted(model, sample, maps[twin][:, :1], limits.literature, progress, world)
        progress.update(end - progress.n)
        yield kind, values | judged[twin]


def _are_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two methods gave the same maps, as HiResCAM and Grad-CAM do at the last layer."""
    if one.shape != other.shape or not np.isfinite(one).all():
        return False
    return bool((np.abs(one - other) <= SAME * np.abs(one).max(axis=(2, 3), keepdims=True)).all())


def _maps(model: nn.Module, sample: Sample, kinds: Sequence[Kind], world: World) -> dict[Kind, np.ndarray]:
    """Compute the maps of the two likeliest classes, N×2×h×w."""
    parts = []
    for part in world.part([*image_batches(len(sample), sample.side, MOST_IMAGES)]):
        images = sample.images(part, device_of(model))
        maps = attributions(model, images, sample.classes[part], kinds, sample.rows[part].tolist())
        parts.append({kind: values.cpu().numpy() for kind, values in maps.items()})
    return _joined(world.gather_all(parts))


def _measure_gridpg(model: nn.Module, sample: Sample, kinds: Sequence[Kind], world: World) -> dict[Kind, np.ndarray]:
    """Measure GridPG of every kind of maps: float M, one a mosaic."""
    parts = []
    for part in world.part([*image_batches(len(sample.mosaics), 2 * sample.side, MOST_IMAGES)]):
        images = sample.mosaic_images(part, device_of(model))
        maps = attributions(model, images, sample.mosaic_classes[part], kinds, range(len(sample.mosaics))[part])
        size = (images.shape[2], images.shape[3])
        parts.append({kind: gridpg(upsample(values, size)).cpu().numpy() for kind, values in maps.items()})
    return _joined(world.gather_all(parts))


def _measure_randomised(
    model: nn.Module, sample: Sample, kinds: Sequence[Kind], limits: ImageLimits, world: World
) -> dict[Kind, Values]:
    """Take the two measures that compare maps with those of a model that forgets what it learned."""
    found: dict[Kind, Values] = {kind: {} for kind in kinds}
    for name, images_at_most in (("randomisation", limits.randomised), ("randomisation_smooth", limits.smooth)):
        few = sample.first(images_at_most)
        parts = []
        for part in image_batches(len(few), few.side, len(few)):
            images = few.images(part, device_of(model))
            explain = _explain_by(kinds, few.classes[part, :1], few.rows[part].tolist())
            explain = smooth(explain) if name.endswith("smooth") else explain
            parts.append(randomisation(model, images, explain, world=world))
        for kind, values in _joined(parts).items():
            found[kind][name] = values
    return found


def _explain_by(kinds: Sequence[Kind], targets: Tensor, seeds: Sequence[int]) -> Explain[Kind]:
    """Return the function that `randomisation` calls for the maps of a model. targets: int64 N×1."""

    def explain(model: nn.Module, images: Tensor) -> dict[Kind, Tensor]:
        return {kind: maps[:, 0] for kind, maps in attributions(model, images, targets, kinds, seeds).items()}

    return explain


def _measure_predicted(
    model: nn.Module, sample: Sample, maps: np.ndarray, literature: int, progress: tqdm, world: World
) -> Values:
    """Take the measures that look at one map an image, N×1×h×w, of the predicted class."""
    quick = Autocast(model, choose_precision("auto", device_of(model)))
    parts = []
    for part in world.part([*image_batches(len(sample), sample.side, MOST_IMAGES)]):
        images = sample.images(part, device_of(model))
        size = (images.shape[2], images.shape[3])
        large = upsample(torch.from_numpy(maps[part]).to(images.device), size)[:, 0]
        targets = sample.classes[part, 0].to(images.device)
        values = {"road_gap": road_gap(quick, images, large, targets, seed=part.start)}
        few = images[: max(0, literature - part.start)]
        if len(few):
            judged = few, large[: len(few)], targets[: len(few)]
            values |= {"insertion": insertion(quick, *judged), "deletion": deletion(quick, *judged)}
            values["average_drop"], values["increase"] = drop_and_increase(model, *judged)
        if sample.masks is not None:
            masks = _resized(torch.from_numpy(np.array(sample.masks[part])), size).to(images.device)
            values["object_share"] = positive_share(large, masks & OBJECT != 0)
            values["tag_minus_decoy"] = tag_minus_decoy(large, masks & TAG != 0, masks & DECOY != 0)
        parts.append({name: numbers.cpu().numpy() for name, numbers in values.items()})
        progress.update(len(images))
    return _joined(world.gather_all(parts))


class Autocast(nn.Module):
    """A model that answers in another arithmetic: bfloat16 shifts a curve's area by thousandths.

    benchmarks/RESULTS.md ("Trust") has the gain and the difference.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype):
        super().__init__()
        self.model, self.dtype = model, dtype

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return cast(Tensor, self.model(images.contiguous(memory_format=torch.channels_last)).float())


def _resized(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Stretch the masks of thumbnails, uint8 N×h×w, to the images: N×H×W."""
    if masks.shape[1:] == size:
        return masks
    return nn.functional.interpolate(masks[:, None].float(), size, mode="nearest")[:, 0].byte()


def _joined(parts: Sequence[dict[Key, np.ndarray]]) -> dict[Key, np.ndarray]:
    """Put the values of all parts one after the other; the later parts may lack some."""
    return {key: np.concatenate([part[key] for part in parts if key in part]) for key in parts[0]} if parts else {}


def attributions(
    model: nn.Module, images: Tensor, targets: Tensor, kinds: Sequence[Kind], seeds: Sequence[int]
) -> dict[Kind, Tensor]:
    """Compute the maps of any methods and controls, N×T×h×w.

    images: float N×C×H×W, normalised. targets: int64 N×T. seeds: N, one an image, for the random control.
    """
    targets = targets.to(images.device)
    methods = list(dict.fromkeys(method for method, _ in kinds))
    layers = list(dict.fromkeys(layer for method, layer in kinds if method in LAYER_METHODS))
    found: dict[Kind, Tensor] = {}
    for method in methods:
        if method in CONTROLS:
            found[method, INPUT] = CONTROLS[method](images, seeds)[:, None].expand(-1, targets.shape[1], -1, -1)
        elif method in PIXEL_METHODS:
            found[method, INPUT] = pixel_attributions(model, images, targets, method)
    of_layers = [method for method in methods if method in LAYER_METHODS]
    if of_layers:
        by_method = attributions_by_method(model, images, layers, targets, of_layers)
        found |= {(method, layer): maps for method in of_layers for layer, maps in by_method[method].items()}
    return {kind: found[kind] for kind in kinds}
