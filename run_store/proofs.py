"""proofs.json: the trainings without some training images that prove, or do not, that these taught the mistakes."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from sightline.run_store import files
from sightline.run_store.comparison import mcnemar, wilson
from sightline.run_store.files import FileError
from sightline.run_store.hashes import file_hash
from sightline.run_store.patterns import TESTED, read_patterns
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import MOST_TEXT, RunError
from sightline.run_store.run import Run

MOST_PROOFS = 1000
CHANCE = 0.05  # a smaller p-value is none


@dataclass(frozen=True)
class Proof:
    """Two trainings as the run's own, at as many steps: one without the listed images, one without as many at random.

    Folders are names of runs beside this one; they may not be there (yet).
    """

    name: str  # what was left out, in words: "patterns 1, 2 and 3"
    patterns: tuple[int, ...]  # whose mistakes are counted; none: all mistakes
    listed: str  # the list, a file in the run, with "/"
    images: int  # in it
    without: str  # the folder of the run without them
    random: str  # of the run without as many others, at random
    weights: str  # the `weights_hash` of this run when the proof began
    rows: str = ""  # the `rows_hash` of the patterns then; "" where there are none


@dataclass(frozen=True)
class Share:
    """How many images are right, of how many."""

    right: int
    of: int

    @property
    def value(self) -> float:
        """The share, 0–1; NaN of no images."""
        return self.right / self.of if self.of else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval, see `wilson`."""
        return wilson(self.right, self.of)


@dataclass(frozen=True)
class Judged:
    """What one of the three networks makes of the test images."""

    mended: Share  # of the mistakes that are counted
    accuracy: Share  # of all test images
    tested: Share  # of those of the half on which the patterns were tested; all, where there are no patterns


@dataclass(frozen=True)
class ProofResult:
    """The run and the two that were trained again, judged on the same test images.

    Labels of test images helped to choose the patterns, and with them the list: as always when a model is mended by
    its mistakes on these images, its accuracy on others may be a little lower. Those of the tested half formed no
    group, but which group counts was decided on them. No label chose what was left out at random.
    """

    before: Judged
    without: Judged
    random: Judged
    p_value: float  # of McNemar's exact test of `without` against `random`, on all test images, 0–1
    p_tested: float  # likewise, on the tested half
    p_mended: float  # likewise, on the mistakes that are counted

    @property
    def is_proved(self) -> bool:
        """Whether the left-out images taught the mistakes.

        It is so where the network without them is right more often than that without as many at random, on all test
        images and on the counted mistakes, both by more than chance (p < 0.05): alone, either may come of one training
        having gone better than the other, since the tests know of the chance of images and not of that of trainings.
        """
        ours, theirs = self.without, self.random
        is_better = ours.accuracy.right > theirs.accuracy.right and self.p_value < CHANCE
        return is_better and ours.mended.right > theirs.mended.right and self.p_mended < CHANCE

    @property
    def sentence(self) -> str:
        """The verdict, with the figures on which it rests."""
        judged = (self.without, self.random)
        mended, at_random = (f"{one.mended.right:,}" for one in judged)
        accuracy, other = (f"{100 * one.accuracy.value:.1f} %" for one in judged)
        return (
            f"{'Proved' if self.is_proved else 'Not proved'}: trained without these images, {mended} of the "
            f"{self.before.mended.of:,} mistakes are right, without as many at random {at_random} "
            f"({_p_words(self.p_mended)}); accuracy {accuracy} against {other} ({_p_words(self.p_value)})."
        )

    @property
    def tested_sentence(self) -> str:
        """The accuracies on the tested half alone, of which no image formed a group."""
        accuracy, other = (f"{100 * one.tested.value:.1f} %" for one in (self.without, self.random))
        return f"On the half that tested the patterns: accuracy {accuracy} against {other} ({_p_words(self.p_tested)})."


