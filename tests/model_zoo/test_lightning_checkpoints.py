"""Checkpoints as Lightning's own Trainer writes them, with anything in their hyper-parameters."""

import argparse
import enum
import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from sightline.model_zoo import load_weights, read_weights


class Kind(enum.Enum):
    SMALL = 1


@dataclass
class Own:
    rate: float = 0.1
    sizes: list = field(default_factory=lambda: [1, 2])


class Config:
    """Is laid out as OmegaConf's DictConfig: it holds its content, and a parent that is itself."""

    def __init__(self):
        self.__dict__["_content"], self.__dict__["_parent"] = {"rate": Own()}, self


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


HYPER = {
    "config": Config(), "options": argparse.Namespace(rate=0.1, data=Path("data")), "path": Path("data"),
    "array": np.arange(3), "number": np.float64(0.1), "kind": Kind.SMALL, "own": Own(), "function": torch.relu,
    "class_names": ["dog", "cat", "owl"], "class_weights": torch.ones(3), "loss": nn.CrossEntropyLoss(),
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A module that was trained for two epochs, and the folder of its checkpoints: last, best and averaged ones."""
    import lightning
    from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
    from torchmetrics import Accuracy

    class Lit(lightning.LightningModule):
        def __init__(self, **hyper):
            super().__init__()
            self.save_hyperparameters()
            self.net = network()
            self.accuracy = Accuracy(task="multiclass", num_classes=3)
            self.loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]))

        def training_step(self, batch, _):
            return self.loss(self.net(batch[0]), batch[1])

        def validation_step(self, batch, _):
            self.log("val_acc", self.accuracy(self.net(batch[0]), batch[1]))

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), 0.1)

    torch.manual_seed(0)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    folder = tmp_path_factory.mktemp("lightning")
    data = DataLoader(TensorDataset(torch.rand(6, 3, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])), 6)
    module = Lit(**HYPER)
    best = ModelCheckpoint(folder, "best", monitor="val_acc", mode="max", save_weights_only=False)
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[best, EMAWeightAveraging(decay=0.5)],
    )
    trainer.fit(module, data, data)
    trainer.save_checkpoint(folder / "last.ckpt")
    trainer.save_checkpoint(folder / "weights.ckpt", weights_only=True)
    return module, folder


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["last.ckpt", "weights.ckpt"])
def test_a_checkpoint_of_lightning_gives_its_network(trained, name):
    module, folder = trained
    found, own = read_weights(folder / name), network()
    assert load_weights(own, found, 3, "x") == (
        "Read from 'state_dict' in the file. The names begin with 'net.' there. 1 others were left out: loss.weight."
    )
    theirs = torch.load(folder / name, weights_only=False)["state_dict"]  # averaged, at the end of the training
    assert all(torch.equal(value, theirs[f"net.{name}"]) for name, value in own.state_dict().items())
    assert found.class_names == ("dog", "cat", "owl")


@pytest.mark.filterwarnings("ignore")
def test_its_claim_is_what_was_monitored_for_this_file(trained):
    _, folder = trained
    claimed = read_weights(folder / "best.ckpt").claimed_accuracy
    (state,) = (
        state
        for state in torch.load(folder / "best.ckpt", weights_only=False)["callbacks"].values()
        if "monitor" in state
    )
    assert 0 < claimed < 1 and claimed == pytest.approx(
        state["best_k_models"][str(folder / "best.ckpt")].item(), abs=1e-6
    )
