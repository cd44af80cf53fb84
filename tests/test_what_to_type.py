"""docs/own-models-and-data.md: every line of its tables is typed, and gives what torch itself predicts."""

import importlib.util
import json
import re
import shlex
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn.parallel import DataParallel
from torch.optim.swa_utils import AveragedModel
from torch.utils.tensorboard import SummaryWriter
from torchvision.models import resnet18

from sightline.image_data.resize import CROP
from sightline.model_zoo import build_model
from sightline.run_store.run import Run
from sightline.training import evaluate
from tests.fabricated import ROOT
from tests.image_files import save

PAGE = ROOT / "docs" / "own-models-and-data.md"
CLASSES = ("cat", "dog", "owl")
IMAGES = 12
NORMAL = "--mean 0.5 0.5 0.5 --std 0.25 0.25 0.25"
NET = f"--model net.py:Net {NORMAL}"
OWN_FILES = {
    "net.py": """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.fc = nn.Linear(128, 3)

    def forward(self, images):
        return self.fc(self.pool(self.conv(images).relu()).flatten(1))
""",
    "data.py": """
from pathlib import Path

from PIL import Image

class Photos:
    classes = ["cat", "dog", "owl"]

    def __init__(self):
        self.files = sorted(Path("photos/test").glob("*/*.png"))

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        file = self.files[index]
        return Image.open(file), self.classes.index(file.parent.name)
""",
}


