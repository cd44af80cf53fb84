"""Files of exported networks to read, and to spoil."""

import io
import json
import zipfile

import torch
from torch import nn

MODEL, WEIGHTS, CONSTANTS = (
    "archive/models/model.json",
    "archive/data/weights/model_weights_config.json",
    "archive/data/constants/model_constants_config.json",
)
SAMPLES = "archive/data/sample_inputs/model.pt"
SIDE = 8


class Small(nn.Module):
    """A network with what an archive can have: a block called twice, tied weights, buffers, constants, no_grad."""

    def __init__(self, classes=2):
        super().__init__()
        self.conv, self.block = nn.Conv2d(3, 4, 3, padding=1), nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
        self.tied = nn.Conv2d(4, 4, 1)
        self.tied.weight = self.block[0].weight
        self.register_buffer("bare", torch.rand(4), persistent=False)
        self.constant = torch.rand(4)
        self.drop, self.fc = nn.Dropout(), nn.Linear(4, classes)

    def forward(self, images):
        x = self.tied(self.block(self.block(self.conv(images))))
        with torch.no_grad():
            gain = x.amax(dim=(2, 3))
        low, high = x.masked_fill(x < -9, -float("inf")).clamp_min(-9).split(2, dim=1)
        best, _ = torch.cat([high, low], dim=1).flatten(2).max(2)
        rows = best.reshape(2 * best.shape[0], -1).view(best.shape[0], 4) + torch.zeros(best.shape[0], 4)
        return self.fc(self.drop(rows * self.bare * self.constant) + gain)


def small_network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Small().eval()


def exported(network=None, dynamic=True, **options):
    """What `torch.export` makes of a network."""
    shapes = ({0: torch.export.Dim("images")},) if dynamic else None
    images = (torch.rand(2, 3, SIDE, SIDE),)
    return torch.export.export(network or small_network(), images, dynamic_shapes=shapes, strict=False, **options)


def archive(program=None):
    """The bytes of the file that `torch.export.save` makes."""
    buffer = io.BytesIO()
    torch.export.save(program or exported(), buffer)
    return buffer.getvalue()


def members(content):
    """The files in an archive, by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed(files, compression=zipfile.ZIP_STORED):
    """An archive of these files; of what is no bytes, the JSON."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, content in files.items():
            made.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return buffer.getvalue()
