"""A training by the real Keras becomes a run: with its network where Keras runs in torch."""

import os

import numpy as np
import pytest
import torch

from sightline.run_store.run import Run
from tests.training.callbacks.trained import check_run

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="Keras is not installed: pip install -r requirements-dev.txt")
AS_PIXELS = (0, 0, 0), (1 / 255,) * 3  # mean and std, where a model takes 0–255


def sequential():
    return keras.Sequential([
        keras.Input((32, 32, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.BatchNormalization(), keras.layers.MaxPooling2D(), keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dropout(0.5), keras.layers.Dense(10, activation="softmax"),
    ])  # fmt: skip


def branched():
    """With a model in it, a layer that is used twice, and a name that modules of torch have too."""
    inner = keras.Sequential([keras.Input((16, 16, 8)), keras.layers.Conv2D(8, 3, padding="same")], name="inner")
    images = keras.Input((32, 32, 3))
    first = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="half")(images / 255)
    twice = inner(inner(first))
    added = keras.ops.relu(keras.layers.Add()([first, twice]))
    return keras.Model(images, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(added)))


class OwnCall(keras.Model):
    def __init__(self):
        super().__init__()
        self.pool, self.head = keras.layers.AveragePooling2D(8), keras.layers.Dense(10)
        self.flat = keras.layers.Flatten()

    def call(self, images):
        return self.head(self.flat(self.pool(images / 255)))


def fit(model, data, callback):
    keras.utils.set_random_seed(0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=not isinstance(model, keras.Sequential))
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    images, labels = (data.train.images[:].astype("float32"), data.train.labels)
    test = (data.test.images[:].astype("float32"), data.test.labels)
    return model.fit(images, labels, validation_data=test, epochs=2, callbacks=[callback], verbose=0).history


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras was started with another backend")
@pytest.mark.parametrize("build", [sequential, branched])
def test_its_epochs_are_the_curves_and_its_layers_are_kept(build, tiny_data, tmp_path):
    from sightline import KerasCallback

    model, data = build(), (tiny_data.test.images[:], tiny_data.test.labels)
    said = fit(model, tiny_data, KerasCallback(tmp_path / "run", data, classes=tiny_data.test.class_names))
    run = Run(tmp_path / "run")
    epochs = run.metrics()
    for figure, name in (("train_loss", "loss"), ("train_accuracy", "accuracy"), ("test_accuracy", "val_accuracy")):
        assert [getattr(epoch, figure) for epoch in epochs] == pytest.approx(said[name], abs=1e-6)
    assert [epoch.learning_rate for epoch in epochs] == pytest.approx([0.1, 0.1])
    is_probability = build is sequential

    def network(images):
        answer = model(images.movedim(1, -1), training=False)
        return answer.log() if is_probability else answer

    check_run(run, tiny_data.test, network, *AS_PIXELS)
    names = {layer.name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)}
    names = {"half_" if name == "half" else name for name in names}  # which no module of torch may be called
    assert {f"model.{name}" for name in names} <= dict(run.load_model().named_modules()).keys()
    assert all(variable.value.requires_grad for variable in model.trainable_variables)  # goes on to be trained


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras was started with another backend")
def test_a_model_with_a_call_of_its_own_has_its_predictions(tiny_data, tmp_path):
    from sightline import KerasCallback

    model, data = OwnCall(), (tiny_data.test.images[:], tiny_data.test.labels)
    fit(model, tiny_data, KerasCallback(tmp_path / "run", data, classes=tiny_data.test.class_names))
    run = Run(tmp_path / "run")
    assert run.state == "complete" and run.record.network == "none"
    with torch.no_grad():
        logits = model(tiny_data.test.images[:].astype("float32")).numpy(force=True)
    np.testing.assert_array_equal(run.predictions().column("predicted"), logits.argmax(1))
