"""Predictions of another program meet their images, by path or by order, and never the wrong ones in silence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sightline.explain.precompute import precompute
from sightline.image_data import DataError, ImageSplit, content_fingerprint
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.training.foreign.images import images_by_path, joined
from sightline.training.foreign.predictions import read_foreign_predictions
from sightline.training.foreign.predictions_run import record_predictions

NAMES = ("cat", "dog", "owl")
FILES = [f"{name}/{number}.png" for name in NAMES for number in range(4)]  # two folders hold a 0.png


@pytest.fixture
def split():
    """Four images of each of three classes, in files of a folder."""
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    labels = np.repeat(np.arange(3), 4)
    paths = tuple(f"/data/test/{file}" for file in FILES)
    return ImageSplit(images, labels, NAMES, content_fingerprint(images, labels, NAMES), paths=paths)


@pytest.fixture
def table(tmp_path):
    """Write a table of 12 rows, in which every third prediction is wrong; columns may be changed, None leaves out."""

    def write(order=range(12), names=NAMES, **columns):
        predicted = (np.repeat(np.arange(3), 4) + (np.arange(12) % 3 == 0)) % 3
        p = np.full((12, 3), 0.1)
        p[np.arange(12), predicted] = 0.8
        content = {"path": FILES, "label": np.repeat(names, 4), "camera": [f"c{row % 2}" for row in range(12)]}
        content |= {f"prob_{name}": p[:, code] for code, name in enumerate(names)} | columns
        frame = pd.DataFrame({name: values for name, values in content.items() if values is not None})
        frame.iloc[list(order)].to_csv(tmp_path / "table.csv", index=False)
        return tmp_path / "table.csv"

    return write


def join(file, split, class_names=None):
    return joined(read_foreign_predictions(file, class_names, split.class_names), split, "folder:data")


def test_rows_in_any_order_find_their_images_by_the_ends_of_their_paths(table, split):
    for paths in (FILES, [f"/elsewhere/{file}" for file in FILES], [f".\\{file}".replace("/", "\\") for file in FILES]):
        foreign, images, notes = join(table(order=[7, 3, 11, 0, 1, 2, 4, 5, 6, 8, 9, 10], path=paths), split)
        assert foreign.labels.tolist() == images.labels.tolist() == split.labels.tolist() and not notes
        assert (foreign.predicted != foreign.labels).nonzero()[0].tolist() == [0, 3, 6, 9]
        assert images is split and foreign.extra["camera"].to_pylist() == ["c0", "c1"] * 6


def test_names_of_files_alone_will_do_where_they_tell_the_images_apart(table, split):
    named = replace(split, paths=tuple(f"/data/test/{name}" for name in map(str, range(12))))
    foreign, _, _ = join(table(order=range(11, -1, -1), path=list(range(12))), named)
    assert foreign.labels.tolist() == split.labels.tolist()
    with pytest.raises(
        DataError, match=r"a path that is of no image of folder:data, or of several \(0.png\); they end as cat/0"
    ):
        join(table(path=[f"{row}.png" for row in range(12)]), split)


def test_without_paths_the_order_counts_which_is_said(table, split):
    foreign, _, notes = join(table(path=None), split)
    assert foreign.labels.tolist() == split.labels.tolist() and "in the order of the images" in notes[0]


@pytest.mark.parametrize(
    ("columns", "rows", "said"),
    [
        ({"path": None}, range(11), "has 11 rows and folder:data 12 images"),
        ({}, range(11), "has no row for 1 of 12 images of folder:data: /data/test/owl/3.png"),
        ({"path": [*FILES[:-1], "owl/9.png"]}, range(12), "row 12 of 12, a path that is of no image"),
        (
            {"label": np.repeat(["dog", "cat", "owl"], 4)},
            range(12),
            r"rows 1, 2, 3, 4, 5 and 3 more of 12, a label that",
        ),
        ({"path": None}, range(11, -1, -1), "a label that is another one in folder:data .owl, and cat there"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(table, split, columns, rows, said):
    with pytest.raises(DataError, match=said):
        join(table(order=rows, **columns), split)


def test_scores_in_another_order_of_classes_come_into_the_data_sets(table, split):
    order = [2, 0, 1]
    names = tuple(NAMES[code] for code in order)
    p = np.eye(3)[np.arange(12) % 3] * 0.7 + 0.1  # image i: class i mod 3 of the data set
    columns = {f"prob_{code}": p[:, place] for code, place in enumerate(order)} | {
        f"prob_{name}": None for name in NAMES
    }
    foreign, images, _ = join(table(**columns), split, names)
    assert images.fingerprint == split.fingerprint and foreign.class_names == NAMES
    assert foreign.predicted.tolist() == (np.arange(12) % 3).tolist()
    assert np.exp(foreign.logits) == pytest.approx(p)


def test_codes_of_another_order_are_known_by_their_labels(table, split):
    codes = np.repeat([2, 0, 1], 4)  # somebody's program calls cats 2, dogs 0 and owls 1
    p = np.eye(3)[codes] * 0.7 + 0.1
    columns = {f"prob_{code}": p[:, code] for code in range(3)} | {f"prob_{name}": None for name in NAMES}
    foreign, _, (note,) = join(table(label=codes, **columns), split)
    assert foreign.predicted.tolist() == split.labels.tolist()
    assert "0 is dog, 1 is owl, 2 is cat" in note
    with pytest.raises(
        DataError, match="another label than in folder:data, which no other order of the classes explains"
    ):
        join(table(label=[0, *codes[1:]], **columns), split)


def test_a_table_with_more_classes_than_the_data_set_keeps_them(table, split):
    names = ("bee", *NAMES)
    columns = {f"prob_{name}": np.full(12, 0.25) for name in names}
    foreign, images, _ = join(table(**columns), split)
    assert images.class_names == (*NAMES, "bee") and foreign.logits.shape == (12, 4)
    assert images.labels.tolist() == split.labels.tolist() and images.fingerprint != split.fingerprint


def test_a_table_that_lacks_a_class_of_the_data_set_never_predicts_it(split, tmp_path):
    file = tmp_path / "t.csv"
    pd.DataFrame({"path": FILES, "prob_cat": [0.75] * 12, "prob_dog": [0.25] * 12}).to_csv(file)
    foreign, _, _ = join(file, split)
    assert np.exp(foreign.logits[0]) == pytest.approx([0.75, 0.25, 0], abs=1e-6) and foreign.class_names == NAMES


@pytest.fixture
def files(tmp_path):
    """Twelve images of 20×16 pixels below the folder of the table."""
    for row, file in enumerate(FILES):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 16), (20 * row, 0, 0)).save(tmp_path / file)
    return tmp_path


def test_images_are_found_below_the_folder_of_the_table(table, files):
    foreign, split = images_by_path(read_foreign_predictions(table(order=[5, 1, 9]), None))
    assert split.images.shape == (3, 16, 16, 3) and split.images[:, 0, 0, 0].tolist() == [100, 20, 180]
    assert split.labels.tolist() == [1, 0, 2] and split.paths[0] == str(files / "dog/1.png")
    assert images_by_path(foreign, 8)[1].images.shape == (3, 8, 8, 3)


def test_without_labels_the_folders_of_the_images_are_the_classes(table, files):
    columns = {f"prob_{name}": None for name in NAMES} | {"label": None, "pred": np.repeat([0, 1, 2], 4)}
    foreign, split = images_by_path(read_foreign_predictions(table(**columns), None))
    assert split.class_names == NAMES and (split.labels == foreign.predicted).all()
    with pytest.raises(
        DataError, match="no labels, and its images do not lie in folders that are called as its classes"
    ):
        images_by_path(read_foreign_predictions(table(**columns), ("cat", "dog", "fox")))


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "cat/../../secret.png", ".."])
def test_a_path_that_leads_out_of_the_folder_is_refused(table, files, path):
    with pytest.raises(DataError, match="row 3 of 12, a path that leads out of"):
        images_by_path(read_foreign_predictions(table(path=[*FILES[:2], path, *FILES[3:]]), None))


def test_a_missing_image_and_a_broken_one_are_named_by_their_rows(table, files):
    with pytest.raises(DataError, match="row 2 of 12, a path to no file"):
        images_by_path(read_foreign_predictions(table(path=[FILES[0], "cat/7.png", *FILES[2:]]), None))
    (files / FILES[4]).write_bytes(b"no image")
    with pytest.raises(DataError, match="row 5 of 12, an image that cannot be read"):
        images_by_path(read_foreign_predictions(table(), None))
    with pytest.raises(DataError, match="names no images; add a column path, or give the images with --dataset"):
        images_by_path(read_foreign_predictions(table(path=None), None))


def test_a_run_of_predictions_is_complete_and_says_what_it_lacks(table, split, tmp_path):
    foreign, images, _ = join(table(), split)
    record_predictions(tmp_path / "run", foreign, images, "folder:my data")
    run = Run(tmp_path / "run")
    assert run.state == "complete" and run.record.network == "none" and run.record.foreign
    assert (run.record.layers, run.record.mean, run.record.std, run.record.parameters) == ((), (), (), 0)
    assert run.record.model == "" and run.record.fingerprints == {"test": split.fingerprint}
    predictions = run.predictions()
    assert predictions.accuracy == pytest.approx(8 / 12)
    assert predictions.column("confidence") == pytest.approx([0.8] * 12)
    assert predictions.words["camera"].words == ("c0", "c1")
    assert predictions.column("path")[0] == "/data/test/cat/0.png"
    for read in (run.features, run.load_model, lambda: precompute(run)):
        with pytest.raises(RunError, match=r"has no network. It .* sightline evaluate .* --dataset 'folder:my data'"):
            read()


def test_predicted_classes_alone_make_a_run_without_made_up_figures(table, split, tmp_path):
    columns = {f"prob_{name}": None for name in NAMES} | {"pred": np.repeat(["owl", "dog", "cat"], 4)}
    foreign, images, _ = join(table(**columns), split)
    record_predictions(tmp_path / "run", foreign, images, "folder:data")
    predictions = Run(tmp_path / "run").predictions()
    assert predictions.probabilities is None and predictions.accuracy == pytest.approx(1 / 3)
    assert np.isnan(predictions.column("confidence")).all()


def test_of_equally_probable_classes_the_one_that_the_table_says_is_kept(table, split, tmp_path):
    columns = {f"prob_{name}": np.full(12, 1 / 3) for name in NAMES} | {"pred": ["owl"] * 12}
    foreign, images, _ = join(table(**columns), split)
    record_predictions(tmp_path / "run", foreign, images, "folder:data")
    assert Run(tmp_path / "run").predictions().column("predicted").tolist() == [2] * 12


def test_large_images_are_kept_as_thumbnails_and_found_again_by_their_paths(tmp_path):
    for number in range(4):
        Image.new("RGB", (150, 120), (60 * number, 0, 0)).save(tmp_path / f"{number}.jpg")
    pd.DataFrame({"file": [f"{n}.jpg" for n in range(4)], "y": list("abab"), "pred": list("aabb")}).to_csv(
        tmp_path / "t.csv"
    )
    foreign, split = images_by_path(read_foreign_predictions(tmp_path / "t.csv", None))
    record_predictions(tmp_path / "run", foreign, split, str(tmp_path / "t.csv"))
    run = Run(tmp_path / "run")
    assert run.images().shape == (4, 96, 96, 3) and run.record.input_size == 120
    assert run.model_images([3]).shape == (1, 120, 120, 3)


def test_what_cannot_be_kept_leaves_no_run(table, split, tmp_path, monkeypatch):
    foreign, images, _ = join(table(), split)
    long = foreign.extra.append_column("text", [["x" * 2**23] * 12])
    with pytest.raises(RunError, match="cannot be kept: the table holds 96 MiB of text"):
        record_predictions(tmp_path / "run", replace(foreign, extra=long), images, "folder:data")
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr("sightline.training.foreign.predictions_run.kept_images", lambda images: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        record_predictions(tmp_path / "run", foreign, images, "folder:data")
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    Path(tmp_path / "run" / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty"):
        record_predictions(tmp_path / "run", foreign, images, "folder:data")
    assert (tmp_path / "run" / "mine.txt").exists()
