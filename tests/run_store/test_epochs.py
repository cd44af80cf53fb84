"""A run as it was after an epoch: its predictions, its network, and what of the last weights is not shown with them."""

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from sightline.run_store import files
from sightline.run_store.culprits import read_culprits
from sightline.run_store.epochs import kept_epochs, learning_columns, predictions_after
from sightline.run_store.history import History, no_history
from sightline.run_store.maps import MapsWriter, read_map, stored_kinds
from sightline.run_store.patterns import read_patterns
from sightline.run_store.predictions import FORGOTTEN, LEARNED_AT, NEVER_LEARNED, Filter
from sightline.run_store.quality import read_quality
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from tests.histories import CONFIDENCE, PREDICTED, WRONG_AFTER, keep_history, keep_weights


@pytest.fixture
def path(fabricated, tmp_path):
    """The folder of a run with a history of four epochs."""
    path = Path(shutil.copytree(fabricated, tmp_path / "run"))
    keep_history(path)
    return path


def logits_of(network, run):
    return network(run.to_input(run.images()[:]))


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_after_an_epoch_the_predictions_are_those_of_the_history_and_nothing_else_is_known(path, epoch):
    found = Run(path, epoch=epoch).predictions()
    assert found.column("predicted").tolist() == PREDICTED[epoch - 1].tolist()
    assert found.column("confidence").tolist() == CONFIDENCE[epoch - 1].tolist()
    assert np.flatnonzero(found.wrong).tolist() == WRONG_AFTER[epoch]
    assert found.probabilities is None
    assert all(np.isnan(found.column(name)).all() for name in ("margin", "loss", "entropy"))
    assert found.orders == ("most confident first", "least confident first", "test order")


def test_paths_and_foreign_columns_are_kept(path):
    table = pq.read_table(path / files.PREDICTIONS)
    for name, values in (
        ("path", [f"{row}.png" for row in range(12)]),
        ("angle", range(12)),
        ("camera", ["left"] * 12),
    ):
        table = table.append_column(name, pa.array(values))
    pq.write_table(table, path / files.PREDICTIONS)
    last, found = Run(path).predictions(), Run(path, epoch=2).predictions()
    assert found.scalars.column_names == last.scalars.column_names and found.class_names == last.class_names
    for name in ("index", "label", "path", "angle", "camera"):
        assert found.column(name).tolist() == last.column(name).tolist()


def test_after_the_last_epoch_it_is_the_run_itself(path):
    last, found = Run(path), Run(path, epoch=4)
    assert found.predictions().scalars.equals(last.predictions().scalars)
    assert np.array_equal(found.predictions().probabilities, last.predictions().probabilities)
    assert torch.equal(logits_of(found.load_model(), last), logits_of(last.load_model(), last))


@pytest.mark.parametrize(
    ("epoch", "said"),
    [(5, "Run run: its history has no epoch 5; its epochs go from 1 to 4."), (0, "its history has no epoch 0")],
)
def test_an_epoch_that_the_history_does_not_have_is_named(path, epoch, said):
    with pytest.raises(RunError, match=said):
        Run(path, epoch=epoch).predictions()


def test_where_nothing_was_kept_a_sentence_says_so(path):
    (path / files.HISTORY).unlink()
    run = Run(path, epoch=2)
    assert run.history() is None and run.state == "complete"
    with pytest.raises(RunError, match="Run run: what its images were taken for after epoch 2 was not kept"):
        run.predictions()
    with pytest.raises(RunError, match="Run run: its history has no epoch 1; it has none yet"):
        predictions_after("run", Run(path).predictions(), no_history(12), 1)


