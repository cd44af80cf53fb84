"""patterns.json and what lies beside it: read as it was written, or refused in a sentence that says what mends it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from sightline.run_store.hashes import weights_hash
from sightline.run_store.patterns import (
    Attended,
    Covered,
    Pattern,
    Patterns,
    patterns_column,
    read_patterns,
    read_space,
    write_patterns,
)
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

FIRST = Pattern(
    number=1, kind="pattern", images=5, tested=3, mistakes=2, error_rate=2 / 3, low=0.2, high=0.9, rest_rate=0.1,
    same_classes_rate=0.2, p_value=0.001, p_same_classes=0.01, stability=0.9, taken_for=2,
    attended=Attended((200.5, 30.0, 40.0), 0.2, 0.05, (0.1, 0.2), 0.3), covered=Covered(2, 1, 0, 1.0),
)  # fmt: skip
SECOND = replace(
    FIRST, number=2, kind="hard class", images=3, tested=2, same_classes_rate=float("nan"), covered=None,
    attended=Attended((0.0, 0.0, 255.0), 0.0, 1.0, (0.5, 0.5), 0.0),
)  # fmt: skip
OF_IMAGES = np.array([1, 1, 1, -1, 1, 1, 2, 2, -1, -1, -1, 2])
SPACE = {
    "mean": np.arange(4, dtype=np.float32),
    "components": np.arange(8, dtype=np.float32).reshape(4, 2).T,  # as PCA returns them: a row after another
    "centres": np.ones((3, 2), np.float32),
    "numbers": np.array([2, 0, 1]),
}


@pytest.fixture
def run(tmp_path, fabricated):
    """A run with two patterns among three groups."""
    path = shutil.copytree(fabricated, tmp_path / "run")
    written = Run(path)
    found = Patterns(
        "layer4", "gradcam", 3, weights_hash(written), (FIRST, SECOND), OF_IMAGES, np.arange(12, dtype=np.int8) % 2
    )
    write_patterns(written, found, SPACE)
    return Run(path)


def test_what_is_written_is_read(run):
    found = read_patterns(run)
    assert (found.layer, found.method, found.groups, found.weights) == ("layer4", "gradcam", 3, weights_hash(run))
    assert str(found.patterns) == str((FIRST, SECOND))  # NaN is not equal to itself
    assert np.array_equal(found.pattern, OF_IMAGES) and found.half.tolist() == [0, 1] * 6
    assert found.numbered(2).kind == "hard class" and found.rows(2).tolist() == [6, 7, 11]
    assert patterns_column(found)[2:7] == ["1", None, "1", "1", "2"]
    space = read_space(run, found)
    assert space.keys() == SPACE.keys() and all(np.array_equal(space[name], SPACE[name]) for name in SPACE)


def test_a_run_in_which_nobody_looked_has_none(fabricated):
    assert read_patterns(Run(fabricated)) is None


def test_that_nothing_was_found_is_kept_too(run):
    nothing = replace(read_patterns(run), patterns=(), pattern=np.full(12, -1))
    write_patterns(run, nothing, SPACE | {"numbers": np.zeros(3, np.int64)})
    found = read_patterns(Run(run.path))
    assert found.patterns == () and found.groups == 3 and read_space(run, found)["numbers"].tolist() == [0, 0, 0]


def test_patterns_of_other_weights_are_stale(run):
    with (run.path / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x7f")
    with pytest.raises(RunError, match="patterns.json is stale, it is of other weights.*sightline patterns --run"):
        read_patterns(Run(run.path))


def edit(path, change):
    content = json.loads((path / "patterns.json").read_text())
    change(content)
    (path / "patterns.json").write_text(json.dumps(content))


FIELDS = {
    "error_rate": (None, "0.5", -0.1, 1.5, float("nan"), float("inf"), True, [0.5]),
    "same_classes_rate": (None, -0.1, 2),
    "mistakes": (None, -1, 0, 4, 1.5, True, 10**400),
    "images": (2, 6, 2**60),  # fewer than were tested, and than lie in it
    "taken_for": (-1, 3, 0.0),
    "number": (0, 2, True),
    "kind": ("shortcut", None, ["pattern"]),
    "covered": ({"mistakes": 1}, {"mistakes": 2, "right": 3, "right_at_random": 0, "p_value": 1.0}, 7),
    "attended": (
        None,
        {"colour": [1, 2], "excess": 0.1, "size": 0.1, "place": [0, 0], "spread": 0},
        {"colour": [1, 2, 256], "excess": 0.1, "size": 0.1, "place": [0, 0], "spread": 0},
        {"colour": [float("nan"), 2, 3], "excess": 0.1, "size": 0.1, "place": [0, 0], "spread": 0},
        {"colour": [1, 2, 3], "excess": 0.1, "size": 0.1, "place": [0, "x"], "spread": 0},
    ),
}


@pytest.mark.parametrize("field, value", [(field, value) for field, values in FIELDS.items() for value in values])
def test_a_figure_that_is_none_is_damage_and_says_what_mends_it(run, field, value):
    edit(run.path, lambda content: content["patterns"][0].update({field: value}))
    with pytest.raises(RunError, match=r"Run run: patterns\.(json|parquet) .*sightline patterns --run"):
        read_patterns(Run(run.path))


@pytest.mark.parametrize(
    "field, value",
    [("layer", 3), ("layer", "\ud800"), ("layer", "x" * 5001), ("method", "a\nb"), ("weights", None), ("groups", "3"),
     ("groups", 0), ("groups", True), ("patterns", {}), ("patterns", [1]), ("patterns", None)],
)  # fmt: skip
def test_other_facts_are_damage(run, field, value):
    edit(run.path, lambda content: content.update({field: value}))
    with pytest.raises(RunError, match=r"Run run: patterns\.(json|parquet) .*sightline patterns --run"):
        read_patterns(Run(run.path))


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "[" * 100_000, '{"patterns": []}'])
def test_a_file_that_is_none_is_damage(run, content):
    (run.path / "patterns.json").write_text(content)
    with pytest.raises(RunError, match=r"patterns\.json is damaged .*sightline patterns --run"):
        read_patterns(Run(run.path))


def test_without_its_rows_it_is_damaged(run):
    (run.path / "patterns.parquet").unlink()
    with pytest.raises(RunError, match=r"patterns\.parquet is missing"):
        read_patterns(Run(run.path))


@pytest.mark.parametrize(
    "name, row, value", [("index", 3, 4), ("pattern", 0, 3), ("pattern", 0, 0), ("pattern", 3, 2), ("half", 5, 2)]
)
def test_rows_that_do_not_belong_to_it_are_damage(run, name, row, value):
    table = pq.read_table(run.path / "patterns.parquet")
    values = table[name].to_numpy().copy()
    values[row] = value
    place, kind = table.column_names.index(name), table.schema.field(name)
    pq.write_table(table.set_column(place, kind, [values]), run.path / "patterns.parquet")
    with pytest.raises(RunError, match=r"patterns\.parquet (does not|names)"):
        read_patterns(Run(run.path))


def test_rows_of_another_search_are_damage(run):
    table = pq.read_table(run.path / "patterns.parquet")
    pq.write_table(table.replace_schema_metadata({"weights": "00" * 32}), run.path / "patterns.parquet")
    with pytest.raises(RunError, match=r"patterns\.parquet does not belong to patterns\.json"):
        read_patterns(Run(run.path))


SPACES = {
    "lacks an array": lambda space: space.pop("centres"),
    "of other weights": lambda space: space.update(weights=np.zeros(32, np.uint8)),
    "other dimensions": lambda space: space.update(components=np.eye(3, 4, dtype=np.float32)),
    "other features": lambda space: space.update(mean=np.zeros(5, np.float32)),
    "other groups": lambda space: space.update(centres=np.ones((4, 2), np.float32)),
    "a number too much": lambda space: space.update(mean=np.zeros((4, 1), np.float32)),
    "not finite": lambda space: space.update(mean=np.full(4, np.nan, np.float32)),
    "other types": lambda space: space.update(mean=np.zeros(4, np.float64)),
    "numbers that are none": lambda space: space.update(numbers=np.zeros(3, np.float32)),
    "a pattern that is none": lambda space: space.update(numbers=np.array([3, 0, 1])),
    "a pattern twice": lambda space: space.update(numbers=np.array([1, 1, 2])),
}


@pytest.mark.parametrize("change", SPACES.values(), ids=SPACES)
def test_a_space_that_is_none_is_damage(run, change):
    space = load_file(run.path / "patterns.safetensors")
    change(space)
    save_file(space, run.path / "patterns.safetensors")
    with pytest.raises(RunError, match=r"patterns\.safetensors .*sightline patterns --run"):
        read_space(run, read_patterns(run))


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\xff" * 100])
def test_bytes_that_are_no_space_are_damage(run, content):
    (run.path / "patterns.safetensors").write_bytes(content)
    with pytest.raises(RunError, match=r"patterns\.safetensors .*sightline patterns --run"):
        read_space(run, read_patterns(run))
