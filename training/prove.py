"""Prove what taught a model its mistakes: train it again without those training images, and without as many at random.

sightline prove --run runs/NAME [--patterns 1,2,3]
sightline prove --run runs/NAME --culprits 200
sightline prove --run runs/NAME --without FILE

The list of images is a file in the run, lists/….csv: whoever edits it and gives the same command trains without what it
then lists. Ctrl-C keeps finished epochs, and the same command goes on.
"""

import os
import signal
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from sightline.explain.command_line import UsageError, ending_in_a_sentence, names
from sightline.explain.output import in_columns
from sightline.explain.why.tracing import at_random, list_bytes
from sightline.image_data import DataError
from sightline.image_data.sources import runs_code
from sightline.image_data.splits import refuse_misfit
from sightline.model_zoo.device import keep_freed_memory
from sightline.run_store import files
from sightline.run_store.hashes import weights_hash
from sightline.run_store.left_out import TrainingList, left_out
from sightline.run_store.names import check_folder_name
from sightline.run_store.proofs import (
    MOST_PROOFS,
    Proof,
    ProofResult,
    read_proofs,
    read_result,
    rows_hash,
    write_proofs,
)
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.training_options import training_options
from sightline.run_store.writer import RunWriter, check_place
from sightline.training.choosing import (
    Choice,
    Split,
    list_of,
    of_culprits,
    of_file,
    of_patterns,
    random_list,
    training_split,
)
from sightline.training.recipe import TrainConfig, TrainingError
from sightline.training.side_by_side import run_side_by_side


