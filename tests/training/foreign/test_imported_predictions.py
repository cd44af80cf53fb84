"""`sightline evaluate --predictions`: a table, its images, and what speaks against it, in one command."""

import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sightline.run_store.run import Run
from sightline.training import evaluate


@pytest.fixture
def files(tmp_path, data_dir, monkeypatch):
    """Forty images of 40×20 pixels, black on the left and white on the right, and a table beside them."""
    monkeypatch.chdir(tmp_path)
    rows = [(f"test/{name}/{number}.png", name) for name in ("cat", "dog") for number in range(20)]
    for row, (file, _) in enumerate(rows):
        pixels = np.zeros((20, 40, 3), np.uint8)
        pixels[:, 20:] = 255
        pixels[0, 0] = row
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / file)
    table = pd.DataFrame(rows, columns=["path", "label"])
    p = np.where(np.arange(40) % 10 == 0, 0.25, 0.75)  # nine of ten are right
    table["prob_cat"] = np.where(table["label"] == "cat", p, 1 - p)
    table["prob_dog"] = 1 - table["prob_cat"]
    table.to_csv("table.csv", index=False)
    return tmp_path


@pytest.fixture
def run_command(files, monkeypatch, capsys):
    """Run `sightline evaluate --predictions` with these words; returns the run, and what was said."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["evaluate", "--run", "run", *words])
        try:
            evaluate.main()
        except SystemExit as ended:
            return None, str(ended.code)
        said = capsys.readouterr()
        return Run(files / "run"), said.out + said.err

    return call


def test_a_table_that_names_its_images_is_enough(run_command):
    run, said = run_command("--predictions", "table.csv")
    assert "90.00% of 40 test images right" in said and run.state == "complete"
    assert run.images().shape == (40, 20, 20, 3)  # as large as they are, so that nothing is blurred
    assert run.record.without_network.endswith("sightline evaluate --model NAME --weights FILE --dataset SOURCE")


@pytest.mark.parametrize("rule", ["crop", "squash"])
def test_images_of_a_data_set_are_cut_as_they_are_asked_to_be(run_command, rule):
    run, _ = run_command("--predictions", "table.csv", "--dataset", "folder:.", "--resize", rule)
    assert run.record.resize.rule == rule and run.images().shape == (40, 20, 20, 3)
    run_command("--predictions", "table.csv", "--run", "other", "--resize", rule)
    by_path = [
        dict(zip(each.predictions().column("path"), each.images()[:].tolist(), strict=True))
        for each in (run, Run(run.path.parent / "other"))
    ]
    assert by_path[0] == by_path[1]


def test_images_of_a_program_are_cut_as_its_transform_says(run_command, files):
    (files / "own.py").write_text(
        "from torchvision.datasets import ImageFolder\nfrom torchvision import transforms as T\n"
        "data = ImageFolder('test', T.Compose([T.Resize((20, 20)), T.ToTensor()]))\n"
    )
    run, _ = run_command("--predictions", "table.csv", "--dataset", "own.py:data")
    assert run.record.resize.rule == "squash" and run.images()[0][10, :, 0].argmax() > 5  # all of it is there
    assert not run.record.can_be_evaluated


def test_predicted_classes_in_another_order_and_a_claim_are_doubted_aloud(run_command, files):
    table = pd.read_csv(files / "table.csv")
    table["pred"] = np.where(table["prob_cat"] > 0.5, "dog", "cat")
    table[["path", "label", "pred"]].to_csv(files / "swapped.csv")
    _, said = run_command("--predictions", "swapped.csv", "--claimed-accuracy", "0.9")
    assert "10.00% of 40 test images right" in said
    assert "10.0% of 40 images are right, and 90% was claimed" in said
    assert "and 90.0% would be if cat meant dog, dog meant cat" in said


def test_what_does_not_fit_makes_no_run(run_command, files):
    (files / "test/dog/7.png").unlink()
    run, said = run_command("--predictions", "table.csv")
    assert run is None and "in row 28 of 40, a path to no file" in said and not (files / "run").exists()
