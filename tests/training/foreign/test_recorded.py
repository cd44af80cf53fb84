"""A run that a program makes: of a model in memory, and of a training loop of its own."""

from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

import sightline
from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.command_line import UsageError
from sightline.image_data import DataError
from sightline.image_data.resize import CROP, NAMED
from sightline.model_zoo import ModelError
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

NORMAL = {"mean": (0.5,) * 3, "std": (0.25,) * 3}


class Own(nn.Module):
    """A network that no library has, with a head that is no single layer."""

    def __init__(self, classes=10, channels=3):
        super().__init__()
        self.stem = nn.Conv2d(channels, 8, 3, padding=1)
        self.body = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, classes))

    def forward(self, images):
        return self.head(self.body(self.stem(images)).mean(dim=(2, 3)))


class Wayward(Own):
    """One whose forward depends on what it sees."""

    def forward(self, images):
        features = self.body(self.stem(images))
        return self.head((features if features.mean() > 1e9 else 2 * features).mean(dim=(2, 3)))


@pytest.fixture
def own():
    torch.manual_seed(0)
    return Own()


@pytest.fixture
def pairs(tiny_data):
    """A list of (image, label), as arrays and whole numbers."""
    return list(zip(tiny_data.test.images, tiny_data.test.labels, strict=True))


def logits_of(model, images):
    with torch.no_grad():
        return model.eval()((torch.tensor(np.array(images)).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25)


def test_three_lines_make_a_run_that_opens_without_the_module(own, pairs, tiny_data, tmp_path):
    names = tiny_data.test.class_names
    run = sightline.record(tmp_path / "mine", own, pairs, classes=names, **NORMAL)
    logits = logits_of(own, tiny_data.test.images)
    assert run.state == "complete" and run.record.network == "graph" and run.record.class_names == names
    assert run.predictions().column("predicted").tolist() == logits.argmax(dim=1).tolist()
    opened = run.load_model()
    images = run.to_input(run.model_images(range(4)))
    assert type(opened) is not Own and torch.allclose(opened(images), logits[:4], atol=1e-6)
    for layer in run.record.layers:
        ours, theirs = (
            layer_attributions(model, images, [layer], logits[:4].argmax(dim=1))[layer] for model in (opened, own)
        )
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))


def test_the_model_is_left_as_it_was(own, pairs, tmp_path):
    own.train()
    before = {name: value.clone() for name, value in own.state_dict().items()}
    sightline.record(tmp_path / "mine", own, pairs, **NORMAL)
    assert all(module.training for module in own.modules()) and all(p.requires_grad for p in own.parameters())
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())
    assert own.forward.__func__ is Own.forward and not own._forward_hooks


def test_a_network_that_does_not_export_keeps_predictions_maps_and_the_reason(tiny_data, pairs, tmp_path, capfd):
    run = sightline.record(tmp_path / "wayward", Wayward(), pairs[:20], **NORMAL)
    assert run.state == "complete" and run.record.network == "none" and run.record.layers
    assert "depends on the values in the images" in run.record.without_network
    assert "def forward" not in capfd.readouterr().err  # torch's pages on what it could not follow
    with pytest.raises(RunError, match="has no network"):
        run.load_model()
    kept = sorted(file.parent.name for file in run.path.glob("maps/gradcam/*/predicted.npy"))
    assert kept == sorted(run.record.layers)


