"""Networks small enough to explain by hand, or of large ones' kinds and small enough for a test."""

import torch
from timm.models.convnext import ConvNeXt
from timm.models.resnet import Bottleneck, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import nn


class Hand(nn.Module):
    """One channel in, two out (x and −x), and a logit for each of two classes from all eight values."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.fc = nn.Linear(8, 2)
        self.conv.weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
        self.fc.weight.data = torch.tensor([[1.0, 2, 3, 4, 4, 0, 0, 0], [-1, -1, -1, -1, 0, 0, 0, 4]])

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


class Shared(nn.Module):
    """Has tensors under several names: a module registered twice, tied weights, a buffer that is part of another."""

    def __init__(self, classes):
        super().__init__()
        self.first, self.block, self.tied = (nn.Conv2d(inputs, 4, 3, padding=1) for inputs in (3, 4, 4))
        self.again = self.block
        self.tied.weight = self.block.weight
        self.register_buffer("table", torch.arange(8.0))
        self.register_buffer("part", self.table[2:6])
        self.fc = nn.Linear(4, classes)

    def forward(self, x):
        for convolution in (self.first, self.block, self.again, self.tied):
            x = convolution(x).relu() + self.part[:, None, None]
        return self.fc(x.mean(dim=(2, 3)))


def token_network(classes, side):
    """A vision transformer of a class token and 4×4 patches, for images of one size only."""
    network = VisionTransformer(side, side // 4, num_classes=classes, embed_dim=16, depth=2, num_heads=2)
    nn.init.normal_(network.head.weight)  # timm starts with so small a one that all classes are equally likely
    return network


def convnext(classes):
    """Depthwise convolutions and layer norms, and a head that has a norm of its own behind the pooling."""
    return ConvNeXt(num_classes=classes, depths=(1, 1, 1, 1), dims=(8, 8, 16, 16), patch_size=1)


def bottleneck_network(classes):
    """A ResNet of the blocks that the large ones have: narrow in the middle."""
    return ResNet(Bottleneck, (1, 1, 1, 1), num_classes=classes, channels=(4, 4, 8, 8))
