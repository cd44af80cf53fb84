"""Networks of anybody's kinds, small enough for a test, to be exported."""

import io
from functools import cache

import torch
from timm.models.swin_transformer import SwinTransformer
from torch import nn
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
from torchvision.models.resnet import BasicBlock, ResNet
from transformers import ViTConfig, ViTForImageClassification

from sightline.model_zoo.adapted import adapt
from sightline.model_zoo.graph import export_graph, open_graph
from tests.tiny_networks import Shared, bottleneck_network, convnext, token_network


class Own(nn.Module):
    """What people write: a block called twice, `len` of a batch, a constant, a module that is never called, no_grad."""

    def __init__(self, classes, channels=3):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.lower = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Identity())
        self.scale = torch.linspace(0.5, 1.5, 16)
        self.unused = nn.Linear(3, 3)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(16, classes))

    def forward(self, images):
        x = self.stem(images)
        x = self.block(x + self.block(x))
        with torch.no_grad():
            gain = 1 + self.lower(x).mean(dim=(1, 2, 3), keepdim=True)
        x = self.lower(x) * gain
        return self.head(x.view(len(x), 16, -1).mean(2) * self.scale)


def resnet_with_mlp_head(classes):
    network = ResNet(BasicBlock, (1, 1, 1, 1))
    network.fc = nn.Sequential(nn.Linear(512, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, classes))
    return network


def mobilenet_v3(classes):
    blocks = [  # channels in, kernel, inside, out, squeeze and excitation, activation, stride, dilation, width
        (8, 3, 16, 8, True, "RE", 2, 1, 1.0), (8, 3, 16, 8, False, "RE", 1, 1, 1.0),
        (8, 5, 24, 16, True, "HS", 2, 1, 1.0),
    ]  # fmt: skip
    return MobileNetV3([InvertedResidualConfig(*block) for block in blocks], last_channel=32, num_classes=classes)


def vit_of_transformers(classes):
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    return ViTForImageClassification(ViTConfig(**sizes, image_size=32, patch_size=8, num_labels=classes))


def swin(classes):
    return SwinTransformer(56, num_classes=classes, embed_dim=16, depths=(1, 2), num_heads=(2, 2), window_size=7)


NETWORKS = {  # a builder of so many classes, and the side of the images
    "own": (Own, 16),
    "shared tensors": (Shared, 16),
    "ResNet, MLP head": (resnet_with_mlp_head, 64),
    "MobileNetV3": (mobilenet_v3, 64),
    "bottlenecks": (bottleneck_network, 32),
    "ViT of timm": (lambda classes: token_network(classes, 16), 16),
    "ViT of transformers": (vit_of_transformers, 32),
    "Swin": (swin, 56),
    "ConvNeXt": (convnext, 32),
    "one channel": (lambda classes: Own(classes, channels=1), 16),
    "one logit": (lambda classes: Own(1), 16),
}


CLASSES = dict.fromkeys(NETWORKS, 4) | {"one logit": 2}


def make_network(name):
    """The network of a name with random weights, none of them zero, as `adapt` returns it."""
    build, _ = NETWORKS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(CLASSES[name])
        for parameter in network.parameters():  # timm and torchvision begin with zeros in some places
            if parameter.abs().max() == 0:
                nn.init.normal_(parameter, std=0.1)
    return adapt(network, images_for(name), CLASSES[name])[0]


def images_for(name):
    side = NETWORKS[name][1]
    images = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))
    return images.contiguous(memory_format=torch.channels_last)


@cache
def pair_of(name):
    """The network of a name, and the same one exported and opened: neither is to be changed."""
    network = make_network(name)
    return network, open_graph(io.BytesIO(export_graph(network, images_for(name))), network.state_dict())
