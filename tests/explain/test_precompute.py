"""Maps of a whole test split: Captum's, in the right place, computed once, and resumed after whatever stopped them."""

import shutil
from functools import partial

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from PIL import Image

from sightline.explain import precompute as precompute_module
from sightline.explain.precompute import precompute
from sightline.image_data import decode_image
from sightline.model_zoo import build_model
from sightline.run_store.maps import read_map
from sightline.run_store.predictions_file import predictions_table
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run
from sightline.run_store.thumbnails import thumbnail
from sightline.run_store.writer import RunWriter
from tests.app_pages import edit_record

LAYERS = ("layer2", "layer4")
IMAGES, WRONG = 10, (2, 5, 9)
HALF_A_STEP = 2**-11  # of float16, and what a batch of another size changes


def make_run(path, images, input_size, paths=None):
    """A complete run of a small network with random weights, wrong about the images WRONG."""
    torch.manual_seed(0)
    record = RunRecord(
        model="resnet18_narrow", layers=LAYERS, dataset="none", fingerprints={}, image_counts={"test": len(images)},
        class_names=tuple("abcde"), mean=(0.5,) * 3, std=(0.25,) * 3, input_size=input_size, parameters=1, recipe={},
        seed=0, threads=1, device="cpu", created="2026-01-01T00:00:00Z",
    )  # fmt: skip
    logits = np.random.default_rng(1).normal(size=(len(images), 5)).astype(np.float32)
    labels = logits.argmax(1)
    labels[list(WRONG)] = (labels[list(WRONG)] + 1) % 5
    with RunWriter.create(path, record) as writer:
        writer.save_model(build_model(record.model, 5))
        writer.save_images(images, None)
        writer.complete(predictions_table(logits, labels, paths), np.zeros((len(images), 1)))
    return Run(path)


@pytest.fixture(scope="module")
def made_run(tmp_path_factory):
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8)
    return make_run(tmp_path_factory.mktemp("runs") / "some", pixels, 32)


@pytest.fixture
def run(made_run, tmp_path):
    return Run(shutil.copytree(made_run.path, tmp_path / "some"))


def before_each_pass(patch, call):
    """Let every model that a run loads make this call first, but for the five pictures that tell its layers' places."""
    load_model = Run.load_model

    def load(run):
        model = load_model(run)
        model.register_forward_pre_hook(lambda *given: None if len(given[1][0]) == 5 else call(*given), prepend=True)
        return model

    patch.setattr(Run, "load_model", load)


@pytest.fixture
def seen(monkeypatch):
    """The number of images of each pass through a run's model; three at a time."""
    passes = []
    before_each_pass(monkeypatch, lambda _, inputs: passes.append(len(inputs[0])))
    monkeypatch.setitem(precompute_module.MOST_IMAGES, "cpu", 3)
    return passes


@pytest.fixture
def stop_after():
    """A function that lets Ctrl-C come after so many passes through the model, until its result is undone."""
    patch = pytest.MonkeyPatch()

    def stop(passes):
        left = iter(range(passes))

        def interrupt(*_):
            if next(left, None) is None:
                raise KeyboardInterrupt

        before_each_pass(patch, interrupt)
        return patch

    yield stop
    patch.undo()


@pytest.fixture
def command(call_main):
    return partial(call_main, precompute_module)


def captum_maps(run, images, layer, codes):
    """Captum's Grad-CAM of all images at once, each for its class: N×h×w."""
    model = run.load_model()
    attribution = LayerGradCam(model, model.get_submodule(layer))
    inputs = run.to_input(images).requires_grad_()
    return attribution.attribute(inputs, target=torch.tensor(codes).long())[:, 0].detach().numpy()


def stored_maps(run, layer, target, method="gradcam"):
    return np.stack([read_map(run, method, layer, target, image) for image in range(len(run.images()))])


def assert_same(maps, expected):
    largest = np.abs(expected).max(axis=(1, 2), keepdims=True)
    assert (np.abs(maps - expected) <= HALF_A_STEP * largest).all()


def assert_are_captums(run, images):
    predictions = run.predictions()
    for layer in LAYERS:
        for target in ("predicted", "label"):
            assert_same(stored_maps(run, layer, target), captum_maps(run, images, layer, predictions.column(target)))


