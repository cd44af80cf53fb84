"""Folders that transformers and timm saved: the network, its weights, how its images are shown, its classes."""

import json
import sys

import numpy as np
import pytest
import timm
import torch
import transformers
from PIL import Image
from transformers import AutoModelForImageClassification

from sightline.model_zoo import ModelError, load_weights, model_spec, normalize, read_weights

CLASSES = ["cat", "dog", "owl"]
SMALL = dict(num_hidden_layers=1, hidden_size=16, num_attention_heads=2, intermediate_size=16, image_size=32)
CONFIGS = {
    "vit": lambda: transformers.ViTConfig(**SMALL, patch_size=8),
    "beit": lambda: transformers.BeitConfig(**SMALL, patch_size=8),
    "dinov2": lambda: transformers.Dinov2Config(**SMALL, patch_size=8),
    "swin": lambda: transformers.SwinConfig(embed_dim=8, depths=[1, 1], num_heads=[1, 2], image_size=32, window_size=4),
    "convnext": lambda: transformers.ConvNextConfig(hidden_sizes=[8, 8], depths=[1, 1], num_stages=2),
    "resnet": lambda: transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
    ),
    "mobilenet_v2": lambda: transformers.MobileNetV2Config(depth_multiplier=0.25),
}


@pytest.fixture(autouse=True)
def quiet():
    transformers.utils.logging.disable_progress_bar()


def save(folder, kind="vit", processor=None, **options):
    """Save a small network of transformers; return it, as it is for use."""
    torch.manual_seed(0)
    config = CONFIGS[kind]()
    config.id2label, config.label2id = dict(enumerate(CLASSES)), {name: code for code, name in enumerate(CLASSES)}
    network = AutoModelForImageClassification.from_config(config)
    network.save_pretrained(folder, **options)
    if processor:
        processor.save_pretrained(folder)
    return network.eval()


def loaded(spec):
    network = spec.build(3)
    load_weights(network, read_weights(spec.weights), 3, "x")
    return network.eval()


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_network_of_transformers_gives_the_same_logits(tmp_path, kind):
    theirs, spec = save(tmp_path, kind), model_spec(f"hf:{tmp_path}")
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(spec)(images).logits, theirs(images).logits)
    assert (spec.by_name, spec.trained, spec.layers, spec.class_names) == (False, False, (), tuple(CLASSES))


