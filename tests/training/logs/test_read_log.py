"""Logs of trainings elsewhere, written by hand here as programs write them; test_logs_of_libraries.py has real ones."""

import json
import math
import os

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sightline.run_store.metrics import METRICS_COLUMNS, Epoch, metrics_line, parse_metrics
from sightline.training.logs import rows
from sightline.training.logs.columns import understand
from sightline.training.logs.read_log import LogError, read_log


@pytest.fixture
def read(tmp_path):
    """Read a log of this text: by figure its values, without those that are not known; and the notes in one text."""

    def read_text(text, name="log.csv"):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        epochs, notes = read_log(file)
        return approximately(columns_of(epochs)), "\n".join(notes)

    return read_text


def columns_of(epochs):
    """By figure its values, None where one is not known; without figures that are never known."""
    columns = {name: [getattr(epoch, name) for epoch in epochs] for name in METRICS_COLUMNS}
    return {
        name: [None if math.isnan(value) else value for value in values]
        for name, values in columns.items()
        if not all(map(math.isnan, values))
    }


def approximately(columns):
    return {
        name: [value if value is None else pytest.approx(value) for value in values] for name, values in columns.items()
    }


WANDB = """"Step","resnet - val/acc","resnet - val/acc__MIN","resnet - val/acc__MAX"
0,0.3,0.2,0.9
1,0.5,0.2,0.9
"""
MMENGINE = """{"lr": 0.1, "data_time": 0.01, "loss": 2.4, "time": 0.05, "epoch": 1, "iter": 50, "step": 50}
{"lr": 0.1, "data_time": 0.01, "loss": 2.0, "time": 0.06, "epoch": 1, "iter": 100, "step": 100}
{"accuracy/top1": 40.5, "accuracy/top5": 80.0, "time": 0.03, "step": 1}
{"lr": 0.01, "data_time": 0.01, "loss": 1.3, "time": 0.05, "epoch": 2, "iter": 150, "step": 150}
{"accuracy/top1": 60.5, "accuracy/top5": 80.0, "time": 0.03, "step": 2}
"""
MMCV = """{"mmcv_version": "1.7", "seed": 3}
{"mode": "train", "epoch": 1, "iter": 50, "lr": 0.1, "loss": 2.0, "time": 0.1}
{"mode": "val", "epoch": 1, "iter": 10, "accuracy_top-1": 30.0, "accuracy_top-5": 80.0}
"""
ULTRALYTICS = """  epoch,  time,  train/loss,  metrics/accuracy_top1, metrics/accuracy_top5,  val/loss, lr/pg0, lr/pg1
1,10.5,2.3,0.3,0.8,2.1,0.01,0.02
2,20.8,2.0,0.4,0.8,1.9,0.01,0.02
3,31,1.9,0.5,0.8,1.8,0.01,0.02
"""
PYTORCH_CLASSIFICATION = "Learning Rate\tTrain Loss\tValid Loss\tTrain Acc.\tValid Acc.\t\n0.1\t2.0\t2.1\t20.5\t25\t\n"
FASTAI = "epoch,train_loss,valid_loss,accuracy,error_rate,time\n0,1.5,1.2,0.6,0.4,1:00:05\n1,1.2,1.1,0.65,0.35,01:12\n"
DEIT = (
    '{"train_lr": 0.001, "train_loss": 6.9, "test_loss": 6.5, "test_acc1": 0.5, "test_acc5": 2.5, "epoch": 0}\n'
    '{"train_lr": 0.001, "train_loss": 6.5, "test_loss": 6.3, "test_acc1": 1.5, "test_acc5": 4.5, "epoch": 1}\n'
)
LONG = "phase;epoch;loss;acc\ntrain;1;2,0;0,3\nval;1;2,1;0,25\ntrain;2;1,0;0,6\nval;2;1,5;0,5\n"