def test_a_history_that_is_damaged_costs_the_run_neither_its_state_nor_its_predictions(path):
    content = (path / files.HISTORY).read_bytes()
    (path / files.HISTORY).write_bytes(content[: len(content) // 2])
    run = Run(path, epoch=2)
    assert run.state == "complete" and Run(path).predictions().wrong.sum() == 3
    with pytest.raises(RunError, match=r"Run run: history.npz .*Remove it: the run then has no history"):
        run.predictions()


def test_the_network_is_that_of_the_epoch_whose_weights_were_kept(path):
    networks = {epoch: keep_weights(path, epoch) for epoch in (1, 3)}
    run = Run(path)
    for epoch, network in networks.items():
        opened = Run(path, epoch=epoch).load_model()
        assert torch.equal(logits_of(opened, run), logits_of(network, run))
        assert not opened.training and not any(weights.requires_grad for weights in opened.parameters())
    assert not torch.equal(logits_of(networks[1], run), logits_of(run.load_model(), run))


def test_where_no_weights_of_an_epoch_were_kept_a_sentence_says_how_to_keep_them(path):
    keep_weights(path, 1)
    with pytest.raises(RunError, match=r"Run run: the weights of epoch 2 were not kept\. .*train --keep-epochs N"):
        Run(path, epoch=2).load_model()


def test_weights_of_another_network_are_refused_by_their_name(path):
    keep_weights(path, 1)
    (path / files.epoch_weights(1)).write_bytes(b"weights")
    with pytest.raises(RunError, match=r"Run run: epochs/1.safetensors .*Train the run again"):
        Run(path, epoch=1).load_model()


def test_kept_epochs_are_those_that_have_a_file_of_weights(path):
    assert kept_epochs(path) == ()
    for epoch in (10, 2):
        keep_weights(path, epoch)
    for name in ("3.txt", ".4.safetensors.12", "x.safetensors", "05.safetensors", "٣.safetensors", "9" * 200):
        (path / files.EPOCHS / name).touch()
    assert kept_epochs(path) == (2, 10)
    shutil.rmtree(path / files.EPOCHS)
    (path / files.EPOCHS).write_text("no folder")
    assert kept_epochs(path) == ()


def test_what_is_read_after_an_epoch_is_kept_under_another_key_and_what_is_the_same_under_the_same(path):
    keep_weights(path, 1)
    runs = [Run(path), Run(path, epoch=1), Run(path, epoch=2)]
    for reading in ("predictions", "maps"):
        assert Run(path).stamp(reading) != Run(path, epoch=1).stamp(reading)
    assert len({run.stamp("images") for run in runs}) == len({run.stamp("record") for run in runs}) == 1
    before = Run(path, epoch=1).stamp("maps")
    os.utime(path / files.epoch_weights(1), (1, 1))
    assert Run(path, epoch=1).stamp("maps") != before and Run(path, epoch=2).stamp("maps") == runs[2].stamp("maps")
    before = Run(path, epoch=1).stamp("predictions")
    os.utime(path / files.HISTORY, (1, 1))
    assert Run(path, epoch=1).stamp("predictions") != before


def test_maps_of_the_last_weights_are_none_of_an_epoch(path):
    run = Run(path)
    writer = MapsWriter(run, "gradcam", "layer4", "predicted", (1, 1))
    writer.write(np.arange(12), np.ones((12, 1, 1), np.float32))
    writer.finish()
    assert read_map(run, "gradcam", "layer4", "predicted", 0) is not None and stored_kinds(run)
    run = Run(path, epoch=2)
    assert read_map(run, "gradcam", "layer4", "predicted", 0) is None and stored_kinds(run) == {}


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (Run.features, "the features of its images"),
        (read_quality, "the verdicts on its maps"),
        (read_patterns, "the patterns among its mistakes"),
        (read_culprits, "the training images behind its mistakes"),
    ],
)
def test_what_is_of_the_last_weights_is_refused_in_a_sentence(path, read, what):
    read(Run(path))
    with pytest.raises(RunError, match=f"Run run: {what} are known of its last epoch only"):
        read(Run(path, epoch=2))


def test_when_images_were_learned_and_how_often_forgotten_are_columns():
    """Counted by hand, as Toneva et al. 2019 define it: forgotten is right after an epoch and wrong after the next."""
    labels = np.array([0, 0, 1, 1, 2])
    predicted = np.array([[0, 1, 0, 1, 0], [1, 0, 0, 0, 1], [0, 1, 0, 1, 0], [0, 0, 0, 0, 2]], np.int16)
    found = learning_columns(History(np.array([2, 4, 6, 9]), predicted, np.ones((4, 5), np.float16)), labels)
    assert found[LEARNED_AT].to_pylist()[:2] == [2, 4] and found[LEARNED_AT].to_pylist()[3:] == [2, 9]
    assert np.isnan(found[LEARNED_AT].to_pylist()[2])
    assert found[FORGOTTEN].to_pylist() == [1, 1, 0, 2, 0]
    assert found[NEVER_LEARNED].to_pylist() == ["no", "no", "yes", "no", "no"]
    assert learning_columns(no_history(5), labels) == {}


def test_images_are_ordered_by_when_they_were_learned_and_filtered_by_whether(path):
    run = Run(path)
    plain = run.predictions()
    found = plain.with_columns(learning_columns(run.history(), plain.column("label")))
    # Cats are right from the first epoch on, and image 10 too; the others from the second on, image 5 after none.
    assert found.select(Filter("all"), "learned last first").tolist() == [1, 2, 4, 7, 8, 11, 0, 3, 6, 9, 10, 5]
    assert found.select(Filter("all"), "most often forgotten first").tolist()[:3] == [10, 0, 1]
    assert found.select(Filter("all", columns=(("never learned", "yes"),))).tolist() == [5]
    assert {"learned at", "forgotten"} <= set(found.numbers) and found.words["never learned"].words == ("no", "yes")
    assert "learned last first" in found.orders and "learned last first" not in plain.orders
    assert plain.select(Filter("all"), "learned last first").tolist() == list(range(12))


def test_a_foreign_column_of_the_same_name_is_kept_and_breaks_no_order(path):
    table = pq.read_table(path / files.PREDICTIONS)
    pq.write_table(table.append_column("forgotten", pa.array(["umbrella"] * 12)), path / files.PREDICTIONS)
    run = Run(path)
    found = run.predictions().with_columns(learning_columns(run.history(), run.predictions().column("label")))
    assert found.words["forgotten"].words == ("umbrella",)
    assert "most often forgotten first" not in found.orders and "learned last first" in found.orders
