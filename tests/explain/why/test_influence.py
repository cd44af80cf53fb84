"""The training images behind test images of a run, against explicit gradients and Captum's TracIn."""

import numpy as np
import pytest
import torch
from captum.influence import TracInCPFast
from torch import nn
from torch.utils.data import TensorDataset

from sightline.explain.why import training_images
from sightline.explain.why.influence import look_behind
from sightline.explain.why.margins import activations, margins, pooled
from sightline.explain.why.training_features import Halves, TrainingFeatures
from sightline.explain.why.training_images import load_training_split
from sightline.run_store.run import Run

pytestmark = pytest.mark.usefixtures("data_dir")


@pytest.fixture(scope="module")
def trained(tiny_run, session_data_dir):
    """The run, its network, its training images and their features at the last layer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTLINE_DATA", str(session_data_dir))
        run = Run(tiny_run)
        model, split = run.load_model(), load_training_split(run)
    features, _ = activations(model, run.to_input(split.images[:]), "layer4", pooled)
    halves = Halves(len(split))
    halves.put(features.numpy())
    return run, model, split, TrainingFeatures(halves.rows, halves.scale, split.labels)


def gradients_at_the_head(model, inputs, predicted, rival):
    """The inputs of the head, N×K, and the gradient of the margin there, by autograd."""
    seen = []
    hook = model.fc.register_forward_pre_hook(
        lambda _, given: seen.append(given[0].detach().requires_grad_()) or seen[0]
    )
    logits = model(inputs)
    hook.remove()
    margin = logits.gather(1, predicted[:, None]) - logits.gather(1, rival[:, None])
    return seen[0].detach(), torch.autograd.grad(margin.sum(), seen[0])[0]


def test_similarities_are_cosines_of_input_times_gradient(trained):
    """Of what is positive of it: φ = (f − μ) ∘ max(∂margin/∂f, 0), and the training images are those of the class."""
    run, model, split, training = trained
    predictions = run.predictions()
    mistakes = np.flatnonzero(predictions.wrong)[:5]
    predicted, label = (
        torch.from_numpy(predictions.column(name)[mistakes].astype(int)) for name in ("predicted", "label")
    )
    own, slope = gradients_at_the_head(model, run.to_input(run.images()[mistakes]), predicted, label)
    every = [
        gradients_at_the_head(model, run.to_input(split.images[:]), code.repeat(128), rival.repeat(128))
        for code, rival in zip(predicted, label, strict=True)
    ]
    behind = look_behind(run, model, "layer4", training, run.predictions(), mistakes, None)
    assert behind.exact and behind.maps is None
    for place, image in enumerate(mistakes):
        features, slopes = every[place]
        mean = features.mean(dim=0)
        cosines = nn.functional.cosine_similarity(
            ((own[place] - mean) * slope[place].clamp(min=0))[None], (features - mean) * slopes.clamp(min=0)
        ).numpy()
        rows = behind.index == image
        assert behind.rank[rows].tolist() == list(range(1, 11))
        assert (split.labels[behind.train_index[rows]] == int(predicted[place])).all()
        np.testing.assert_allclose(behind.similarity[rows], cosines[behind.train_index[rows]], atol=2e-3)
        of_class = np.sort(cosines[split.labels == int(predicted[place])])[::-1][:10]
        np.testing.assert_allclose(behind.similarity[rows], of_class, atol=2e-3)


def test_features_and_logits_give_captums_influence_of_the_last_layer(trained):
    """(p − y)·(p′ − y′) ⟨f, f′⟩: the product of the gradients of two losses by the weights of the last layer.

    That is what TracInCPFast computes for one checkpoint, but for the learning rate: it is 1 here, and the bias is left
    out, by Captum too.
    """
    run, model, split, _ = trained
    train, test = (run.to_input(images[:]) for images in (split.images, run.images()))
    labels = [torch.from_numpy(split.labels), torch.from_numpy(run.predictions().column("label").astype(int))]
    tracin = TracInCPFast(
        model, "fc", TensorDataset(train, labels[0]), ["now"], lambda *_: 1.0, nn.CrossEntropyLoss(reduction="sum"), 32
    )
    model.requires_grad_(True)
    try:
        expected = tracin.influence((test, labels[1]))
    finally:
        model.requires_grad_(False)
    (f, logits), (g, others) = (activations(model, images, "layer4", pooled) for images in (train, test))
    p, q = (
        of.softmax(dim=1) - nn.functional.one_hot(label, 10) for of, label in zip((logits, others), labels, strict=True)
    )
    torch.testing.assert_close((q @ p.T) * (g @ f.T), expected, rtol=1e-3, atol=1e-4)


def test_the_pair_of_maps_adds_up_to_the_similarity_also_of_right_answers(trained):
    run, model, split, training = trained
    images = np.array([5, 0, 63, 5])
    behind = look_behind(run, model, "layer4", training, run.predictions(), images, split.images)
    assert sorted(set(behind.index)) == [0, 5, 63] and (np.diff(behind.index) >= 0).all()
    assert behind.maps.shape == (len(behind.index), 2, 4, 4)
    for half in (0, 1):
        np.testing.assert_allclose(behind.maps[:, half].sum(axis=(1, 2)), behind.similarity, atol=1e-5)


def test_each_map_belongs_to_its_image(trained):
    """Place p adds ⟨(a(p) − μ) ∘ d, φ′⟩ / (P |φ| |φ′|), of either image: written out with what the network shows."""
    run, model, split, training = trained
    behind = look_behind(run, model, "layer4", training, run.predictions(), np.array([9]), split.images)
    predicted, label = (int(run.predictions().column(name)[9]) for name in ("predicted", "label"))
    of = margins(
        model, run.to_input(run.images()[[9]]), "layer4", torch.tensor([predicted]),
        torch.tensor([-1 if predicted == label else label]),
    )  # fmt: skip
    every, _ = activations(model, run.to_input(split.images[:]), "layer4")
    mean, speaking = pooled(every).mean(dim=0), of.weights[0].clamp(min=0)

    def phi(features):
        return (features - mean) * speaking

    own, other = (phi(pooled(seen)) for seen in (of.activations, every[behind.train_index]))
    lengths = (own.norm() * other.norm(dim=1))[:, None, None] * 16
    of_test = torch.einsum("yxk,mk->myx", phi(of.activations[0].movedim(0, 2)), other) / lengths
    of_training = torch.einsum("myxk,k->myx", phi(every[behind.train_index].movedim(1, 3)), own[0]) / lengths
    np.testing.assert_allclose(behind.maps[:, 0], of_test, atol=1e-3)
    np.testing.assert_allclose(behind.maps[:, 1], of_training, atol=1e-3)


def test_images_of_many_batches_are_found_as_one_by_one(trained, monkeypatch):
    run, model, split, training = trained
    images = np.arange(0, 64, 7)
    together = look_behind(run, model, "layer4", training, run.predictions(), images, split.images)
    monkeypatch.setattr("sightline.explain.why.influence.AT_ONCE", 2)
    monkeypatch.setitem(training_images.MOST_IMAGES, "cpu", 5)
    for image in images:
        alone, rows = (
            look_behind(run, model, "layer4", training, run.predictions(), np.array([image]), split.images),
            together.index == image,
        )
        assert np.array_equal(alone.train_index, together.train_index[rows])
        np.testing.assert_allclose(alone.similarity, together.similarity[rows], atol=1e-5)
        np.testing.assert_allclose(alone.maps, together.maps[rows], atol=1e-5)
