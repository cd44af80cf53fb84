"""Logs that the libraries themselves write, read back: the figures are compared with what the library was told."""

import os
import sys
from collections import OrderedDict

import numpy as np
import pytest
import torch
from tensorboard.summary import Writer
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.tensorboard import SummaryWriter

from sightline.training.logs.read_log import LogError, read_log
from tests.training.logs.test_read_log import columns_of

EPOCHS = 3
IMAGES, LABELS = torch.randn(32, 4, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 3


def read(path):
    epochs, notes = read_log(path)
    return columns_of(epochs), notes


def cross_entropy(network, images, labels):
    return torch.nn.functional.cross_entropy(network(images), labels)


@pytest.fixture(scope="module")
def lightning_folder(tmp_path_factory):
    """What two loggers of Lightning write, and the means that its module saw: of both folders and of each epoch."""
    lightning = pytest.importorskip("lightning", reason="the extra [lightning] is not installed")
    from lightning.pytorch.callbacks import LearningRateMonitor
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    seen = {"train_loss": [], "val_acc": []}

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = torch.nn.Linear(4, 3)

        def training_step(self, batch, _):
            loss = cross_entropy(self.network, *batch)
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch, _):
            right = self.network(batch[0]).argmax(1) == batch[1]
            self.log("val_acc", right.float().mean())

        def on_train_epoch_end(self):
            metrics = self.trainer.callback_metrics
            seen["train_loss"].append(float(metrics["train_loss_epoch"]))
            seen["val_acc"].append(float(metrics["val_acc"]))

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)]

    folder = tmp_path_factory.mktemp("lightning")
    batches = DataLoader(TensorDataset(IMAGES, LABELS), batch_size=8)
    trainer = lightning.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", logger=[CSVLogger(folder, "csv"), TensorBoardLogger(folder, "events")],
        callbacks=[LearningRateMonitor()], enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, log_every_n_steps=1, num_sanity_val_steps=0, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(Module(), batches, batches)
    return folder, seen


@pytest.mark.parametrize("log", ["csv/version_0/metrics.csv", "events", "events/version_0"])
def test_lightning(lightning_folder, log):
    folder, seen = lightning_folder
    columns, _ = read(folder / log)
    assert columns == {
        "epoch": [1, 2, 3],
        "train_loss": pytest.approx(seen["train_loss"], rel=1e-6),
        "test_accuracy": pytest.approx(seen["val_acc"], rel=1e-6),
        "learning_rate": pytest.approx([0.1, 0.05, 0.025]),
    }


def test_keras(tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="the extra [keras] is not installed")
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    network.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 * 0.5**epoch)
    images, labels = IMAGES.numpy(), LABELS.numpy()
    history = network.fit(
        images, labels, epochs=EPOCHS, validation_data=(images, labels), verbose=0,
        callbacks=[halve, keras.callbacks.CSVLogger(tmp_path / "log.csv")],
    ).history  # fmt: skip
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    figures = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    columns, _ = read(tmp_path / "log.csv")
    assert columns == {"epoch": [1, 2, 3], "learning_rate": pytest.approx([0.1, 0.05, 0.025])} | {
        figure: pytest.approx(history[name], rel=1e-5) for figure, name in zip(figures, names, strict=True)
    }


