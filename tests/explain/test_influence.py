"""The training images behind the mistakes of a run: found once, kept with the run, looked up for any image."""

import io
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sightline.explain import influence as influence_module
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.influence import influence
from sightline.explain.why.influence import culprits_of
from sightline.explain.why.training_images import load_training_split
from sightline.image_data import DataError
from sightline.run_store import files
from sightline.run_store.culprits import culprit_maps, read_culprits, training_features, training_thumbnails
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.thumbnails import thumbnail
from sightline.training.foreign.recorded import record
from tests.app_pages import edit_record
from tests.fabricated import fabricate_run
from tests.odd_runs import make_odd_run
from tests.tiny_networks import convnext, token_network

pytestmark = pytest.mark.usefixtures("data_dir")
WRITTEN = (
    files.CULPRITS, files.CULPRIT_MAPS, files.TRAINING_ROWS, files.TRAINING_FEATURES, files.TRAINING_THUMBNAILS,
)  # fmt: skip


@pytest.fixture(scope="module")
def looked_at(tiny_run, session_data_dir, tmp_path_factory):
    """A copy of the tiny run with the training images behind its mistakes, and what was printed."""
    path = shutil.copytree(tiny_run, tmp_path_factory.mktemp("runs") / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTLINE_DATA", str(session_data_dir))
        return path, influence(Run(path))


@pytest.fixture
def run(looked_at, tmp_path):
    return Run(shutil.copytree(looked_at[0], tmp_path / "tiny"))


def content(run):
    return {name: (run.path / name).read_bytes() for name in WRITTEN if (run.path / name).exists()}


def right_answers(run):
    return np.flatnonzero(~run.predictions().wrong)


def test_ten_training_images_of_the_predicted_class_stand_behind_each_mistake(looked_at):
    path, said = looked_at
    run = Run(path)
    found, predictions = read_culprits(run), run.predictions()
    mistakes = np.flatnonzero(predictions.wrong)
    split = load_training_split(run)
    assert found.exact and found.layer == "layer4" and found.fingerprint == split.fingerprint
    assert np.array_equal(np.unique(found.index), mistakes)
    for image in mistakes:
        rows = found.of(image)
        assert found.rank[rows].tolist() == list(range(1, rows.stop - rows.start + 1))
        assert (np.diff(found.similarity[rows]) <= 1e-6).all()
        assert (found.train_label[rows] == predictions.column("predicted")[image]).all()
        of_label = int((split.labels == predictions.column("predicted")[image]).sum())
        assert rows.stop - rows.start == min(10, of_label)
    assert np.array_equal(found.training.label, split.labels)
    assert np.array_equal(training_thumbnails(run, found)[found.training.thumbnail], split.images[:])
    sums = culprit_maps(run, found)[:].astype(np.float64).sum(axis=(2, 3))
    np.testing.assert_allclose(sums, np.repeat(found.similarity[:, None], 2, axis=1), atol=2e-3)  # float16
    behind, counts = found.behind(mistakes)
    assert f"tiny: behind {len(mistakes)} of {len(mistakes)} mistakes stand {len(behind)} of the 128 training" in said
    assert "(layer4; exact, since the head is pooling and one linear layer)" in said
    first = said.splitlines()[2].split()
    assert first[:3] == [str(behind[0]), str(counts[0]), run.record.class_names[split.labels[behind[0]]]]


def test_predictions_and_features_are_those_of_the_network(looked_at, tiny_data):
    run = Run(looked_at[0])
    found, model, split = read_culprits(run), run.load_model(), load_training_split(run)
    seen = []
    model.layer4.register_forward_hook(lambda _, __, output: seen.append(output.mean(dim=(2, 3))))
    with torch.no_grad():
        probabilities = model(run.to_input(split.images[:])).softmax(dim=1)
    likely, codes = probabilities.max(dim=1)
    assert (found.training.predicted == codes.numpy()).mean() > 0.98  # but for rounding
    np.testing.assert_allclose(found.training.confidence, likely, atol=1e-4)
    kept = training_features(run, found)[:].astype(np.float32) / found.scale
    np.testing.assert_allclose(kept, seen[0], rtol=2e-3, atol=1e-4)


def test_asked_again_nothing_is_computed_or_written(run, looked_at, monkeypatch):
    before = content(run)
    monkeypatch.setattr(Run, "load_model", None)
    assert influence(run) == looked_at[1]
    assert content(run) == before


def test_any_image_is_looked_behind_later_without_the_data_set(run):
    edit_record(run.path, dataset="folder:gone")
    run, images = Run(run.path), right_answers(run)[:2].tolist()
    before, found = content(run), read_culprits(run)
    said = influence(run, images)
    assert "Looked behind besides: 2 right answers." in said
    after = read_culprits(run)
    assert set(after.index) == {*found.index, *images}
    assert content(run)[files.TRAINING_FEATURES] == before[files.TRAINING_FEATURES]
    old = np.isin(after.index, found.index)
    for name in ("index", "rank", "train_index", "similarity", "train_label"):
        assert np.array_equal(getattr(after, name)[old], getattr(found, name))
    maps = culprit_maps(run, after)[:]
    assert maps[old].tobytes() == np.load(io.BytesIO(before[files.CULPRIT_MAPS])).tobytes()
    in_process = culprits_of(run, run.load_model(), found, images[0])
    rows = after.of(images[0])
    assert np.array_equal(in_process.train_index, after.train_index[rows])
    np.testing.assert_allclose(in_process.similarity, after.similarity[rows], atol=1e-5)
    np.testing.assert_allclose(in_process.maps, maps[rows], atol=1e-3)


def test_where_pictures_would_take_much_room_the_culprits_have_one(run, monkeypatch):
    monkeypatch.setattr(influence_module, "MOST_THUMBNAILS", 128 * 32 * 32 * 3 - 1)
    for name in WRITTEN:
        (run.path / name).unlink()
    influence(run)
    found, images = read_culprits(run), load_training_split(run).images
    named = np.unique(found.train_index)
    assert np.array_equal(np.flatnonzero(found.training.thumbnail >= 0), named)
    pictures = training_thumbnails(run, found)
    assert len(pictures) == len(named)
    assert np.array_equal(pictures[found.training.thumbnail[named]], images[named])
    image = int(right_answers(run)[0])
    assert culprits_of(run, run.load_model(), found, image).maps is None
    influence(run, [image])
    after = read_culprits(run)
    assert (after.training.thumbnail[after.train_index] >= 0).all() and after.of(image) != slice(0, 0)
    edit_record(run.path, dataset="folder:gone")
    with pytest.raises(DataError, match="There is no folder gone"):
        influence(Run(run.path), [int(right_answers(run)[1])])


def test_of_large_images_thumbnails_are_kept_and_more_maps_need_the_images(tmp_path, random_numbers):
    fabricate_run(tmp_path / "made", 6, side=112, input_size=112, with_model=True, wrong=slice(1))
    run, images = Run(tmp_path / "made"), random_numbers.integers(0, 256, (4, 112, 112, 3), dtype=np.uint8)
    names = list(run.record.class_names[:2])
    np.savez(tmp_path / "own.npz", train_images=images, train_labels=np.array([0, 1, 1, 0]), class_names=names)
    influence(run, dataset=f"npz:{tmp_path / 'own.npz'}")
    found = read_culprits(run)
    assert sorted(found.train_index) == [1, 2]  # image 0, a plane, is taken for a car
    assert np.array_equal(training_thumbnails(run, found)[:], [thumbnail(image) for image in images])
    seen = culprits_of(run, run.load_model(), found, 1)
    assert sorted(seen.train_index) == [1, 2] and seen.maps is None
    with pytest.raises(RunError, match="does not say on which images; name them"):
        influence(run, [1])
    influence(run, [1], dataset=f"npz:{tmp_path / 'own.npz'}")
    assert set(read_culprits(run).index) == {0, 1}


@pytest.mark.parametrize("harm", ["stale", "damaged", "another layer"])
def test_what_is_of_no_use_is_looked_for_again(run, harm):
    layer = None
    if harm == "stale":
        weights = load_file(run.path / files.MODEL)
        save_file(weights | {"fc.weight": 2 * weights["fc.weight"]}, run.path / files.MODEL)
        with pytest.raises(RunError, match="culprits.parquet is stale"):
            read_culprits(Run(run.path))
    elif harm == "damaged":
        (run.path / files.TRAINING_FEATURES).write_bytes(b"\x93NUMPY")
    else:
        layer = "layer3"
    run = Run(run.path)
    assert influence(run, layer=layer).startswith("tiny: behind")
    found = read_culprits(Run(run.path))
    assert found.layer == (layer or "layer4") and found.exact == (layer is None)
    if layer:
        assert "(layer3; of first order)" in influence(run)  # the layer of the last time
        assert culprit_maps(run, found).shape[2:] == (8, 8)


def test_ctrl_c_leaves_the_run_as_it_was(run, monkeypatch, call_main):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = content(run)
    monkeypatch.setattr("sightline.run_store.files.os.fsync", interrupt)
    code, said = call_main(influence_module, "--run", run.path, "--layer", "layer3")
    assert code == 130 and said.endswith("Interrupted: the run is as it was before.\n")
    monkeypatch.undo()
    assert content(run) == before and read_culprits(Run(run.path)).layer == "layer4"
    assert not list(run.path.glob(".*.npy.*"))


def test_the_command_says_what_it_found_and_draws_a_bar(looked_at, run, call_main):
    for name in WRITTEN:
        (run.path / name).unlink()
    code, said = call_main(influence_module, "--run", run.path)
    assert code == 0 and looked_at[1] in said
    assert "training images: 100%" in said and "test images: 100%" in said


def test_the_user_names_the_training_images_of_a_run_that_was_trained_elsewhere(run, tiny_folder, call_main):
    fingerprints = json.loads((run.path / "run.json").read_text())["fingerprints"]
    for name in WRITTEN:
        (run.path / name).unlink()
    edit_record(run.path, fingerprints={"test": fingerprints["test"]}, dataset="gone")
    code, said = call_main(influence_module, "--run", run.path)
    assert code == 1 and "was trained elsewhere and does not say on which images; name them with --dataset" in said
    code, said = call_main(influence_module, "--run", run.path, "--dataset", f"folder:{tiny_folder}")
    assert code == 0 and "of the 128 training images, those that its user named" in said
    found = read_culprits(Run(run.path))
    assert found.fingerprint == fingerprints["train"]


def test_other_images_than_the_last_time_are_refused(run, tmp_path, monkeypatch):
    fingerprints = json.loads((run.path / "run.json").read_text())["fingerprints"]
    edit_record(run.path, fingerprints={"test": fingerprints["test"]})
    monkeypatch.setattr(influence_module, "kept_pictures", lambda *_: None)
    names = list(Run(run.path).record.class_names)
    images, labels = np.zeros((2, 32, 32, 3), np.uint8), np.arange(2)
    np.savez(tmp_path / "other.npz", train_images=images, train_labels=labels, class_names=names[:2])
    with pytest.raises(RunError, match="not the training images of the last time"):
        influence(Run(run.path), [int(right_answers(run)[0])], dataset=f"npz:{tmp_path / 'other.npz'}")


@pytest.mark.parametrize("name, said", [("one class", "has one class"), ("no mistakes", "makes no mistake")])
def test_a_run_without_mistakes_or_other_classes_is_a_sentence(tmp_path, name, said):
    make_odd_run(tmp_path / "odd", name)
    with pytest.raises(ExplainError, match=said):
        influence(Run(tmp_path / "odd"))


def test_a_run_without_a_network_or_an_image_that_is_none_is_a_sentence(run, tmp_path):
    with pytest.raises(ExplainError, match="no test image 64; its last one is 63"):
        influence(run, [3, 64])
    with pytest.raises(ExplainError, match="no layer 'layer9'"):
        influence(run, layer="layer9")
    edit_record(run.path, network="none", without_network="Nobody has it.")
    with pytest.raises(RunError, match="has no network. Nobody has it"):
        influence(Run(run.path))
    fabricate_run(tmp_path / "made", 20, with_model=True)
    with pytest.raises(RunError, match="was trained elsewhere"):
        influence(Run(tmp_path / "made"))
    (tmp_path / "made" / "predictions.parquet").unlink()
    with pytest.raises(RunError, match="predictions.parquet"):
        influence(Run(tmp_path / "made"))


def test_classes_without_training_images_have_none_behind_them(tmp_path):
    fabricate_run(tmp_path / "made", 12, with_model=True, wrong=slice(2))  # a plane taken for a car, a car for a bird
    run, images = Run(tmp_path / "made"), np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    dataset = f"npz:{tmp_path / 'few.npz'}"
    np.savez(tmp_path / "few.npz", train_images=images, train_labels=np.zeros(3, int), class_names=["dog"])
    with pytest.raises(ExplainError, match="no training image has a label that its test images were taken for"):
        influence(run, dataset=dataset)
    np.savez(tmp_path / "few.npz", train_images=images, train_labels=np.zeros(3, int), class_names=["bird"])
    assert "behind 1 of 2 mistakes stand 3 of the 3 training images" in influence(run, dataset=dataset)
    found = read_culprits(run)
    assert sorted(found.train_index[found.of(1)]) == [0, 1, 2] and found.of(0) == slice(0, 0)


@pytest.mark.parametrize("build", [lambda: token_network(10, 32), lambda: convnext(10)], ids=["tokens", "another head"])
def test_behind_another_head_all_is_of_first_order(build, tiny_data, tmp_path):
    torch.manual_seed(0)
    test, train = tiny_data.test, tiny_data.train
    data = list(zip(test.images[:20], test.labels[:20], strict=True))
    options = {"classes": test.class_names, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    run = record(tmp_path / "run", build().eval(), data, **options)
    assert run.record.network == "graph"
    names = list(train.class_names)
    np.savez(tmp_path / "own.npz", train_images=train.images, train_labels=train.labels, class_names=names)
    said = influence(run, [0, 1], dataset=f"npz:{tmp_path / 'own.npz'}")
    assert f"({run.record.layers[-1]}; of first order)" in said
    found = read_culprits(run)
    assert not found.exact and {0, 1} <= set(found.index) and found.similarity.max() > 0.3
    sums = culprit_maps(run, found)[:].astype(np.float64).sum(axis=(2, 3))
    np.testing.assert_allclose(sums, np.repeat(found.similarity[:, None], 2, axis=1), atol=2e-3)
