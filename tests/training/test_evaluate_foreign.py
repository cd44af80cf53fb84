"""A model that was trained elsewhere becomes a run: from weights and a folder, in one command."""

import re
import shutil
import sys
from dataclasses import fields

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision import models
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

from sightline.explain.attribution.engine import layer_attributions
from sightline.model_zoo import ModelError, build_model
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.training.evaluate import EvaluateConfig, evaluate, main
from sightline.training.foreign.imported_model import ImportConfig, import_model
from sightline.training.recipe import TrainConfig
from sightline.training.train import train
from tests.image_files import save

pytestmark = pytest.mark.usefixtures("data_dir")
CLASSES = ("cat", "dog", "owl")
OWN_NUMBERS = ["--mean", "0.5", "0.4", "0.3", "--std", "0.2", "0.2", "0.2"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photographs of noise, larger than a run keeps; only DIR/test/<class>/."""
    folder, numbers = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in CLASSES:
        for k in range(2):
            pixels = numbers.integers(0, 256, (200, 180, 3), dtype=np.uint8)
            save(Image.fromarray(pixels), folder / "test" / name / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights of a timm network, as its user saved them."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    save_file(timm.create_model("test_resnet", num_classes=len(CLASSES)).state_dict(), file)
    return file


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Run `sightline evaluate` as from the command line; returns the run's directory."""

    def run(*options, run=tmp_path / "photos"):
        given = [str(option) for option in (*options, "--run", run, "--device", "cpu")]
        monkeypatch.setattr(sys, "argv", ["evaluate", *given])
        main()
        return Run(run)

    return run


def foreign(photos, weights, model="timm:test_resnet"):
    return "--model", model, "--weights", weights, "--dataset", f"folder:{photos}"


def user_logits(model, photos, side, mean, std):
    """What the user's own script says, with torchvision's transforms."""
    steps = [Resize(side, InterpolationMode.BICUBIC), CenterCrop(side), ToTensor(), Normalize(mean, std)]
    files = sorted(photos.glob("test/*/*.png"))
    with torch.no_grad():
        return model.eval()(torch.stack([Compose(steps)(Image.open(file)) for file in files]))


def test_a_timm_model_on_a_folder_of_photographs_becomes_a_run_that_opens(photos, weights, command, capsys):
    run = command(*foreign(photos, weights))
    assert run.state == "complete" and run.record.state == "complete" and run.record.foreign
    assert "of 6 test images right" in capsys.readouterr().out
    record = run.record
    assert (record.model, record.input_size, record.class_names) == ("timm:test_resnet", 160, CLASSES)
    assert (record.mean, record.std) == ((0.5,) * 3, (0.5,) * 3)  # timm's, for this network
    assert record.recipe["weights"] == str(weights) and record.packages["timm"] == timm.__version__
    assert record.image_counts == {"test": 6} and len(run.metrics()) == 0
    assert run.images().shape == (6, 96, 96, 3) and run.features().shape[0] == 6
    model, pixels = run.load_model(), run.to_input(run.model_images([0, 5]))
    assert pixels.shape == (2, 3, 160, 160)
    maps = layer_attributions(model, pixels, record.layers, torch.tensor([0, 2]))
    assert list(maps) == list(record.layers) and all(values.isfinite().all() for values in maps.values())


def test_the_predictions_are_those_of_the_user_s_own_script(photos, weights, command):
    run = command(*foreign(photos, weights))
    model = timm.create_model("test_resnet", num_classes=3)
    model.load_state_dict(run.load_model().state_dict())
    expected = user_logits(model, photos, 160, (0.5,) * 3, (0.5,) * 3).softmax(1).numpy()
    np.testing.assert_allclose(run.predictions().probabilities, expected, atol=0.01)
    assert run.predictions().column("label").tolist() == [0, 0, 1, 1, 2, 2]


def test_such_a_run_is_rewritten_without_a_training_split(photos, weights, command):
    run = command(*foreign(photos, weights))
    before = run.predictions().table
    (run.path / "predictions.parquet").unlink()
    assert (
        evaluate(EvaluateConfig(run.path, device="cpu"))
        == f"photos: {run.predictions().accuracy:.2%} of 6 test images right."
    )
    assert Run(run.path).predictions().table.equals(before)


@pytest.mark.parametrize(
    ("name", "features"),
    [("squeezenet1_1", 512), ("mobilenet_v3_small", 1024), ("shufflenet_v2_x0_5", 1024)],
)
def test_torchvision_models_become_runs(photos, tmp_path, command, name, features):
    torch.manual_seed(0)
    model = models.get_model(name, weights=None, num_classes=3)
    torch.save({"model": nn.DataParallel(model).state_dict(), "epoch": 9}, tmp_path / "w.pth")
    run = command(*foreign(photos, tmp_path / "w.pth", f"torchvision:{name}"), "--image-size", "64")
    assert run.features().shape == (6, features)
    assert run.record.input_size == 64 and run.record.mean == (0.485, 0.456, 0.406)
    assert {*run.record.layers} <= dict(run.load_model().named_modules()).keys()


def test_the_names_in_a_checkpoint_go_before_those_of_published_weights(photos, tmp_path, command):
    model = models.mobilenet_v3_small(num_classes=3)
    torch.save({"state_dict": model.state_dict(), "classes": ["owl", "cat", "dog"]}, tmp_path / "w.pth")
    run = command(*foreign(photos, tmp_path / "w.pth", "torchvision:mobilenet_v3_small"), "--image-size", "32")
    assert run.record.class_names == ("owl", "cat", "dog")
    assert run.predictions().column("label").tolist() == [1, 1, 2, 2, 0, 0]


def test_a_run_of_arrays_of_fractions_is_evaluated_again_at_the_size_it_was_made_at(weights, tmp_path, command, capsys):
    images = np.random.default_rng(0).random((6, 24, 24, 3), dtype=np.float32)
    np.savez(tmp_path / "test.npz", images=images, labels=np.arange(6) % 3)
    options = ("--model", "timm:test_resnet", "--weights", weights, "--dataset", f"npz:{tmp_path / 'test.npz'}")
    run = command(*options, "--image-size", "32")
    assert "Nobody normalises the images of npz:" in capsys.readouterr().err
    before = run.predictions().table
    evaluate(EvaluateConfig(run.path, device="cpu"))
    assert run.record.input_size == 32 and Run(run.path).predictions().table.equals(before)


def test_features_before_a_convolution_are_means_over_its_places(photos, tmp_path, command):
    model = models.squeezenet1_1(num_classes=3).eval()
    torch.save(model.state_dict(), tmp_path / "w.pth")
    run = command(*foreign(photos, tmp_path / "w.pth", "torchvision:squeezenet1_1"), "--image-size", "64")
    with torch.no_grad():
        maps = model.features(run.to_input(run.model_images(range(6))))
    np.testing.assert_allclose(run.features(), maps.mean(dim=(2, 3)), rtol=1e-2, atol=1e-3)


def test_our_own_model_needs_the_mean_and_std_it_was_trained_with(photos, tmp_path, command, capsys):
    torch.save(build_model("resnet18_narrow", 3).state_dict(), tmp_path / "w.pt")
    options = foreign(photos, tmp_path / "w.pt", "resnet18_narrow")
    with pytest.raises(SystemExit) as exit:
        command(*options)
    assert exit.value.code == 2 and "no published mean and std: give those" in capsys.readouterr().err
    run = command(*options, *OWN_NUMBERS)
    assert (run.record.input_size, run.record.mean, run.record.std) == (32, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    assert run.record.layers == ("layer1", "layer2", "layer3", "layer4")


def test_a_size_that_nothing_says_is_taken_with_a_warning(photos, tmp_path, command, capsys):
    code = "from torch import nn\nnet = nn.Sequential(nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())"
    (tmp_path / "net.py").write_text(code)
    options = ("--model", f"{tmp_path / 'net.py'}:net", "--dataset", f"folder:{photos}", *OWN_NUMBERS)
    assert command(*options).record.input_size == 224
    assert "they are brought to 224×224; give --image-size" in capsys.readouterr().err
    command(*options, "--image-size", 32, run=tmp_path / "said")
    assert "--image-size" not in capsys.readouterr().err


def test_embedded_data_sets_work_too(tmp_path, monkeypatch, command, tiny_data):
    monkeypatch.setattr("sightline.image_data.planted_shapes.planted_shapes", lambda variant: tiny_data)
    torch.save(build_model("resnet18_narrow", 10).state_dict(), tmp_path / "w.pt")
    weights = ("--model", "resnet18_narrow", "--weights", tmp_path / "w.pt", "--dataset", "planted-shapes")
    run = command(*weights, *OWN_NUMBERS)
    assert run.images().shape == (64, 32, 32, 3) and np.array_equal(run.masks(), tiny_data.test.masks)


def test_layers_are_chosen_by_name_and_checked(photos, weights, command, tmp_path):
    run = command(*foreign(photos, weights), "--layers", "layer4, layer2")
    assert run.record.layers == ("layer2", "layer4")  # in the order of the network
    for wrong, says in (("fc", "Layer 'fc' gives no map; try --layers "), ("layer9", "Layer 'layer9' is none of the")):
        with pytest.raises(SystemExit) as exit:
            command(*foreign(photos, weights), "--layers", f"layer4,{wrong}", run=tmp_path / wrong)
        assert exit.value.code.startswith(f"Error: {says}") and not (tmp_path / wrong).exists()


def test_weights_that_do_not_fit_leave_nothing_behind_and_show_their_table(photos, weights, tmp_path, command):
    with pytest.raises(SystemExit) as exit:
        command(*foreign(photos, weights, "timm:test_vit"))
    assert "are of another architecture" in exit.value.code and "\n  name " in exit.value.code
    four = shutil.copytree(photos, tmp_path / "four")
    (four / "test" / "emu").mkdir()
    with pytest.raises(SystemExit, match="are for 3 classes, folder:.*four has 4: give the weights"):
        command(*foreign(four, weights))
    assert not (tmp_path / "photos").exists()


def test_a_network_that_takes_no_such_images_is_a_sentence(photos, tmp_path, command):
    torch.save(models.squeezenet1_1(num_classes=3).state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        SystemExit, match=r"torchvision:squeezenet1_1 takes no images of 8×8 pixels \(.+give another --image"
    ):
        command(*foreign(photos, tmp_path / "w.pth", "torchvision:squeezenet1_1"), "--image-size", "8")


def test_weights_that_are_not_finite_are_refused(photos, tmp_path, command):
    model = timm.create_model("test_resnet", num_classes=3)
    nn.init.constant_(model.fc.bias, torch.nan)
    torch.save(model.state_dict(), tmp_path / "w.pth")
    with pytest.raises(SystemExit, match="answers with NaN or infinity, first in 'fc'"):
        command(*foreign(photos, tmp_path / "w.pth"))


WEIGHTS = ["--weights", "w.pt"]
MODEL = ["--model", "timm:test_resnet", *WEIGHTS, "--dataset", "folder:photos"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "Give --run for an existing run, or --model"),
        (["--run", "r", *WEIGHTS], "--weights needs --model; an existing run takes --run alone"),
        (["--run", "r", "--layers", "layer4"], "--layers needs --model; an existing run takes --run alone"),
        (["--model", "timm:test_resnet", "--run", "r"], "--model needs --dataset, the images to judge it on"),
        (["--model", "timm:test_resnet", "--dataset", "cifar10"], "timm:test_resnet needs --weights FILE"),
        (["--log", "l.csv", "--layers", "fc"], "--layers needs --model and does not go with --log"),
        ([*MODEL, "--predictions", "p.csv"], "--predictions has nothing to add and does not go with --model"),
        ([*MODEL, "--image-size", "4"], "--image-size 4 is out of range"),
        (["--predictions", "p.csv", "--image-size", "0"], "--image-size 0 is out of range"),
        ([*MODEL, "--claimed-accuracy", "nan"], "share from 0 to 1, or percent, not nan"),
        ([*MODEL, "--mean", "0.5", "0.5", "0.5"], "--mean and --std go together"),
        ([*MODEL, "--mean", "127", "127", "127", "--std", "50", "50", "50"], "of pixels scaled to 0-1"),
        ([*MODEL, "--mean", "0", "0", "0", "--std", "0", "1", "1"], "--std above 0 up to 1"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(monkeypatch, capsys, options, says):
    monkeypatch.setattr(sys, "argv", ["evaluate", *options])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 2 and says in capsys.readouterr().err


def test_one_help_shows_the_options_of_both_configurations(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluate", "--help"])
    with pytest.raises(SystemExit) as exit:
        main()
    said = capsys.readouterr().out
    options = {field.name.replace("_", "-") for config in (EvaluateConfig, ImportConfig) for field in fields(config)}
    assert exit.value.code == 0 and all(re.search(rf"--{option}[ ,]", said) for option in options)


def test_a_run_that_is_there_is_never_overwritten(photos, weights, command):
    run = command(*foreign(photos, weights))
    before = (run.path / "predictions.parquet").read_bytes()
    with pytest.raises(SystemExit, match="is not empty, and a run is never overwritten"):
        command(*foreign(photos, weights))
    assert (run.path / "predictions.parquet").read_bytes() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device"), ValueError("odd")])
def test_a_run_that_ended_early_says_how_it_is_finished_and_is(photos, weights, tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    config = ImportConfig("timm:test_resnet", f"folder:{photos}", weights, tmp_path / "run", device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr("sightline.training.inference.infer", fail)
        with pytest.raises((KeyboardInterrupt, RunError), match="sightline evaluate --run .*run"):
            import_model(config)
    assert Run(tmp_path / "run").state == "failed"
    evaluate(EvaluateConfig(tmp_path / "run", device="cpu"))
    assert Run(tmp_path / "run").state == "complete"


def test_an_unknown_model_is_a_sentence_before_anything_is_read(tmp_path):
    with pytest.raises(ModelError, match="no image classifier 'resnet1'; the nearest are"):
        import_model(ImportConfig("torchvision:resnet1", "folder:nowhere", tmp_path / "no.pt"))


def test_the_name_of_a_run_is_a_plain_file_name(photos, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, predictions = import_model(ImportConfig("timm:test_resnet", f"folder:{photos}", weights, device="cpu"))
    (run,) = (tmp_path / "runs").iterdir()
    assert run == path.absolute() and len(predictions) == 6
    assert run.name.endswith("_timm-test_resnet") and "_folder-" in run.name


def test_a_published_architecture_can_be_trained_from_such_weights(tiny_data, weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sightline.image_data.planted_shapes.planted_shapes", lambda variant: tiny_data)
    config = TrainConfig(model="timm:test_resnet", epochs=1, threads=1, run=tmp_path / "run", pretrained=weights)
    run = Run(train(config))
    assert "another number of classes: fc.weight, fc.bias start from fresh weights" in capsys.readouterr().out
    assert run.state == "complete" and not run.record.foreign and len(run.record.layers) > 1
    assert run.load_model().fc.out_features == 10
