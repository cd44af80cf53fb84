"""Three runs that are compared: whether what was left out taught the mistakes, by hand."""

import shutil
from dataclasses import replace
from math import comb

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from sightline.run_store import files
from sightline.run_store.comparison import wilson
from sightline.run_store.predictions import Predictions
from sightline.run_store.proofs import Proof, Share, compare, read_proofs, read_result, write_proofs
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

PROOF = Proof("patterns 1 and 2", (1, 2), "lists/patterns-1-2.csv", 5, "run-without", "run-random", "a" * 64)


def answers(right):
    """Predictions of two classes, of which these are right: a word of 0 and 1."""
    right = np.array(list(map(int, right)))
    scalars = pa.table({"label": np.zeros(len(right), np.int16), "predicted": (1 - right).astype(np.int16)})
    return Predictions(("cat", "dog"), scalars, None)


@pytest.mark.parametrize("right, of", [(0, 7), (3, 7), (7, 7), (830, 2000)])
def test_the_interval_of_a_share_is_wilsons(right, of):
    known = binomtest(right, of).proportion_ci(method="wilson")
    assert wilson(right, of) == pytest.approx((known.low, known.high), abs=1e-6)


def test_of_no_images_nothing_is_known():
    assert np.isnan(Share(0, 0).value) and Share(0, 0).interval == (0.0, 1.0)


def test_only_mistakes_in_the_patterns_are_counted_and_all_images_are_tested():
    found = compare(
        before=answers("0001111100"),
        without=answers("1101111110"),
        random=answers("0010111100"),
        rows=np.array([0, 1, 3, 8]),  # of which image 3 is right
        tested=np.arange(10) < 4,
    )
    assert found.before.mended == Share(0, 3)
    assert found.without.mended == Share(3, 3) and found.random.mended == Share(0, 3)
    accuracies = [one.accuracy.right for one in (found.before, found.without, found.random)]
    assert accuracies == [5, 8, 5] and found.without.accuracy.of == 10
    assert [one.tested.right for one in (found.before, found.without, found.random)] == [1, 3, 1]
    assert found.random.tested.of == 4
    # Without alone is right in images 0, 1, 3 and 8, random in 2: of five coins, four or more or one or fewer alike.
    assert found.p_value == pytest.approx(2 * (comb(5, 0) + comb(5, 1)) / 2**5)
    # On the tested half in 0, 1 and 3, against 2.
    assert found.p_tested == pytest.approx(2 * (comb(4, 0) + comb(4, 1)) / 2**4)
    # Of the counted mistakes 0, 1 and 8, without has all right: of three coins, all alike.
    assert found.p_mended == pytest.approx(2 / 2**3)
    assert not found.is_proved


@pytest.mark.parametrize(
    "without, random, is_proved",
    [
        ("111111" + "1111", "000000" + "1111", True),  # p = 2/64 of either test
        ("111110" + "1111", "000000" + "1111", False),  # p = 2/32: that may be chance
        ("000000" + "1111", "111111" + "1111", False),  # better at random
        ("111111" + "1000", "000000" + "1111", False),  # mended, and for that others are wrong
        ("000011" + "1111", "100000" + "0000", False),  # p = 2 · (1 + 7)/128 = 0.125 of all, 1 of the mistakes
    ],
)
def test_it_is_proved_where_more_is_mended_and_more_is_right_either_by_more_than_chance(without, random, is_proved):
    found = compare(answers("000000" + "1111"), answers(without), answers(random))
    assert found.is_proved == is_proved
    assert found.sentence.startswith("Proved: " if is_proved else "Not proved: ")
    assert f"{found.without.mended.right} of the 6 mistakes" in found.sentence


def test_a_better_model_proves_nothing_where_hardly_more_of_the_counted_mistakes_are_mended():
    better, random = answers("1" * 20), answers("0" * 20)
    for counted, is_proved in ((5, False), (6, True)):  # p = 2/32 and 2/64
        assert compare(answers("0" * 20), better, random, rows=np.arange(counted)).is_proved == is_proved


def test_proofs_are_read_as_they_were_written_and_odd_ones_are_refused(fabricated, tmp_path):
    run = Run(shutil.copytree(fabricated, tmp_path / "run"))
    assert read_proofs(run) == []
    write_proofs(run, [PROOF, replace(PROOF, patterns=())])
    assert read_proofs(run) == [PROOF, replace(PROOF, patterns=())]
    for wrong in ({"without": "../other"}, {"images": "many"}, {"name": 3}, {"patterns": ("1",)}):
        write_proofs(run, [replace(PROOF, **wrong)])
        with pytest.raises(RunError, match="proofs.json"):
            read_proofs(run)


@pytest.fixture
def three(fabricated, tmp_path):
    """A run of which 3 of 12 are wrong, and two copies beside it."""
    for name in ("run", "run-without", "run-random"):
        shutil.copytree(fabricated, tmp_path / name)
    return Run(tmp_path / "run"), replace(PROOF, patterns=())


def test_all_mistakes_are_counted_where_the_list_is_of_no_patterns(three):
    run, proof = three
    found = read_result(run, proof)
    assert found.before.mended == found.without.mended == Share(0, 3)
    assert found.random.accuracy == found.random.tested == Share(9, 12)
    assert found.p_value == 1 and not found.is_proved


def test_there_is_no_result_before_both_trainings_are_complete(three):
    run, proof = three
    (run.path.parent / "run-random" / files.PREDICTIONS).unlink()
    assert read_result(run, proof) is None
    shutil.rmtree(run.path.parent / "run-random")
    assert read_result(run, proof) is None


def test_runs_of_other_images_are_not_compared(three):
    run, proof = three
    other = Run(run.path.parent / "run-random")
    record = replace(other.record, fingerprints={"test": "of others"})
    (other.path / files.RECORD).write_text(record.to_json())
    with pytest.raises(RunError, match="run and run-random do not predict the same test images"):
        read_result(run, proof)
