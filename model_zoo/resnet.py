"""Residual networks for small images (He et al. 2016, arXiv 1512.03385).

The CIFAR stem is one 3×3 convolution without pooling, so a 32×32 image keeps its resolution until `layer2`.
Module names are torchvision's: `layer1` … `layer4`, `fc`, `downsample`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Make a 3×3 convolution that keeps height and width, divided by `stride`."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut: N×in×H×W → N×out×(H/stride)×(W/stride)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = conv3x3(out_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        # Not in place: a hook on bn2 or downsample must keep seeing what that module returned.
        return functional.relu(out + self.downsample(x))


class ResNet(nn.Module):
    """ResNet with the CIFAR stem: N×3×H×W float32, normalised → N×num_classes logits.

    `blocks` is the number of basic blocks a stage: (2, 2, 2, 2) for ResNet18, (3, 4, 6, 3) for ResNet34.
    `width` is the number of channels of the first stage; each later stage has twice as many.
    """

    def __init__(self, blocks: tuple[int, int, int, int], num_classes: int, width: int = 64):
        super().__init__()
        self.conv1 = conv3x3(3, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = self._make_layer(width, width, blocks[0], stride=1)
        self.layer2 = self._make_layer(width, 2 * width, blocks[1], stride=2)
        self.layer3 = self._make_layer(2 * width, 4 * width, blocks[2], stride=2)
        self.layer4 = self._make_layer(4 * width, 8 * width, blocks[3], stride=2)
        self.fc = nn.Linear(8 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def _make_layer(in_channels: int, out_channels: int, blocks: int, stride: int) -> nn.Sequential:
        first = BasicBlock(in_channels, out_channels, stride)
        return nn.Sequential(first, *(BasicBlock(out_channels, out_channels, 1) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))
