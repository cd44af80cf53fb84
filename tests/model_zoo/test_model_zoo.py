"""Architectures against hand counts, torchvision and timm; normalisation by hand."""

from difflib import SequenceMatcher

import numpy as np
import pytest
import torch
from torchvision import models as torchvision_models
from torchvision.models import resnet18 as torchvision_resnet18
from torchvision.transforms import Compose, Normalize, ToTensor

from sightline.model_zoo import MODELS, ModelError, build_model, find_head, model_spec, normalize

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_resnet18_has_as_many_parameters_as_counted_by_hand():
    # Two convolutions a block and 2 batch-norm values a channel; a stage's first block has a 1×1 shortcut.
    stem = 3 * 64 * 9 + 2 * 64
    first = 4 * 64 * 64 * 9 + 4 * 2 * 64
    later = sum((n // 2) * n * 9 + 3 * n * n * 9 + 4 * 2 * n + (n // 2) * n + 2 * n for n in (128, 256, 512))
    assert stem + first + later + 512 * 10 + 10 == 11_173_962
    assert parameters(build_model("resnet18", 10)) == 11_173_962


@pytest.mark.parametrize(
    ("name", "classes", "count"),
    [("resnet34", 10, 21_282_122), ("resnet18_narrow", 10, 701_466), ("resnet18_imagenet", 1000, 11_689_512)],
)
def test_the_other_models_have_their_published_or_counted_size(name, classes, count):
    assert parameters(build_model(name, classes)) == count


def test_resnet18_differs_from_torchvision_only_in_the_shape_of_the_stem():
    ours = {name: tensor.shape for name, tensor in build_model("resnet18", 1000).state_dict().items()}
    theirs = {name: tensor.shape for name, tensor in torchvision_resnet18().state_dict().items()}
    assert list(ours) == list(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == ["conv1.weight"]
    assert ours["conv1.weight"] == (64, 3, 3, 3)


def test_a_block_computes_what_torchvision_s_block_computes():
    torch.manual_seed(0)
    ours, theirs = build_model("resnet18", 5).eval(), torchvision_resnet18(num_classes=5).eval()
    theirs.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    theirs.maxpool = torch.nn.Identity()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(ours(images), theirs(images), atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_layers_and_head_of_every_model_are_its_modules(name):
    model = build_model(name, 7)
    assert {*model_spec(name).layers} <= dict(model.named_modules()).keys()
    assert find_head(model, 7) == "fc"


@pytest.mark.parametrize(("name", "sizes"), [("resnet18_narrow", [32, 16, 8, 4]), ("resnet18_imagenet", [8, 4, 2, 1])])
def test_layers_halve_their_resolution_and_the_head_gives_a_logit_a_class(name, sizes):
    model, seen = build_model(name, 7).eval(), []
    for layer in model_spec(name).layers:
        model.get_submodule(layer).register_forward_hook(lambda _, __, output: seen.append(output.shape[2]))
    with torch.no_grad():
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert seen == sizes


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(
        ModelError, match="Unknown model 'resnet19'; choose from: resnet18, .* torchvision:NAME, timm:NAME"
    ):
        build_model("resnet19", 10)


PUBLISHED = {  # what their model cards say: side, mean, std; parameters with 1000 classes
    "torchvision:resnet18": (224, IMAGENET_MEAN, IMAGENET_STD, 11_689_512),
    "torchvision:squeezenet1_1": (224, IMAGENET_MEAN, IMAGENET_STD, 1_235_496),
    "torchvision:efficientnet_b1": (240, IMAGENET_MEAN, IMAGENET_STD, 7_794_184),
    "torchvision:vit_b_32": (224, IMAGENET_MEAN, IMAGENET_STD, 88_224_232),
    "timm:resnet18": (224, IMAGENET_MEAN, IMAGENET_STD, 11_689_512),
    "timm:resnet50.a1_in1k": (224, IMAGENET_MEAN, IMAGENET_STD, 25_557_032),
    "timm:vit_base_patch16_384": (384, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 86_859_496),
    "timm:deit_tiny_patch16_224": (224, IMAGENET_MEAN, IMAGENET_STD, 5_717_416),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_carry_their_preprocessing_and_have_their_published_size(name):
    spec = model_spec(name)
    side, mean, std, count = PUBLISHED[name]
    assert (spec.input_size, spec.mean, spec.std, spec.layers) == (side, mean, std, ())
    with torch.device("meta"):
        assert parameters(spec.build(1000)) == count


SHOWN = {  # what their model cards say: side that the shorter one is brought to, and of the middle that is cut out
    "torchvision:resnet18": (256, 224, "bilinear"),
    "torchvision:efficientnet_b1": (255, 240, "bilinear"),
    "torchvision:swin_t": (232, 224, "bicubic"),
    "timm:resnet18.a1_in1k": (236, 224, "bicubic"),
    "timm:vit_base_patch16_384": (384, 384, "bicubic"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_published_models_say_how_they_were_shown_their_images(name):
    spec, (resized, cut, interpolation) = model_spec(name), SHOWN[name]
    assert (spec.resize_rule, spec.interpolation, spec.notes) == ("crop", interpolation, ())
    assert round(cut / spec.crop_share) == resized and spec.by_name and not spec.trained


def test_published_models_that_saw_squashed_images_say_so():
    assert model_spec("timm:convnext_base.fb_in22k_ft_in1k_384").resize_rule == "squash"


def test_classes_of_published_weights_have_their_names():
    names = model_spec("torchvision:resnet18").class_names
    assert len(names) == len(set(names)) == 1000 and names[0] == "tench" and names[-1] == "toilet tissue"


@pytest.mark.parametrize("name", ["torchvision:inception_v3", "torchvision:googlenet"])
def test_inception_without_its_input_transform_sees_the_same_numbers(name):
    spec = model_spec(name)
    module = torchvision_models.get_model(name.partition(":")[2], weights=None, init_weights=False)
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    module.transform_input = True  # as its published weights have it
    theirs = module._transform_input(normalize(image, IMAGENET_MEAN, IMAGENET_STD))
    assert torch.allclose(normalize(image, spec.mean, spec.std), theirs, atol=1e-5)
    assert not spec.build(10).transform_input


@pytest.mark.parametrize("name", ["torchvision:vit_b_32", "timm:test_vit", "torchvision:maxvit_t"])
def test_transformers_are_built_for_the_images_they_get(name):
    with torch.device("meta"), torch.no_grad():
        assert build_model(name, 3, 448).eval()(torch.zeros(1, 3, 448, 448)).shape == (1, 3)


def test_an_impossible_size_is_a_sentence():
    with pytest.raises(
        ModelError, match=r"torchvision:vit_b_16 cannot be built for images of 100×100 pixels \(.+--image"
    ):
        build_model("torchvision:vit_b_16", 3, 100)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "torchvision:resnet19",
            r"torchvision has no image classifier 'resnet19'; the nearest are resnet18.* python -c",
        ),
        ("torchvision:fcn_resnet50", "no image classifier 'fcn_resnet50'"),  # it segments
        ("timm:deit_tini", "the nearest are deit_tiny_"),
        ("timm:efficientnetb0", "timm has no image classifier 'efficientnetb0'; the nearest are efficientnet_b0"),
        ("timm:resnet50.nope", r"has no weights 'resnet50.nope'; choose from: resnet50.*, or leave the tag out"),
        ("timm:hf-hub:timm/resnet18.a1_in1k", "timm has no image classifier"),  # nothing is downloaded
        ("timm:", "timm has no image classifier ''"),
        ("keras:resnet50", "Unknown model 'keras:resnet50'; choose from"),
    ],
)
def test_an_unknown_published_model_is_a_sentence_with_the_nearest_names(name, says):
    with pytest.raises(ModelError, match=says):
        model_spec(name)


@pytest.mark.parametrize("start", ["timm:", "timm:resnet50.", "torchvision:", "keras:", ""])
def test_a_name_of_8000_letters_is_answered_briefly_and_compared_with_none(start, monkeypatch):
    monkeypatch.setattr(SequenceMatcher, "find_longest_match", lambda *_: pytest.fail("compared letter by letter"))
    with pytest.raises(ModelError) as error:
        model_spec(start + "resnet_" * 1143)
    assert "…" in str(error.value) and len(str(error.value)) < 600


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_the_command_that_lists_all_names_works(library, capsys):
    with pytest.raises(ModelError) as error:
        model_spec(f"{library}:nothing like it")
    program = str(error.value).split('python -c "')[1].removesuffix('"')
    exec(program)
    assert "resnet18" in capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("torchvision:densenet121", "classifier"), ("torchvision:vgg11", "classifier.6"),
        ("torchvision:squeezenet1_1", "classifier.1"), ("torchvision:vit_b_32", "heads.head"),
        ("timm:test_vit", "head"), ("timm:convnext_atto", "head.fc"), ("timm:dla34", "fc"),
    ],
)  # fmt: skip
def test_the_head_is_the_last_layer_with_an_output_a_class(name, head):
    with torch.device("meta"):
        assert find_head(build_model(name, 7), 7) == head


def test_a_network_may_have_no_head():
    assert find_head(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Flatten()), 7) is None


def test_normalisation_by_hand():
    image = np.array([[[[0, 255, 51]]]], np.uint8)
    # (0 − 0.5)/0.25, (1 − 0.5)/0.25, (0.2 − 0.1)/0.4
    result = normalize(image, (0.5, 0.5, 0.1), (0.25, 0.25, 0.4))
    assert result.flatten().tolist() == pytest.approx([-2, 2, 0.25])
    assert (result.shape, result.dtype) == ((1, 3, 1, 1), torch.float32)


def test_normalisation_agrees_with_torchvision(tiny_data):
    mean, std = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
    images = tiny_data.test.images[:8].copy()
    theirs = torch.stack([Compose([ToTensor(), Normalize(mean, std)])(image) for image in images])
    for given in (images, torch.from_numpy(images)):
        assert torch.allclose(normalize(given, mean, std), theirs, atol=1e-5)
    assert normalize(images, mean, std).is_contiguous(memory_format=torch.channels_last)
