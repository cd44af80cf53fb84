"""An exported network has the logits and the penultimate features of the original."""

import numpy as np
import pytest

from sightline.model_zoo import find_head
from sightline.training.inference import infer
from tests.exported_networks import CLASSES, NETWORKS, pair_of

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_and_features_are_those_of_the_original(name):
    side = NETWORKS[name][1]
    images = np.random.default_rng(0).integers(0, 256, (5, side, side, 3), dtype=np.uint8)
    (found, expected) = (
        infer(model, images, MEAN, STD, find_head(model, CLASSES[name])) for model in pair_of(name)[::-1]
    )
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    head = pair_of(name)[0].get_submodule(find_head(pair_of(name)[0], CLASSES[name]))
    assert found[1].shape[1] == head.in_features if hasattr(head, "in_features") else head.in_channels