@pytest.mark.parametrize(
    "text, expected",
    [
        (WANDB, {"epoch": [1, 2], "test_accuracy": [0.3, 0.5]}),
        (MMENGINE, {"epoch": [1, 2], "train_loss": [2.2, 1.3], "test_accuracy": [0.405, 0.605],
                    "learning_rate": [0.1, 0.01]}),
        (MMCV, {"epoch": [1], "train_loss": [2.0], "test_accuracy": [0.3], "learning_rate": [0.1]}),
        (ULTRALYTICS, {"epoch": [1, 2, 3], "train_loss": [2.3, 2, 1.9], "test_loss": [2.1, 1.9, 1.8],
                       "test_accuracy": [0.3, 0.4, 0.5], "learning_rate": [0.01] * 3, "seconds": [10.5, 10.3, 10.2]}),
        (PYTORCH_CLASSIFICATION, {"epoch": [1], "train_loss": [2], "train_accuracy": [0.205], "test_loss": [2.1],
                                  "test_accuracy": [0.25], "learning_rate": [0.1]}),
        (FASTAI, {"epoch": [1, 2], "train_loss": [1.5, 1.2], "test_loss": [1.2, 1.1], "test_accuracy": [0.6, 0.65],
                  "seconds": [3605, 72]}),
        (DEIT, {"epoch": [1, 2], "train_loss": [6.9, 6.5], "test_loss": [6.5, 6.3], "test_accuracy": [0.005, 0.015],
                "learning_rate": [0.001] * 2}),
        (LONG, {"epoch": [1, 2], "train_loss": [2, 1], "train_accuracy": [0.3, 0.6], "test_loss": [2.1, 1.5],
                "test_accuracy": [0.25, 0.5]}),
        (json.dumps({"loss": [2, 1], "accuracy": [0.5, 0.75], "val_loss": [2.5, 1.5], "val_accuracy": [0.25, 0.5]}),
         {"epoch": [1, 2], "train_loss": [2, 1], "train_accuracy": [0.5, 0.75], "test_loss": [2.5, 1.5],
          "test_accuracy": [0.25, 0.5]}),
        (json.dumps({f"epoch_{epoch}": {"train": {"loss": 2 / epoch}, "val": {"acc": 0.25}} for epoch in (1, 2)}),
         {"epoch": [1, 2], "train_loss": [2, 1], "test_accuracy": [0.25, 0.25]}),
        ("epoch,train_loss,test_err\n1,2,0.75\n2,1,0.5\n",
         {"epoch": [1, 2], "train_loss": [2, 1], "test_accuracy": [0.25, 0.5]}),
        ("epoch,trainLoss,valAcc\n1,2,93.5%\n", {"epoch": [1], "train_loss": [2], "test_accuracy": [0.935]}),
        ("epoch,trainloss,valacc\n1,\"tensor(2., device='cuda:0')\",0.5\n",
         {"epoch": [1], "train_loss": [2], "test_accuracy": [0.5]}),
    ],
    ids=["wandb", "mmengine", "mmcv", "ultralytics", "pytorch-classification", "fastai", "deit", "long", "history",
         "numbered", "errors", "percent-signs", "glued"],
)  # fmt: skip
def test_what_programs_write_is_read(read, text, expected):
    assert read(text)[0] == expected


def test_the_metrics_of_a_run_come_back_as_they_were(read):
    rows = [Epoch(1, 2.0, 0.25, 2.5, 0.2, 0.1, 3.0), Epoch(2, 1.0, 0.75, 1.5, 0.5, 0.05, 4.5)]
    text = "\n".join([",".join(METRICS_COLUMNS), *(metrics_line(row._asdict()) for row in rows), ""])
    assert parse_metrics(text.encode()) == rows
    columns, notes = read(text)
    assert columns == approximately(columns_of(rows)) and "Not taken" not in notes