@dataclass(frozen=True)
class ProveConfig:
    """Train a run again without some of its training images, and without as many at random; then compare the three."""

    run: Path
    """the run directory"""
    patterns: Annotated[tuple[str, ...], names()] = ()
    """numbers of the patterns whose training images are left out, separated by commas; default: all patterns"""
    culprits: int | None = None
    """leave out so many of the training images behind most mistakes instead, as `sightline influence` found them"""
    without: Path | None = None
    """leave out the images of this list instead: a CSV with a column train_index; of --patterns the mistakes count"""
    dataset: str | None = None
    """where the data set lies now; of one that is a program (FILE.py:NAME), its name again, so that it may be run"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """for tracing the training images; the trainings run where the run itself was trained"""


def prove(config: ProveConfig) -> str:
    """Make the list, train what is not trained yet, and return the comparison to print.

    Raises DataError, ExplainError, ModelError, RunError, TrainingError or UsageError with a sentence.
    """
    run = Run(Path(os.path.abspath(config.run)))
    options = same_training(run, config.dataset)
    with RunWriter.reopen(run.path, run.record):
        proof = begin(run, config, options)
    trainings = {
        path: ["sightline.training.train", *options, f"--without={run.path / listed}", f"--run={path}", "--resume"]
        for folder, listed in ((proof.without, proof.listed), (proof.random, random_list(proof.images)))
        if Run(path := run.path.parent / folder).state != "complete"
    }
    fit_together = run.record.device == "cpu" and 2 * run.record.threads <= (os.cpu_count() or 1)
    run_side_by_side(trainings, 2 if fit_together else 1, "training again")
    result = read_result(Run(run.path), proof)
    if result is None:
        raise TrainingError(f"Of the runs {proof.without} and {proof.random}, one is not complete.")
    return report(run, proof, result)


def same_training(run: Run, dataset: str | None = None) -> list[str]:
    """Return the options of training.train that repeat the training of a run, without --run.

    dataset: where its data set is, as the user says. Raises RunError, with a sentence, where it cannot be repeated.
    """
    record, recipe = run.record, run.record.recipe
    if record.foreign:
        raise RunError(
            f"Run {run.name} was trained elsewhere, so that nothing here can train it again. Leave the images out "
            "there, and make a run of the new model with: sightline evaluate."
        )
    if run.state != "complete":
        raise RunError(f"Run {run.name} is not complete; finish its training first.")
    if recipe.get("without"):
        raise RunError(f"Run {run.name} was itself trained without some images; prove with the run that it came from.")
    if recipe.get("processes", 1) != 1:
        raise RunError(
            f"Run {run.name} was trained by {recipe['processes']} processes, each with its part of the batches, and "
            "this command starts one a training; prove with a run that one process trained."
        )
    if dataset is None and runs_code(record.dataset):
        raise RunError(
            f"The images of run {run.name} come from the program {record.dataset}, which is run only where you name it "
            f"yourself: --dataset {record.dataset}."
        )
    same = {"dataset": dataset or record.dataset, "threads": record.threads, "device": record.device}
    return training_options({**asdict(TrainConfig()), **recipe, **same})  # the run may be older than an option


def begin(run: Run, config: ProveConfig, options: list[str]) -> Proof:
    """Write the two lists, where they are not there yet, and the proof. The caller holds the lock of the run.

    options: of its training. Raises as `prove` does.
    """
    split = training_split(run, config.dataset)
    choice = _choose(run, config, split)
    weights, rows = weights_hash(run), rows_hash(run) if choice.patterns else ""
    proofs = read_proofs(run)
    made = [(one.weights, one.rows) for one in proofs if one.listed == choice.listed]
    if not config.without and made and made[-1] != (weights, rows) and (run.path / choice.listed).exists():
        raise RunError(
            f"Run {run.name}: {choice.listed} is of what was found before it was looked for again. Remove it "
            "to have it made anew; or move it away, and name it with --without."
        )
    chosen = list_of(run, choice.listed, choice.make)
    images, total = len(chosen.indices), run.record.image_counts["train"]
    _refuse_misfit(run, choice.listed, chosen, split)
    others = list_of(run, random_list(images), lambda: list_bytes(at_random(images, total), split()))
    if len(others.indices) != images:
        raise RunError(
            f"{random_list(images)} of run {run.name} lists {len(others.indices):,} images; remove it, so that as many "
            "as were chosen are drawn anew."
        )
    without, random = (
        _folder(run, Path(name).stem, listed, options)
        for name, listed in ((choice.listed, chosen), (random_list(images), others))
    )
    proof = Proof(choice.name, choice.patterns, choice.listed, images, without, random, weights, rows)
    before = [one for one in proofs if (one.without, one.random) != (without, random)]
    write_proofs(run, [*before, proof][-MOST_PROOFS:])
    return proof


def _refuse_misfit(run: Run, listed: str, chosen: TrainingList, split: Split) -> None:
    """Raise RunError or DataError for a list of which no run would come: before the one at random is trained."""
    images, total = len(chosen.indices), run.record.image_counts["train"]
    first, last = chosen.indices[[0, -1]]
    if first < 0 or last >= total or images > total - 2:
        raise RunError(
            f"{listed} lists {images:,} training images, numbers {first} to {last}. Run {run.name} has {total:,}, "
            "numbered from 0, of which at least 2 must be left."
        )
    if chosen.labels:
        try:
            refuse_misfit(split(), chosen.indices, chosen.labels)
        except DataError as error:
            raise DataError(f"{listed} does not fit the training images of run {run.name}. {error}") from error


def _choose(run: Run, config: ProveConfig, split: Split) -> Choice:
    if config.culprits is not None:
        if config.patterns or config.without:
            raise UsageError("--culprits goes with neither --patterns nor --without.")
        return of_culprits(run, config.culprits, split)
    if config.without:
        return of_file(run, config.without, config.patterns)
    return of_patterns(run, config.patterns, split, config.device)


def _folder(run: Run, what: str, listed: TrainingList, options: list[str]) -> str:
    """Return the name of the run beside this one that is trained without a list, or will be: the first that is free."""
    for number in count(1):
        name = f"{run.path.name}-without-{what}{f'-{number}' if number > 1 else ''}"
        check_folder_name(name)
        if _is_free(Run(run.path.parent / name), listed, options):
            return name
    raise AssertionError("count() never ends")


def _is_free(other: Run, listed: TrainingList, options: list[str]) -> bool:
    """Tell whether a run is not there yet, or is of this very training, which goes on or has ended."""
    try:
        if not other.exists:
            check_place(other.path)
            return True
        if training_options({**asdict(TrainConfig()), **other.record.recipe}) != options:
            return False
        if other.record.recipe.get("left_out") == len(listed.indices) and not (other.path / files.WITHOUT).exists():
            return True  # it was killed before it had its list
        kept = left_out(other)
    except RunError:  # somebody else's folder, or a damaged run
        return False
    return kept is not None and np.array_equal(kept.indices, listed.indices)


def report(run: Run, proof: Proof, result: ProofResult) -> str:
    """Write the comparison of the three runs: a table, the verdict, and where the list is."""
    lines = [("run", "training images", "mistakes right", "accuracy", "95 %", "on the tested half")]
    runs = ((run.path.name, result.before), (proof.without, result.without), (proof.random, result.random))
    for name, judged in runs:
        images = Run(run.path.parent / name).record.image_counts["train"]
        mended, accuracy = judged.mended, judged.accuracy
        ends = "–".join(f"{end:.1%}" for end in accuracy.interval)
        figures = (f"{mended.right:,} of {mended.of:,}", f"{accuracy.value:.1%}", ends, f"{judged.tested.value:.1%}")
        lines.append((name, f"{images:,}", *figures))
    table = in_columns(lines if proof.patterns else [line[:-1] for line in lines])
    tested = f" {result.tested_sentence}" if proof.patterns else ""
    return f"{table}\n{result.sentence}{tested}\nThe list: {run.path / proof.listed}"


def main() -> None:
    """Run the command `sightline prove`."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores for what it runs with &
    with ending_in_a_sentence(interrupted="finished epochs are kept, and the same command goes on."):
        config = tyro.cli(ProveConfig, prog="sightline prove")
        keep_freed_memory()
        print(prove(config))


if __name__ == "__main__":
    main()
