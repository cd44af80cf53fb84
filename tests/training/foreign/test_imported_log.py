"""A run of curves alone."""

import errno
import os

import pytest

from sightline.explain.precompute import precompute
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.foreign.imported_log import record_log
from sightline.training.logs.read_log import LogError
from sightline.training.new_run import describe_curves


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("epoch,loss,val_acc\n0,2,\n1,1,0.5\n")
    return file


def test_a_log_becomes_a_run_that_is_complete_and_has_nothing_but_curves(tmp_path, log):
    run, notes = record_log(tmp_path / "run", log, model="my net")
    assert (run.state, run.record.curves_only, run.record.foreign, run.record.model) == (
        "complete",
        True,
        True,
        "my net",
    )
    assert [(row.epoch, row.train_loss) for row in run.metrics()] == [(1, 2), (2, 1)]
    assert run.record.recipe == {"log": str(log)} and notes[0].startswith("Taken: epoch from")
    for read in (run.predictions, run.images, run.features, run.load_model, lambda: precompute(run)):
        with pytest.raises(
            RunError,
            match="Run run has curves only. To see its mistakes too, make another run of its predictions, .*log.csv; ",
        ):
            read()


def test_what_is_no_log_leaves_no_run(tmp_path, log):
    log.write_text("")
    with pytest.raises(LogError, match="is empty"):
        record_log(tmp_path / "run", log)
    assert not (tmp_path / "run").exists()


def test_a_full_disk_ends_in_a_sentence_and_a_run_that_says_so(tmp_path, log, monkeypatch):
    def disk_full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(RunWriter, "restart", disk_full)
    with pytest.raises(RunError, match="run is not finished .No space left on device.; remove it."):
        record_log(tmp_path / "run", log)
    assert Run(tmp_path / "run").state == "failed"


def test_curves_that_are_being_written_are_running_and_interrupted_where_nobody_finished_them(tmp_path):
    with RunWriter.create(tmp_path / "run", describe_curves({})) as writer:
        writer.append_metrics({"epoch": 1, "train_loss": 2.0})
        assert Run(writer.path).state == "running"
    assert Run(writer.path).state == "interrupted" and len(Run(writer.path).metrics()) == 1