def lines(option: str) -> list[str]:
    """The options that the tables name, of those that begin with `option`, each once."""
    return list(dict.fromkeys(re.findall(rf"^\|[^|]*\| `({option} [^`]*)` *\|", PAGE.read_text(), re.MULTILINE)))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with everything that the tables name, as its own library saves it, and what `net` says of the images."""
    folder = tmp_path_factory.mktemp("workplace")
    for name, text in OWN_FILES.items():
        (folder / name).write_text(text)
    spec = importlib.util.spec_from_file_location("own_net", folder / "net.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    net = module.Net().eval()
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 224, 224, 3), dtype=np.uint8)
    pixels //= np.arange(1, IMAGES + 1, dtype=np.uint8)[:, None, None, None]  # so that they are told apart
    labels = np.repeat(np.arange(3), IMAGES // 3)
    with torch.no_grad():
        logits = net((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25)
    made = SimpleNamespace(folder=folder, net=net, module=module, pixels=pixels, labels=labels, logits=logits.numpy())
    save_images(made)
    save_models(made)
    save_weights(made)
    save_predictions(made)
    save_logs(made)
    return made


def save_images(made):
    for root in ("photos/test", "photos/train", "classes"):
        for number, label in enumerate(made.labels):
            save(Image.fromarray(made.pixels[number]), made.folder / root / CLASSES[label] / f"{number:02}.png")
    names = [f"photos/test/{CLASSES[label]}/{number:02}.png" for number, label in enumerate(made.labels)]
    pd.DataFrame({"path": names, "label": [CLASSES[label] for label in made.labels]}).to_csv(
        made.folder / "photos.csv", index=False
    )
    made.paths = names
    np.savez(made.folder / "photos.npz", test_images=made.pixels, test_labels=made.labels[:, None])
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(CLASSES))})
    rows = {"image": [Image.fromarray(image) for image in made.pixels], "label": made.labels.tolist()}
    datasets.DatasetDict({"test": datasets.Dataset.from_dict(rows, features)}).save_to_disk(made.folder / "hub")


def save_models(made):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.save(resnet18(num_classes=3).state_dict(), made.folder / "resnet18.pth")
    save_file(timm.create_model("resnet18", num_classes=3).state_dict(), made.folder / "resnet18.safetensors")
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=224, patch_size=32,
        id2label=dict(enumerate(CLASSES)), label2id={name: code for code, name in enumerate(CLASSES)},
    )  # fmt: skip
    transformers.ViTForImageClassification(config).save_pretrained(made.folder / "vit")
    transformers.ViTImageProcessor().save_pretrained(made.folder / "vit")
    small = timm.create_model("test_resnet", num_classes=3)
    timm.models.save_for_hf(small, made.folder / "saved", model_config={"label_names": list(CLASSES)})
    example = torch.zeros(2, 3, 224, 224)
    exported = torch.export.export(made.net, (example,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    torch.export.save(exported, made.folder / "net.pt2")


def save_weights(made):
    weights = made.net.state_dict()
    torch.save(weights, made.folder / "net.pt")
    sys.modules["own_net"] = made.module  # as in the program that saves it
    torch.save(made.net, made.folder / "whole.pt")
    del sys.modules["own_net"]
    parallel = {f"module.{name}": value for name, value in weights.items()}
    torch.save({"net": parallel, "acc": 100 * accuracy(made), "epoch": 3}, made.folder / "cifar.pth")
    torch.save(
        {"state_dict": {f"model.{name}": value for name, value in weights.items()}, "pytorch-lightning_version": "2.6"},
        made.folder / "lightning.ckpt",
    )
    averaged = AveragedModel(made.net).state_dict()
    raw = {name: torch.zeros_like(value) for name, value in weights.items()}
    torch.save({"model": raw, "model_ema": averaged}, made.folder / "ema.pt")
    torch.save(DataParallel(torch.compile(made.net)).state_dict(), made.folder / "parallel.pt")


def save_predictions(made):
    shares = torch.from_numpy(made.logits).softmax(dim=1).numpy()
    table = pd.DataFrame({"path": made.paths, "label": [CLASSES[label] for label in made.labels]})
    predicted = [CLASSES[code] for code in made.logits.argmax(axis=1)]
    scores = table.assign(**{f"prob_{name}": shares[:, code] for code, name in enumerate(CLASSES)})
    scores.to_csv(made.folder / "scores.csv", index=False)
    scores.to_parquet(made.folder / "scores.parquet")
    table.assign(predicted=predicted).to_csv(made.folder / "classes.csv", index=False)
    np.save(made.folder / "scores.npy", made.logits)


def save_logs(made):
    """Two epochs each, with a test accuracy of 0.5 and 0.75. How the libraries really write is tested with the logs."""
    folder = made.folder
    (folder / "lightning.csv").write_text(
        "epoch,step,train_loss,val_acc\n0,9,1.0,\n0,9,,0.5\n1,19,0.5,\n1,19,,0.75\n", encoding="utf-8"
    )
    (folder / "keras.csv").write_text("epoch,accuracy,loss,val_accuracy,val_loss\n0,.4,1,.5,2\n1,.6,.5,.75,1\n")
    (folder / "summary.csv").write_text("epoch,train_loss,eval_loss,eval_top1,eval_top5\n0,1,2,50,90\n1,.5,1,75,95\n")
    history = [{"epoch": 1.0, "eval_accuracy": 0.5, "step": 3}, {"epoch": 2.0, "eval_accuracy": 0.75, "step": 6}]
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    with SummaryWriter(folder / "events") as writer:
        for epoch, share in enumerate((0.5, 0.75)):
            writer.add_scalar("val/accuracy", share, epoch)
    (folder / "wandb.csv").write_text('"epoch","mine - val_acc","mine - val_acc__MIN"\n1,0.5,0.5\n2,0.75,0.75\n')


def accuracy(made):
    return float((made.logits.argmax(axis=1) == made.labels).mean())


@pytest.fixture
def typed(workplace, tmp_path, monkeypatch):
    """Type `sightline evaluate LINE`; returns the run."""
    monkeypatch.chdir(workplace.folder)
    monkeypatch.setenv("SIGHTLINE_DATA", str(tmp_path / "data"))

    def run(line):
        words = ["sightline evaluate", *shlex.split(line), "--run", str(tmp_path / "run"), "--device", "cpu"]
        monkeypatch.setattr(sys, "argv", words)
        evaluate.main()
        return Run(tmp_path / "run")

    return run


def agrees(run, made):
    """Whether the run is complete, with the predictions of the network itself."""
    predictions = run.predictions()
    assert run.state == "complete" and predictions.column("label").tolist() == made.labels.tolist()
    assert predictions.column("predicted").tolist() == made.logits.argmax(axis=1).tolist()
    return True


def test_the_page_has_its_tables():
    counts = {option: len(lines(option)) for option in ("--model", "--weights", "--dataset", "--predictions", "--log")}
    assert counts == {"--model": 6, "--weights": 6, "--dataset": 8, "--predictions": 4, "--log": 6}


@pytest.mark.parametrize("line", lines("--model"))
def test_a_model(line, typed, workplace):
    run = typed(f"{line} --dataset folder:photos")
    assert run.state == "complete" and run.record.class_names == CLASSES and run.record.layers
    assert not line.startswith("--model net") or agrees(run, workplace)


@pytest.mark.parametrize("line", lines("--weights"))
def test_weights(line, typed, workplace, capsys):
    assert agrees(typed(f"{NET} --dataset folder:photos {line}"), workplace)
    assert "claimed" not in capsys.readouterr().err  # the one claim, of cifar.pth, is right


@pytest.mark.parametrize("line", lines("--dataset"))
def test_images(line, typed, workplace):
    if "planted" in line:  # of other classes, and with masks
        torch.save(build_model("resnet18_narrow", 10).state_dict(), workplace.folder / "narrow.pt")
        run = typed(f"--model resnet18_narrow --weights narrow.pt {NORMAL} {line}")
        assert run.state == "complete" and run.masks().shape == (2000, 32, 32)
        return
    names = "" if "npz" not in line else "--classes classes.txt"
    (workplace.folder / "classes.txt").write_text("\n".join(CLASSES))
    run = typed(f"{NET} --weights net.pt {line} {names}")
    assert agrees(run, workplace) and run.record.class_names == CLASSES and run.record.resize == CROP
    wrong = np.flatnonzero(run.predictions().wrong)[:1].tolist() or [0]
    assert np.array_equal(run.model_images(wrong), workplace.pixels[wrong])


@pytest.mark.parametrize("line", lines("--predictions"))
def test_predictions(line, typed, workplace):
    run = typed(f"{line} --classes classes.txt" if "npy" in line else line)
    assert agrees(run, workplace) and run.record.network == "none" and "--model" in run.record.without_network


@pytest.mark.parametrize("line", lines("--log"))
def test_a_log(line, typed):
    run = typed(line)
    assert run.state == "complete" and run.record.curves_only
    assert [(epoch.epoch, epoch.test_accuracy) for epoch in run.metrics()] == [(1, 0.5), (2, 0.75)]


def test_a_log_beside_a_model(typed, workplace):
    run = typed(f"{NET} --weights net.pt --dataset folder:photos --log keras.csv")
    assert agrees(run, workplace) and [epoch.train_loss for epoch in run.metrics()] == [1.0, 0.5]


def test_a_claim_that_is_not_reached_is_said_loudly(typed, workplace, capsys):
    typed(f"{NET} --weights net.pt --dataset folder:photos --claimed-accuracy {1 - accuracy(workplace) / 2}")
    assert "was claimed" in capsys.readouterr().err


def test_a_network_that_is_no_module_of_torch_is_told_the_way_in(typed, workplace):
    (workplace.folder / "net.onnx").write_bytes(b"\x08\x07\x12\x07pytorch")
    with pytest.raises(SystemExit, match="--predictions"):
        typed(f"--model net.onnx --dataset folder:photos {NORMAL}")
