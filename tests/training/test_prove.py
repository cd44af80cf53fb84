"""Proofs: what is left out of which trainings, when they go on, what is said in the end, and of bad input."""

import json
import os
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from sightline.explain.command_line import UsageError
from sightline.image_data import DataError
from sightline.run_store import files
from sightline.run_store.culprits import Culprits, TrainingImages, write_culprits
from sightline.run_store.hashes import weights_hash
from sightline.run_store.left_out import left_out, read_list
from sightline.run_store.proofs import read_proofs, read_result
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training import prove as prove_module
from sightline.training.choosing import chosen_patterns
from sightline.training.loop import Loop
from sightline.training.prove import ProveConfig, prove
from sightline.training.recipe import TrainingError
from sightline.training.train import parse, train
from tests.app_pages import edit_record
from tests.explain.why.test_tracing import pattern, save_patterns

ARROWS = "tiny-without-pattern-1"  # of 128 training images, 12 are arrows
RANDOM = "tiny-without-12-at-random"


@pytest.fixture
def run(tiny_run_copy, data_dir):
    """Everything attends alike, to what pattern 1 does; its mistakes are taken for arrows, those of 2 for circles."""
    found = Run(tiny_run_copy)
    rows = np.arange(64) % 4  # of which 0 is no pattern
    middle, nowhere = [0.0, 0.0], [50.0, 50.0]
    save_patterns(
        found, [middle, nowhere, nowhere], pattern(1, 0), pattern(2, 1), pattern(3, 2, "hard class"),
        rows=np.where(rows, rows, -1),
    )  # fmt: skip
    return found


@pytest.fixture
def trained(monkeypatch):
    """Train in this process, one run after the other: the names of the runs that were begun."""
    begun = []

    def side_by_side(trainings, at_once, what):
        for path, options in trainings.items():
            begun.append(path.name)
            train(parse(options[1:]))

    monkeypatch.setattr(prove_module, "run_side_by_side", side_by_side)
    return begun


@pytest.fixture
def copied(run, monkeypatch):
    """Copy the run instead of training, with its list and what its record says: the names of the runs that are made."""
    begun = []

    def side_by_side(trainings, at_once, what):
        for path, options in trainings.items():
            begun.append(path.name)
            config = parse(options[1:])
            shutil.copytree(run.path, path)
            shutil.copy(config.without, path / files.WITHOUT)
            listed = len(read_list(config.without).indices)
            edit_record(path, recipe=asdict(config) | {"left_out": listed, "run": "", "without": "a list"})

    monkeypatch.setattr(prove_module, "run_side_by_side", side_by_side)
    return begun


def arrows(run):
    return np.flatnonzero(labels(run) == 0).tolist()


def labels(run):
    from sightline.explain.why.training_images import load_training_split

    return load_training_split(run).labels


def beside(run, name):
    return Run(run.path.parent / name)


def test_the_run_is_trained_again_without_the_images_of_a_pattern_and_without_as_many_at_random(run, trained):
    said = prove(ProveConfig(run.path, ("1",)))
    assert trained == [ARROWS, RANDOM]
    without, random = beside(run, ARROWS), beside(run, RANDOM)
    assert left_out(without).indices.tolist() == arrows(run)
    assert len(left_out(random).indices) == 12 and left_out(random).indices.tolist() != arrows(run)
    for other in (without, random):
        assert other.record.image_counts["train"] == 116
        same = ("dataset", "model", "epochs", "seed", "batch_size", "learning_rate", "precision")
        assert [other.record.recipe[name] for name in same] == [run.record.recipe[name] for name in same]
        assert (other.record.threads, other.record.device) == (1, "cpu")
    (proof,) = read_proofs(run)
    assert (proof.name, proof.patterns, proof.images) == ("pattern 1", (1,), 12)
    assert (proof.listed, proof.without, proof.random) == ("lists/pattern-1.csv", ARROWS, RANDOM)
    result = read_result(run, proof)
    counted = run.predictions().wrong & (np.arange(64) % 4 == 1)
    assert result.before.mended.right == 0 and result.before.mended.of == counted.sum() > 0
    assert result.without.mended.right == (counted & ~without.predictions().wrong).sum()
    assert result.random.tested.right == (~random.predictions().wrong)[1::2].sum()
    table, verdict, listed = said.rpartition("\n")[0].rpartition("\n")[0], *said.splitlines()[-2:]
    assert [re.split("  +", line)[:2] for line in table.splitlines()] == [
        ["run", "training images"], ["tiny", "128"], [ARROWS, "116"], [RANDOM, "116"],
    ]  # fmt: skip
    assert verdict == f"{result.sentence} {result.tested_sentence}"
    assert listed == f"The list: {run.path / proof.listed}"


