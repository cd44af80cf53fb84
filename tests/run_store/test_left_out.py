"""Lists of training images: what is read of them, and which are refused."""

import os

import pytest

from sightline.image_data import DataError
from sightline.run_store import files
from sightline.run_store.left_out import left_out, read_list
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from tests.app_pages import edit_record


@pytest.fixture
def write(tmp_path):
    """Write a list, text or bytes: its path."""

    def write(content):
        file = tmp_path / "list.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


@pytest.mark.parametrize(
    ("content", "indices", "labels", "kept"),
    [
        ("5\n2\n", [2, 5], None, "train_index\n5\n2\n"),
        ("train_index\n7\n", [7], None, "train_index\n7\n"),
        ("7", [7], None, "train_index\n7\n"),
        ("label,train_index,path\ncat,3,/a\n\"a, b\",1,\n", [1, 3], ("a, b", "cat"), 
         "train_index,label,path\n3,cat,/a\n1,\"a, b\",\n"),
        ("\ufefftrain_index;label\r\n4;cat\r\n\r\n4;dog\r\n", [4], ("cat",), "train_index,label\n4,cat\n4,dog\n"),
        ("train_index\tlabel\n4\n", [4], ("",), "train_index,label\n4\n"),
        ("train_index, note\n 4 , \n", [4], None, "train_index,note\n4,\n"),
        ("-1\n", [-1], None, "train_index\n-1\n"),
    ],
)  # fmt: skip
def test_a_list_names_each_image_once_and_is_kept_with_its_other_columns(write, content, indices, labels, kept):
    found = read_list(write(content))
    assert (found.indices.tolist(), found.labels, found.content.decode()) == (indices, labels, kept)
    again = read_list(write(found.content))
    assert (again.indices.tolist(), again.labels, again.content) == (indices, labels, found.content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "has no column train_index \\(its first line is nothing\\)"),
        (
            "index,label\n1,cat\n",
            "has no column train_index \\(its first line is index, label\\); give it one, or one num",
        ),
        ("3,cat\n", "has no column train_index"),
        ("\x1b]0;Größe\a\n", "first line is .]0, Größe.\\)"),
        ("train_index,label\n", "lists no image"),
        ("train_index\n1\n1.5\n", "holds '1.5' where the number of a training image belongs"),
        ("label,train_index\ncat\n", "holds '' where the number"),
        ("1\n²\n", "holds '²'"),
        ("1\n" + 400 * "9", "holds '9999"),
        (b"\xff\xfe1\x00", "is not text in UTF-8; save it as CSV in UTF-8"),
        ('train_index\n"1', "is no table in CSV"),
        ("train_index,label\n1," + 200_000 * "x", "is no table in CSV"),
    ],
)
def test_what_is_no_list_is_one_sentence(write, content, says):
    with pytest.raises(DataError, match=says):
        read_list(write(content))


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "nothing", "no name", "a gigabyte"])
def test_what_is_no_file_is_one_sentence_at_once(tmp_path, kind):
    file = tmp_path / "list.csv"
    if kind == "a pipe":
        os.mkfifo(file)
    elif kind == "a device":
        file.symlink_to("/dev/zero")
    elif kind == "a folder":
        file.mkdir()
    elif kind == "no name":
        file = tmp_path / "\0"
    elif kind == "a gigabyte":
        file.touch()
        os.truncate(file, 2**30)
    says = {
        "nothing": "cannot be read .No such file",
        "no name": "cannot be read",
        "a gigabyte": "larger than 65,536 KiB",
    }
    with pytest.raises(DataError, match=says.get(kind, "is no regular file")):
        read_list(file)


def test_a_run_says_what_it_left_out(tiny_run_copy):
    assert left_out(Run(tiny_run_copy)) is None
    edit_record(tiny_run_copy, recipe={"without": "/elsewhere/list.csv"})
    with pytest.raises(RunError, match="without.csv is missing or cannot be read.*name it: --without FILE"):
        left_out(Run(tiny_run_copy))
    (tiny_run_copy / files.WITHOUT).write_text("train_index,label\n3,cat\n")
    assert left_out(Run(tiny_run_copy)).indices.tolist() == [3]
    (tiny_run_copy / files.WITHOUT).unlink()
    (tiny_run_copy / files.WITHOUT).symlink_to("/etc/passwd")
    with pytest.raises(RunError, match="link that leads out of the run"):
        left_out(Run(tiny_run_copy))
