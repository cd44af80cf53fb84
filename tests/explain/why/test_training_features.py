"""The training images most like a test image: against cosines written out, whatever the features' size."""

import numpy as np
import pytest
import torch

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.why import training_features
from sightline.explain.why.margins import Margins, pooled
from sightline.explain.why.training_features import Halves, TrainingFeatures, place_maps

IMAGES, CHANNELS, PLACES = 200, 12, (3, 2)
LABELS = np.arange(IMAGES) % 2


def stored(features):
    halves = Halves(len(features))
    for start in range(0, len(features), 64):
        halves.put(features[start : start + 64])
    return halves


@pytest.fixture
def activations(random_numbers):
    """Of all training images: their maps, float32 N×K×h×w."""
    return random_numbers.gamma(1, 1, (IMAGES, CHANNELS, *PLACES)).astype(np.float32)


@pytest.fixture
def asked(random_numbers):
    """Three test images, with weights of either sign."""
    seen = random_numbers.gamma(1, 1, (3, CHANNELS, *PLACES)).astype(np.float32)
    weights = random_numbers.normal(size=(3, CHANNELS)).astype(np.float32)
    return Margins(torch.from_numpy(seen), torch.from_numpy(weights), True)


def phi(features, mean, weights):
    return (features - mean) * np.maximum(weights, 0)


def by_hand(features, asked, image, code):
    """The cosines with all training images of a label, float64, and their numbers."""
    mean, rows = features.mean(axis=0), np.flatnonzero(code == LABELS)
    weights = asked.weights[image].double().numpy()
    own = phi(asked.features[image].double().numpy(), mean, weights)
    others = phi(features[rows], mean, weights)
    return others @ own / np.linalg.norm(others, axis=1) / np.linalg.norm(own), rows


@pytest.mark.parametrize("size", [1.0, 1e-9, 1e9])
def test_they_are_the_largest_cosines_whatever_the_size_of_features(activations, asked, size):
    features = activations.mean(axis=(2, 3)).astype(np.float64)
    halves = stored((size * features).astype(np.float32))
    training = TrainingFeatures(halves.rows, halves.scale, LABELS)
    found = training.similar(Margins(asked.activations * size, asked.weights / size, True), 1, 10)
    assert found.train_index.shape == (3, 10)
    for image in range(3):
        cosines, rows = by_hand(features, asked, image, 1)
        of_found = cosines[np.searchsorted(rows, found.train_index[image])]
        np.testing.assert_allclose(found.similarity[image], of_found, atol=2e-3)  # float16
        np.testing.assert_allclose(of_found, np.sort(cosines)[::-1][:10], atol=2e-3)
        assert (np.diff(found.similarity[image]) <= 1e-6).all()


def test_equal_images_come_in_their_order_and_a_label_may_have_few_images_or_none(activations, asked):
    features = activations.mean(axis=(2, 3))
    features[40:] = features[np.arange(40, IMAGES) % 4]  # four kinds, two of each label, again and again
    halves, labels = stored(features), LABELS.copy()
    labels[:3] = 2, 2, 3
    training = TrainingFeatures(halves.rows, halves.scale, labels)
    for index, similarity in zip(*_of(training.similar(asked, 1, 60)), strict=True):
        ties = np.flatnonzero(np.diff(similarity) == 0)
        assert len(ties) >= 30 and (index[ties] < index[ties + 1]).all()
    assert set(training.similar(asked, 2, 10).train_index[0]) == {0, 1}
    assert training.similar(asked, 7, 10).train_index.shape == (3, 0)


def _of(found):
    return found.train_index, found.similarity.numpy().round(6)


def test_features_that_grow_on_the_way_are_kept_with_one_scale(random_numbers):
    features = random_numbers.normal(size=(6, 4)).astype(np.float32) * np.float32([[1], [1], [1e5], [1], [1e9], [1]])
    halves = Halves(6)
    for row in features:
        halves.put(row[None])
    assert np.isfinite(halves.rows).all() and np.abs(halves.rows).max() > 2**12
    back = halves.rows.astype(np.float64) / halves.scale
    np.testing.assert_allclose(back, features, rtol=2e-3, atol=np.abs(features).max() * 2.0**-24)


