"""The measures, in families that are taken together: image by image, of any kinds, on any part of the sample."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from sightline.explain.attribution.engine import upsample
from sightline.explain.attribution.methods import PIXEL_METHODS
from sightline.explain.judging.examination import Examination, joined
from sightline.explain.judging.localisation import CELLS, gridpg, positive_share, tag_minus_decoy
from sightline.explain.judging.measures import MOSAICS
from sightline.explain.judging.randomisation import Explain, randomisation, smooth
from sightline.explain.judging.removal import blurring, drop_and_increase, road_gap
from sightline.explain.judging.sample import Sample
from sightline.explain.judging.similarity import pearson
from sightline.explain.judging.verdicts import DECISIVE, SECOND
from sightline.image_data.splits import DECOY, OBJECT, TAG
from sightline.model_zoo.device import choose_precision
from sightline.run_store.quality import Kind, Values

SAME = 1e-5  # largest difference of two maps that are one, relative to their largest value: rounding of float32

Take = Callable[[Examination, Sequence[Kind], slice], dict[Kind, Values]]
# A model, images, maps N×H×W of the target classes, those, and which images of the sample they are → values N.
Judge = Callable[[nn.Module, Tensor, Tensor, Tensor, slice], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Family:
    """Measures that are taken together, on the first images of the sample. name: of what is done, for the progress.

    take: is called with kinds and a part of the sample, or of its mosaics where `unit` is CELLS. passes: forward
    passes, roughly, for one value of a kind.
    """

    name: str
    measures: tuple[str, ...]
    take: Take
    passes: float
    layer_images: int = 10**9  # at most, of layer methods and controls
    pixel_images: int = 100  # at most, of pixel methods: Integrated Gradients costs a hundred times Grad-CAM
    unit: int = 1  # images that make one value

    def count(self, kind: Kind, sample: Sample, images: int) -> int:
        """Return how many values of a kind there are once so many images of the sample have been looked at."""
        most = self.pixel_images if kind[0] in PIXEL_METHODS else self.layer_images
        number = min(images, len(sample), most) // self.unit
        return min(number, len(sample.mosaics)) if self.unit == CELLS else number


def families_for(sample: Sample) -> list[Family]:
    """Return what can be measured on a sample, which may lack masks or mosaics; what is decisive comes first."""
    have = {"object_share": sample.masks is not None, MOSAICS: len(sample.mosaics) > 0}
    return [family for family in FAMILIES if have.get(family.measures[0], True)]


def _of_predicted(judge: Judge) -> Take:
    """Return what judges the maps of the predicted class. Those of two kinds that are the same are judged once."""

    def take(examination: Examination, kinds: Sequence[Kind], part: slice) -> dict[Kind, Values]:
        sample, world = examination.sample, examination.world
        quick = Autocast(examination.model, choose_precision("auto", examination.device))
        maps = examination.maps(kinds, part)
        twins = {kind: _first_same(maps, kind) for kind in kinds}
        units = [(kind, batch) for kind in dict.fromkeys(twins.values()) for batch in examination.batches(part)]
        found = []
        for kind, batch in world.part(units):
            images = sample.images(batch, examination.device)
            targets = sample.classes[batch, 0].to(images.device)
            measured = judge(quick, images, examination.large_maps(kind, batch, images), targets, batch)
            found.append({name: numbers.double().cpu().numpy() for name, numbers in measured.items()})
            examination.advance(len(images))
        of_kind: dict[Kind, list[Values]] = {}
        for (kind, _), values in zip(units, world.gather_all(found), strict=True):
            of_kind.setdefault(kind, []).append(values)
        return {kind: joined(of_kind[twin]) for kind, twin in twins.items()}

    return take


def _first_same(maps: Mapping[Kind, np.ndarray], kind: Kind) -> Kind:
    """Return the first kind whose maps are those of `kind`, as HiResCAM's are Grad-CAM's at the last layer."""
    return next((other for other in maps if kind in maps and _are_same(maps[other], maps[kind])), kind)


def _are_same(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape or not np.isfinite(one).all():
        return False
    return bool((np.abs(one - other) <= SAME * np.abs(one).max(axis=(2, 3), keepdims=True)).all())


@_of_predicted
def _take_road(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor, batch: slice) -> Mapping[str, Tensor]:
    return {"road_gap": road_gap(model, images, maps, targets, seed=batch.start)}


@_of_predicted
def _take_blurring(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor, _: slice) -> Mapping[str, Tensor]:
    found = blurring(model, images, maps, targets)
    return {"blur_gap": found.gap, "blur_insertion": found.insertion, "blur_deletion": found.deletion}


@_of_predicted
def _take_darkening(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor, _: slice) -> Mapping[str, Tensor]:
    drop, increase = drop_and_increase(model, images, maps, targets)
    return {"average_drop": drop, "increase": increase}


def _take_class_sensitivity(examination: Examination, kinds: Sequence[Kind], part: slice) -> dict[Kind, Values]:
    """Compare the maps of the two likeliest classes; those of a control are one."""
    maps = examination.maps(kinds, part)
    alike = {kind: pearson(both[:, 0], both[:, 1]) for kind, both in maps.items()}
    same = np.ones(part.stop - part.start)
    return {kind: {"class_sensitivity": alike.get(kind, same)} for kind in kinds}


def _take_places(examination: Examination, kinds: Sequence[Kind], part: slice) -> dict[Kind, Values]:
    """Measure on which masks the maps lie."""
    masks = examination.sample.masks
    assert masks is not None  # see `families_for`

    @_of_predicted
    def take(_: nn.Module, images: Tensor, maps: Tensor, targets: Tensor, batch: slice) -> Mapping[str, Tensor]:
        kinds_of_pixels = _resized(torch.from_numpy(np.array(masks[batch])), maps.shape[1:]).to(images.device)
        tag, decoy = (kinds_of_pixels & kind != 0 for kind in (TAG, DECOY))
        share = positive_share(maps, kinds_of_pixels & OBJECT != 0)
        return {"object_share": share, "tag_minus_decoy": tag_minus_decoy(maps, tag, decoy)}

    return take(examination, kinds, part)


def _resized(masks: Tensor, size: torch.Size) -> Tensor:
    """Stretch the masks of thumbnails, uint8 N×h×w, to the images: N×H×W."""
    if masks.shape[1:] == size:
        return masks
    return nn.functional.interpolate(masks[:, None].float(), size, mode="nearest")[:, 0].byte()


def _take_gridpg(examination: Examination, kinds: Sequence[Kind], part: slice) -> dict[Kind, Values]:
    """Measure GridPG of mosaics."""
    sample, parts = examination.sample, []
    for batch in examination.world.part(examination.batches(part, 2 * sample.side)):
        images = sample.mosaic_images(batch, examination.device)
        maps = examination.attributions(examination.model, images, sample.mosaic_classes[batch], kinds, batch)
        size = (images.shape[2], images.shape[3])
        parts.append({kind: gridpg(upsample(values, size)).cpu().numpy() for kind, values in maps.items()})
        examination.advance(len(images) * len(kinds))
    return {kind: {MOSAICS: values} for kind, values in joined(examination.world.gather_all(parts)).items()}


def _take_randomisation(examination: Examination, kinds: Sequence[Kind], part: slice) -> dict[Kind, Values]:
    return _compare_with_random_models(examination, kinds, part, "randomisation")


def _take_smooth_randomisation(examination: Examination, kinds: Sequence[Kind], part: slice) -> dict[Kind, Values]:
    return _compare_with_random_models(examination, kinds, part, "randomisation_smooth")


def _compare_with_random_models(
    examination: Examination, kinds: Sequence[Kind], part: slice, measure: str
) -> dict[Kind, Values]:
    """Compare maps with those of a model that forgets what it learned; the processes share the random models."""
    parts = []
    for batch in examination.batches(part):
        targets = examination.sample.classes[batch, :1]

        def explain(
            model: nn.Module, images: Tensor, targets: Tensor = targets, batch: slice = batch
        ) -> dict[Kind, Tensor]:
            found = examination.attributions(model, images, targets, kinds, batch)
            return {kind: maps[:, 0] for kind, maps in found.items()}

        wanted: Explain[Kind] = smooth(explain) if measure == "randomisation_smooth" else explain
        images = examination.sample.images(batch, examination.device)
        parts.append(randomisation(examination.model, images, wanted, world=examination.world))
        examination.advance(len(images) * len(kinds))
    return {kind: {measure: values} for kind, values in joined(parts).items()}


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


# In the order in which they are taken in every round.
FAMILIES = (
    Family("removing pixels", (DECISIVE,), _take_road, passes=18),
    Family("blurring pixels", (SECOND, "blur_insertion", "blur_deletion"), _take_blurring, passes=20, layer_images=100),
    Family("two classes", ("class_sensitivity",), _take_class_sensitivity, passes=1),
    Family("masks", ("object_share", "tag_minus_decoy"), _take_places, passes=1),
    Family("mosaics", (MOSAICS,), _take_gridpg, passes=4, unit=CELLS),
    Family("random parameters", ("randomisation",), _take_randomisation, passes=2, layer_images=200, pixel_images=50),
    Family(
        "random parameters, noisy images",
        ("randomisation_smooth",),
        _take_smooth_randomisation,
        passes=20,
        layer_images=50,
        pixel_images=10,
    ),
    Family("darkening", ("average_drop", "increase"), _take_darkening, passes=2, layer_images=100),
)
