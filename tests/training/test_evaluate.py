"""Predictions written again from a run's weights, and when that is refused."""

import json
import shutil
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn import functional

from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.evaluate import EvaluateConfig, evaluate, main
from sightline.training.inference import infer
from sightline.training.recipe import TrainConfig
from sightline.training.train import train

pytestmark = pytest.mark.usefixtures("data_dir")
WRITTEN = ("predictions.parquet", "images.npy", "features.npy")


def fill_with_other_bytes(file):
    file.write_bytes(np.random.default_rng(0).bytes(5000))


def edit_record(path, **changes):
    content = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(content | changes))


def test_the_model_sees_each_image_normalised_in_eval_mode_whatever_the_batch(tiny_run, tiny_data):
    run = Run(tiny_run)
    model = run.load_model()
    with torch.no_grad():
        expected = model(run.to_input(tiny_data.test.images))
    model.train()
    logits, features = infer(model, tiny_data.test.images, run.record.mean, run.record.std, "fc", batch_size=7)
    assert model.training and not model.fc._forward_pre_hooks
    assert (logits.dtype, logits.shape, features.shape) == (np.float32, (64, 10), (64, 128))
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    head = model.fc  # the features are what it turns into the logits
    np.testing.assert_allclose(features @ head.weight.numpy().T + head.bias.numpy(), expected, atol=1e-4)


def test_the_model_sees_reduced_images_on_request(tiny_run, tiny_data):
    run = Run(tiny_run)
    model, images = run.load_model(), tiny_data.test.images
    with torch.no_grad():
        reduced = functional.interpolate(run.to_input(images), (16, 16), mode="bilinear", antialias=True)
        expected = model(reduced)
    logits, _ = infer(model, images, run.record.mean, run.record.std, "fc", side=16)
    np.testing.assert_allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), fill_with_other_bytes], ids=["deleted", "other bytes"])
def test_lost_and_damaged_files_are_restored(tiny_run, tiny_run_copy, damage):
    for name in WRITTEN:
        damage(tiny_run_copy / name)
    assert Run(tiny_run_copy).state == "damaged"
    sentence = evaluate(EvaluateConfig(tiny_run_copy, device="cpu"))
    expected = Run(tiny_run).predictions()
    assert sentence == f"tiny: {expected.accuracy:.2%} of 64 test images right."
    assert Run(tiny_run_copy).state == "complete"
    restored = Run(tiny_run_copy).predictions()
    assert restored.table["predicted"].equals(expected.table["predicted"])
    np.testing.assert_allclose(restored.column("loss"), expected.column("loss"), rtol=1e-4)
    assert np.array_equal(Run(tiny_run_copy).images(), Run(tiny_run).images())
    np.testing.assert_allclose(Run(tiny_run_copy).features(), Run(tiny_run).features(), rtol=1e-2, atol=1e-3)


def test_a_figure_that_differs_from_the_metrics_is_said(tiny_run_copy):
    header, first, last = (tiny_run_copy / "metrics.csv").read_text().splitlines()
    cells = last.split(",")
    cells[4] = "0.96875"
    (tiny_run_copy / "metrics.csv").write_text("\n".join([header, first, ",".join(cells), ""]))
    sentence = evaluate(EvaluateConfig(tiny_run_copy, device="cpu"))
    assert "metrics.csv says 96.88% for the last epoch: the weights or the arithmetic have changed" in sentence


@pytest.mark.parametrize(
    "accuracy, said",
    [
        ("", "of 64 test images right."),
        (
            "0.5",
            "metrics.csv says 50.00% for the last epoch: it may be of other images, or these weights of another epoch.",
        ),
    ],
)
def test_the_log_of_a_foreign_run_is_compared_where_it_has_a_test_accuracy(tiny_run_copy, accuracy, said):
    recipe = {**Run(tiny_run_copy).record.recipe, "weights": "net.pt"}
    edit_record(tiny_run_copy, recipe=recipe)
    file = tiny_run_copy / "metrics.csv"
    file.write_text(f"{file.read_text().splitlines()[0]}\n1,2,,2,{accuracy},,\n")
    assert evaluate(EvaluateConfig(tiny_run_copy, device="cpu")).endswith(said)