def test_transformers(tmp_path):
    transformers = pytest.importorskip("transformers", reason="the extra [hf] is not installed")
    pytest.importorskip("accelerate", reason="the extra [hf] is not installed")

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 3)

        def forward(self, x, labels):
            logits = self.layer(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    data = [{"x": image, "labels": label} for image, label in zip(IMAGES, LABELS, strict=True)]
    trainer = transformers.Trainer(
        Network(),
        transformers.TrainingArguments(
            str(tmp_path), num_train_epochs=EPOCHS, per_device_train_batch_size=8, logging_steps=2, use_cpu=True,
            eval_strategy="epoch", eval_on_start=True, save_strategy="no", report_to=[], disable_tqdm=True,
        ),
        train_dataset=data,
        eval_dataset=data,
        compute_metrics=lambda found: {"accuracy": np.mean(found.predictions.argmax(1) == found.label_ids)},
    )  # fmt: skip
    trainer.train()
    trainer.save_state()
    history = trainer.state.log_history
    losses = [line["loss"] for line in history if "loss" in line]  # two an epoch, of two steps each
    rates = [line["learning_rate"] for line in history if "learning_rate" in line]
    tested = [line for line in history if "eval_loss" in line][1:]  # without the look before the training
    columns, _ = read(tmp_path / "trainer_state.json")
    assert columns == {
        "epoch": [1, 2, 3],
        "train_loss": pytest.approx(np.reshape(losses, (EPOCHS, 2)).mean(axis=1).tolist()),
        "test_loss": pytest.approx([line["eval_loss"] for line in tested]),
        "test_accuracy": pytest.approx([line["eval_accuracy"] for line in tested]),
        "learning_rate": pytest.approx(rates[1::2]),
    }


def test_timm(tmp_path):
    from timm.utils import update_summary

    for epoch in range(EPOCHS):
        measured = OrderedDict(loss=2.0 - epoch, top1=40.0 + epoch, top5=90.0)
        update_summary(
            epoch,
            OrderedDict(loss=3.0 - epoch),
            measured,
            str(tmp_path / "summary.csv"),
            lr=0.1,
            write_header=epoch == 0,
        )
    columns, _ = read(tmp_path / "summary.csv")
    assert columns == {
        "epoch": [1, 2, 3], "train_loss": [3, 2, 1], "test_loss": [2, 1, 0],
        "test_accuracy": pytest.approx([0.4, 0.41, 0.42]), "learning_rate": [0.1] * 3,
    }  # fmt: skip


EXPECTED = {"epoch": [1, 2], "train_loss": [2.5, 0.5], "test_accuracy": [0.25, 0.75]}


def test_tensorboard_with_losses_of_batches_and_accuracies_of_epochs(tmp_path):
    with SummaryWriter(tmp_path) as events:
        for epoch in range(2):
            for batch, loss in enumerate((3 - 2 * epoch, 2 - 2 * epoch)):
                events.add_scalar("Loss/train", loss, 2 * epoch + batch)
            events.add_scalar("Accuracy/test", 0.25 + 0.5 * epoch, epoch)
            events.add_text("settings", "lr = 0.1", epoch)
    (file,) = tmp_path.iterdir()
    assert read(tmp_path)[0] == read(file)[0] == EXPECTED


def test_tensorboard_as_keras_writes_it_with_a_folder_for_each_split(tmp_path):
    for folder, tag, values in (("train", "epoch_loss", (2.5, 0.5)), ("validation", "epoch_accuracy", (0.25, 0.75))):
        events = Writer(str(tmp_path / folder))
        for epoch, value in enumerate(values):
            events.add_scalar(tag, value, epoch)
        events.close()
    assert read(tmp_path)[0] == EXPECTED


def test_a_folder_of_several_runs_of_tensorboard_is_refused_with_their_names(tmp_path):
    for name in ("resnet", "resnet_2"):
        with SummaryWriter(tmp_path / name) as events:
            events.add_scalar("loss/train", 1.0, 1)
    with pytest.raises(LogError, match="holds 2 runs: “resnet”, “resnet_2”; give a log of one"):
        read_log(tmp_path)
    assert read(tmp_path / "resnet")[0] == {"epoch": [1], "train_loss": [1]}


def test_a_damaged_event_file_keeps_what_was_whole(tmp_path):
    with SummaryWriter(tmp_path) as events:
        for epoch in (1, 2):
            events.add_scalar("loss/train", 1.0, epoch)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    assert read(file)[0] == {"epoch": [1], "train_loss": [1]}
    file.write_bytes(b"no event at all, but a text that is long enough")
    with pytest.raises(LogError, match="has no figures yet"):
        read_log(file)


def test_without_tensorboard_its_files_are_refused_with_the_package_that_reads_them(tmp_path, monkeypatch):
    with SummaryWriter(tmp_path) as events:
        events.add_scalar("loss/train", 1.0, 1)
    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing.event_file_loader", None)
    with pytest.raises(LogError, match="has to be installed to read it: pip install tensorboard"):
        read_log(tmp_path)
