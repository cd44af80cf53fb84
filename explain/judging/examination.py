"""Compute the maps that are judged, of any method or control.

Of several processes, each takes some of the batches that one would take, and all get the maps of all: so they are the
same to the last bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from sightline.explain.attribution.engine import attributions_by_method, layer_attributions, upsample
from sightline.explain.attribution.methods import LAYER_METHODS, PIXEL_METHODS
from sightline.explain.attribution.pixels import pixel_attributions
from sightline.explain.batches import image_batches
from sightline.explain.judging.controls import CONTROLS, MEAN_MAP, Control, mean_map
from sightline.explain.judging.sample import Sample, draw_sample
from sightline.explain.world import ALONE, World
from sightline.model_zoo.device import device_of
from sightline.run_store.quality import INPUT, Kind

# At once: few enough that the progress moves, and that several processes have something to do.
MOST_IMAGES = 25
MOST_PIXELS = 2**18  # of them together: five images of 224 pixels a side
MEAN_IMAGES = 100  # whose maps make the mean map
Key = TypeVar("Key")


@dataclass
class Examination:
    """A model whose maps are judged on a sample, with control maps, and the processes that share the work.

    progress: counts forward passes, roughly.
    """

    model: nn.Module
    sample: Sample
    controls: Mapping[str, Control]
    progress: tqdm
    world: World = ALONE
    passes: float = 1  # forward passes an image and kind, of what is being measured
    _part: slice | None = field(default=None, init=False)
    _maps: dict[Kind, np.ndarray] = field(default_factory=dict, init=False)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return device_of(self.model)

    def advance(self, images: int) -> None:
        """Move the progress by so many images of a kind, of this process; the others have done about as many."""
        self.progress.update(images * self.passes * self.world.size)

    def batches(self, part: slice, side: int | None = None) -> list[slice]:
        """Cut a part of the sample, or of its mosaics `side` pixels wide, into batches: always the same ones."""
        side = side or self.sample.side
        cut = image_batches(part.stop - part.start, side, max(1, min(MOST_IMAGES, MOST_PIXELS // side**2)))
        return [slice(part.start + batch.start, part.start + batch.stop) for batch in cut]

    def maps(self, kinds: Sequence[Kind], part: slice) -> dict[Kind, np.ndarray]:
        """Return the maps of the two likeliest classes, n×2×h×w, of those kinds that are no controls.

        Those of the last part are kept: several measures need them, and some take long.
        """
        if self._part != part:
            self._part, self._maps = part, {}
        wanted = [kind for kind in kinds if kind[0] not in self.controls]
        if missing := [kind for kind in wanted if kind not in self._maps]:
            parts = []
            for batch in self.world.part(self.batches(part)):
                images = self.sample.images(batch, self.device)
                maps = self.attributions(self.model, images, self.sample.classes[batch], missing, batch)
                parts.append({kind: values.cpu().numpy() for kind, values in maps.items()})
            self._maps |= joined(self.world.gather_all(parts))
        return {kind: self._maps[kind] for kind in wanted}

    def large_maps(self, kind: Kind, batch: slice, images: Tensor) -> Tensor:
        """Return the maps of the predicted class, n×H×W, as large as the images: of a control, or those that are kept.

        batch: of the part that `maps` was asked for last.
        """
        if kind[0] in self.controls:
            return self.controls[kind[0]](images, self._seeds(batch))
        start = self._part.start if self._part else 0
        kept = self._maps[kind][batch.start - start : batch.stop - start, :1]
        return upsample(torch.from_numpy(kept).to(images.device), (images.shape[2], images.shape[3]))[:, 0]

    def attributions(
        self, model: nn.Module, images: Tensor, targets: Tensor, kinds: Sequence[Kind], batch: slice
    ) -> dict[Kind, Tensor]:
        """Compute maps as `attributions` does. batch: which images (or mosaics) of the sample they are."""
        return attributions(model, images, targets, kinds, self._seeds(batch), self.controls)

    def _seeds(self, batch: slice) -> list[int]:
        """Return a seed for each image, for the random control."""
        return list(range(len(self.sample))[batch])


def begin(model: nn.Module, sample: Sample, layer: str, progress: tqdm, world: World = ALONE) -> Examination:
    """Return the examination of a model with all controls. layer: that whose Grad-CAM maps the mean map is of.

    The mean map is of the same images however large the sample, so that a larger one goes on with the same control.
    """
    few, parts = draw_sample(sample.run, MEAN_IMAGES), []
    for batch in image_batches(len(few), few.side, MOST_IMAGES):
        images = few.images(batch, device_of(model))
        parts.append(layer_attributions(model, images, [layer], few.classes[batch, :1].to(images.device))[layer][:, 0])
    return Examination(model, sample, CONTROLS | {MEAN_MAP: mean_map(torch.cat(parts))}, progress, world)


def attributions(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    kinds: Sequence[Kind],
    seeds: Sequence[int],
    controls: Mapping[str, Control] = CONTROLS,
) -> dict[Kind, Tensor]:
    """Compute the maps of any methods and controls, N×T×h×w.

    images: float N×C×H×W, normalised. targets: int64 N×T. seeds: N, one an image, for the random control.
    """
    targets = targets.to(images.device)
    methods = list(dict.fromkeys(method for method, _ in kinds))
    layers = list(dict.fromkeys(layer for method, layer in kinds if method in LAYER_METHODS))
    found: dict[Kind, Tensor] = {}
    for method in methods:
        if method in controls:
            found[method, INPUT] = controls[method](images, seeds)[:, None].expand(-1, targets.shape[1], -1, -1)
        elif method in PIXEL_METHODS:
            found[method, INPUT] = pixel_attributions(model, images, targets, method)
    of_layers = [method for method in methods if method in LAYER_METHODS]
    if of_layers:
        by_method = attributions_by_method(model, images, layers, targets, of_layers)
        found |= {(method, layer): maps for method in of_layers for layer, maps in by_method[method].items()}
    return {kind: found[kind] for kind in kinds}


def joined(parts: Sequence[dict[Key, np.ndarray]]) -> dict[Key, np.ndarray]:
    """Put the values of all parts one after the other."""
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}
