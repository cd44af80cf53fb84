"""The engine on other people's networks, with random weights: the same maps as Captum or as written out by hand."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import timm
import torch
from captum.attr import LayerGradCam
from torch import nn
from torchvision import models
from transformers import ViTConfig, ViTForImageClassification

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.folding import fold
from sightline.explain.attribution.grids import map_layers, suggest_layers

CLASSES = 5


def vgg_like():
    """Convolutions, in-place ReLUs and two linear layers: no pooling head, no batch normalisation."""
    stage = [[nn.Conv2d(i, o, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)] for i, o in ((3, 8), (8, 16))]
    return nn.Sequential(*sum(stage, []), nn.Flatten(), nn.Linear(16 * 64, 32), nn.ReLU(), nn.Linear(32, CLASSES))


def vit_b_16():
    model = models.vit_b_16(image_size=64, num_classes=CLASSES)
    nn.init.normal_(model.heads.head.weight)  # torchvision starts with a head of zeros, which has no gradient
    return model


class Logits(nn.Module):
    """The network of transformers whose answer is an object."""

    def __init__(self, inner):
        super().__init__()
        self.vit, self.classifier = inner.vit, inner.classifier

    def forward(self, images):
        return self.classifier(self.vit(images).last_hidden_state[:, 0])


def vit_of_transformers():
    """Queries, keys and values of one layer each."""
    sides = {"image_size": 64, "patch_size": 16, "hidden_size": 32, "intermediate_size": 64}
    config = ViTConfig(**sides, num_hidden_layers=4, num_attention_heads=4, num_labels=CLASSES)
    return Logits(ViTForImageClassification(config))


# name → how to build it, the side of its images, the layers that it is explained at, and those that are suggested
# fmt: off
NETWORKS = {
    "ResNet18": (lambda: models.resnet18(num_classes=CLASSES), 64, ("layer1.0.bn2", "layer2.0.downsample.1", "layer4"),
                 {"layer1": 16, "layer2": 8, "layer3": 4, "layer4": 2}),
    "VGG-like": (vgg_like, 32, ("0", "1", "3"), {"0": 32, "3": 16}),
    "MobileNetV3": (lambda: models.mobilenet_v3_small(num_classes=CLASSES), 64,
                    ("features.1", "features.8", "features"),
                    {"features.1": 16, "features.3": 8, "features.8": 4, "features": 2}),
    "ConvNeXt": (lambda: models.convnext_tiny(num_classes=CLASSES), 64, ("features.1", "features.5.0", "features"),
                 {"features.1": 16, "features.3": 8, "features.5": 4, "features": 2}),
    "DenseNet": (lambda: models.densenet121(num_classes=CLASSES), 64,
                 ("features.denseblock1", "features.norm5", "features"),
                 {"features.denseblock1": 16, "features.denseblock2": 8, "features.denseblock3": 4, "features": 2}),
}
TRANSFORMERS = {
    "ViT-B/16": (vit_b_16, 64, ("encoder.layers.encoder_layer_3", "encoder.layers.encoder_layer_11.ln_1"),
                 {f"encoder.layers.encoder_layer_{block}.ln_1": 4 for block in (2, 5, 8, 11)}),
    "DeiT (timm)": (lambda: timm.create_model("deit_tiny_distilled_patch16_224", img_size=64, num_classes=CLASSES), 64,
                    ("blocks.3", "blocks.11.norm1"), {f"blocks.{block}.norm1": 4 for block in (2, 5, 8, 11)}),
    "ViT (transformers)": (vit_of_transformers, 64, ("vit.layers.1", "vit.layers.2.layernorm_before"),
                           {f"vit.layers.{block}.layernorm_before": 4 for block in range(4)}),
    "Swin-T": (lambda: models.swin_t(num_classes=CLASSES), 64, ("features.1", "features.5", "norm"),
               {"features.1": 16, "features.3": 8, "features.5": 4, "norm": 2}),
}
# fmt: on
ALL = NETWORKS | TRANSFORMERS


@pytest.fixture(scope="module")
def network():
    """Each network is built once."""
    built = {}

    def build(name):
        if name not in built:
            torch.manual_seed(0)
            built[name] = ALL[name][0]().eval()
        return built[name], torch.randn(2, 3, ALL[name][1], ALL[name][1])

    return build


TARGETS = torch.tensor([[0, 4], [3, 1]])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_convolutional_networks_agree_with_captum(network, name, dtype, tolerance):
    model, images = network(name)
    model, images = model.to(dtype), images.to(dtype)
    try:
        maps = layer_attributions(model, images, ALL[name][2], TARGETS)
        for layer, values in maps.items():
            method = LayerGradCam(model, model.get_submodule(layer))
            for column in range(2):
                theirs = method.attribute(images, target=TARGETS[:, column])[:, 0]
                assert (values[:, column] - theirs).abs().max() <= tolerance * theirs.abs().max()
    finally:
        model.float()


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_agree_with_grad_cam_written_out(network, name):
    model, images = network(name)
    maps = layer_attributions(model, images, ALL[name][2], TARGETS)
    for layer, values in maps.items():
        kept = []
        hook = model.get_submodule(layer).register_forward_hook(lambda _, __, output, kept=kept: kept.append(output))
        logits = model(images)
        hook.remove()
        for column in range(2):
            gradient = torch.autograd.grad(logits[range(2), TARGETS[:, column]].sum(), kept[0], retain_graph=True)[0]
            activation = kept[0]
            if activation.ndim == 3:  # tokens: those of the image are the last 16
                activation, gradient = (entry[:, -16:].reshape(2, 4, 4, -1) for entry in (activation, gradient))
            expected = torch.einsum("nk,nhwk->nhw", gradient.mean(dim=(1, 2)), activation)
            assert (values[:, column] - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", ALL)
def test_suggested_layers_are_the_last_of_the_deepest_resolutions(network, name):
    model, images = network(name)
    resolutions = map_layers(model, images)
    assert {layer: resolutions[layer] for layer in suggest_layers(model, images)} == {
        layer: (side, side) for layer, side in ALL[name][3].items()
    }


@pytest.mark.parametrize("name", ALL)
def test_a_layer_without_a_map_is_refused_with_those_that_have_one(network, name):
    model, images = network(name)
    without = next(layer for layer, module in model.named_modules() if isinstance(module, nn.Linear) and "head" in layer
                   or layer in ("7", "fc", "classifier", "classifier.0", "classifier.2"))  # fmt: skip
    with pytest.raises(ExplainError, match=rf"layer '{without}' is no map .*; choose from: .*{ALL[name][2][0]}"):
        layer_attributions(model, images, [without], TARGETS)


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_left_behind(network, name):
    model, images = network(name)
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    try:
        layer_attributions(model, images, ALL[name][2], TARGETS)
        assert all(module.training for module in model.modules())
        assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
        assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
        assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())  # batch norm too
    finally:
        model.eval()


@pytest.mark.parametrize("name", ALL)
def test_many_threads_get_their_own_maps(network, name):
    model, _ = network(name)
    side, layers = ALL[name][1], ALL[name][2]

    def explain(seed):
        image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed))
        return layer_attributions(model, image, layers, torch.tensor([seed % CLASSES]))

    alone = [explain(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(explain, range(6)))
    for expected, got in zip(alone, together, strict=True):
        for layer in layers:
            assert torch.allclose(expected[layer], got[layer], atol=1e-5 * expected[layer].abs().max().item())


@pytest.mark.parametrize(
    "shape, size, grid",
    [
        ((2, 64, 7, 7), (224, 224), (64, 7, 7)),
        ((2, 7, 7, 64), (224, 224), (64, 7, 7)),  # Swin
        ((2, 7, 7, 8), (224, 224), (8, 7, 7)),
        ((2, 8, 7, 7), (224, 224), (8, 7, 7)),
        ((2, 64, 15, 20), (240, 320), (64, 15, 20)),
        ((2, 15, 20, 64), (240, 320), (64, 15, 20)),
        ((2, 196, 32), (224, 224), (32, 14, 14)),  # no class token
        ((2, 197, 32), (224, 224), (32, 14, 14)),  # ViT
        ((2, 198, 32), (224, 224), (32, 14, 14)),  # DeiT with a distillation token
        ((2, 201, 32), (224, 224), (32, 14, 14)),  # four registers
        ((2, 1 + 15 * 20, 32), (240, 320), (32, 15, 20)),
        ((2, 10), (224, 224), None),
        ((2, 1, 32), (224, 224), None),
        ((2, 4, 6, 8, 10), (224, 224), None),
    ],
)
def test_outputs_are_folded_into_the_grid_of_the_image(shape, size, grid):
    folded = fold(torch.zeros(shape), size)
    assert (folded is None) if grid is None else (folded.shape == (2, *grid))


def test_tokens_are_folded_row_by_row_without_the_class_token():
    tokens = torch.tensor([[[9.0], [1], [2], [3], [4]]])
    assert fold(tokens, (32, 32)).tolist() == [[[[1, 2], [3, 4]]]]