def test_the_notes_name_what_was_taken_for_what_and_what_was_not(read):
    _, notes = read("epoch,loss,val_acc,val_top5,f1\n1,2,0.5,0.9,0.3\n")
    assert "Taken: epoch from “epoch”, train loss from “loss”, test accuracy from “val_acc”." in notes
    assert "Not taken: “val_top5”, “f1”." in notes and "There is no train accuracy." in notes


@pytest.mark.parametrize(
    "text, accuracies, is_percent",
    [
        ("epoch,val_acc\n1,0.5\n2,1.0\n", [0.5, 1.0], False),
        ("epoch,val_acc\n1,1.0\n2,1.0000001\n", [1.0, 1.0], False),
        ("epoch,val_acc\n1,0.5\n2,1.5\n", [0.005, 0.015], True),
        ("epoch,train_acc,val_acc\n1,0.4,0.5\n2,1.2,0.9\n", [0.005, 0.009], True),  # both in percent
        ("epoch,train_acc,val_acc\n1,0.4,45\n2,0.8,75\n", [0.45, 0.75], True),  # of one the share, of one percent
        ("epoch,train_acc,val_acc\n1,40,0.45\n2,80,0.75\n", [0.45, 0.75], True),
    ],
)
def test_percent_is_told_from_shares(read, text, accuracies, is_percent):
    columns, notes = read(text)
    assert columns["test_accuracy"] == accuracies and ("read as percent" in notes) == is_percent


def test_what_lies_outside_of_0_and_100_is_no_accuracy(read):
    columns, notes = read("epoch,loss,val_acc\n1,2,250\n")
    assert set(columns) == {"epoch", "train_loss"} and "“val_acc” is no accuracy" in notes


def test_a_log_with_gaps_keeps_them_and_says_so(read):
    columns, notes = read("epoch,train_loss,val_acc\n1,2,\n2,1.5,0.5\n6,1,\n8,nan,0.75\n")
    assert columns == {
        "epoch": [1, 2, 6, 8], "train_loss": [2, 1.5, 1, None], "test_accuracy": [None, 0.5, None, 0.75],
    }  # fmt: skip
    assert "Missing: epochs 3–5, 7." in notes and "The train loss is no number in epoch 8." in notes


def test_of_an_epoch_that_a_resumed_training_wrote_again_the_last_figures_count(read):
    columns, notes = read("epoch,loss,val_acc\n0,3,0.1\n1,2,0.2\nepoch,loss,val_acc\n1,2.5,0.3\n2,1,0.4\n")
    assert columns == {"epoch": [1, 2, 3], "train_loss": [3, 2.5, 1], "test_accuracy": [0.1, 0.3, 0.4]}
    assert "More than once there: epoch 2, of which what was written last counts." in notes


def test_the_train_figures_of_steps_are_averaged_and_the_steps_of_a_resumed_epoch_replace_those_before(read):
    columns, _ = read("epoch,step,loss,lr\n1,1,3,0.1\n1,2,1,0.2\n2,3,9,0.3\n2,4,9,0.4\n2,3,2,0.5\n2,4,4,0.6\n")
    assert columns == {"epoch": [1, 2], "train_loss": [2, 3], "learning_rate": [0.2, 0.6]}


def test_parts_of_epochs_belong_to_the_epoch_that_they_are_of(read):
    columns, _ = read("epoch,loss,val_loss\n0,,9\n0.5,3,\n1.0,1,2\n1.5,1,\n2.0,0.5,1\n", "a.csv")
    assert columns == {"epoch": [1, 2], "train_loss": [1, 0.5], "test_loss": [2, 1]}


def test_a_look_at_the_test_images_before_the_training_is_no_epoch(read):
    columns, notes = read("epoch,train_loss,val_acc\n0,,0.1\n1,2,0.5\n2,1,0.6\n")
    assert (columns["epoch"], columns["test_accuracy"]) == ([1, 2], [0.5, 0.6])
    assert "Epoch 0, before the training, is left out." in notes