def test_a_folder_that_is_not_empty_is_refused_before_an_image_is_read(own, tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty, and a run is never overwritten"):
        sightline.record(tmp_path, own, "folder:nowhere", **NORMAL)


def test_a_forward_without_gradient_is_told_what_maps_need(own, pairs, tmp_path):
    own.forward = torch.no_grad()(own.forward)
    with pytest.raises(ModelError, match="has no gradient, and maps need one: take torch.no_grad"):
        sightline.record(tmp_path / "run", own, pairs, **NORMAL)


def test_the_transform_of_a_data_set_says_how_images_become_input(own, tiny_folder, tmp_path):
    steps = Compose([Resize(40), CenterCrop(32), ToTensor(), Normalize((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))])
    data = ImageFolder(tiny_folder / "test", steps)
    run = sightline.record(tmp_path / "folder", own, DataLoader(Subset(data, range(0, 60, 3))))
    assert run.record.mean == (0.5, 0.4, 0.3) and run.record.std == (0.2, 0.25, 0.3)
    assert (run.record.resize.share, run.record.resize.interpolation) == (0.8, "bilinear")
    assert run.record.class_names == tuple(data.classes) and run.record.dataset == "ImageFolder"
    with torch.no_grad():
        theirs = torch.stack([own.eval()(data[row][0][None])[0] for row in range(0, 60, 3)])
    shares = run.predictions().probabilities
    assert np.abs(shares - theirs.softmax(dim=1).numpy()).max() < 0.02  # pixels are rounded after resizing


def test_a_network_of_timm_is_shown_images_as_its_weights_were(tiny_folder, tmp_path):
    model = timm.create_model("test_resnet", num_classes=10)
    run = sightline.record(tmp_path / "timm", model, Subset(ImageFolder(tiny_folder / "test"), range(0, 60, 10)))
    assert (run.record.input_size, run.record.mean, run.record.resize.share) == (160, (0.5,) * 3, 0.95)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    data = ImageFolder(tiny_folder / "test", transform)
    with torch.no_grad():
        theirs = model.eval()(torch.stack([data[row][0] for row in range(0, 60, 10)])).softmax(dim=1)
    assert np.abs(run.predictions().probabilities - theirs.numpy()).max() < 0.01
    assert run.images().shape == (6, 96, 96, 3)  # thumbnails: the files are read again by the same rule


class Named(Own):
    """One that says as transformers' do what its outputs are called."""

    def __init__(self, *names):
        super().__init__(len(names))
        self.config = SimpleNamespace(id2label=dict(enumerate(names)), num_labels=len(names))


def test_the_names_that_a_network_has_for_its_outputs_give_the_codes(tiny_folder, pairs, tmp_path):
    data = Subset(ImageFolder(tiny_folder / "test"), range(0, 60, 10))
    codes, found = [data[row][1] for row in range(6)], tuple(data.dataset.classes)
    names = (*found[::-1], "another")
    run = sightline.record(tmp_path / "named", nn.DataParallel(Named(*names)), data, size=32, **NORMAL)
    assert run.record.class_names == names and run.record.model == "Named"
    assert run.predictions().column("label").tolist() == [len(found) - 1 - code for code in codes]
    numbered = sightline.record(tmp_path / "codes", Named(*found), pairs[:20], **NORMAL)
    assert numbered.record.class_names == found  # the data set has codes alone
    with pytest.raises(UsageError, match="name all classes of the model, in its order"):
        sightline.record(tmp_path / "no", Named(*"abcdefghij"), data, size=32, **NORMAL)


def test_a_run_that_cannot_be_finished_leaves_nothing(own, pairs, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sightline.training.inference.infer", fail)
    with pytest.raises(RunError, match="No space left"):
        sightline.record(tmp_path / "full", own, pairs, **NORMAL)
    assert not (tmp_path / "full").exists()


def test_images_without_files_are_kept_whole(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 128, 128, 3), dtype=np.uint8)
    run = sightline.record(tmp_path / "large", Own(2), (pixels, np.arange(6) % 2), **NORMAL)
    assert run.images().shape == (6, 128, 128, 3) and np.array_equal(run.model_images([3])[0], pixels[3])


@pytest.fixture
def usual_type():
    yield
    torch.set_default_dtype(torch.float32)


def test_what_the_program_has_set_for_itself_changes_nothing(own, pairs, tmp_path, usual_type):
    usual = sightline.record(tmp_path / "usual", own, pairs, **NORMAL).predictions().probabilities
    torch.set_default_dtype(torch.float64)
    with torch.inference_mode(), torch.autocast("cpu"), torch.device("meta"):
        run = sightline.record(tmp_path / "odd", own, pairs, **NORMAL)
    assert torch.get_default_dtype() == torch.float64
    assert np.array_equal(run.predictions().probabilities, usual) and run.record.network == "graph"


def test_classes_may_be_called_by_whole_numbers(own, pairs, tmp_path):
    run = sightline.record(tmp_path / "numbers", own, pairs, classes=np.arange(10), **NORMAL)
    assert run.record.class_names == tuple("0123456789")


def test_a_grey_network_of_one_logit_is_two_classes(tmp_path):
    images = torch.rand(12, 1, 28, 28)
    model = Own(1, channels=1)
    data = TensorDataset(images, torch.arange(12) % 2)
    run = sightline.record(tmp_path / "grey", model, data, classes=("no", "yes"), mean=0.5, std=0.25)
    with torch.no_grad():
        share = model.eval()((images - 0.5) / 0.25).sigmoid()[:, 0]
    assert np.allclose(run.predictions().probabilities[:, 1], share, atol=5e-3)


def test_what_was_made_of_a_model_and_how_many_images_are_right_are_said(pairs, tmp_path, capsys):
    run = sightline.record(
        tmp_path / "one", Own(1), [(image, 0) for image, _ in pairs[:4]], classes=("a", "b"), **NORMAL
    )
    said = capsys.readouterr().out
    assert "logit" in said and f"{run.predictions().accuracy:.2%} of 4 test images right" in said


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Own, r"is the class Own; make one, Own\(…\)"),
        (Own().state_dict(), "of the type OrderedDict; give a torch.nn.Module"),
        ("resnet18", "of the type str; give a torch.nn.Module"),
    ],
)
def test_what_is_no_model_is_said_before_images_are_read(model, says, tmp_path):
    with pytest.raises(UsageError, match=says):
        sightline.record(tmp_path / "no", model, "folder:nowhere", **NORMAL)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "give transform="),
        (NORMAL | {"classes": ("a", "b")}, r"it may be 0 to 1 \(a, b\)"),
        (NORMAL | {"layer": ["body"]}, "no option 'layer'"),
        (NORMAL | {"resize": "stretch"}, "resize may be crop, squash, margin"),
        (NORMAL | {"layers": ["fc"]}, "'fc' is none of the model"),
        (NORMAL | {"mean": (0.5, 0.5)}, "mean= takes a number for each"),
        (NORMAL | {"classes": ["a"] * 10}, "differ|alike|repeat"),
        (NORMAL | {"claimed_accuracy": float("nan")}, "share from 0 to 1"),
        (NORMAL | {"classes": {code: f"c{code}" for code in range(10)}}, "classes= takes a list of names"),
        (NORMAL | {"classes": [None] * 10}, "classes= takes a list of names"),
        (NORMAL | {"claimed_accuracy": "93%"}, "A claimed accuracy is a share .* not '93%'"),
        (NORMAL | {"claimed_accuracy": 930}, "A claimed accuracy is a share .* not 930"),
        (NORMAL | {"mean": (127, 127, 127)}, "mean= is of pixels from 0 to 1: .* is not"),
        (NORMAL | {"mean": "half"}, "mean= takes a number for each"),
        (NORMAL | {"std": (0.2, 0.0, 0.2)}, "std= is of pixels from 0 to 1, and above 0"),
        (NORMAL | {"size": "32"}, "size= takes the side .* not '32'"),
        (NORMAL | {"device": "gpu"}, "no device 'gpu'; choose from: auto, cpu, cuda"),
    ],
)
def test_what_does_not_fit_is_a_sentence_and_makes_no_run(own, pairs, tmp_path, options, says):
    with pytest.raises((UsageError, ModelError, DataError), match=says):
        sightline.record(tmp_path / "no", own, pairs, **options)
    assert not (tmp_path / "no").exists()