def test_the_maps_are_captums_for_the_predicted_and_for_the_true_class(run, seen):
    sentence = precompute(run)
    assert sentence == "some: the gradcam maps of layer2, layer4 for predicted and label are complete: 10 images."
    # One image to learn the sizes, all for the predicted class, and again only those that are wrong.
    assert seen == [1, 3, 3, 3, 1, 3]
    assert_are_captums(run, run.images())


def test_true_classes_are_copied_from_predicted_ones_of_an_earlier_call(run, seen):
    precompute(run, targets=("predicted",))
    seen.clear()
    precompute(run, targets=("label",))
    assert seen == [1, len(WRONG)]
    assert_are_captums(run, run.images())


def test_the_order_in_which_targets_are_named_costs_nothing(run, seen):
    precompute(run, targets=("label", "predicted"))
    assert sum(seen) == 1 + IMAGES + len(WRONG)


def test_true_classes_alone_need_no_predicted_ones(run):
    precompute(run, targets=("label",))
    codes = run.predictions().column("label")
    assert_same(stored_maps(run, "layer4", "label"), captum_maps(run, run.images(), "layer4", codes))
    assert read_map(run, "gradcam", "layer4", "predicted", 0) is None


def test_a_run_without_network_has_maps_of_a_model_that_is_given(run, made_run):
    edit_record(run.path, network="none", without_network="Its forward depends on the images.")
    without = Run(run.path)
    with pytest.raises(RunError, match="Run some has no network. Its forward depends on the images."):
        precompute(without)
    model = made_run.load_model()
    assert "maps of layer2, layer4 for predicted and label are complete" in precompute(without, model=model)
    for layer in LAYERS:
        found = read_map(without, "gradcam", layer, "predicted", 3)
        images = without.to_input(without.images()[[3]])
        expected = LayerGradCam(model, model.get_submodule(layer)).attribute(
            images.requires_grad_(), target=int(without.predictions().column("predicted")[3])
        )
        np.testing.assert_allclose(found, expected[0, 0].detach(), atol=HALF_A_STEP * expected.abs().max().item())


def test_any_layer_and_method_can_be_chosen(run, command):
    code, said = command("--run", run.path, "--layers", "layer1.0.bn2,layer3", "--method", "captum_gradcam")
    assert (code, "captum_gradcam maps of layer1.0.bn2, layer3 for predicted and label" in said) == (0, True)
    codes = run.predictions().column("predicted")
    expected = captum_maps(run, run.images(), "layer1.0.bn2", codes)
    assert_same(stored_maps(run, "layer1.0.bn2", "predicted", "captum_gradcam"), expected)
    assert read_map(run, "captum_gradcam", "layer4", "predicted", 0) is None


def test_what_is_complete_is_not_computed_again(run, seen, command):
    assert command("--run", run.path)[0] == 0
    seen.clear()
    code, said = command("--run", run.path)
    assert (code, said.strip()) == (
        0, "some: the gradcam maps of layer2, layer4 for predicted and label are complete, there is nothing to do."
    )  # fmt: skip
    assert seen == []


def test_only_the_layers_that_are_missing_are_computed(run, seen):
    precompute(run, layers=("layer4",), targets=("predicted",))
    before = (run.path / "maps/gradcam/layer4/predicted.npy").stat().st_mtime_ns
    precompute(run)
    assert (run.path / "maps/gradcam/layer4/predicted.npy").stat().st_mtime_ns == before
    assert_are_captums(run, run.images())


@pytest.mark.parametrize("passes", [0, 1, 2, 4, 5])
def test_ctrl_c_keeps_what_was_computed_and_the_same_command_goes_on(run, seen, command, stop_after, passes):
    patch = stop_after(passes)
    code, said = command("--run", run.path)
    assert (code, "Traceback" in said) == (130, False)
    assert "Interrupted: what was computed is kept, and the same command goes on with the rest." in said
    patch.undo()
    computed = sum(seen[1:])
    seen.clear()
    assert command("--run", run.path)[0] == 0
    assert computed + sum(seen[1:]) == IMAGES + len(WRONG)
    assert_are_captums(run, run.images())
    assert [file for file in (run.path / "maps").rglob(".*")] == []


