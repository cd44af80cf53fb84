"""Small tables of numbers: read as they were written; what is none, or would fill the memory, is refused."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sightline.run_store.files import FileError
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.tables import read_table, table_bytes

NAME = "table.parquet"
KINDS = {"index": np.int64, "score": np.float32}
ROWS = 100


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def write(run, table, **options):
    pq.write_table(table, run.path / NAME, **options)


def table(**others):
    return pa.table({"index": np.arange(ROWS), "score": np.ones(ROWS, np.float32)} | others)


def refused(run, what, kinds=KINDS, most=ROWS):
    with pytest.raises(FileError, match=what):
        read_table(run, NAME, kinds, most)


def test_columns_and_facts_are_read_as_they_were_written(run):
    columns = {"index": np.array([3, -1, 2**62]), "score": np.array([0.5, np.nan, np.inf], np.float32)}
    (run.path / NAME).write_bytes(table_bytes(columns, {"weights": "ab", "method": "ü"}))
    found, facts = read_table(run, NAME, KINDS, 3)
    assert facts["weights"] == "ab" and facts["method"] == "ü"
    for name, kind in KINDS.items():
        assert found[name].dtype == kind and np.array_equal(found[name], columns[name], equal_nan=name == "score")


def test_the_same_table_is_the_same_bytes():
    columns = {"index": np.arange(3)}
    assert table_bytes(columns, {"weights": "ab"}) == table_bytes(columns, {"weights": "ab"})


def test_no_rows_are_a_table_too(run):
    (run.path / NAME).write_bytes(table_bytes({name: np.zeros(0, kind) for name, kind in KINDS.items()}, {}))
    assert [len(values) for values in read_table(run, NAME, KINDS, 0)[0].values()] == [0, 0]


def test_columns_that_nobody_asked_for_are_not_read(run):
    write(run, table(more=["text"] * ROWS, lists=[[1]] * ROWS))
    assert read_table(run, NAME, KINDS, ROWS)[0].keys() == KINDS.keys()


def test_more_rows_than_there_may_be_are_refused(run):
    write(run, table())
    refused(run, "has 100 rows, and there may be 99", most=99)


@pytest.mark.parametrize(
    "values",
    [np.ones(ROWS), np.ones(ROWS, np.int32), ["1"] * ROWS, [[1.0]] * ROWS, [None] * ROWS, [True] * ROWS,
     pa.array(["a"] * ROWS).dictionary_encode(), [{"x": 1.0}] * ROWS],
)  # fmt: skip
def test_a_column_of_another_kind_is_refused(run, values):
    write(run, table(score=values))
    refused(run, "must have each of these columns once, as numbers of its kind: score")


def test_a_column_that_is_missing_or_there_twice_is_refused(run):
    write(run, table().drop_columns(["score"]))
    refused(run, "columns once, as numbers of its kind: score")
    write(run, table().append_column("score", pa.array(np.ones(ROWS, np.float32))))
    refused(run, "columns once, as numbers of its kind: score")


@pytest.mark.parametrize("statistics", [True, False])
def test_a_value_that_is_missing_is_refused_whatever_the_footer_says_of_it(run, statistics):
    write(run, table(score=pa.array([None, *[1.0] * (ROWS - 1)], pa.float32())), write_statistics=statistics)
    refused(run, "lacks a value")


@pytest.mark.parametrize("codec", ["gzip", "zstd", "brotli", "lz4"])
def test_a_compression_that_may_unpack_to_anything_is_refused(run, codec):
    write(run, table(), compression=codec)
    refused(run, f"is compressed with {codec.upper()} and may be with")


@pytest.mark.parametrize("lie", [{"num_values": ROWS + 1}, {"total_uncompressed_size": 2**30}])
def test_a_column_that_unpacks_to_more_than_its_rows_is_refused(lie, monkeypatch, run):
    write(run, table())
    with pq.ParquetFile(run.path / NAME) as opened:
        metadata, schema = opened.metadata, opened.schema_arrow
    facts = {"path_in_schema": "score", "compression": "SNAPPY", "num_values": ROWS, "total_uncompressed_size": 100}
    group = SimpleNamespace(num_columns=1, column=lambda _: SimpleNamespace(**facts | lie))
    found = SimpleNamespace(num_rows=metadata.num_rows, num_row_groups=1, row_group=lambda _: group)
    monkeypatch.setattr(
        pq, "ParquetFile", lambda *_, **__: nullcontext(SimpleNamespace(metadata=found, schema_arrow=schema))
    )
    refused(run, "holds more values than it has rows")


def test_many_row_groups_are_read_and_other_columns_cost_nothing(run):
    write(run, table(padding=["x" * 10**4] * ROWS), row_group_size=1, use_dictionary=False)
    assert read_table(run, NAME, KINDS, ROWS)[0]["index"].tolist() == [*range(ROWS)]


def test_damaged_bytes_raise_something_that_the_run_turns_into_a_sentence(run):
    write(run, table())
    whole = (run.path / NAME).read_bytes()
    for damaged in (b"", whole[:-1], whole[:50] + bytes(20) + whole[70:], b"PAR1" * 20):
        (run.path / NAME).write_bytes(damaged)
        with pytest.raises(RunError, match="table.parquet"), run.reading(NAME, "Make it again."):
            read_table(run, NAME, KINDS, ROWS)


def test_a_link_out_of_the_run_is_refused(run, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    write(run, table())
    (inside / NAME).symlink_to(run.path / NAME)
    with pytest.raises(FileError, match="leads out of the run"):
        read_table(Run(inside), NAME, KINDS, ROWS)