def test_a_loop_of_ones_own_is_listed_while_it_runs_and_finished_with_its_model(own, pairs, tmp_path):
    with sightline.create(tmp_path / "loop") as run:
        run.log(1, train_loss=2.0, test_accuracy=0.25)
        assert Run(run.path).state == "running"
        run.log(np.int64(2), train_loss=1.0)
        done = run.finish(own, pairs, **NORMAL)
    assert done.state == "complete" and done.record.network == "graph"
    assert [(epoch.epoch, epoch.train_loss) for epoch in done.metrics()] == [(1, 2.0), (2, 1.0)]
    assert np.isnan(done.metrics()[1].test_accuracy)


def test_probabilities_take_the_place_of_a_model(pairs, tiny_data, tmp_path):
    shares = np.random.default_rng(0).dirichlet(np.ones(10), len(pairs))
    with sightline.create(tmp_path / "shares", classes=tiny_data.test.class_names) as run:
        done = run.finish(data=pairs, probabilities=torch.tensor(shares))
    assert done.state == "complete" and done.record.network == "none"
    assert np.allclose(done.predictions().probabilities, shares, atol=1e-3)
    assert done.record.resize == CROP
    with sightline.create(tmp_path / "squashed") as run:
        assert run.finish(data=pairs, probabilities=shares, resize="squash", size=16).record.resize == NAMED["squash"]
    with sightline.create(tmp_path / "wrong") as run, pytest.raises(DataError, match="sum to 1"):
        run.finish(data=pairs, probabilities=shares / 2)


def test_a_loop_without_finish_leaves_curves_alone_and_an_error_a_run_that_failed(tmp_path):
    with sightline.create(tmp_path / "curves") as run:
        run.log(1, train_loss=1.0)
    assert Run(run.path).state == "complete" and Run(run.path).record.curves_only
    with pytest.raises(ZeroDivisionError), sightline.create(tmp_path / "failed") as run:
        run.log(1, train_loss=1 / 0)
    assert Run(run.path).state == "failed" and "division" in Run(run.path).record.reason


@pytest.mark.parametrize(
    ("epoch", "figures", "says"),
    [
        (1, {"loss": 1.0}, "no figure 'loss'; choose from: train_loss"),
        (0, {"train_loss": 1.0}, "Epoch 0 does not follow"),
        (1.5, {"train_loss": 1.0}, "Epoch 1.5 does not follow"),
        (1, {"test_accuracy": 93.0}, "test_accuracy is 93"),
        (1, {"train_loss": "low"}, "train_loss"),
    ],
)
def test_a_figure_that_is_none_is_a_sentence(tmp_path, epoch, figures, says):
    with sightline.create(tmp_path / "run") as run, pytest.raises(UsageError, match=says):
        run.log(epoch, **figures)
    assert Run(run.path).metrics() == []


def test_finish_is_told_what_it_takes_and_only_once(own, pairs, tmp_path):
    with sightline.create(tmp_path / "run") as run:
        with pytest.raises(UsageError, match="no option 'layer'"):
            run.finish(data=pairs, probabilities=[], layer="body")
        with pytest.raises(UsageError, match="takes no log="):
            run.finish(own, pairs, log="log.csv")
        with pytest.raises(UsageError, match="takes a model and data"):
            run.finish(own)
        run.finish(own, pairs, **NORMAL)
        with pytest.raises(RunError, match="is finished"):
            run.finish()