def _p_words(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def compare(
    before: Predictions,
    without: Predictions,
    random: Predictions,
    rows: np.ndarray | None = None,
    tested: np.ndarray | None = None,
) -> ProofResult:
    """Judge the three on the same N images.

    rows: the images (int64) of the patterns: of these the mistakes of `before` are counted. tested: bool N, the half
    on which they were tested. None: all images.
    """
    is_counted = before.wrong.copy() if rows is None else before.wrong & np.isin(np.arange(len(before)), rows)
    is_tested = np.ones(len(before), bool) if tested is None else tested

    def judge(one: Predictions) -> Judged:
        masks = (is_counted, np.ones(len(one), bool), is_tested)
        return Judged(*(Share(int((~one.wrong)[mask].sum()), int(mask.sum())) for mask in masks))

    only_one = (~without.wrong & random.wrong, without.wrong & ~random.wrong)
    chances = (mcnemar(*(int(one[mask].sum()) for one in only_one)) for mask in (slice(None), is_tested, is_counted))
    return ProofResult(judge(before), judge(without), judge(random), *chances)


def read_result(run: Run, proof: Proof) -> ProofResult | None:
    """Return what came of a proof; None as long as one of its two trainings is not complete.

    Raises RunError where one of the runs is damaged, they do not predict the same images, or the patterns whose
    mistakes are counted are no longer those of the proof.
    """
    without, random = others = [Run(run.path.parent / folder) for folder in (proof.without, proof.random)]
    if any(not other.exists or other.state != "complete" for other in others):
        return None
    if proof.rows != (rows_hash(run) if proof.patterns else ""):
        raise RunError(
            f"Run {run.name}: its patterns were looked for again since the proof of {proof.name} began, and their "
            "mistakes can no longer be counted; open the two runs in Compare."
        )
    for other in others:
        if (other.record.fingerprints.get("test"), other.record.class_names) != (
            run.record.fingerprints.get("test"),
            run.record.class_names,
        ):
            raise RunError(f"Runs {run.name} and {other.name} do not predict the same test images.")
    found = read_patterns(run) if proof.patterns else None
    rows = None if found is None else np.flatnonzero(np.isin(found.pattern, proof.patterns))
    tested = None if found is None else found.half == TESTED
    return compare(run.predictions(), without.predictions(), random.predictions(), rows, tested)


def rows_hash(run: Run) -> str:
    """Return a hash of which test image is of which pattern. Raises RunError where there are no patterns."""
    return file_hash(run, files.PATTERN_ROWS, "Look for the patterns again.")


def read_proofs(run: Run) -> list[Proof]:
    """Return the proofs that were begun, the newest last. Raises RunError where the file is damaged."""
    if not os.path.exists(run.path / files.PROOFS):
        return []
    with run.reading(files.PROOFS, "Remove it: the trainings themselves are runs of their own."):
        content = json.loads(run.read(files.PROOFS))
        if not isinstance(content, list) or len(content) > MOST_PROOFS:
            raise FileError("is no list of proofs")
        return [_parse(entry) for entry in content]


def write_proofs(run: Run, proofs: Sequence[Proof]) -> None:
    """Replace the file; the caller holds the run's lock."""
    content = json.dumps([asdict(proof) for proof in proofs], indent=2, ensure_ascii=False) + "\n"
    files.write_atomically(run.path / files.PROOFS, content.encode("utf-8", "backslashreplace"))


def _parse(entry: dict[str, Any]) -> Proof:
    """Read a proof. Raises FileError, or KeyError or TypeError, where it is none of ours."""
    found = Proof(**{field.name: entry[field.name] for field in fields(Proof)})
    texts = (found.name, found.listed, found.without, found.random, found.weights, found.rows)
    if not all(isinstance(text, str) and len(text) <= MOST_TEXT for text in texts):
        raise FileError("holds a name that is none")
    if not all(isinstance(number, int) for number in (found.images, *found.patterns)):
        raise FileError("holds a number that is none")
    if any(os.sep in folder or folder in ("", ".", "..") for folder in (found.without, found.random)):
        raise FileError("names a run that does not lie beside this one")
    return Proof(**asdict(found) | {"patterns": tuple(found.patterns)})
