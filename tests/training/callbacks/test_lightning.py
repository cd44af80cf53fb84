"""A training by the real Lightning becomes a run."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from sightline.model_zoo import normalize
from sightline.run_store.run import Run
from tests.training.callbacks.trained import HALF, QUARTER, check_run

lightning = pytest.importorskip("lightning", reason="Lightning is not installed: pip install -r requirements-dev.txt")


@pytest.fixture
def module():
    """A small network, which logs figures that are known beforehand."""

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
            self.head = nn.Linear(8, 10)

        def forward(self, images):
            return self.head(self.features(images).mean((2, 3)))

        def training_step(self, batch, _):
            self.log("train_loss", 2.0 / (self.current_epoch + 1), on_epoch=True, on_step=False)
            return nn.functional.cross_entropy(self(batch[0]), batch[1])

        def validation_step(self, batch, _):
            self.log("val_acc", (self(batch[0]).argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), 0.5)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.1)]

    torch.manual_seed(0)
    return Module()


def fit(module, data, callback, epochs=2):
    loaders = [
        DataLoader(TensorDataset(normalize(split.images, HALF, QUARTER), torch.from_numpy(split.labels)), 16)
        for split in (data.train, data.test)
    ]
    trainer = lightning.Trainer(
        max_epochs=epochs, callbacks=[callback], logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    trainer.fit(module, *loaders)


@pytest.mark.filterwarnings("ignore")
def test_its_epochs_are_the_curves_and_its_module_is_kept(module, tiny_data, tmp_path):
    from sightline import LightningCallback

    names = tiny_data.test.class_names
    fit(module, tiny_data, LightningCallback(tmp_path / "run", classes=names, mean=HALF, std=QUARTER))
    run = Run(tmp_path / "run")
    epochs = run.metrics()
    assert [epoch.train_loss for epoch in epochs] == [2, 1]
    assert [epoch.learning_rate for epoch in epochs] == pytest.approx([0.5, 0.05])
    assert all(epoch.seconds > 0 for epoch in epochs)
    check_run(run, tiny_data.test, module.eval().cpu())
    assert "features.0" in dict(run.load_model().named_modules())


@pytest.mark.filterwarnings("ignore")
def test_a_training_that_fails_leaves_a_run_that_says_so(module, tiny_data, tmp_path):
    from sightline import LightningCallback

    def fail(*_):
        raise RuntimeError("the loss is no number")

    module.training_step = fail
    with pytest.raises(RuntimeError, match="the loss is no number"):
        fit(module, tiny_data, LightningCallback(tmp_path / "run"))
    run = Run(tmp_path / "run")
    assert run.state == "failed" and "the loss is no number" in run.record.reason


@pytest.mark.filterwarnings("ignore")
def test_other_images_and_a_part_of_the_module_may_be_given(module, tiny_data, tmp_path):
    from sightline import LightningCallback

    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, images):
            return self.inner(images)[:, :3]

    rows = np.flatnonzero(tiny_data.test.labels < 3)
    data = (tiny_data.test.images[rows], tiny_data.test.labels[rows])
    options = {"model": Part(), "classes": tiny_data.test.class_names[:3], "mean": HALF, "std": QUARTER}
    fit(module, tiny_data, LightningCallback(tmp_path / "run", data, **options), epochs=1)
    run = Run(tmp_path / "run")
    assert len(run.images()) == len(rows) and len(run.record.class_names) == 3