def test_damaged_metrics_do_not_keep_the_predictions_from_being_restored(tiny_run_copy):
    (tiny_run_copy / "metrics.csv").write_text("nothing\n")
    (tiny_run_copy / "predictions.parquet").unlink()
    assert "could not be compared: Run tiny: metrics.csv does not start" in evaluate(
        EvaluateConfig(tiny_run_copy, device="cpu")
    )
    assert Run(tiny_run_copy).state == "complete"


def test_a_test_split_that_changed_is_refused_and_nothing_is_written(tiny_run_copy, tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "changed")
    first, second = sorted((folder / "test" / "star").iterdir())[:2]
    shutil.copy(first, second)
    edit_record(tiny_run_copy, dataset=f"folder:{folder}")
    before = (tiny_run_copy / "predictions.parquet").read_bytes()
    with pytest.raises(RunError, match="not the one that run tiny was trained with; restore it first"):
        evaluate(EvaluateConfig(tiny_run_copy))
    assert (tiny_run_copy / "predictions.parquet").read_bytes() == before


def test_a_run_judged_on_held_out_images_is_evaluated_on_them_again(tiny_folder, tmp_path):
    options = {"model": "resnet18_narrow", "epochs": 1, "batch_size": 32, "held_out": 28, "threads": 1}
    run = Run(train(TrainConfig(dataset=f"folder:{tiny_folder}", run=tmp_path / "run", **options)))
    assert run.record.image_counts == {"train": 100, "test": 28}
    assert evaluate(EvaluateConfig(run=run.path)).endswith("of 28 test images right.")


def test_a_run_that_is_being_written_is_refused(tiny_run_copy):
    with (
        RunWriter.reopen(tiny_run_copy, Run(tiny_run_copy).record),
        pytest.raises(RunError, match="Another process is writing"),
    ):
        evaluate(EvaluateConfig(tiny_run_copy))


def test_a_run_without_weights_is_refused(tiny_run_copy):
    (tiny_run_copy / "model.safetensors").unlink()
    with pytest.raises(RunError, match="lost its model.safetensors. Train the run again"):
        evaluate(EvaluateConfig(tiny_run_copy))


def test_a_full_disk_is_a_sentence_and_keeps_the_old_predictions(tiny_run_copy, monkeypatch):
    def disk_full(*_):
        raise OSError(28, "No space left on device")

    before = pq.read_table(tiny_run_copy / "predictions.parquet")
    monkeypatch.setattr("sightline.run_store.files.os.fsync", disk_full)
    with pytest.raises(RunError, match="could not be written: No space left on device"):
        evaluate(EvaluateConfig(tiny_run_copy, device="cpu"))
    assert pq.read_table(tiny_run_copy / "predictions.parquet").equals(before)
    assert Run(tiny_run_copy).state == "complete"


def test_whatever_is_raised_is_a_sentence_and_keeps_the_old_predictions(tiny_run_copy, monkeypatch):
    def fail(*_, **__):
        raise ValueError("odd")

    monkeypatch.setattr("sightline.training.inference.infer", fail)
    with pytest.raises(RunError, match="could not be written: ValueError: odd; SIGHTLINE_DEBUG=1 shows where"):
        evaluate(EvaluateConfig(tiny_run_copy, device="cpu"))
    assert Run(tiny_run_copy).state == "complete"


@pytest.mark.parametrize("path", ["nowhere", "file/below"])
def test_the_command_says_in_one_sentence_that_there_is_no_run(tmp_path, monkeypatch, path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(sys, "argv", ["evaluate", "--run", str(tmp_path / path)])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code.startswith("Error: Run ") and "run.json is missing" in exit.value.code


def test_the_command_prints_its_sentence(tiny_run_copy, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluate", "--run", str(tiny_run_copy), "--device", "cpu"])
    main()
    assert capsys.readouterr().out.startswith("tiny: ")


def test_ctrl_c_is_no_traceback(tiny_run_copy, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sightline.training.inference.infer", interrupt)
    monkeypatch.setattr(sys, "argv", ["evaluate", "--run", str(tiny_run_copy)])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 130 and "Interrupted" in capsys.readouterr().err
