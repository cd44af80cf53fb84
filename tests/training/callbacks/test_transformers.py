"""A training by the real Trainer of transformers becomes a run."""

import pytest
import torch

from sightline.model_zoo import normalize
from sightline.run_store.run import Run
from tests.training.callbacks.trained import HALF, QUARTER, check_run

transformers = pytest.importorskip("transformers", reason="transformers is not installed: see requirements-dev.txt")


class Processed(torch.utils.data.Dataset):
    """Images as an image processor leaves them."""

    def __init__(self, split):
        self.images, self.labels = normalize(split.images, HALF, QUARTER), split.labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, row):
        return {"pixel_values": self.images[row], "labels": int(self.labels[row])}


@pytest.mark.filterwarnings("ignore")
def test_its_epochs_are_the_curves_and_its_model_is_kept(tiny_data, tmp_path):
    from sightline import TransformersCallback

    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.ViTConfig(**shape, image_size=32, patch_size=8, num_labels=10)
    model = transformers.ViTForImageClassification(config)
    processor = transformers.ViTImageProcessor(
        size={"height": 32, "width": 32}, image_mean=list(HALF), image_std=list(QUARTER)
    )
    arguments = transformers.TrainingArguments(
        tmp_path / "trainer", num_train_epochs=2, eval_strategy="epoch", logging_strategy="epoch", save_strategy="no",
        report_to=[], disable_tqdm=True, use_cpu=True, learning_rate=0.001, lr_scheduler_type="constant",
    )  # fmt: skip
    callback = TransformersCallback(tmp_path / "run", classes=tiny_data.test.class_names)
    trainer = transformers.Trainer(
        model, arguments, train_dataset=Processed(tiny_data.train), eval_dataset=Processed(tiny_data.test),
        processing_class=processor, callbacks=[callback],
        compute_metrics=lambda said: {"accuracy": float((said.predictions.argmax(1) == said.label_ids).mean())},
    )  # fmt: skip
    trainer.train()
    trainer.evaluate()  # comes after the end of the training, and changes nothing
    run = Run(tmp_path / "run")
    epochs, history = run.metrics(), trainer.state.log_history
    for figure, name in (("train_loss", "loss"), ("test_loss", "eval_loss")):
        said = [line[name] for line in history if name in line][:2]
        assert [getattr(epoch, figure) for epoch in epochs] == pytest.approx(said)
    assert [epoch.epoch for epoch in epochs] == [1, 2]
    assert [epoch.learning_rate for epoch in epochs] == pytest.approx([0.001] * 2)
    check_run(run, tiny_data.test, lambda images: model.eval()(images).logits)
