"""A data set may be made by a Python file of the user's own, which is run when the user names it, and only then."""

import pytest

from sightline.image_data import DataError, load_image_data, load_test_split
from sightline.image_data.sources import dataset_path, runs_code

PROGRAM = """
from pathlib import Path
import numpy as np
from beside import GREY
Path(__file__).with_name("was_run").touch()
pairs = [(np.full((9, 9), GREY, np.uint8), 0), (np.zeros((9, 9), np.uint8), 1)]
class Data:
    def __len__(self):
        return 2
    def __getitem__(self, row):
        return pairs[row]
class Needy(Data):
    def __init__(self, root):
        pass
def both():
    return {"train": pairs, "val": pairs[:1]}
def fails():
    raise ValueError("no disk")
nothing = None
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "beside.py").write_text("GREY = 77\n")
    (tmp_path / "own.py").write_text(PROGRAM)
    return tmp_path / "own.py"


@pytest.mark.parametrize("name", ["pairs", "Data"])
def test_an_object_or_a_class_is_a_data_set(file, name):
    split, _ = load_test_split(f"{file}:{name}", run_code=True)
    assert split.images[:, 4, 4, 1].tolist() == [77, 0] and split.labels.tolist() == [0, 1]


def test_a_function_may_give_splits_which_have_the_same_classes(file):
    data = load_image_data(f"{file}:both", run_code=True)
    assert len(data.train) == 2 and len(data.test) == 1 and data.test.class_names == ("0", "1")
    assert len(load_test_split(f"{file}:both", split="train", run_code=True)[0]) == 2
    with pytest.raises(DataError, match="has no split train, it has no splits"):
        load_image_data(f"{file}:pairs", run_code=True)


def test_a_name_that_the_user_did_not_give_runs_nothing(file):
    for load in (load_test_split, load_image_data):
        with pytest.raises(DataError, match="is a program, which is run only where you name it yourself"):
            load(f"{file}:both")
    assert not file.with_name("was_run").exists()
    assert runs_code(f"{file}:both") and dataset_path(f"{file}:both") == file
    assert not file.with_name("was_run").exists()
    load_test_split(f"{file}:both", run_code=True)
    assert file.with_name("was_run").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "Needy",
            r"could not be made: TypeError: .*'root'.* write a function such as def data\(\): return Needy\(…\)",
        ),
        ("fails", r"fails of .* could not be made: ValueError in line 18 of own.py: no disk"),
        ("nothing", "gives None; it must give a data set"),
        ("wrong", "has no wrong, but .*Data"),
    ],
)
def test_what_cannot_be_made_is_a_sentence(file, name, words):
    with pytest.raises(DataError, match=words):
        load_test_split(f"{file}:{name}", run_code=True)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("x = 1\nraise RuntimeError('no')\n", r"cannot be imported: RuntimeError in line 2 of bad.py: no"),
        ("x =\n", r"cannot be imported: SyntaxError in line 1 of bad.py: invalid syntax"),
        ("import no_such_module\n", r"cannot be imported: ModuleNotFoundError in line 1 of bad.py: No module named"),
        ("raise SystemExit(3)\n", r"cannot be imported: SystemExit in line 1 of bad.py: what runs on its own"),
        (None, "No file .*FILE.py:NAME names what is in a Python file"),
    ],
)
def test_a_file_that_cannot_be_run_is_a_sentence(tmp_path, program, words):
    file = tmp_path / "bad.py"
    if program is not None:
        file.write_text(program)
    with pytest.raises(DataError, match=words):
        load_test_split(f"{file}:x", run_code=True)
