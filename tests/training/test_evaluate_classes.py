"""The test folder lacks classes of the model: whose names and codes are taken, and what the run then says."""

import json
import shutil
import sys

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from sightline.run_store.run import Run
from sightline.training.evaluate import EvaluateConfig, evaluate, main
from tests.image_files import save

pytestmark = pytest.mark.usefixtures("data_dir")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three images of an ape and three of a cat, of noise; only DIR/test/<class>/."""
    folder, numbers = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in ("ape", "cat"):
        for k in range(3):
            pixels = numbers.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            save(Image.fromarray(pixels), folder / "test" / name / f"{k}.png")
    return folder


@pytest.fixture
def here(photos, tmp_path):
    """A copy of the photographs that a test may change."""
    return shutil.copytree(photos, tmp_path / "here")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights for so many classes, that answer with the class `favourite` whatever they see."""

    def saved(classes, favourite=0):
        model = timm.create_model("test_resnet", num_classes=classes)
        torch.nn.init.zeros_(model.fc.weight)
        model.fc.bias.data = torch.eye(classes)[favourite]
        file = tmp_path_factory.mktemp("weights") / "weights.pt"
        torch.save(model.state_dict(), file)
        return file

    return saved


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Run `sightline evaluate` on a folder with weights; returns the run."""

    def run(folder, weights, *options):
        options = ("--dataset", f"folder:{folder}", "--weights", weights, *options)
        fixed = ("--model", "timm:test_resnet", "--image-size", 32, "--device", "cpu", "--run", tmp_path / "run")
        monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, (*options, *fixed))])
        main()
        return Run(tmp_path / "run")

    return run


@pytest.fixture
def names(tmp_path):
    """Write a file for --classes."""

    def write(*names):
        file = tmp_path / "names.txt"
        file.write_text("\n".join(names))
        return file

    return write


def rewritten(run):
    """The predictions of a run, and those that `sightline evaluate --run` writes again."""
    before = run.predictions().table
    (run.path / "predictions.parquet").unlink()
    evaluate(EvaluateConfig(run.path, device="cpu"))
    return before, Run(run.path).predictions().table


def test_an_empty_folder_keeps_the_code_of_its_class(here, weights, command):
    (here / "test" / "bee").mkdir()
    run = command(here, weights(3, favourite=2))
    predictions = run.predictions()
    assert run.record.class_names == predictions.class_names == ("ape", "bee", "cat")
    assert predictions.column("label").tolist() == [0, 0, 0, 2, 2, 2] and predictions.accuracy == 0.5
    before, again = rewritten(run)
    assert again.equals(before)


def test_a_list_gives_names_and_codes_in_the_model_s_order(photos, weights, command, names):
    file = names("cat", "emu", "ape", "bee")
    run = command(photos, weights(4, favourite=2), "--classes", file)
    assert run.record.class_names == ("cat", "emu", "ape", "bee") and run.record.recipe["classes"] == str(file)
    assert run.predictions().column("label").tolist() == [2, 2, 2, 0, 0, 0]
    assert run.predictions().accuracy == 0.5  # the apes
    file.unlink()  # the run says itself what its classes are
    before, again = rewritten(run)
    assert again.equals(before)


def test_a_thousand_classes_and_two_folders(photos, weights, command, tmp_path):
    thousand = [f"n{code:08}" for code in range(998)] + ["cat", "ape"]
    (tmp_path / "config.json").write_text(json.dumps({"id2label": dict(enumerate(thousand))}))
    run = command(photos, weights(1000, favourite=998), "--classes", tmp_path / "config.json")
    assert run.record.class_names == tuple(thousand)
    assert run.predictions().column("label").tolist() == [999] * 3 + [998] * 3 and run.predictions().accuracy == 0.5


def test_the_training_folder_names_the_classes_where_it_has_as_many_as_the_model(here, weights, command):
    for name in ("ape", "bee", "cat"):  # no image is read there
        (here / "train" / name).mkdir(parents=True)
    run = command(here, weights(3, favourite=2))
    assert run.record.class_names == ("ape", "bee", "cat")
    assert run.predictions().column("label").tolist() == [0, 0, 0, 2, 2, 2]
    shutil.rmtree(here / "train")
    before, again = rewritten(run)
    assert again.equals(before)


def test_folders_of_wordnets_numbers_find_their_outputs_also_when_they_are_evaluated_again(here, weights, command):
    (here / "test" / "ape").rename(here / "test" / "n02102040")
    (here / "test" / "cat").rename(here / "test" / "n01440764")
    run = command(here, weights(1000, favourite=217))
    assert len(run.record.class_names) == 1000 and run.record.class_names[217] == "English springer"
    assert sorted(run.predictions().column("label")) == [0] * 3 + [217] * 3 and run.predictions().accuracy == 0.5
    before, again = rewritten(run)
    assert again.equals(before)


@pytest.mark.parametrize("trained", [(), ("",), ("ape", "bee", "cat", "dog"), ("ape", "bee", "owl")])
def test_codes_are_never_guessed(here, weights, command, capsys, trained):
    for name in trained:
        (here / "train" / name).mkdir(parents=True)
    file = weights(3)
    with pytest.raises(SystemExit) as exit:
        command(here, file)
    assert exit.value.code == 2
    assert capsys.readouterr().err == (
        f"Error: timm:test_resnet tells 3 classes apart, and the split of folder:{here} has 2 (ape, cat): name all "
        "classes of the model, in its order and as the data set does, with --classes FILE. See --help.\n"
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("ape", "bee", "cow"), "names.txt has no class cat; name classes as there: ape, bee, cow."),
        (("ape", "cat"), "are for 3 classes, .*names.txt has 2"),
        (("ape", "ape", "cat"), "calls the classes 0 and 1 alike, ape"),
    ],
)
def test_a_list_that_does_not_fit_is_a_sentence_and_leaves_nothing(photos, weights, command, names, given, says):
    file = names(*given)
    with pytest.raises(SystemExit, match=says):
        command(photos, weights(3), "--classes", file)
    assert not (file.parent / "run").exists()


def test_more_folders_than_the_model_has_classes_are_refused(here, weights, command):
    (here / "test" / "bee").mkdir()
    with pytest.raises(SystemExit, match="are for 2 classes, folder:.*here has 3: give the weights"):
        command(here, weights(2))


def test_strict_refuses_what_would_be_left_out(here, weights, command):
    (here / "test" / "ape" / "logo.svg").write_text("<svg/>")
    with pytest.raises(SystemExit, match="1 SVG .*leave out strict"):
        command(here, weights(2), "--strict")
    assert command(here, weights(2)).record.image_counts == {"test": 6}


@pytest.mark.parametrize("option", [("--classes", "names.txt"), ("--strict",)])
def test_an_existing_run_has_its_classes(monkeypatch, capsys, option):
    monkeypatch.setattr(sys, "argv", ["evaluate", "--run", "r", *option])
    with pytest.raises(SystemExit):
        main()
    assert "needs --model or --predictions; an existing run" in capsys.readouterr().err


def test_a_folder_whose_classes_were_renamed_since_is_a_sentence(here, weights, command):
    run = command(here, weights(2))
    (here / "test" / "cat").rename(here / "test" / "lynx")
    with pytest.raises(Exception, match="run run has no class lynx; name classes as there: ape, cat"):
        evaluate(EvaluateConfig(run.path, device="cpu"))


def test_a_run_is_evaluated_again_on_a_copy_whose_names_are_written_in_another_way(here, weights, command):
    nfc, nfd = "caf\u00e9", "cafe\u0301"
    (here / "test" / "cat").rename(here / "test" / nfc)
    run = command(here, weights(2, favourite=1))
    (here / "test" / nfc).rename(here / "test" / nfd)
    before, again = rewritten(run)
    assert run.record.class_names == ("ape", nfc) and again["label"].equals(before["label"])