def test_features_of_next_to_nothing_are_kept(random_numbers):
    halves = Halves(2)
    for size in (1e-42, 1.0):
        halves.put(np.full((1, 3), size, np.float32))
    assert (halves.rows == [[0], [halves.scale]]).all() and halves.scale == 2.0**13


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(odd):
    with pytest.raises(ExplainError, match="NaN or infinity"):
        Halves(2).put(np.array([[1.0, odd]], np.float32))


def test_features_of_nothing_are_like_none(asked):
    halves = stored(np.zeros((IMAGES, CHANNELS), np.float32))
    found = TrainingFeatures(halves.rows, halves.scale, LABELS).similar(asked, 1, 3)
    assert (found.similarity == 0).all() and found.train_index.tolist() == [[1, 3, 5]] * 3
    assert (found.test_weights == 0).all() and (found.factor == 0).all()


def test_an_answer_does_not_depend_on_how_much_is_done_at_once_or_kept(activations, asked, monkeypatch):
    halves = stored(activations.mean(axis=(2, 3)))
    before = [TrainingFeatures(halves.rows, halves.scale, LABELS).similar(asked, code, 5) for code in (0, 1)]
    monkeypatch.setattr(training_features, "MEMORY", 0)
    monkeypatch.setattr(training_features, "PRODUCTS", 1)
    training = TrainingFeatures(halves.rows, halves.scale, LABELS)
    for code in (0, 1, 0):
        again = training.similar(asked, code, 5)
        assert len(training._classes) == 1
        assert np.array_equal(again.train_index, before[code].train_index)
        assert torch.allclose(again.similarity, before[code].similarity, atol=1e-6)


def test_features_of_another_layer_are_refused(asked):
    with pytest.raises(ExplainError, match="not of this layer"):
        TrainingFeatures(np.zeros((5, 3), np.float16), 1.0, np.zeros(5, int)).similar(asked, 0, 3)


def test_either_map_is_the_product_with_the_other_image_and_adds_up_to_the_similarity(activations, asked):
    features = activations.mean(axis=(2, 3)).astype(np.float64)
    halves = stored(activations.mean(axis=(2, 3)))
    found = TrainingFeatures(halves.rows, halves.scale, LABELS).similar(asked, 1, 4)
    of_test = place_maps(asked.activations, found.test_weights, found.similarity)
    mean = features.mean(axis=0)
    for image in range(3):
        index = found.train_index[image]
        weights = asked.weights[image].double().numpy()
        seen = torch.from_numpy(activations[index])
        training_weights = (found.factor[image, :, None] * found.pull[image])[:, None]
        of_training = place_maps(seen, training_weights, found.similarity[image, :, None])[:, 0]
        for maps in (of_test[image], of_training):
            np.testing.assert_allclose(maps.sum(dim=(1, 2)), found.similarity[image], atol=1e-6)
        own = phi(asked.features[image].double().numpy(), mean, weights)
        for rank, row in enumerate(index):
            other = phi(features[row], mean, weights)
            lengths = np.linalg.norm(own) * np.linalg.norm(other) * np.prod(PLACES)
            test_places, training_places = (
                phi(values.astype(np.float64).reshape(CHANNELS, -1).T, mean, weights)
                for values in (asked.activations[image].numpy(), activations[row])
            )
            np.testing.assert_allclose(of_test[image, rank].ravel(), test_places @ other / lengths, atol=2e-3)
            np.testing.assert_allclose(of_training[rank].ravel(), training_places @ own / lengths, atol=2e-3)


def test_maps_sum_exactly_though_the_kept_features_are_rounded(activations, asked):
    """Also where float16 keeps little of how images differ: features of 100 that differ by 1."""
    high = activations + 100
    halves = stored(high.mean(axis=(2, 3)))
    found = TrainingFeatures(halves.rows, halves.scale, LABELS).similar(
        Margins(asked.activations + 100, asked.weights, True), 0, 4
    )
    seen = torch.from_numpy(high[found.train_index[0]])
    assert not torch.equal(pooled(seen), torch.from_numpy(halves.rows[found.train_index[0]] / halves.scale))
    maps = place_maps(seen, (found.factor[0, :, None] * found.pull[0])[:, None], found.similarity[0, :, None])
    np.testing.assert_allclose(maps[:, 0].sum(dim=(1, 2)), found.similarity[0], atol=2e-5)
