"""What is read from runs, kept until a file behind it changes; maps.compute keeps what needs the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sightline.app.runs.kept import kept, read_once
from sightline.explain.judging.verdicts import Verdict, known_rows
from sightline.explain.judging.verdicts import verdicts as judge
from sightline.run_store import comparable
from sightline.run_store.arrays import StoredArray
from sightline.run_store.commands import command, quoted
from sightline.run_store.comparable import compare
from sightline.run_store.comparison import Comparison
from sightline.run_store.culprits import Culprits, read_culprits, training_thumbnails
from sightline.run_store.epochs import predictions_after
from sightline.run_store.files import Reading, is_locked
from sightline.run_store.found_out import with_found_out
from sightline.run_store.history import History
from sightline.run_store.metrics import Epoch
from sightline.run_store.note import RunNote
from sightline.run_store.patterns import Patterns, read_patterns
from sightline.run_store.predictions import Predictions
from sightline.run_store.proofs import Proof, ProofResult, read_proofs, read_result
from sightline.run_store.quality import QualityRow, read_quality
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run, State
from sightline.run_store.tags import read_tags

MOST_RUNS = 1024  # of which the small things are kept: the rows of a table that is shown in full


@dataclass(frozen=True)
class RunStatus:
    """What can be said of a run at once.

    reason: why it failed, was interrupted or is damaged, in a sentence; empty otherwise.
    """

    state: State
    reason: str = ""


def status(run: Run) -> RunStatus:
    """Return the state of a run, which goes by its lock too."""
    if status not in run.kept:
        run.kept[status] = _status(run, is_locked(run.path))
    found: RunStatus = run.kept[status]
    return found


@kept("predictions", lru_cache(MOST_RUNS))
def _status(run: Run, locked: bool) -> RunStatus:
    """Return the state of a run. locked: part of the key alone, since the state goes by it."""
    state = run.state
    return RunStatus(state, _reason(run, state))


def _reason(run: Run, state: State) -> str:
    if state == "interrupted":
        what = "evaluation" if run.record.foreign and not run.record.curves_only else "training"
        return f"The {what} stopped before its end. {_resume_hint(run)}"
    if state == "failed":
        return f"{run.record.reason or 'The training failed and left no reason.'} {_resume_hint(run)}"
    if state == "damaged":
        try:
            _ = run.record
            run.predictions()
        except RunError as error:
            return str(error)
    return ""


def _resume_hint(run: Run) -> str:
    if run.record.curves_only:
        return "It was trained elsewhere, and cannot go on here."
    if run.record.foreign and not run.record.can_be_evaluated:
        return "It cannot be finished; make it again under another name."
    if run.record.foreign:
        return f"Finish it with: {command('evaluate', '--run', run.path)}"
    return f"The same command with --run {quoted(run.path)} --resume goes on after its last finished epoch."


@kept("record", lru_cache(MOST_RUNS), is_small=True)
def record(run: Run) -> RunRecord:
    """Return what run.json says. Raises RunError."""
    return run.record


def has_curves_only(run: Run) -> bool:
    """Tell whether a run, whose record may be damaged, says that it has figures of epochs and nothing else."""
    try:
        return record(run).curves_only
    except RunError:
        return False


@kept("note", lru_cache(MOST_RUNS), is_small=True)
def note(run: Run) -> RunNote:
    """Return what people say about the run. Raises RunError."""
    return run.note()


@kept("tags", lru_cache(16))
def tags(run: Run) -> Mapping[int, str]:
    """Return image → the tag that people gave it. Raises RunError."""
    return read_tags(run)


@kept("metrics", lru_cache(MOST_RUNS), is_small=True)
def metrics(run: Run) -> list[Epoch]:
    """Return the epochs so far. Raises RunError."""
    return run.metrics()


def predictions(run: Run) -> Predictions:
    """Return the predictions of the test split, with what else is known of each image. Raises RunError."""
    return _predictions(run) if run.epoch is None else _predictions_after(run)


@kept("columns", read_once(8))
def _predictions(run: Run) -> Predictions:
    return with_found_out(run, run.predictions(), patterns, history, tags)


@kept("columns", read_once(8))
def _predictions_after(run: Run) -> Predictions:
    """Put an epoch's classes into the predictions that are kept: neither they nor the history are read for each one."""
    return predictions_after(run.name, _predictions(ended(run)), history(run), run.epoch or 0)


