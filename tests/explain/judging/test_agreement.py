"""Our measures beside those of others, on the same maps and models: Quantus and torchcam.

Where they disagree by definition, the test says how, and compares what is left.
"""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms.functional import gaussian_blur

from sightline.explain.judging.imputation import impute
from sightline.explain.judging.randomisation import randomisation, smooth
from sightline.explain.judging.removal import (
    STEPS,
    blurring,
    drop_and_increase,
    removal_curve,
    road_gap,
)

DRAWS = 30  # noisy copies
SIDE = 20  # 400 pixels: a tenth is a whole number for all, who round differently


@pytest.fixture
def quantus():
    # Not only where it is missing: it imports OpenCV, which needs libraries of the system.
    return pytest.importorskip("quantus", reason="quantus is in requirements-dev.txt", exc_type=ImportError)


@pytest.fixture
def metrics():
    return pytest.importorskip("torchcam.metrics", reason="torchcam is in requirements-dev.txt")


class Small(nn.Sequential):
    """A convolution, one number a channel, a linear layer: two classes from one channel."""

    def __init__(self):
        torch.manual_seed(3)
        super().__init__(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(6 * 25, 2))
        self[4].weight.data *= 6  # so that the model is sure of something
        self.eval()


@pytest.fixture
def small(images):
    """Half of the images are of either class."""
    model = Small()
    with torch.no_grad():
        logits = model(images)
        model[4].bias[0] -= (logits[:, 0] - logits[:, 1]).quantile(0.5)
    return model


@pytest.fixture
def images():
    """Smooth blobs: white noise would be imputed to nothing."""
    noise = torch.randn(16, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return 3 * nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)


@pytest.fixture
def targets(small, images):
    with torch.no_grad():
        return small(images).argmax(dim=1)


def gradient_times_input(model, images, targets):
    """Explain a model by its gradient times its input, N×H×W, signed."""
    images = images.clone().requires_grad_()
    score = model(images).gather(1, targets[:, None]).sum()
    return (torch.autograd.grad(score, images)[0] * images)[:, 0].detach()


@pytest.fixture
def maps(small, images, targets):
    return gradient_times_input(small, images, targets)


def as_numpy(images, targets, maps):
    return {"x_batch": images.numpy(), "y_batch": targets.numpy(), "a_batch": maps[:, None].numpy()}


def test_road_is_that_of_quantus(quantus, small, images, targets, maps, monkeypatch):
    """Quantus knows the accuracy with the most relevant pixels imputed; with two classes that is a probability > ½."""
    monkeypatch.setattr("sightline.explain.judging.imputation.NOISE", 0.0)
    percentages = [round(100 * share) for share in STEPS]
    settings = {"abs": False, "normalise": False, "disable_warnings": True}
    judge = quantus.ROAD(percentages=percentages, noise=0.0, **settings)

    def imputed(images, hidden):
        return torch.stack([impute(images, places) for places in hidden.unbind(dim=1)], dim=1)

    curves = {}
    for name, values in (("most", maps), ("least", -maps)):
        theirs = judge(model=small, **as_numpy(images, targets, values), device="cpu")
        curve = removal_curve(small, images, values, targets, imputed)
        ours = (curve > 0.5).float().mean(dim=0)
        # Equal, but for an image whose two classes are equally likely within the error of the imputation.
        assert ours.tolist() == pytest.approx([theirs[p] for p in percentages], abs=1 / len(images) + 1e-6), name
        if name == "most":
            assert len(set(theirs.values())) > 2  # there is something to agree on
        curves[name] = curve
    gap = road_gap(small, images, maps, targets)
    assert torch.allclose(gap, (curves["least"] - curves["most"]).mean(dim=1), atol=1e-5)
    assert gap.mean() > 0.3


def test_a_removal_curve_is_the_pixel_flipping_of_quantus(quantus, small, images, targets, maps):
    """By grey, since their blur is a box that blurs again what is blurred. Their curve lacks the untouched image."""
    judge = quantus.PixelFlipping(
        features_in_step=SIDE * SIDE // 10, abs=False, normalise=False, disable_warnings=True, perturb_baseline=0.0
    )
    theirs = judge(model=small, **as_numpy(images, targets, maps), softmax=True, device="cpu")

    def make_grey(images, hidden):
        return torch.where(hidden[:, :, None], 0, images[:, None])

    ours = removal_curve(small, images, maps, targets, make_grey, (*STEPS, 1.0))
    np.testing.assert_allclose(ours, np.array(theirs), atol=1e-5)


def taken_out(theirs):
    """Quantus' average counts the original map's similarity to itself, 1, among those to random models."""
    models = 2  # of Small: its two layers with parameters
    return (np.array(theirs) * (models + 1) - 1) / models