def test_steps_become_epochs_where_each_ends_with_a_look_at_the_test_images(read):
    columns, notes = read("step,loss,val_acc\n10,3,\n20,1,\n20,,0.5\n30,2,\n40,1,\n40,,0.75\n")
    assert columns == {"epoch": [1, 2], "train_loss": [2, 1.5], "test_accuracy": [0.5, 0.75]}
    assert "one was taken to end at each figure of test images" in notes


def test_steps_of_a_batch_beside_epochs_that_are_called_steps_are_averaged(read):
    lines = [{"step": step, "train/loss": float(step)} for step in range(6)]
    lines += [{"step": epoch, "val/loss": 1.0} for epoch in range(2)]
    columns, _ = read("\n".join(map(json.dumps, lines)))
    assert columns == {"epoch": [1, 2], "train_loss": [1, 4], "test_loss": [1, 1]}


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("epoch,loss,val_acc\n", "has no figures yet"),
        ("1,2,3\n4,5,6\n", "has no line with the names of its columns"),
        ("name,age\nAda,36\n", "has neither a loss nor an accuracy among “age”, “name”; a log has a column for"),
        ("Epoch 1: the loss falls.\nEpoch 2: the loss falls.\n", "has neither a loss nor an accuracy among"),
        (b"\x80\x02}q\x00.", "is no text; a log is a CSV or JSON file, or an event file of TensorBoard"),
        (b"PK\x03\x04\x00\x00", "is no text"),
        ("epoch,loss_1,loss_2\n1,2,3\n", "has several columns for the train loss: “loss_1”, “loss_2”; keep one"),
        ("run,epoch,loss\na,1,2\nb,1,2\n", "holds 2 runs: “a”, “b”; give a log of one"),
        ("fold,epoch,loss\n0,1,2\n1,1,2\n", "holds 2 runs: “0”, “1”; give a log of one"),
        ("epoch,a - loss,a - loss__MIN,b - loss,b - loss__MIN\n1,2,2,3,3\n", "holds 2 runs: “a”, “b”"),
        ("epoch,loss\n1," + "2" * 200_000, "is no table (field larger than field limit"),
        ('{"a\\nb": 1, "\\ud800": 2}', "has neither a loss nor an accuracy among “a?b”, “?”"),
        ("step,loss\n50,2\n100,1\n", "counts steps, and nothing says which of them are one epoch's"),
        ("epoch,loss\nlast,2\n-4,3\n", "names no epoch that can be counted"),
        ("loss\n" + "1\n" * 20_001, "has 20,001 epochs, and at most 20,000 can be drawn"),
        ("[" * 100_000, "is nested too deeply"),
        ("[1, 2, 3]", "has no figures yet"),
        ("{}", "has no figures yet"),
    ],
)  # fmt: skip
def test_what_is_no_log_is_refused_in_a_sentence(read, tmp_path, text, sentence):
    with pytest.raises(LogError) as caught:
        read(text)
    assert str(caught.value).startswith(f"{tmp_path / 'log.csv'} {sentence}") and str(caught.value).endswith(".")


def test_a_file_that_is_not_there_a_pipe_and_a_folder_are_refused_in_a_sentence(tmp_path):
    for name in ("pipe", "pipe.tfevents"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "trainer_state.json").write_text("{}")
    for name, sentence in {
        "nothing": "cannot be read (No such file or directory)",
        "nothing.tfevents": "cannot be read (No such file or directory)",
        "pipe": "is no regular file",
        "pipe.tfevents": "is no regular file",
        "folder": "is a folder without event files of TensorBoard; name the file: "
        f"{tmp_path}/folder/trainer_state.json",
    }.items():
        with pytest.raises(LogError) as caught:
            read_log(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name} {sentence}."


