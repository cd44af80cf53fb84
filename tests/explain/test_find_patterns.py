"""`sightline patterns` on a run whose mistakes share a colour: found, written, always the same; and what it refuses."""

import shutil

import numpy as np
import pytest
import torch

from sightline.explain import patterns as patterns_module
from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.patterns import find_patterns
from sightline.explain.why.attended import attended_features
from sightline.explain.why.space import Space, nearest_pattern
from sightline.run_store import files
from sightline.run_store.maps import are_written, read_map
from sightline.run_store.patterns import TESTED, read_patterns, read_space
from sightline.run_store.predictions_file import classes_table, predictions_table
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from tests.app_pages import edit_record
from tests.fabricated import fabricate_run

IMAGES, CLASSES = 240, ("cat", "dog", "owl")
RED = (250, 20, 30)
WRITTEN = (files.PATTERNS, files.PATTERN_ROWS, files.PATTERN_SPACE)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A fourth of the images is red, and most of these are wrong; a random network tells colours apart."""
    path = tmp_path_factory.mktemp("runs") / "some"
    fabricate_run(path, IMAGES, CLASSES, with_model=True)
    rng, run = np.random.default_rng(0), Run(path)
    images = run.images()[:] // 2
    is_red = np.arange(IMAGES) % 4 == 0
    images[is_red] = images[is_red] // 8 + np.array(RED, np.uint8) // 8 * 7
    labels = rng.integers(0, 3, IMAGES)
    wrong = rng.random(IMAGES) < np.where(is_red, 0.9, 0.1)
    logits = 5 * np.eye(3, dtype=np.float32)[np.where(wrong, (labels + 1) % 3, labels)]
    with RunWriter.reopen(path, run.record) as writer:
        writer.save_images(images, None)
        writer.complete(predictions_table(logits, labels, None), np.zeros((IMAGES, 1)))
    return path


@pytest.fixture
def run(made, tmp_path):
    return Run(shutil.copytree(made, tmp_path / "some"))


@pytest.fixture
def command(call_main):
    return lambda *words: call_main(patterns_module, *words)


def test_what_mistakes_share_is_found_and_printed(run, command):
    code, said = command("--run", run.path)
    found = read_patterns(Run(run.path))
    assert code == 0 and f"{len(found.patterns)} pattern" in said and "among 6 groups" in said
    is_red = np.arange(IMAGES) % 4 == 0
    rows = np.concatenate([found.rows(one.number) for one in found.patterns])
    assert is_red[rows].mean() > 0.9 and is_red[rows].sum() > 0.5 * is_red.sum()
    wrong, tested = run.predictions().wrong, found.half == TESTED
    for one in found.patterns:
        inside = found.pattern == one.number
        assert (one.images, one.tested) == (inside.sum(), (inside & tested).sum())
        assert one.mistakes == (wrong & inside & tested).sum() and one.kind == "pattern"
        assert one.attended.colour[0] > 150 > 100 > one.attended.colour[1]
        assert one.covered.mistakes == min(50, one.mistakes)


def test_the_same_run_gives_the_same_files(run, made, tmp_path):
    other = Run(shutil.copytree(made, tmp_path / "other"))
    for each in (run, other):
        find_patterns(each)
    find_patterns(Run(other.path))  # and so does looking again
    for name in WRITTEN:
        assert (run.path / name).read_bytes() == (other.path / name).read_bytes()


def test_the_maps_are_written_on_the_way_unless_they_are_there(run):
    find_patterns(run, "layer3")
    model, images = run.load_model(), run.to_input(run.images()[:1])
    classes = run.predictions().column("predicted")[:1].astype(np.int64)
    expected = layer_attributions(model, images, ["layer3"], torch.from_numpy(classes))["layer3"][0, 0]
    stored = read_map(run, "gradcam", "layer3", "predicted", 0)
    np.testing.assert_allclose(stored, expected.numpy(), atol=2**-10 * float(expected.abs().max()))
    assert not are_written(run, "gradcam", "layer4", "predicted")
    before = (run.path / "maps/gradcam/layer3/predicted.npy").stat().st_mtime_ns
    find_patterns(run, "layer3")
    assert (run.path / "maps/gradcam/layer3/predicted.npy").stat().st_mtime_ns == before


def test_an_image_of_elsewhere_is_given_to_its_pattern(run):
    find_patterns(run)
    found = read_patterns(run)
    predicted = torch.from_numpy(run.predictions().column("predicted").astype(np.int64))
    features, _ = attended_features(run.load_model(), run.to_input(run.images()[:]), found.layer, predicted)
    numbers, _ = nearest_pattern(Space(**read_space(run, found)), features.numpy())
    assert (numbers == found.pattern).mean() > 0.99  # the batches are others, and so is the rounding


def test_where_mistakes_have_nothing_in_common_that_is_said_and_kept(run, command):
    predictions = run.predictions()
    logits = 5 * np.eye(3, dtype=np.float32)[predictions.column("label")]
    wrong = np.random.default_rng(1).permutation(IMAGES)[:80]
    logits[wrong] = np.roll(logits[wrong], 1, axis=1)
    with RunWriter.reopen(run.path, run.record) as writer:
        writer.complete(predictions_table(logits, predictions.column("label"), None), np.zeros((IMAGES, 1)))
    code, said = command("--run", run.path)
    assert code == 0 and "some: no pattern was found. In none of 6 groups of images" in said and "layer4" in said
    found = read_patterns(Run(run.path))
    assert found.patterns == () and found.groups == 6 and {*found.pattern} == {-1}


def test_predicted_classes_alone_are_enough(run, command):
    predictions = run.predictions()
    codes = (predictions.column(name) for name in ("predicted", "label"))
    with RunWriter.reopen(run.path, run.record) as writer:
        writer.complete(classes_table(*codes), np.zeros((IMAGES, 1)))
    code, _ = command("--run", run.path)
    assert code == 0 and read_patterns(Run(run.path)).patterns


def without_mistakes(run):
    labels = run.predictions().column("label")
    with RunWriter.reopen(run.path, run.record) as writer:
        logits = np.eye(3, dtype=np.float32)[labels]
        writer.complete(predictions_table(logits, labels, None), np.zeros((IMAGES, 1)))


def test_without_mistakes_there_is_nothing_to_share(run, command):
    without_mistakes(run)
    code, said = command("--run", run.path)
    assert code == 1 and "Error: Run some makes no mistake on its test images" in said
    assert not (run.path / files.PATTERNS).exists() and not (run.path / files.MAPS).exists()


@pytest.mark.parametrize(
    "images, classes, says",
    [
        (20, CLASSES, "There are 20 test images, and patterns need 80 or more"),
        (100, ("cat",), "Run small has one class"),
    ],
)
def test_too_few_images_or_classes_are_refused(tmp_path, command, images, classes, says):
    fabricate_run(tmp_path / "small", images, classes, with_model=True, wrong=slice(0))
    code, said = command("--run", tmp_path / "small")
    assert code == 1 and f"Error: {says}" in said


def test_a_run_without_a_network_says_so(run, command):
    edit_record(run.path, network="none", without_network="It was made of predictions.")
    code, said = command("--run", run.path)
    assert code == 1 and "Error: Run some has no network. It was made of predictions." in said


@pytest.mark.parametrize("layer, says", [("fc", "no map of height and width"), ("layer9", "has no layer 'layer9'")])
def test_a_layer_without_a_map_is_refused(run, command, layer, says):
    code, said = command("--run", run.path, "--layer", layer)
    assert code == 1 and says in said and "choose from" in said


def test_originals_that_are_missing_are_named(run, command):
    labels = run.predictions().column("label")
    logits = np.eye(3, dtype=np.float32)[np.roll(labels, 1)]
    edit_record(run.path, input_size=64)
    with RunWriter.reopen(run.path, Run(run.path).record) as writer:
        paths = tuple(f"/nowhere/{row}.png" for row in range(IMAGES))
        writer.complete(predictions_table(logits, labels, paths), np.zeros((IMAGES, 1)))
    code, said = command("--run", run.path)
    assert code == 1 and "a map needs the original: /nowhere/0.png is missing" in said


def test_a_folder_that_is_no_run_is_refused(tmp_path, command):
    code, said = command("--run", tmp_path)
    assert code == 1 and "run.json is missing" in said and "Traceback" not in said


def test_stopping_leaves_what_was_found_before(run, command, monkeypatch):
    find_patterns(run)
    before = [(run.path / name).read_bytes() for name in WRITTEN]

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(patterns_module, "judge_groups", stop)
    code, said = command("--run", run.path, "--layer", "layer3")
    assert code == 130 and "the same command begins again" in said
    assert [(run.path / name).read_bytes() for name in WRITTEN] == before


def test_a_run_that_another_process_writes_is_left_alone(run, command):
    with RunWriter.reopen(run.path, run.record):
        code, said = command("--run", run.path)
    assert code == 1 and "Error: " in said and not (run.path / files.PATTERNS).exists()


def test_patterns_of_weights_that_were_replaced_are_refused(run):
    find_patterns(run)
    weights = bytearray((run.path / files.MODEL).read_bytes())
    weights[-1] ^= 1
    (run.path / files.MODEL).write_bytes(weights)
    with pytest.raises(RunError, match="stale"):
        read_patterns(Run(run.path))
