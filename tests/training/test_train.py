"""The training command: what it writes, what it repeats, and how it ends when it cannot go on."""

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional

from sightline.image_data import ImageData, ImageSplit, decode_image
from sightline.image_data.planted_shapes import planted_shapes
from sightline.image_data.splits import content_fingerprint
from sightline.model_zoo import build_model
from sightline.model_zoo.resnet import ResNet
from sightline.run_store.maps import are_written
from sightline.run_store.metrics import METRICS_COLUMNS
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training import train as train_module
from sightline.training.loop import Loop
from sightline.training.recipe import RECIPES, TrainConfig, TrainingError
from sightline.training.train import main, parse, train
from tests.fabricated import ROOT

QUICK = TrainConfig(model="resnet18_narrow", epochs=1, batch_size=32, threads=1, device="cpu", learning_rate=0.05)


@pytest.fixture
def shapes(tiny_data, monkeypatch):
    """Every data set is `tiny_data`."""
    monkeypatch.setattr(train_module, "load_image_data", lambda *_, **__: tiny_data)


@pytest.fixture
def command(monkeypatch, capsys, data_dir):
    """Run the command line in this process: exit code, and what it says on stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["train", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        written = capsys.readouterr().err
        # Python prints a text given to sys.exit on stderr, and exits with 1.
        return (1, exit.value.code) if isinstance(exit.value.code, str) else (exit.value.code, written)

    return run


def few_images(images, classes=10):
    """Planted shapes, of which a training and a test split of so many images are left, of the first classes."""

    def part(split):
        names, labels = split.class_names[:classes], split.labels[:images] % classes
        arrays = split.images[:images], labels
        return ImageSplit(*arrays, names, content_fingerprint(*arrays, names))

    data = planted_shapes("honest", 16, 8)
    return replace(data, train=part(data.train), test=part(data.test))


def disk_full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def content(path, name="model.safetensors"):
    return (path / name).read_bytes()


def predictions_by_hand(path, weights="model.safetensors"):
    """Logits from these weights and images.npy, normalised with the mean and std of run.json."""
    record = json.loads(content(path, "run.json"))
    model = build_model(record["model"], len(record["class_names"])).eval()
    model.load_state_dict(load_file(path / weights))
    pixels = (np.load(path / "images.npy") / 255.0 - record["mean"]) / record["std"]
    with torch.no_grad():
        return model(torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_changed_by_the_options_beside_it_wherever_they_stand(name):
    assert parse(["--recipe", name]) == RECIPES[name]
    expected = replace(RECIPES[name], epochs=7, flip=False)
    assert parse(["--epochs", "7", f"--recipe={name}", "--no-flip"]) == expected
    RECIPES[name].check()


def test_without_a_recipe_the_defaults_hold():
    assert parse([]) == TrainConfig()


def test_a_recipe_that_there_is_not_is_answered_with_those_that_there_are(command):
    code, said = command("--recipe", "slow")
    assert code == 2 and "'best'" in said and "'fast'" in said


def test_a_run_has_every_file_of_the_contract(tiny_run):
    names = {file.name for file in tiny_run.iterdir()}
    assert names == {
        "run.json", "resume.pt", "metrics.csv", "model.safetensors", "images.npy", "features.npy",
        "predictions.parquet", "history.npz", ".lock",
    }  # fmt: skip
    images, features = np.load(tiny_run / "images.npy"), np.load(tiny_run / "features.npy")
    assert (images.dtype, images.shape) == (np.uint8, (64, 32, 32, 3))
    assert (features.dtype, features.shape) == (np.float16, (64, 128))
    lines = (tiny_run / "metrics.csv").read_text().splitlines()
    assert lines[0] == "epoch,train_loss,train_accuracy,test_loss,test_accuracy,learning_rate,seconds"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]


def test_the_record_rebuilds_the_training(tiny_run, tiny_folder):
    record = json.loads(content(tiny_run, "run.json"))
    assert record["schema_version"] == 2 and record["state"] == "complete"
    assert record["dataset"] == f"folder:{tiny_folder}" and record["image_counts"] == {"train": 128, "test": 64}
    assert record["recipe"]["epochs"] == 2 and record["recipe"]["learning_rate"] == 0.05
    assert record["full_size_from"] == 1
    assert (record["seed"], record["threads"], record["device"], record["input_size"]) == (0, 1, "cpu", 32)
    assert torch.__version__.startswith(record["packages"]["torch"])
    assert record["layers"] == ["layer1", "layer2", "layer3", "layer4"] and record["parameters"] == 701_466


def test_mean_and_std_are_those_of_the_training_split(tiny_run, tiny_data):
    record = Run(tiny_run).record
    pixels = tiny_data.train.images.reshape(-1, 3) / 255
    np.testing.assert_allclose(record.mean, pixels.mean(0), rtol=1e-9)
    np.testing.assert_allclose(record.std, pixels.std(0), rtol=1e-9)


def test_the_mistakes_shown_are_exactly_the_mistakes_counted(tiny_run):
    table = pq.read_table(tiny_run / "predictions.parquet").to_pandas()
    logits, labels = predictions_by_hand(tiny_run), torch.from_numpy(table["label"].to_numpy().astype(np.int64))
    assert table["predicted"].tolist() == logits.argmax(1).tolist()
    hits = int((logits.argmax(1) == labels).sum())
    last = dict(zip(METRICS_COLUMNS, content(tiny_run, "metrics.csv").decode().split("\n")[-2].split(","), strict=True))
    assert float(last["test_accuracy"]) * 64 == hits == 64 - int((table["label"] != table["predicted"]).sum())
    assert float(last["test_loss"]) == pytest.approx(functional.cross_entropy(logits, labels).item(), rel=1e-5)
    assert float(last["test_loss"]) == pytest.approx(table["loss"].mean(), rel=1e-6)


def test_the_history_holds_each_epoch_and_its_last_is_what_the_predictions_say(tiny_run):
    run = Run(tiny_run)
    found, predictions = run.history(), run.predictions()
    assert found.epochs.tolist() == [1, 2] and found.predicted.shape == found.confidence.shape == (2, 64)
    assert np.array_equal(found.predicted[-1], predictions.column("predicted"))
    assert np.array_equal(found.confidence[-1], predictions.column("confidence").astype(np.float16))
    hits = found.right(predictions.column("label")).mean(axis=1)
    assert hits.tolist() == [epoch.test_accuracy for epoch in run.metrics()]


def test_a_long_training_keeps_fewer_epochs_in_its_history(shapes, tmp_path, monkeypatch):
    monkeypatch.setattr("sightline.run_store.history.MOST_KEPT", 4 * 64 * 2)
    run = Run(train(replace(QUICK, epochs=3, run=tmp_path / "run")))
    assert run.history().epochs.tolist() == [2, 3] and len(run.metrics()) == 3


def test_kept_weights_give_what_the_history_says_of_their_epoch(shapes, tmp_path):
    config = replace(QUICK, epochs=5, precision="float32", keep_epochs=3, run=tmp_path / "run")
    run = Run(train(config))
    assert sorted(file.name for file in (run.path / "epochs").iterdir()) == ["1.safetensors", "3.safetensors"]
    for epoch in (1, 3):
        logits = predictions_by_hand(run.path, f"epochs/{epoch}.safetensors")
        assert run.history().predicted[epoch - 1].tolist() == logits.argmax(1).tolist()
    other = Run(train(replace(config, keep_epochs=0, run=tmp_path / "other")))
    assert content(run.path) == content(other.path) and not (other.path / "epochs").exists()


def test_the_checkpoint_holds_the_last_epoch_and_loads_with_weights_only(tiny_run):
    checkpoint = torch.load(tiny_run / "resume.pt", weights_only=True)
    saved = load_file(tiny_run / "model.safetensors")
    assert checkpoint["model"].keys() == saved.keys()
    assert all(torch.equal(checkpoint["model"][name], saved[name]) for name in saved)
    assert [row[0] for row in checkpoint["metrics"]] == [1, 2]
    assert {"optimizer", "generator"} <= checkpoint.keys()


def test_no_choice_is_made_on_the_test_split_and_the_same_seed_gives_the_same_bytes(
    shapes, tiny_data, tmp_path, monkeypatch
):
    labels = (tiny_data.test.labels + 3) % 10
    data = ImageData("planted-shapes", tiny_data.train, replace(tiny_data.test, labels=labels))
    answers = iter([np.eye(10, dtype=np.float32)[labels], np.eye(10, dtype=np.float32)[labels - 1]])
    features = np.zeros((64, 128), np.float32)
    runs = []
    for name in ("honest", "flattered"):
        runs.append(train(replace(QUICK, epochs=2, run=tmp_path / name)))
        # Now the first epoch is right about every image of the test split and the last about none.
        monkeypatch.setattr(train_module, "load_image_data", lambda *_, **__: data)
        monkeypatch.setattr("sightline.training.inference.infer", lambda *_, **__: (next(answers), features))
    assert [row.test_accuracy for row in Run(runs[1]).metrics()] == [1, 0]
    assert content(runs[0]) == content(runs[1])


def test_another_seed_gives_other_weights(shapes, tmp_path):
    first, other = (train(replace(QUICK, seed=seed, run=tmp_path / str(seed))) for seed in (0, 1))
    assert content(first) != content(other)


def test_masks_of_planted_shapes_are_kept(shapes, tiny_data, tmp_path):
    run = Run(train(replace(QUICK, run=tmp_path / "run")))
    assert np.array_equal(run.masks(), tiny_data.test.masks) and run.masks()[:].any()


def test_a_progressive_run_trains_and_tests_at_a_growing_resolution_and_says_where_it_is_full(
    shapes, tmp_path, monkeypatch
):
    seen, forward = [], ResNet.forward

    def watched(model, images):
        seen.append((model.training, images.shape[2]))
        return forward(model, images)

    monkeypatch.setattr(ResNet, "forward", watched)
    run = Run(train(replace(QUICK, epochs=3, progressive=True, run=tmp_path / "run")))
    assert list(dict.fromkeys(seen)) == [(mode, side) for side in (16, 24, 32) for mode in (True, False)]
    assert run.record.full_size_from == 3 and len(run.metrics()) == 3


def test_large_images_are_kept_as_thumbnails_that_name_their_originals(tmp_path, data_dir, random_numbers):
    for number in range(8):
        file = tmp_path / "large" / ("train", "test")[number % 2] / "ab"[number // 4] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random_numbers.integers(0, 256, (120, 130, 3), dtype=np.uint8)).save(file)
    # Fewer images than a batch, too.
    config = replace(QUICK, dataset=f"folder:{tmp_path / 'large'}", image_size=112, run=tmp_path / "run")
    run = Run(train(config))
    assert run.state == "complete" and run.images().shape == (4, 96, 96, 3)
    paths = run.predictions().table["path"].tolist()
    assert [Path(path).name for path in paths] == ["1.png", "3.png", "5.png", "7.png"]
    assert np.array_equal(run.model_images([2])[0], decode_image(paths[2], 112))
    Path(paths[2]).unlink()
    with pytest.raises(RunError, match="keeps thumbnails only, and a map needs the original"):
        run.model_images([2])


def test_a_pretrained_file_with_another_number_of_classes_keeps_a_fresh_head(shapes, tmp_path, capsys):
    torch.save(build_model("resnet18_narrow", 3).state_dict(), tmp_path / "three.pt")
    run = Run(train(replace(QUICK, pretrained=tmp_path / "three.pt", run=tmp_path / "run")))
    assert run.load_model().fc.out_features == 10
    assert "fc.weight, fc.bias start from fresh weights" in capsys.readouterr().out


def test_maps_of_the_whole_test_split_are_written_in_the_end_on_request(shapes, tmp_path):
    run = Run(train(replace(QUICK, maps=True, run=tmp_path / "run")))
    for target in ("predicted", "label"):
        assert all(are_written(run, "gradcam", layer, target) for layer in run.record.layers)
    assert not (Path(train(replace(QUICK, run=tmp_path / "without"))) / "maps").exists()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("odd")], ids=str)
def test_maps_that_fail_do_not_harm_the_run(shapes, tmp_path, monkeypatch, capsys, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("sightline.training.train.precompute", fail)
    run = Run(train(replace(QUICK, maps=True, run=tmp_path / "run")))
    assert (run.state, run.record.state) == ("complete", "complete")
    words = {OSError: "No space left on device", RuntimeError: "odd"}[type(error)]
    later = f"the run is complete; write its maps with: sightline precompute --run {run.path}"
    assert f"Warning: no maps ({words}), but {later}" in capsys.readouterr().err


def test_ctrl_c_while_maps_are_computed_leaves_a_complete_run_and_says_how_to_go_on(
    command, shapes, tmp_path, monkeypatch
):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sightline.training.train.precompute", interrupt)
    code, said = command(
        "--model", "resnet18_narrow", "--epochs", "1", "--threads", "1", "--maps", "--run", tmp_path / "run"
    )
    assert code == 130 and f"write its maps with: sightline precompute --run {tmp_path / 'run'}" in said
    assert Run(tmp_path / "run").state == "complete"


def test_an_epoch_is_written_while_the_next_one_trains(shapes, tmp_path, monkeypatch):
    train_epoch, save_checkpoint, second_began = Loop.train_epoch, RunWriter.save_checkpoint, Event()

    def train_epoch_and_tell(self, epoch, progress):
        if epoch == 2:
            second_began.set()
        return train_epoch(self, epoch, progress)

    def save_later(self, state):
        assert second_began.wait(timeout=60)
        save_checkpoint(self, state)

    monkeypatch.setattr(Loop, "train_epoch", train_epoch_and_tell)
    monkeypatch.setattr(RunWriter, "save_checkpoint", save_later)
    run = Run(train(replace(QUICK, epochs=2, run=tmp_path / "run")))
    assert [row.epoch for row in run.metrics()] == [1, 2]


@pytest.mark.parametrize(
    "method",
    ["save_images", "save_epoch", "save_history", "save_checkpoint", "append_metrics", "save_model", "complete"],
)
def test_a_full_disk_fails_the_run_with_a_sentence(shapes, tmp_path, monkeypatch, method):
    monkeypatch.setattr(RunWriter, method, disk_full)
    with pytest.raises(TrainingError, match="failed: No space left on device"):
        train(replace(QUICK, epochs=2, keep_epochs=2, run=tmp_path / "run"))
    run = Run(tmp_path / "run")
    assert (run.state, run.record.reason) == ("failed", "No space left on device.")


def test_a_disk_too_full_even_for_the_reason_is_the_same_sentence(shapes, tmp_path, monkeypatch):
    monkeypatch.setattr(RunWriter, "save_model", disk_full)
    monkeypatch.setattr(RunWriter, "fail", disk_full)
    with pytest.raises(TrainingError, match="failed: No space left on device"):
        train(replace(QUICK, run=tmp_path / "run"))
    assert Run(tmp_path / "run").state == "interrupted"


@pytest.mark.parametrize(
    "error", [ValueError("odd"), RuntimeError("odd"), KeyError("odd"), AssertionError(), ImportError()]
)
def test_whatever_is_raised_in_a_training_fails_its_run_with_a_sentence(command, shapes, tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(Loop, "step", fail)
    code, said = command("--model", "resnet18_narrow", "--threads", "1", "--run", tmp_path / "run")
    run = Run(tmp_path / "run")
    assert run.state == "failed" and run.record.reason.startswith(type(error).__name__)
    assert (code, said) == (1, f"Error: The training of {run.path} failed: {run.record.reason}")
    assert "SIGHTLINE_DEBUG=1" in said and "\n" not in said


def test_whatever_is_raised_before_a_training_leaves_nothing(command, shapes, tmp_path, monkeypatch):
    def fail(*_):
        raise TypeError("no such option")

    monkeypatch.setattr(train_module, "build_model", fail)
    code, said = command("--run", tmp_path / "run")
    assert code == 1 and said.startswith("Error: TypeError: no such option;") and not (tmp_path / "run").exists()


def test_one_number_a_channel_for_batch_normalisation_is_a_sentence(shapes, tmp_path, monkeypatch):
    monkeypatch.setattr(train_module, "load_image_data", lambda *_, **__: few_images(1))
    with pytest.raises(TrainingError, match="batch normalisation saw one number a channel.*larger --image-size"):
        train(replace(QUICK, model="torchvision:mobilenet_v3_small", run=tmp_path / "run"))
    assert Run(tmp_path / "run").state == "failed"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mix": "mixup"},
        {"mix": "cutmix"},
        {"cutout": 99},
        {"held_out": 1},
        {"batch_size": 2},
        {"progressive": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("classes", [1, 10])
def test_hardly_any_images_and_options_beyond_them_train(tmp_path, monkeypatch, classes, options):
    monkeypatch.setattr(train_module, "load_image_data", lambda *_, **__: few_images(2, classes))
    config = replace(QUICK, epochs=3, run=tmp_path / "run", **options)
    assert Run(train(config)).state == "complete"


def test_output_that_goes_nowhere_leaves_a_complete_run(shapes, tmp_path, monkeypatch):
    arguments = ["--model", "resnet18_narrow", "--epochs", "1", "--threads", "1", "--run", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    with open("/dev/full", "w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit, match="all is done, but not all of it could be printed: No space left"):
            main()
    assert Run(tmp_path / "run").state == "complete"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--dataset", "mnist"], "Unknown data set 'mnist'; choose from: planted-shapes"),
        (["--dataset", "folder:/no/where"], "There is no folder /no/where"),
        (["--model", "resnet19"], "Unknown model 'resnet19'; choose from: resnet18"),
        (["--epochs", "0"], "--epochs 0 is out of range"),
        (["--learning-rate", "nan"], "--learning-rate nan is out of range"),
        (["--image-size", "64"], "cannot be loaded at 64 pixels"),
    ],
)
def test_an_impossible_data_set_model_or_option_is_one_sentence(command, tmp_path, arguments, says):
    code, sentence = command("--model", "resnet18_narrow", "--run", tmp_path / "run", *arguments)
    assert code == 1 and sentence.startswith("Error: ") and says in sentence and "\n" not in sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--pretrained", __file__], "cannot be read"),
        (["--pretrained", "/no/weights.pt"], "No weights file at /no/weights.pt"),
        (["--crop-padding", "32"], "--crop-padding 32 moves an image of 32 pixels out of itself"),
    ],
)
def test_what_does_not_fit_the_data_or_the_model_is_one_sentence(command, shapes, tmp_path, arguments, says):
    code, sentence = command("--model", "resnet18_narrow", "--run", tmp_path / "run", *arguments)
    assert code == 1 and sentence.startswith("Error: ") and says in sentence and "\n" not in sentence
    assert not (tmp_path / "run").exists()


def test_a_run_directory_that_cannot_be_made_or_is_taken_is_one_sentence(command, shapes, tiny_run):
    before = content(tiny_run)
    for path, says in ((tiny_run, "never overwritten"), (tiny_run / "run.json" / "x", "Cannot write a run to")):
        code, sentence = command("--model", "resnet18_narrow", "--threads", "1", "--run", path)
        assert code == 1 and says in sentence
    assert content(tiny_run) == before


def test_progressive_is_refused_for_a_network_that_takes_one_size_only(command, shapes, tmp_path):
    code, sentence = command("--model", "timm:test_vit", "--progressive", "--run", tmp_path / "run")
    # Its patches are of 16 pixels: it can take 16×16 and 32×32.
    assert code == 1 and "shows images of 24×24 pixels first, which timm:test_vit cannot take; leave it out" in sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("arguments", [["--epochs", "many"], ["--colour", "blue"], ["--device", "tpu"]])
def test_wrong_usage_exits_with_2(command, arguments):
    code, written = command(*arguments)
    assert code == 2 and arguments[0] in written and "Traceback" not in written


def test_ctrl_c_leaves_a_run_that_opens(tiny_folder, data_dir, tmp_path):
    run = Run(tmp_path / "run")
    options = f"--model resnet18_narrow --epochs 1000 --batch-size 32 --threads 1 --run {run.path}".split()
    program = [sys.executable, "-u", "-m", "sightline.training.train", "--dataset", f"folder:{tiny_folder}", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(program, cwd=ROOT, env=os.environ | {"SIGHTLINE_DATA": str(data_dir)}, **pipes) as process:
        while "epoch   1/1000" not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        assert run.state == "running"
        process.send_signal(signal.SIGINT)
        written = process.communicate()[1]
    assert process.returncode == 130
    assert "Interrupted: the run keeps every finished epoch" in written and "Traceback" not in written
    assert run.state == "interrupted" and len(run.metrics()) >= 1
    assert [name for name in os.listdir(run.path) if name.endswith(str(process.pid))] == []


KILLED = """
import os, sys
from dataclasses import replace
from pathlib import Path

