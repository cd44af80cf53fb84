"""Networks small enough to explain by hand."""

import torch
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