PROCESSORS = {
    "squash": (transformers.ViTImageProcessor(size={"height": 32, "width": 32}), 32, "squash", 1),
    "squash with a margin": (transformers.DeiTImageProcessor(), 224, "squash", 0.875),
    "margin": (transformers.MobileNetV2ImageProcessor(), 224, "crop", 0.875),
    "crop": (transformers.CLIPImageProcessor(size=32, crop_size=32), 32, "crop", 1),
    "by a rule of its own": (transformers.LevitImageProcessor(), 224, "crop", 0.875),
    "of a share": (transformers.ConvNextImageProcessor(size={"shortest_edge": 64}, crop_pct=0.8), 64, "crop", 0.8),
    "raw": (transformers.ViTImageProcessor(size={"height": 32, "width": 32}, do_rescale=False), 32, "squash", 1),
    "offset": (
        transformers.EfficientNetImageProcessor(
            size={"height": 32, "width": 32}, rescale_factor=1 / 127.5, rescale_offset=True
        ),
        32,
        "squash",
        1,
    ),
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_images_are_shown_as_the_image_processor_shows_them(tmp_path, name):
    processor, size, rule, share = PROCESSORS[name]
    save(tmp_path, processor=processor)
    spec = model_spec(f"hf:{tmp_path}")
    assert (spec.input_size, spec.resize_rule, spec.crop_share) == (size, rule, pytest.approx(share)) and not spec.notes
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    if share == 1:  # an image of this size is not resized
        theirs = processor(images=Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
        torch.testing.assert_close(normalize(pixels[None], spec.mean, spec.std), theirs, rtol=1e-5, atol=1e-4)


def test_an_image_processor_that_swaps_red_and_blue_is_followed(tmp_path):
    processor = transformers.MobileViTImageProcessor(size=32, crop_size={"height": 32, "width": 32})
    theirs, spec = save(tmp_path, processor=processor), model_spec(f"hf:{tmp_path}")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = theirs(**processor(images=Image.fromarray(pixels), return_tensors="pt")).logits
        found = loaded(spec)(normalize(pixels[None], spec.mean, spec.std)).logits
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("processor", "says"),
    [
        (transformers.ViTImageProcessor(do_resize=False), "cannot be followed: it makes images of 512×256 pixels"),
        (transformers.CLIPImageProcessor(do_resize=False), r"a way that is not known here \(cut out, not resized\)"),
        (transformers.MobileViTImageProcessor(), r"a way that is not known here \(with a margin, or padded\)"),
        (transformers.ViTImageProcessor(resample=1), "with lanczos interpolation; here they are with bicubic"),
        (None, "has no preprocessor_config.json, which would say how images are prepared"),
    ],
)
def test_what_is_not_followed_is_noted(tmp_path, processor, says):
    save(tmp_path, processor=processor)
    (note,) = model_spec(f"hf:{tmp_path}").notes
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(note)


@pytest.mark.parametrize(
    ("prefix", "beside"),
    [("", {}), ("module.", {}), ("model.", {}), ("net.model.", {"loss.weight": torch.ones(3)})],
)
@pytest.mark.parametrize("today", [True, False], ids=["names of today", "names of the folder"])
def test_other_weights_may_be_given_to_it(tmp_path, prefix, beside, today):
    theirs = save(tmp_path)
    spec = model_spec(f"hf:{tmp_path}")
    weights = theirs.state_dict() if today else dict(read_weights(spec.weights).weights)
    content = {f"{prefix}{name}": value + 1 for name, value in weights.items()} | beside
    torch.save({"state_dict": content}, tmp_path / "last.ckpt")
    own = spec.build(3)
    notes = load_weights(own, read_weights(tmp_path / "last.ckpt"), 3, "x")
    assert all(torch.equal(value, theirs.state_dict()[name] + 1) for name, value in own.state_dict().items())
    assert ("1 others were left out: loss.weight." in notes) == bool(beside)


def test_weights_in_several_files_are_read(tmp_path):
    theirs = save(tmp_path, max_shard_size="4KB")
    spec = model_spec(f"hf:{tmp_path}")
    assert spec.weights.name == "model.safetensors.index.json" and len(list(tmp_path.glob("*.safetensors"))) > 1
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(spec)(images).logits, theirs(images).logits)


@pytest.mark.parametrize("library", ["timm", "hf"])
@pytest.mark.parametrize("safe", [True, False])
def test_a_folder_of_timm_gives_the_same_logits(tmp_path, safe, library):
    theirs = timm.create_model("test_vit", num_classes=3, img_size=64).eval()
    timm.models.save_for_hf(theirs, tmp_path, dict(label_names=CLASSES), safe_serialization=safe)
    spec = model_spec(f"{library}:{tmp_path}")
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(spec)(images), theirs(images))
    assert (spec.input_size, spec.mean, spec.std, spec.class_names) == (64, (0.5,) * 3, (0.5,) * 3, tuple(CLASSES))
    assert (spec.resize_rule, spec.crop_share, spec.interpolation) == ("crop", 0.95, "bicubic")