CASCADE = {
    "layer_order": "top_down", "seed": 42, "return_average_correlation": True, "abs": False, "normalise": False,
    "disable_warnings": True,
}  # fmt: skip
OUR_SEED = 43  # Quantus adds one to its own


def test_randomisation_is_the_mprt_of_quantus(quantus, small, images, targets, maps):
    def explain(model, inputs, targets, **_):
        found = gradient_times_input(model, torch.as_tensor(inputs).float(), torch.as_tensor(targets).long())
        return found[:, None].numpy()

    theirs = quantus.MPRT(similarity_func=quantus.similarity_func.correlation_spearman, **CASCADE)(
        model=small, **as_numpy(images, targets, maps), device="cpu", explain_func=explain
    )
    ours = randomisation(
        small, images, lambda model, images: {"input": gradient_times_input(model, images, targets)}, OUR_SEED
    )
    np.testing.assert_allclose(ours["input"], taken_out(theirs), atol=1e-6)


def test_smooth_randomisation_is_the_smooth_mprt_of_quantus_but_for_the_noise(
    quantus, small, images, targets, monkeypatch
):
    """Quantus leaves the last copy free of noise and draws other noise for every model: equal on average only.

    Whatever explanation it is given, Quantus 0.6 averages plain gradients here; so do we in this test.
    """
    np.random.seed(0)
    monkeypatch.setattr("sightline.explain.judging.randomisation.NOISY_DRAWS", DRAWS)

    def gradient(model, images):
        images = images.clone().requires_grad_()
        score = model(images).gather(1, targets[:, None]).sum()
        return {"input": torch.autograd.grad(score, images)[0][:, 0]}

    judge = quantus.SmoothMPRT(
        similarity_func=quantus.similarity_func.correlation_spearman, nr_samples=DRAWS, noise_magnitude=0.1, **CASCADE
    )
    smoothed = smooth(gradient)(small, images)["input"]
    theirs = judge(
        model=small, **as_numpy(images, targets, smoothed), device="cpu", explain_func=quantus.explain,
        explain_func_kwargs={"method": "Gradient"},
    )  # fmt: skip
    ours = randomisation(small, images, smooth(gradient), OUR_SEED)["input"]
    # The original under other noise is no longer exactly like itself, which `taken_out` assumes.
    assert np.abs(ours - taken_out(theirs)).mean() < 0.05 and abs((ours - taken_out(theirs)).mean()) < 0.03


class Extractor:
    """What torchcam's metrics ask of a CAM: a model, and the maps they shall judge, scaled to 0–1 as torchcam does."""

    def __init__(self, model, maps):
        self.model, self.maps = model, maps

    def __call__(self, *_):
        return [self.maps]

    def fuse_cams(self, cams):
        return cams[0]

    def _hooks_off(self):
        return torch.no_grad()


def softmax(logits):
    return logits.softmax(dim=-1)


def test_average_drop_and_increase_are_torchcams(metrics, small, images, targets, maps):
    """torchcam subtracts the least value after its ReLU, which is 0 in every map that has something negative."""
    positive = maps.clamp(min=0)
    assert (positive.amin(dim=(1, 2)) == 0).all()
    metric = metrics.ClassificationMetric(Extractor(small, positive / positive.amax(dim=(1, 2), keepdim=True)), softmax)
    metric.update(images, targets.tolist())
    drop, increase = drop_and_increase(small, images, maps, targets)
    assert 0 < increase.mean() < 1
    summary = metric.summary()
    assert drop.mean().item() == pytest.approx(summary["avg_drop"], abs=1e-5)
    assert increase.mean().item() == pytest.approx(summary["conf_increase"], abs=1e-6)


def test_insertion_and_deletion_by_blurring_are_torchcams(metrics, small, images, targets, maps):
    """The gap is their difference without the ends, where the two curves meet: the mean of nine steps, not of ten.

    The blur is torchvision's, which reflects at the edge where ours repeats the outermost pixel.
    """
    width, reach = SIDE / 4, 15  # three standard deviations

    def blur(inputs):
        framed = nn.functional.pad(inputs, (reach,) * 4, mode="replicate")
        return gaussian_blur(framed, [2 * reach + 1] * 2, [width] * 2)[..., reach:-reach, reach:-reach]

    ours = blurring(small, images, maps, targets)
    assert ours.gap.mean() > 0.2  # there is something to agree on
    for row in range(len(images)):
        part = slice(row, row + 1)
        metric = metrics.DeletionInsertionMetric(Extractor(small, maps[part]), softmax, steps=10, baseline=blur)
        metric.update(images[part], targets[part].tolist())
        assert ours.insertion[row].item() == pytest.approx(metric.insertion, abs=1e-5)
        assert ours.deletion[row].item() == pytest.approx(metric.deletion, abs=1e-5)
        assert ours.gap[row].item() == pytest.approx((metric.insertion - metric.deletion) * 10 / 9, abs=1e-5)