def test_a_batch_that_was_torn_is_computed_whole_so_that_the_bytes_stay_the_same(run, seen, command, stop_after):
    """A killed process, or a power cut, may leave some scales of a batch only."""
    whole = Run(shutil.copytree(run.path, run.path.with_name("whole")))
    precompute(whole)
    seen.clear()
    patch = stop_after(3)
    command("--run", run.path)
    patch.undo()
    for layer in LAYERS:
        scales = np.load(run.path / f"maps/gradcam/{layer}/.predicted.scale.npy.partial", mmap_mode="r+")
        assert np.isfinite(scales).tolist() == [True] * 6 + [False] * 4
        scales[4] = np.nan
    seen.clear()
    assert command("--run", run.path)[0] == 0
    assert seen == [1, 3, 3, 1, len(WRONG)]
    for file in (whole.path / "maps").rglob("*.npy"):
        assert (run.path / file.relative_to(whole.path)).read_bytes() == file.read_bytes()


def test_progress_goes_on_where_the_work_does(run, seen, command, stop_after):
    patch = stop_after(2)
    command("--run", run.path)
    patch.undo()
    assert "3/10" in command("--run", run.path)[1]


def test_damaged_maps_are_written_again(run):
    precompute(run)
    file = run.path / "maps/gradcam/layer2/label.npy"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RunError, match="damaged"):
        read_map(run, "gradcam", "layer2", "label", 0)
    precompute(run)
    assert_are_captums(run, run.images())


def test_new_predictions_take_outdated_maps_away(run):
    precompute(run)
    table = predictions_table(np.eye(5, dtype=np.float32)[[0] * IMAGES], np.zeros(IMAGES, int))
    with RunWriter.reopen(run.path, run.record) as writer:
        writer.complete(table, np.zeros((IMAGES, 1)))
    assert read_map(run, "gradcam", "layer2", "predicted", 0) is None
    precompute(run)
    assert_same(stored_maps(run, "layer4", "label"), captum_maps(run, run.images(), "layer4", np.zeros(IMAGES)))


def test_large_images_are_explained_as_the_model_saw_them_not_as_thumbnails(tmp_path, random_numbers):
    files = [tmp_path / f"{number}.png" for number in range(IMAGES)]
    for file in files:
        Image.fromarray(random_numbers.integers(0, 256, (110, 120, 3), dtype=np.uint8)).save(file)
    originals = np.stack([decode_image(file, 104) for file in files])
    thumbnails = np.stack([thumbnail(image) for image in originals])
    run = make_run(tmp_path / "run", thumbnails, 104, tuple(map(str, files)))
    precompute(run)
    assert_are_captums(run, originals)
    files[3].unlink()
    shutil.rmtree(run.path / "maps")
    with pytest.raises(RunError, match="keeps thumbnails only, and a map needs the original"):
        precompute(run)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--layers", "layer9"], "layer9"),
        (["--layers", "layer4,fc"], "fc"),
        (["--layers", "../maps"], "can be no folder of maps"),
        (["--layers", ""], "can be no folder of maps"),
    ],
)
def test_a_layer_that_has_no_map_is_one_sentence_and_writes_nothing(run, command, arguments, says):
    code, said = command("--run", run.path, *arguments)
    assert code == 1 and said.startswith("Error: ") and says in said and "\n" not in said
    assert not (run.path / "maps").exists()


@pytest.mark.parametrize(
    "arguments", [["--targets", "second"], ["--targets", ""], ["--method", "guess"], ["--device", "tpu"]]
)
def test_wrong_usage_exits_with_2_and_names_the_choices(run, command, arguments):
    code, said = command("--run", run.path, *arguments)
    assert code == 2 and arguments[0] in said and "Traceback" not in said
    choices = {"--targets": "choose from: predicted, label", "--method": "hirescam", "--device": "cuda"}
    assert choices[arguments[0]] in said


def test_no_run_a_run_without_predictions_and_a_busy_run_are_sentences(run, command, tmp_path):
    assert "run.json is missing" in command("--run", tmp_path / "nowhere")[1]
    with RunWriter.reopen(run.path, run.record):
        code, said = command("--run", run.path)
    assert code == 1 and "Another process is writing" in said
    (run.path / "predictions.parquet").unlink()
    code, said = command("--run", run.path)
    assert code == 1 and "has lost its predictions.parquet. Write them again with" in said


def test_a_full_disk_is_a_sentence(run, command, monkeypatch):
    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sightline.run_store.maps.os.posix_fallocate", disk_full)
    code, said = command("--run", run.path)
    assert code == 1 and said.endswith("Error: No space left on device.")
