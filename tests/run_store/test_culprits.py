"""The training images that a run keeps: written at once, read back, and refused where they are damaged or stale."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sightline.run_store import files
from sightline.run_store.culprits import (
    Culprits,
    TrainingImages,
    culprit_maps,
    read_culprits,
    training_features,
    training_thumbnails,
    write_culprits,
)
from sightline.run_store.hashes import weights_hash
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from tests.app_pages import edit_record

LABELS = np.array([0, 1, 2, 1, 0], np.int16)
INDEX = np.array([0, 0, 5, 10, 10])
TRAIN = np.array([1, 3, 0, 2, 1])
MAPS = np.arange(5 * 2 * 4, dtype=np.float16).reshape(5, 2, 2, 2)
FEATURES = np.arange(5 * 3, dtype=np.float16).reshape(5, 3)
PICTURES = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((4, 8, 8, 3), np.uint8)


def culprits(run, **changes):
    training = TrainingImages(
        LABELS, LABELS[::-1].copy(), np.linspace(0, 1, 5, dtype=np.float32), LABELS == 2, np.array([0, 1, 2, 3, -1])
    )
    found = Culprits(
        "layer4", False, weights_hash(run), training, INDEX, np.array([1, 2, 1, 1, 2], np.int16), TRAIN,
        np.linspace(1, -1, 5, dtype=np.float32), LABELS[TRAIN], "f" * 64, 2.0**-3,
    )  # fmt: skip
    return replace(found, **changes)


@pytest.fixture
def run(fabricated, tmp_path):
    import shutil

    run = Run(shutil.copytree(fabricated, tmp_path / "run"))
    write_culprits(run, culprits(run), FEATURES, PICTURES, MAPS)
    return run


def test_what_is_written_is_read(run):
    found, expected = read_culprits(run), culprits(run)
    for name, value in vars(expected).items():
        if name != "training":
            assert np.array_equal(getattr(found, name), value), name
    for name, value in vars(expected.training).items():
        assert np.array_equal(getattr(found.training, name), value), name
    for array, kept in (
        (training_features(run, found), FEATURES), (training_thumbnails(run, found), PICTURES),
        (culprit_maps(run, found), MAPS),
    ):  # fmt: skip
        assert np.array_equal(array[:], kept)
    assert [found.of(image) for image in (0, 5, 10)] == [slice(0, 2), slice(2, 3), slice(3, 5)]
    assert all(found.of(image).start == found.of(image).stop for image in (1, 11))


def test_the_ringleaders_are_behind_most_of_the_images_that_are_meant(run):
    found = read_culprits(run)
    assert [each.tolist() for each in found.behind(np.array([0, 5, 10]))] == [[1, 0, 2, 3], [2, 1, 1, 1]]
    assert [each.tolist() for each in found.behind(np.array([5]))] == [[0], [1]]
    assert [each.tolist() for each in found.behind(np.array([3]))] == [[], []]


def test_nobody_looked(fabricated):
    assert read_culprits(Run(fabricated)) is None


def test_what_is_not_given_stays(run):
    fewer = {name: getattr(culprits(run), name)[:2] for name in ("index", "rank", "train_index", "train_label")}
    few = culprits(run, **fewer, similarity=np.ones(2, np.float32))
    write_culprits(run, few, None, None, MAPS[:2])
    found = read_culprits(run)
    assert len(found.index) == 2 and np.array_equal(training_features(run, found)[:], FEATURES)
    assert np.array_equal(training_thumbnails(run, found)[:], PICTURES)


def test_what_ends_early_leaves_the_files_of_before(run, monkeypatch):
    before = {file.name: file.read_bytes() for file in run.path.iterdir()}
    left = iter(range(3))

    def full(*_):
        if next(left, None) is None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("sightline.run_store.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_culprits(run, culprits(run, layer="layer3"), FEATURES, PICTURES, MAPS)
    assert {file.name: file.read_bytes() for file in run.path.iterdir()} == before


def damaged_rows(name, **columns):
    """Replace columns of a table of the run."""

    def do(run):
        table = pq.read_table(run.path / name)
        for column, values in columns.items():
            place = table.schema.get_field_index(column)
            kind = table.schema.field(column).type.to_pandas_dtype()
            table = table.set_column(place, column, [np.array(values).astype(kind)])
        pq.write_table(table, run.path / name)

    return do


def without_facts(name, **facts):
    def do(run):
        table = pq.read_table(run.path / name)
        kept = {key.decode(): value.decode() for key, value in table.schema.metadata.items()} | facts
        kept = {key: value for key, value in kept.items() if value}
        pq.write_table(table.replace_schema_metadata(kept), run.path / name)

    return do


def many_of_one_image(file):
    table = pq.read_table(file)
    rows = table.take([0] * 11)
    pq.write_table(rows.set_column(1, "rank", [np.arange(1, 12, dtype=np.int16)]), file)


ROWS, TRAINING = files.CULPRITS, files.TRAINING_ROWS
DAMAGES = {
    "no table": lambda run: (run.path / ROWS).write_bytes(b"PAR1"),
    "no training table": lambda run: (run.path / TRAINING).unlink(),
    "a test image that is none": damaged_rows(ROWS, index=[0, 0, 5, 10, 12]),
    "a negative test image": damaged_rows(ROWS, index=[-1, 0, 5, 10, 10]),
    "a training image that is none": damaged_rows(ROWS, train_index=[1, 3, 0, 2, 5]),
    "more rows than there can be": lambda run: pq.write_table(
        pa.concat_tables([pq.read_table(run.path / ROWS)] * 25), run.path / ROWS
    ),
    "another order": damaged_rows(ROWS, index=[5, 0, 0, 10, 10]),
    "a rank of 0": damaged_rows(ROWS, rank=[0, 1, 1, 1, 2]),
    "a rank twice": damaged_rows(ROWS, rank=[1, 1, 1, 1, 2]),
    "more than ten of one test image": lambda run: many_of_one_image(run.path / ROWS),
    "other labels": damaged_rows(ROWS, train_label=[0, 0, 0, 0, 0]),
    "a class that is none": damaged_rows(TRAINING, label=[0, 1, 2, 1, 3]),
    "a prediction that is none": damaged_rows(TRAINING, predicted=[0, 1, 2, 1, -1]),
    "a picture that is none": damaged_rows(TRAINING, thumbnail=[0, 1, 2, 3, -2]),
    "no layer": without_facts(ROWS, layer=""),
    "no weights": without_facts(ROWS, weights=""),
    "weights of another table": without_facts(TRAINING, weights="0" * 64),
    "neither exact nor not": without_facts(ROWS, exact="perhaps"),
    "no scale": without_facts(ROWS, scale=""),
    "a scale of nothing": without_facts(ROWS, scale="nan"),
    "no fingerprint": without_facts(ROWS, training=""),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_tables_are_a_sentence(run, damage):
    damage(run)
    with pytest.raises(
        RunError, match=r"Run run: (culprits|training)\.parquet .*Look for them again with: sightline inf"
    ):
        read_culprits(Run(run.path))


@pytest.mark.parametrize(
    ("name", "read", "odd"),
    [
        (files.TRAINING_FEATURES, training_features, FEATURES[:4]),
        (files.TRAINING_FEATURES, training_features, FEATURES.astype(np.float32)),
        (files.TRAINING_THUMBNAILS, training_thumbnails, PICTURES[:3]),
        (files.TRAINING_THUMBNAILS, training_thumbnails, PICTURES[..., :1]),
        (files.TRAINING_THUMBNAILS, training_thumbnails, np.zeros((4, 97, 97, 3), np.uint8)),
        (files.CULPRIT_MAPS, culprit_maps, MAPS[:4]),
        (files.CULPRIT_MAPS, culprit_maps, MAPS[:, :1]),
        (files.CULPRIT_MAPS, culprit_maps, np.array([{}] * 5, object)),
    ],
)
def test_arrays_that_do_not_belong_to_the_tables_are_a_sentence(run, name, read, odd):
    np.save(run.path / name, odd)
    with pytest.raises(RunError, match=f"Run run: {name} .*Look for them again with"):
        read(run, read_culprits(run))


def test_those_of_other_weights_are_stale(run):
    write_culprits(run, culprits(run, weights="0" * 64), None, None, MAPS)
    with pytest.raises(RunError, match=r"culprits\.parquet is stale, it is of other weights .*Look for them again"):
        read_culprits(Run(run.path))
    (run.path / files.MODEL).unlink()  # nobody can say that they are
    assert read_culprits(Run(run.path)).weights == "0" * 64


def test_those_of_other_training_images_than_the_run_names_are_refused(run):
    edit_record(run.path, fingerprints={"train": "0" * 64})
    with pytest.raises(RunError, match="is of other training images than the run's"):
        read_culprits(Run(run.path))
    edit_record(run.path, fingerprints={"train": "f" * 64})
    assert read_culprits(Run(run.path)).fingerprint == "f" * 64