import torch
from sightline.image_data.planted_shapes import planted_shapes
from sightline.run_store import files
from sightline.run_store.writer import RunWriter
from sightline.training import train
from sightline.training.loop import Loop
from tests.training.test_loop import QUICK

data = planted_shapes("honest", 32, 8)
train.load_image_data = lambda *_, **__: data
torch.set_num_threads(1)
write, ended = files.write_atomically, []

def dies(number, whole):
    def die(*arguments):
        if whole is not write or arguments[0].name == name:
            os.kill(os.getpid(), number)
        return whole(*arguments)
    return die

for number, (name, signal) in enumerate(zip(sys.argv[2::2], sys.argv[3::2])):
    if not os.fork():
        owner = {"train_epoch": Loop, "predict_test": Loop, "save_model": RunWriter}.get(name, files)
        what = name if owner is not files else "write_atomically"
        setattr(owner, what, dies(int(signal), getattr(owner, what)))
        train.train(replace(QUICK, run=Path(sys.argv[1], name)))
        os._exit(0)
    ended.append(os.WTERMSIG(os.wait()[1]))
print("ended:", *ended)
"""


def test_a_training_that_is_killed_at_any_moment_leaves_a_run_that_says_so(tmp_path):
    moments = {
        "run.json": signal.SIGKILL, "metrics.csv": signal.SIGSEGV, "train_epoch": signal.SIGSEGV,
        "predict_test": signal.SIGABRT, "resume.pt": signal.SIGKILL, "save_model": signal.SIGFPE,
        "features.npy": signal.SIGKILL, "predictions.parquet": signal.SIGKILL,
    }  # fmt: skip
    arguments = [str(word) for name, number in moments.items() for word in (name, int(number))]
    command = [sys.executable, "-c", KILLED, str(tmp_path), *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout.splitlines()[-1].split()[1:] == arguments[1::2], ended.stderr
    states = {name: Run(tmp_path / name).state for name in moments if Run(tmp_path / name).exists}
    assert states == dict.fromkeys(list(moments)[1:], "interrupted")
