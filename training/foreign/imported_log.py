"""Make a run of curves alone, from the log of a training elsewhere."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sightline.explain.command_line import sentence
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.logs.read_log import read_log
from sightline.training.new_run import describe_curves


def record_log(path: Path, file: Path, *, model: str = "", dataset: str = "") -> tuple[Run, list[str]]:
    """Make the run directory `path` of a log, as `read_log` takes it; return the run and what was taken for what.

    model, dataset: what they are called. Raises LogError, before anything is written, or RunError.
    """
    epochs, notes = read_log(file)
    with RunWriter.create(path, describe_curves({"log": str(file)}, model, dataset)) as writer:
        try:
            writer.restart(epochs)
            writer.describe(replace(writer.record, state="complete"))
        except OSError as error:
            with suppress(OSError):  # the disk may be too full to say so
                writer.fail(sentence(error))
            raise RunError(f"{path} is not finished ({sentence(error).rstrip('.')}); remove it.") from error
    return Run(path), notes
