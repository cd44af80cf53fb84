"""The training steps: the batches, the loss, the learning rate, and what happens when the loss is no number."""

import math
import re
from copy import deepcopy
from dataclasses import replace
from functools import partial
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from sightline.run_store import files
from sightline.run_store.files import is_locked
from sightline.run_store.record import RunRecord
from sightline.run_store.run import Run
from sightline.training import train as train_module
from sightline.training.loop import Loop
from sightline.training.recipe import TrainConfig, TrainingError, triangular
from sightline.training.train import train

QUICK = TrainConfig(model="resnet18_narrow", epochs=1, batch_size=32, threads=1, device="cpu", learning_rate=0.05)
RECORD = RunRecord(
    model="resnet18_narrow", layers=("layer4",), dataset="planted-shapes", fingerprints={}, image_counts={},
    class_names=("a", "b"), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), input_size=32, parameters=2,
    recipe={"precision": "float32"}, seed=0, threads=1, device="cpu", created="2026-01-01",
)  # fmt: skip
PLAIN = TrainConfig(batch_size=32, crop_padding=0, flip=False)


class Constant(nn.Module):
    """Answers every image with the same logits, its only parameter."""

    def __init__(self, *logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, x):
        return self.logits.expand(len(x), -1)


@pytest.fixture
def loop(tiny_data):
    return Loop(PLAIN, Constant(*[0.0] * 10), tiny_data, RECORD)


@pytest.fixture
def shapes(tiny_data, monkeypatch):
    """Every data set is `tiny_data`."""
    monkeypatch.setattr(train_module, "load_image_data", lambda *_, **__: tiny_data)


def test_the_optimizer_follows_the_schedule(loop):
    steps = TrainConfig().epochs * 4
    assert loop.steps_per_epoch == 4
    for step in (0, 19, steps - 1):
        loop.set_learning_rate(step)
        assert loop.optimizer.param_groups[0]["lr"] == triangular(step, steps, 0.1, 0.25)
        assert loop.optimizer.param_groups[1]["lr"] == loop.optimizer.param_groups[0]["lr"]


def test_later_steps_leave_a_state_alone(loop):
    first, second, *_ = loop.batches(32, epoch=1)
    loop.step(*first)
    state = loop.state()
    before = deepcopy(state)
    loop.step(*second)
    assert torch.equal(state["model"]["logits"], before["model"]["logits"])
    momentum, momentum_before = (of["optimizer"]["state"][0]["momentum_buffer"] for of in (state, before))
    assert torch.equal(momentum, momentum_before)
    assert not torch.equal(state["model"]["logits"], loop.model.logits)


def test_the_loss_with_label_smoothing_by_hand(tiny_data):
    config = replace(PLAIN, label_smoothing=0.2)
    loop = Loop(config, Constant(math.log(3.0), 0.0), tiny_data, RECORD)
    loop.set_learning_rate(0)
    # Probabilities 3/4 and 1/4; the target of class 0 is 0.9 and 0.1.
    loss, hits = loop.step(torch.zeros(4, 3, 8, 8), torch.tensor([0, 0, 0, 0]))
    assert loss.item() == pytest.approx(-0.9 * math.log(3 / 4) - 0.1 * math.log(1 / 4))
    assert hits.item() == 4


def test_the_loss_and_the_hits_of_mixed_images_by_hand(tiny_data):
    loop = Loop(replace(PLAIN, mix="mixup", label_smoothing=0.0), Constant(math.log(3.0), 0.0), tiny_data, RECORD)
    loop.set_learning_rate(0)
    # Probabilities 3/4 and 1/4; the answer is always class 0, which has the larger share of the first image only.
    loss, hits = loop.step(torch.zeros(2, 3, 8, 8), torch.tensor([[0.8, 0.2], [0.4, 0.6]]))
    assert loss.item() == pytest.approx(-0.6 * math.log(3 / 4) - 0.4 * math.log(1 / 4))
    assert hits.item() == 1


def test_batches_are_mixed_on_request_at_the_resolution_of_the_epoch(tiny_data):
    record = replace(RECORD, class_names=tuple("abcdefghij"))
    loop = Loop(replace(PLAIN, mix="cutmix"), Constant(*[0.0] * 10), tiny_data, record)
    for images, targets in loop.batches(16, epoch=1):
        assert images.shape == (32, 3, 16, 16) and images.is_contiguous(memory_format=torch.channels_last)
        assert targets.shape == (32, 10) and torch.allclose(targets.sum(1), torch.ones(32))
        loop.step(images, targets)