def test_a_folder_of_timm_loads_nothing_but_its_weights(tmp_path):
    timm.models.save_for_hf(timm.create_model("test_resnet", num_classes=3), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model_args"] = {"checkpoint_path": str(tmp_path / "nothing.pth"), "pretrained": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert model_spec(f"timm:{tmp_path}").build(3).num_classes == 3  # else it would look for the file, or download


def test_a_name_of_timm_stays_one_where_a_folder_without_configuration_has_it(tmp_path, monkeypatch):
    (tmp_path / "test_resnet").mkdir()
    monkeypatch.chdir(tmp_path)
    assert model_spec("timm:test_resnet").by_name
    timm.models.save_for_hf(timm.create_model("test_resnet", num_classes=3), "test_resnet")
    assert model_spec("timm:test_resnet").weights.name == "pytorch_model.bin"


def edited(folder, **content):
    (folder / "config.json").write_text(json.dumps(json.loads((folder / "config.json").read_text()) | content))


def test_the_code_of_a_folder_is_not_run(tmp_path):
    save(tmp_path)
    (tmp_path / "modeling_own.py").write_text(f"open({str(tmp_path / 'touched')!r}, 'w')")
    own = {"AutoConfig": "modeling_own.Config", "AutoModelForImageClassification": "modeling_own.Net"}
    edited(tmp_path, auto_map=own)
    model_spec(f"hf:{tmp_path}").build(3)  # of a model type that transformers knows
    edited(tmp_path, auto_map=own, model_type="own")
    with pytest.raises(
        ModelError, match="does not know the model type 'own' of .* and code that a folder brings is not"
    ):
        model_spec(f"hf:{tmp_path}").build(3)
    assert not (tmp_path / "touched").exists()


def test_code_on_the_hub_that_a_folder_names_is_not_fetched(tmp_path, monkeypatch):
    save(tmp_path)
    asked = []
    monkeypatch.setattr(
        transformers.modeling_utils, "lazy_import_flash_attention", lambda name, *_, **__: asked.append(name)
    )
    for key in ("attn_implementation", "_attn_implementation"):
        edited(tmp_path, **{key: "somebody/attention"})
        model_spec(f"hf:{tmp_path}").build(3)
    assert asked == []


def test_settings_of_no_sense_are_a_sentence(tmp_path):
    save(tmp_path)
    for key, value in (("hidden_act", "__import__('os')"), ("patch_size", 0)):
        edited(tmp_path, **{key: value})
        with pytest.raises(ModelError, match="cannot be built with the settings that it has"):
            model_spec(f"hf:{tmp_path}").build(3)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"has no config.json; save the model with model.save_pretrained\(\"DIR\"\)"),
        ("{", r"config.json cannot be read \(JSONDecodeError\)"),
        ("[" * 100_000, r"config.json cannot be read \(RecursionError\)"),
        ("[]", "is not a configuration that transformers or timm saved"),
        ("{}", "is not a configuration that transformers or timm saved"),
        ('{"model_type": "bert"}', "is of 'bert', which is no image classifier"),
        ('{"model_type": 7}', "does not know the model type '7'"),
        ('{"architecture": "nonsense"}', "is of 'nonsense', an architecture that this timm does not know"),
        ('{"architecture": "test_vit", "pretrained_cfg": 7}', "config.json is damaged, or of another version"),
        ('{"architecture": "test_vit", "pretrained_cfg": {"mean": ["a"]}}', "config.json is damaged"),
        ('{"architecture": "test_vit", "num_classes": "many"}', "config.json is damaged"),
        (
            '{"model_type": "timm_wrapper", "num_labels": 2, "label_names": ["a", "b"]}',
            r"is damaged, .* \('architecture'\)",
        ),
    ],
)
def test_another_folder_is_a_sentence(tmp_path, content, says):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match=says) as error:
        model_spec(f"hf:{tmp_path}")
    assert str(error.value).isprintable()


@pytest.mark.parametrize("name", ["google/vit-base-patch16-224", "x" * 5000, "\0"])
def test_nothing_is_downloaded(name):
    with pytest.raises(
        ModelError, match="Nothing is downloaded: where the model is, save it with model.save_pretrained"
    ):
        model_spec(f"hf:{name}")


def test_transformers_may_be_missing(tmp_path, monkeypatch):
    save(tmp_path)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=r"needs transformers: pip install 'sightline-vision\[hf\]'"):
        model_spec(f"hf:{tmp_path}")


def test_names_that_are_only_numbers_are_no_names(tmp_path):
    save(tmp_path)
    edited(tmp_path, id2label={str(code): f"LABEL_{code}" for code in range(3)})
    assert model_spec(f"hf:{tmp_path}").class_names == ()