def ended(run: Run) -> Run:
    """Return the run as it ended, of one that is looked at after an epoch."""
    found: Run = run if run.epoch is None else run.kept.setdefault(ended, Run(run.path, run.name))
    return found


def history(run: Run) -> History | None:
    """Return what each image was taken for after each epoch; None where nobody kept it. Raises RunError."""
    return _history(ended(run))  # one for all epochs


@kept("history", read_once(4))
def _history(run: Run) -> History | None:
    return run.history()


def epochs(run: Run) -> Sequence[int]:
    """Return the epochs of a run's history; none where there is no history, or no sense in it."""
    try:
        return _epochs(ended(run))
    except RunError:
        return ()


@kept("history", lru_cache(MOST_RUNS), is_small=True)
def _epochs(run: Run) -> tuple[int, ...]:
    """Return them, of more runs than there is room for histories."""
    found = history(run)
    return tuple(found.epochs.tolist()) if found else ()


@kept("patterns", read_once(8))
def patterns(run: Run) -> Patterns | None:
    """Return what mistakes share; None where nobody looked. Raises RunError."""
    return read_patterns(run)


@kept("proofs", lru_cache(16))
def proofs(run: Run) -> list[Proof]:
    """Return the proofs that were begun, the newest last. Raises RunError."""
    return read_proofs(run)


@kept("columns", lru_cache(16))
def proof_result(run: Run, without: Run, random: Run, proof: Proof) -> ProofResult | None:
    """Return what came of a proof, whose two runs are given too; None before both are complete. Raises RunError."""
    return read_result(run, proof)


@kept("columns", read_once(8))
def comparison(a: Run, b: Run) -> Comparison:
    """Compare two runs on the same test split, in the classes of A. Raises RunError."""
    return compare(a.name, predictions(a), b.name, predictions(b))


@kept("predictions", lru_cache(MOST_RUNS))
def accuracy(run: Run) -> float:
    """Return the share of right predictions, 0–1. Raises RunError."""
    return run.predictions().accuracy


@kept("predictions", lru_cache(MOST_RUNS))
def files_and_labels(run: Run) -> str:
    """Return what `comparable.files_and_labels` does. Raises RunError."""
    return comparable.files_and_labels(run.predictions())


@kept("images", lru_cache(16), is_small=True)
def images(run: Run) -> StoredArray:
    """Return the test split, uint8 N×H×W×3, read when indexed. Raises RunError."""
    return run.images()


@kept("masks", lru_cache(16), is_small=True)
def masks(run: Run) -> StoredArray | None:
    """Return the run's masks, uint8 N×H×W, mapped into memory, or None where it has none. Raises RunError."""
    return run.masks()


@kept("quality", lru_cache(16), is_small=True)
def quality(run: Run) -> list[QualityRow]:
    """Return how far its maps may be believed; empty where that was not measured. Raises RunError."""
    return known_rows(read_quality(run))


@kept("quality", lru_cache(16), is_small=True)
def verdicts(run: Run) -> list[Verdict]:
    """Return which kinds of maps are supported on the run, the best first. Raises RunError."""
    return judge(quality(run))


@kept("culprits", read_once(4))
def culprits(run: Run) -> Culprits | None:
    """Return the training images behind test images; None where nobody looked for them. Raises RunError."""
    return read_culprits(run)


@kept("culprits", lru_cache(16))
def training_images(run: Run) -> StoredArray:
    """Return the pictures of training images that the run keeps, uint8 T×S×S×3, read when indexed. Raises RunError."""
    if found := culprits(run):
        return training_thumbnails(run, found)
    raise RunError(f"Run {run.name} keeps no training images.")


def files_token(run: Run, reading: Reading) -> str:
    """Return a word that changes whenever these files do: part of a thumbnail's URL, which browsers keep for ever."""
    return "-".join(f"{number:x}" for _, *numbers in run.stamp(reading) for number in numbers)