def test_an_epoch_sees_every_image_once_in_another_order_each_time(loop, tiny_data):
    orders = []
    for _ in range(2):
        batches = list(loop.batches(32, epoch=1))
        assert [tuple(images.shape) for images, _ in batches] == [(32, 3, 32, 32)] * 4
        pixels = torch.cat([images for images, _ in batches]).permute(0, 2, 3, 1).mul(255).round().to(torch.uint8)
        seen = [image.numpy().tobytes() for image in pixels.contiguous()]
        labels = torch.cat([labels for _, labels in batches]).tolist()
        label_of = dict(zip(map(bytes, tiny_data.train.images), tiny_data.train.labels.tolist(), strict=True))
        assert sorted(seen) == sorted(label_of)
        assert labels == [label_of[image] for image in seen]
        orders.append(seen)
    assert orders[0] != orders[1]


def test_what_does_not_fill_a_batch_is_not_trained_on(tiny_data):
    # 128 images in batches of 127 would leave one over, which batch normalisation cannot take at 1×1 pixels.
    loop = Loop(replace(PLAIN, batch_size=127), Constant(0.0, 0.0), tiny_data, RECORD)
    assert [len(labels) for _, labels in loop.batches(32, epoch=1)] == [127]


def test_images_are_interpolated_when_the_resolution_is_lower(loop):
    images, _ = next(loop.batches(16, epoch=1))
    assert images.shape == (32, 3, 16, 16)
    assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("batch_size", [32, 128])
def test_a_loss_that_is_not_finite_fails_the_run_with_step_and_learning_rate(shapes, tmp_path, batch_size):
    # With one step an epoch no training loss ever sees what that step has done: only the test loss does.
    with pytest.raises(TrainingError, match="failed: the loss is not finite"):
        train(replace(QUICK, learning_rate=1e30, batch_size=batch_size, run=tmp_path / "run"))
    run = Run(tmp_path / "run")
    assert run.state == "failed" and len(run.metrics()) == 0
    assert re.search(r"at step \d+ \(epoch 1\), learning rate \de\+\d\d;.*--learning-rate", run.record.reason)
    assert not (run.path / "resume.pt").exists() and not is_locked(run.path)


def test_a_loss_that_is_not_finite_keeps_the_last_good_epoch(shapes, tmp_path, monkeypatch):
    monkeypatch.setattr("sightline.training.loop.triangular", lambda step, *_: 0.01 if step < 5 else 1e30)
    with pytest.raises(TrainingError):
        train(replace(QUICK, epochs=3, run=tmp_path / "run"))
    run = Run(tmp_path / "run")
    # Four steps an epoch: the sixth is the second of epoch 2, and its huge update shows in the loss of the seventh.
    assert run.state == "failed" and "step 7 (epoch 2), learning rate 1e+30" in run.record.reason
    assert [row.epoch for row in run.metrics()] == [1]
    kept = torch.load(run.path / "resume.pt", weights_only=True)["model"]
    assert all(tensor.isfinite().all() for tensor in kept.values())


def test_an_alternating_flip_shows_every_image_from_both_sides_in_two_epochs(tiny_data):
    """Jordan 2024 (arXiv 2404.00498): half of the images are mirrored in the first epoch, the others in the second."""
    loop = Loop(replace(PLAIN, flip=True, alternating_flip=True), Constant(*[0.0] * 10), tiny_data, RECORD)
    originals = {image.tobytes(): number for number, image in enumerate(tiny_data.train.images)}
    mirrored = []
    for epoch in (1, 2, 3):
        pixels = torch.cat([images for images, _ in loop.batches(32, epoch)]).permute(0, 2, 3, 1).mul(255).round()
        seen = [image.contiguous().numpy().tobytes() for image in pixels.to(torch.uint8)]
        mirrored.append(set(originals.values()) - {originals[image] for image in seen if image in originals})
    assert 0.3 < len(mirrored[0]) / len(originals) < 0.7
    assert mirrored[1] == set(originals.values()) - mirrored[0]
    assert mirrored[2] == mirrored[0]


def test_a_compiled_network_trains_as_the_plain_one(shapes, tmp_path, monkeypatch):
    """The arithmetic is left as it is (backend "eager"): compiling it takes minutes, and GPUs are what it is for."""
    compiling = Mock(side_effect=partial(torch.compile, backend="eager"))
    monkeypatch.setattr(torch, "compile", compiling)
    plain = Run(train(replace(QUICK, precision="float32", run=tmp_path / "plain")))
    compiled = Run(train(replace(QUICK, precision="float32", compile=True, run=tmp_path / "compiled")))
    assert compiling.call_count == 1
    assert load_file(compiled.path / files.MODEL).keys() == load_file(plain.path / files.MODEL).keys()
    (row,), (other,) = compiled.metrics(), plain.metrics()
    assert row.train_loss == pytest.approx(other.train_loss, rel=1e-4)
    assert row.test_loss == pytest.approx(other.test_loss, rel=1e-2)
