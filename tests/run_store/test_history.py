"""history.npz: what is read of it, and what a stranger's may not hold."""

import io
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from sightline.run_store import files, history
from sightline.run_store.history import History, Learning, history_bytes, keeps, no_history
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

EPOCHS = np.array([1, 2, 3], np.int64)
PREDICTED = np.tile(np.arange(12) % 3, (3, 1)).astype(np.int16)
CONFIDENCE = np.linspace(0, 1, 36).reshape(3, 12).astype(np.float16)
FINE = {"epochs": EPOCHS, "predicted": PREDICTED, "confidence": CONFIDENCE}


@pytest.fixture
def run(fabricated, tmp_path):
    """A run of 12 images and 3 classes, with the files that a history is checked against."""
    for name in (files.RECORD, files.IMAGES):
        (tmp_path / name).write_bytes((fabricated / name).read_bytes())
    return Run(tmp_path)


def save(run, **changes):
    np.savez(run.path / files.HISTORY, **{name: value for name, value in (FINE | changes).items() if value is not None})


def test_a_history_is_read_as_it_was_written(run):
    assert run.history() is None
    (run.path / files.HISTORY).write_bytes(history_bytes(History(**FINE)))
    found = run.history()
    assert all(np.array_equal(getattr(found, name), value) for name, value in FINE.items())
    with np.load(run.path / files.HISTORY) as opened:  # as any other program reads it
        assert {name: opened[name].dtype for name in opened} == {
            "epochs": np.int64, "predicted": np.int16, "confidence": np.float16,
        }  # fmt: skip


def test_a_history_grows_by_an_epoch_and_is_cut_to_those_that_are_committed():
    grown = no_history(12)
    for epoch, predicted, confidence in zip(EPOCHS, PREDICTED, CONFIDENCE, strict=True):
        grown = grown.after(epoch, predicted.astype(np.int64), confidence.astype(np.float32))
    assert history_bytes(grown) == history_bytes(History(**FINE))
    assert history_bytes(grown.first(2)) == history_bytes(History(EPOCHS[:2], PREDICTED[:2], CONFIDENCE[:2]))
    assert grown.first(0).predicted.shape == (0, 12) and grown.first(9).epochs.tolist() == [1, 2, 3]


def test_when_an_image_was_learned_and_how_often_forgotten():
    right = np.array([[0, 1, 0, 1], [1, 0, 0, 1], [0, 1, 0, 1], [1, 0, 0, 1]], bool)
    learning = Learning(np.array([2, 4, 6, 8]), right)
    np.testing.assert_array_equal(learning.learned_at, [4, 2, np.nan, 2])
    assert learning.forgotten.tolist() == [1, 2, 0, 0] and learning.never_learned.tolist() == [
        False,
        False,
        True,
        False,
    ]


def test_a_long_training_of_many_images_keeps_every_second_epoch_and_its_last(monkeypatch):
    monkeypatch.setattr(history, "MOST_KEPT", 4 * 3 * 10)
    assert [epoch for epoch in range(1, 4) if keeps(epoch, 3, 10)] == [1, 2, 3]
    assert [epoch for epoch in range(1, 6) if keeps(epoch, 5, 10)] == [2, 4, 5]
    assert [epoch for epoch in range(1, 8) if keeps(epoch, 7, 10)] == [3, 6, 7]