def test_the_same_command_trains_nothing_twice_and_goes_on_where_it_was_interrupted(run, trained, monkeypatch):
    train_epoch = Loop.train_epoch

    def stopped(self, number, progress):
        if trained == [ARROWS, RANDOM] and number == 2:
            raise KeyboardInterrupt
        return train_epoch(self, number, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "train_epoch", stopped)
        with pytest.raises(KeyboardInterrupt):
            prove(ProveConfig(run.path, ("1",)))
    assert beside(run, ARROWS).state == "complete" and beside(run, RANDOM).state == "interrupted"
    (proof,) = read_proofs(run)
    assert read_result(run, proof) is None
    first = prove(ProveConfig(run.path, ("1",)))
    assert trained == [ARROWS, RANDOM, RANDOM]
    assert prove(ProveConfig(run.path, ("1",))) == first
    assert trained == [ARROWS, RANDOM, RANDOM] and read_proofs(run) == [proof]


def edit(run, name, keep):
    """Keep the first lines of a list, as a person does who opens it."""
    file = run.path / files.LISTS / name
    file.write_text("\n".join(file.read_text().splitlines()[: keep + 1]) + "\n")


def test_an_edited_list_is_what_is_left_out_beside_the_runs_of_the_first_one(run, copied):
    prove(ProveConfig(run.path, ("1",)))
    edit(run, "pattern-1.csv", keep=10)
    prove(ProveConfig(run.path, ("1",)))
    assert copied[2:] == [f"{ARROWS}-2", "tiny-without-10-at-random"]
    kept = left_out(beside(run, f"{ARROWS}-2")).indices
    assert len(kept) == 10 and set(kept) < set(arrows(run))
    assert [proof.without for proof in read_proofs(run)] == [ARROWS, f"{ARROWS}-2"]


def test_a_run_of_another_training_is_left_alone(run, copied):
    other = Path(shutil.copytree(run.path, run.path.parent / ARROWS))
    before = {file.name: file.stat().st_mtime_ns for file in other.iterdir()}
    (run.path.parent / RANDOM).mkdir()
    (run.path.parent / RANDOM / "diary.txt").write_text("Dear diary")
    prove(ProveConfig(run.path, ("1",)))
    assert copied == [f"{ARROWS}-2", f"{RANDOM}-2"]
    assert {file.name: file.stat().st_mtime_ns for file in other.iterdir()} == before


def test_a_list_of_ones_own_is_copied_and_all_mistakes_are_counted_or_those_of_patterns(run, copied, tmp_path):
    file = tmp_path / "my images.csv"
    file.write_text("train_index\n5\n7\n9\n")
    prove(ProveConfig(run.path, without=file))
    prove(ProveConfig(run.path, ("1",), without=file))
    assert copied == ["tiny-without-my-images", "tiny-without-3-at-random"]
    assert left_out(beside(run, copied[0])).indices.tolist() == [5, 7, 9]
    (proof,) = read_proofs(run)  # the same two runs, of which other mistakes are counted by now
    assert (proof.name, proof.patterns, proof.listed) == ("the list my images.csv", (1,), "lists/my-images.csv")
    file.write_text("5\n7\n")
    prove(ProveConfig(run.path, without=file))
    assert copied[2:] == ["tiny-without-my-images-2", "tiny-without-2-at-random"]
    assert read_proofs(run)[-1].patterns == ()