def test_a_file_that_is_larger_than_a_log_is_not_read(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("epoch,loss\n1,2\n")
    os.truncate(file, rows.MOST_BYTES + 1)
    with pytest.raises(LogError, match="is larger than 16 MiB; give a log with fewer lines"):
        read_log(file)


def test_a_torn_line_is_left_out_and_counted(read):
    columns, notes = read("epoch,loss,val_acc\n1,2,0.5\n2,1.")
    assert columns["epoch"] == [1] and "1 line is torn or no line of figures." in notes
    columns, notes = read('{"epoch": 1, "loss": 2}\n{"epoch": 2, "lo')
    assert columns["epoch"] == [1] and "1 line is torn" in notes


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_log_may_be_written_by_windows(read, encoding):
    assert read("epoch,loss\r\n1,2\r\n".encode(encoding))[0] == {"epoch": [1], "train_loss": [2]}


@pytest.mark.parametrize(
    "name, quantity, split",
    [
        ("val_acc", "accuracy", "test"), ("eval_top1", "accuracy", "test"), ("Prec@1", "accuracy", ""),
        ("sparse_categorical_accuracy", "accuracy", ""), ("val_MulticlassAccuracy", "accuracy", "test"),
        ("train/cross_entropy", "loss", "train"), ("epoch_loss", "loss", ""), ("Top1-err", "error", ""),
        ("lr-AdamW/pg1", "learning rate", ""), ("Learning Rate", "learning rate", ""),
        ("epoch_time", "seconds", ""), ("_runtime", "time", ""), ("trainer/global_step", "step", ""),
        ("train/epoch", "epoch", "train"),
    ],
)  # fmt: skip
def test_names_are_understood(name, quantity, split):
    column = understand(name)
    assert column and (column.quantity, column.split) == (quantity, split)


@pytest.mark.parametrize(
    "name",
    [
        "top5", "val_acc@5", "accuracy_top-5", "best_acc", "val_balanced_accuracy", "mean_squared_error", "loss_scale",
        "box_loss", "lr-SGD-momentum", "eval_runtime", "eval_samples_per_second", "f1", "precision", "",
        "train_val_loss",
    ],
)  # fmt: skip
def test_figures_of_another_kind_are_left_alone(name):
    assert understand(name) is None


NAMES = st.sampled_from(["epoch", "step", "loss", "train_loss", "val_loss", "acc", "val_acc", "lr", "time", "run", "x"])
CELLS = st.one_of(
    st.integers(-5, 300).map(str),
    st.floats().map(str),
    st.sampled_from(["", "nan", "-inf", "1e999", "a", "50%", "9" * 8, "9" * 400]),
)
TABLES = st.lists(NAMES, min_size=1, max_size=6).flatmap(
    lambda names: st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), max_size=8).map(
        lambda rows: "\n".join(map(",".join, [names, *rows])).encode()
    )
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.just("log_history"), inner, max_size=3),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TABLES | VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
@example(b"val_acc\nnan\n2")
@example(b"epoch,loss\n1e308,1\n0.5,2\n")
@example(b'{"epoch": 1, "loss": ' + b"9" * 500 + b"}")
def test_any_file_ends_in_epochs_or_in_a_sentence(tmp_path, content):
    file = tmp_path / "log"
    file.write_bytes(content)
    try:
        epochs, notes = read_log(file)
    except LogError as error:
        assert str(error).startswith(str(file)) and "\n" not in str(error)
        return
    assert [epoch.epoch for epoch in epochs] == sorted({epoch.epoch for epoch in epochs})
    lines = [",".join(METRICS_COLUMNS), *(metrics_line(epoch._asdict()) for epoch in epochs), ""]
    assert [epoch.epoch for epoch in parse_metrics("\n".join(lines).encode())] == [epoch.epoch for epoch in epochs]
    assert all(0 <= epoch.test_accuracy <= 1 or math.isnan(epoch.test_accuracy) for epoch in epochs) and all(notes)