def test_a_history_that_begins_late_skips_epochs_or_holds_a_confidence_that_is_no_number_is_read(run):
    save(run, epochs=np.array([5, 9, 10]), confidence=CONFIDENCE * np.float16("nan"))
    found = run.history()
    assert found.epochs.tolist() == [5, 9, 10] and np.isnan(found.confidence).all()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"epochs": EPOCHS.astype(np.int32)}, "does not belong to images.npy"),
        ({"predicted": PREDICTED.astype(np.int64)}, "does not belong to images.npy"),
        ({"confidence": CONFIDENCE.astype(np.float32)}, "does not belong to images.npy"),
        ({"predicted": PREDICTED[:, :11]}, "does not belong to images.npy"),
        ({"predicted": PREDICTED.ravel()}, "does not belong to images.npy"),
        ({"epochs": EPOCHS[None]}, "does not belong to images.npy"),
        ({"epochs": np.int64(3)}, "does not hold rows of numbers"),
        ({"epochs": EPOCHS[:0]}, "does not hold rows of numbers"),
        ({"predicted": np.array([[None] * 12] * 3)}, "does not hold rows of numbers"),
        ({"confidence": np.asfortranarray(CONFIDENCE)}, "does not hold rows of numbers"),
        ({"confidence": CONFIDENCE[:2]}, "does not hold as many epochs of each array"),
        ({"epochs": EPOCHS - 1}, "does not number its epochs from 1, rising"),
        ({"epochs": np.array([1, 3, 3])}, "does not number its epochs from 1, rising"),
        ({"epochs": np.array([2**63 - 1, -(2**63), 1])}, "does not number its epochs from 1, rising"),
        ({"predicted": PREDICTED + np.int16(1)}, "names a class outside 0–2"),
        ({"predicted": PREDICTED - np.int16(1)}, "names a class outside 0–2"),
        ({"confidence": None}, "does not hold the arrays epochs, predicted, confidence, each once"),
        ({"more": EPOCHS}, "does not hold the arrays epochs, predicted, confidence, each once"),
    ],
)
def test_another_content_is_refused_in_a_sentence(run, changes, says):
    save(run, **changes)
    with pytest.raises(RunError, match=f"history.npz {says}.*Remove it: the run then has no history"):
        run.history()


def entries(shape=(3, 12)):
    """The entries of the archive; the header of the predictions says that they have this shape."""
    found = {}
    for name, values in FINE.items():
        buffer = io.BytesIO()
        header = {"descr": values.dtype.str, "fortran_order": False, "shape": values.shape}
        np.lib.format.write_array_header_1_0(buffer, header | ({"shape": shape} if name == "predicted" else {}))
        found[f"{name}.npy"] = buffer.getvalue() + values.tobytes()
    return found


def archive(contents, kind=zipfile.ZIP_STORED, comment=b""):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", kind) as opened:
        warnings.simplefilter("ignore", UserWarning)  # zipfile's, of a name that is there twice
        for name, content in contents:
            opened.writestr(name, content)
        opened.comment = comment
    return bytearray(buffer.getvalue())


def patched(content, *changes):
    """Write other numbers (bytes) at places of the archive, from the end where they are negative."""
    for place, value in changes:
        content[place : place + len(value)] = value
    return content


def bombs():
    fine = archive(entries().items())
    directory = fine.index(b"PK\1\2")
    huge = b"\xf0\xff\xff\x7f"
    yield "compressed", archive(entries().items(), zipfile.ZIP_DEFLATED), "is compressed, and may not be"
    yield "twice", archive([*entries().items(), ("epochs.npy", b"")]), "each once"
    yield "twice in place of another", archive([*list(entries().items())[:2], ("epochs.npy", b"")]), "each once"
    yield "with a comment", archive(entries().items(), comment=b"x"), "each once"
    yield "of a million files", archive((str(name), b"") for name in range(10**4)), "each once"
    yield "of a longer archive", fine[:-22] + b"PK\6\7" + bytes(16) + fine[-22:], "each once"
    yield "encrypted", patched(fine[:], (directory + 8, b"\1")), "is damaged"
    yield "larger than the file", patched(fine[:], (directory + 20, huge + huge)), "is shorter than it says"
    yield "another number of files", patched(fine[:], (-12, b"\2")), "each once"
    yield "a flipped bit", patched(fine[:], (fine.index(EPOCHS.tobytes()), b"\7")), "is damaged"
    for shape in ((10**6, 12), (2**60, 12), (3, 2**62), (-3, 12), (0, 12)):
        yield f"header of {shape}", archive(entries(shape).items()), "is damaged|does not (belong|hold rows)"
    yield "cut", fine[: len(fine) // 2], "each once"
    yield "nothing", bytearray(), "cannot be read|is damaged"
    yield "noise", bytearray(b"x" * 500), "each once"


@pytest.mark.parametrize(("content", "says"), [case[1:] for case in bombs()], ids=[case[0] for case in bombs()])
def test_an_archive_that_lies_is_refused_before_it_takes_memory(run, content, says):
    (run.path / files.HISTORY).write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(RunError, match=f"history.npz .*({says}).*Remove it: the run then has no history"):
            run.history()
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_the_archive_of_these_tests_is_one(run):
    (run.path / files.HISTORY).write_bytes(archive(entries().items()))
    assert run.history().epochs.tolist() == [1, 2, 3]