def test_ringleaders_are_left_out(run, copied):
    mistake = int(np.flatnonzero(run.predictions().wrong)[0])
    training = TrainingImages(
        *[np.zeros(128, np.int16)] * 2, np.zeros(128, np.float32), np.zeros(128, bool), np.full(128, -1)
    )
    rows = dict(
        index=np.full(3, mistake), rank=np.array([1, 2, 3], np.int16), train_index=np.array([9, 4, 6]),
        similarity=np.array([0.9, 0.8, 0.7], np.float32), train_label=np.zeros(3, np.int16),
        fingerprint=run.record.fingerprints["train"], scale=1.0,
    )  # fmt: skip
    found = Culprits("layer4", True, weights_hash(run), training, **rows)
    empty = np.zeros((128, 4), np.float16), np.zeros((0, 8, 8, 3), np.uint8), np.zeros((3, 2, 4, 4), np.float16)
    write_culprits(run, found, *empty)
    prove(ProveConfig(run.path, culprits=2))
    assert copied == ["tiny-without-culprits-2", "tiny-without-2-at-random"]
    assert left_out(beside(run, copied[0])).indices.tolist() == [4, 6]
    (proof,) = read_proofs(run)
    assert (proof.name, proof.patterns) == ("the 2 training images behind most mistakes", ())
    prove(ProveConfig(run.path, culprits=10**20))
    assert copied[2:] == ["tiny-without-culprits-3", "tiny-without-3-at-random"]
    assert read_proofs(run)[1].name == "the 3 training images behind most mistakes"


def test_the_real_command_trains_both_at_once_with_a_bar(run, monkeypatch, capsys):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr("sys.argv", ["prove", "--run", str(run.path), "--patterns", "1"])
    monkeypatch.setattr(prove_module.signal, "signal", lambda *_: None)
    monkeypatch.setattr(prove_module, "keep_freed_memory", lambda: None)
    prove_module.main()
    said = capsys.readouterr()
    assert ARROWS in said.out and "roved: trained without these images" in said.out
    assert "training again: 100%" in said.err
    assert [beside(run, name).state for name in (ARROWS, RANDOM)] == ["complete", "complete"]


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        ({"network": "graph"}, "was trained elsewhere, so that nothing here can train it again"),
        ({"without": "list.csv"}, "was itself trained without some images"),
        ({"processes": 4}, "was trained by 4 processes"),
        ({"dataset": "net.py:Photos"}, "come from the program net.py:Photos, .*--dataset net.py:Photos"),
        ({"held_out": 28}, "is not the one that run tiny was trained on"),
    ],
)
def test_a_run_that_cannot_be_repeated_is_a_sentence(run, copied, edits, sentence):
    record = {name: value for name, value in edits.items() if name in ("network", "dataset")}
    edit_record(run.path, recipe=dict(run.record.recipe) | edits, **record)
    with pytest.raises((RunError, DataError), match=sentence):
        prove(ProveConfig(run.path, ("1",)))
    assert copied == [] and read_proofs(run) == []


def test_a_pattern_that_is_named_twice_counts_once(run):
    assert chosen_patterns(run, ("2", "1", "2"))[1] == (1, 2)


