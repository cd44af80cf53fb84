"""1×1 convolutions with a stride, of few channels: the numbers of torch, and a process that lives."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from sightline.training.strided import StridedPoints

WEIGHT = torch.randn(4, 3, 1, 1, dtype=torch.float64)
CALLS = {
    "of a module": nn.Conv2d(3, 4, 1, stride=2).double(),
    "of a module, two strides": nn.Conv2d(3, 4, 1, stride=(2, 1), bias=False).double(),
    "by names": lambda images: functional.conv2d(input=images, weight=WEIGHT, stride=3),
    "stride in a tuple of one": lambda images: functional.conv2d(images, WEIGHT, None, (2,), "valid"),
}
# Few steps are enough: of 20 such processes without the mode, none came to the end.
TRAINS = """
import torch
from torch import nn
from sightline.image_data.planted_shapes import planted_shapes
from sightline.training.loop import Loop
from sightline.training.recipe import TrainConfig
from tests.training.test_loop import RECORD

torch.set_num_threads(1)
branch = nn.Conv2d(3, 48, 1, stride=2, bias=False)
network = nn.Sequential(branch, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 10))
loop = Loop(TrainConfig(batch_size=4), network, planted_shapes("honest", 16, 8), RECORD)
for epoch in range(8):
    loop.dtype = (torch.float32, torch.bfloat16)[epoch % 2]
    for images, targets in loop.batches(128, epoch):
        loss, _ = loop.step(images, targets)
        others = [torch.randn(size) for size in (10, 1000, 5000, 100_000)]
print("lives", loss.isfinite().item())
"""


class Watch(TorchDispatchMode):
    """Writes down the stride of each convolution that torch computes."""

    def __init__(self):
        super().__init__()
        self.strides = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.name() == "aten::convolution":
            self.strides.append(max(args[3]))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_values_and_gradients_are_those_of_the_convolution(call):
    images = torch.randn(2, 3, 7, 8, dtype=torch.float64, requires_grad=True)
    expected = call(images)
    with Watch() as watch, StridedPoints():
        found = call(images)
    assert watch.strides == [1]
    torch.testing.assert_close(found, expected)
    gradient = torch.randn_like(expected)
    for one, other in zip(*(torch.autograd.grad(y, images, gradient) for y in (found, expected)), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    "convolution",
    [nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(16, 4, 1, stride=2), nn.Conv2d(3, 4, 1, 2, padding=1)],
    ids=str,
)
def test_all_others_are_left_alone(convolution):
    images = torch.randn(2, convolution.in_channels, 8, 8)
    expected = convolution(images)
    with Watch() as watch, StridedPoints():
        found = convolution(images)
    assert watch.strides == [2]
    assert torch.equal(found, expected)


def test_a_training_with_one_on_the_pixels_lives():
    process = subprocess.run([sys.executable, "-c", TRAINS], capture_output=True, text=True)
    assert (process.stdout, process.returncode) == ("lives True\n", 0), process.stderr