def test_what_there_is_not_is_a_sentence(run, copied, tmp_path):
    config = ProveConfig(run.path)
    for patterns, sentence in (
        (("3",), "run tiny: 3 is a hard class; choose from its patterns: 1, 2"),
        (("1", "9"), "there is no pattern 9"),
        (("one",), "there is no pattern one"),
    ):
        with pytest.raises(RunError, match=f"(?i){sentence}"):
            prove(replace(config, patterns=patterns))
    with pytest.raises(Exception, match="No training image of run tiny attends"):
        prove(replace(config, patterns=("2",)))
    with pytest.raises(RunError, match="nobody looked for the training images .*: sightline influence --run"):
        prove(replace(config, culprits=200))
    with pytest.raises(UsageError, match="choose 1 or more"):
        prove(replace(config, culprits=0))
    with pytest.raises(UsageError, match="goes with neither"):
        prove(replace(config, culprits=3, patterns=("1",)))
    with pytest.raises(DataError, match="nowhere.csv cannot be read"):
        prove(replace(config, without=tmp_path / "nowhere.csv"))
    (run.path / files.PATTERNS).unlink()
    with pytest.raises(RunError, match="nobody looked for its patterns yet. .*: sightline patterns --run"):
        prove(config)
    with pytest.raises(RunError, match="run.json is missing"):
        prove(ProveConfig(tmp_path / "nothing"))
    assert copied == []


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["128"], "numbers 128 to 128. Run tiny has 128, numbered from 0"),
        (["-3", "5"], "numbers -3 to 5. Run tiny has 128, numbered from 0"),
        (map(str, range(127)), "at least 2 must be"),
        (["train_index,label", "3,nobody"], "does not fit the training images of run tiny. Image 3 .* 'nobody' in"),
    ],
)
def test_a_list_that_does_not_fit_or_leaves_nothing_is_a_sentence(run, copied, tmp_path, rows, sentence):
    file = tmp_path / "list.csv"
    file.write_text("\n".join(rows))
    with pytest.raises((RunError, DataError), match=sentence):
        prove(ProveConfig(run.path, without=file))
    assert copied == [] and read_proofs(run) == []


def test_a_list_of_patterns_that_were_looked_for_again_since_is_not_used(run, copied):
    prove(ProveConfig(run.path, ("1",)))
    save_patterns(run, [[0.0, 0.0]], pattern(1, 1), rows=np.where(np.arange(64) < 9, 1, -1))
    (proof,) = read_proofs(run)
    with pytest.raises(RunError, match="its patterns were looked for again since the proof of pattern 1 began"):
        read_result(run, proof)
    with pytest.raises(RunError, match="lists/pattern-1.csv is of what was found before it"):
        prove(ProveConfig(run.path, ("1",)))
    (run.path / proof.listed).unlink()
    for _ in range(2):
        prove(ProveConfig(run.path, ("1",)))
    assert copied[2] == f"{ARROWS}-2" and len(copied) == 4
    circles = np.flatnonzero(labels(run) == 1).tolist()
    assert left_out(beside(run, f"{ARROWS}-2")).indices.tolist() == circles


def test_a_damaged_or_endless_list_is_a_sentence(run, copied):
    prove(ProveConfig(run.path, ("1",)))
    file = run.path / files.LISTS / "pattern-1.csv"
    file.write_text("label\narrow\n")
    with pytest.raises(RunError, match="lists/pattern-1.csv has no column train_index .*Mend or remove it"):
        prove(ProveConfig(run.path, ("1",)))
    with file.open("wb") as stream:
        stream.truncate(2**40)  # takes no room on the disk
    with pytest.raises(RunError, match="lists/pattern-1.csv is larger than 65,536 KiB"):
        prove(ProveConfig(run.path, ("1",)))


def test_stale_patterns_and_a_folder_that_leads_out_of_the_run_are_a_sentence(run, copied, tmp_path):
    (run.path / files.LISTS).symlink_to(tmp_path)
    with pytest.raises(RunError, match="lists is a link"):
        prove(ProveConfig(run.path, ("1",)))
    content = json.loads((run.path / files.PATTERNS).read_text())
    (run.path / files.PATTERNS).write_text(json.dumps(content | {"weights": "a" * 64}))
    with pytest.raises(RunError):
        prove(ProveConfig(run.path, ("1",)))
    assert copied == []


def test_a_failed_training_and_a_run_that_is_written_are_said(run, monkeypatch):
    def fail(trainings, at_once, what):
        raise TrainingError(f"{next(iter(trainings))}: the loss is not finite")

    monkeypatch.setattr(prove_module, "run_side_by_side", fail)
    with pytest.raises(TrainingError, match=f"{ARROWS}: the loss"):
        prove(ProveConfig(run.path, ("1",)))
    with RunWriter.reopen(run.path, run.record), pytest.raises(RunError, match="Another process is writing"):
        prove(ProveConfig(run.path, ("1",)))
