"""quality.csv of a small run: what stands in it, how it resumes, and what is refused in a sentence."""

import hashlib
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.numpy import load, save
from torch import nn

from sightline.explain import quality
from sightline.explain.attribution.engine import layer_attributions, upsample
from sightline.explain.judging import families, removal
from sightline.explain.judging.controls import CONTROLS
from sightline.explain.judging.examination import begin
from sightline.explain.judging.families import Autocast, families_for
from sightline.explain.judging.figures import ALL_CONTROLS, Measured, kinds_of
from sightline.explain.judging.localisation import positive_share
from sightline.explain.judging.measures import MEASURES
from sightline.explain.judging.sample import draw_sample
from sightline.explain.judging.similarity import pearson
from sightline.explain.judging.verdicts import measure_of, over, verdicts
from sightline.explain.quality import measure, rounds
from sightline.image_data.splits import DECOY, OBJECT, TAG
from sightline.model_zoo import build_model
from sightline.run_store.predictions_file import predictions_table
from sightline.run_store.quality import read_quality, read_values, write_quality
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from tests.explain.quick_quality import measure_less
from tests.fabricated import keep_thumbnails

IMAGES, CLASSES, SIDE, WRONG = 20, 5, 16, 3
LARGE = 2 * 96  # pixels: twice as wide as a thumbnail
LAYERS = ("layer3", "layer4")
WITH_MASKS = {"object_share", "tag_minus_decoy"}
OLD_RUN = Path(__file__).parents[2] / "benchmarks/cifar10_resnet18/progressive_12"


def make_run(path, classes=CLASSES, images=IMAGES, masks=True, side=SIDE, paths=None):
    """A complete run of a small network with random weights, right about all images but one."""
    torch.manual_seed(0)
    digits = np.random.default_rng(0)
    record = RunRecord(
        model="resnet18_narrow", layers=LAYERS, dataset="none", fingerprints={}, image_counts={"test": images},
        class_names=tuple("abcdefgh"[:classes]), mean=(0.5,) * 3, std=(0.25,) * 3, input_size=side, parameters=1,
        recipe={}, seed=0, threads=1, device="cpu", created="2026-01-01T00:00:00Z",
    )  # fmt: skip
    labels = np.arange(images) % classes
    logits = digits.normal(size=(images, classes)).astype(np.float32)
    logits[np.arange(images), labels] += 5
    labels[WRONG] = (labels[WRONG] + 1) % classes
    kinds = digits.choice([0, OBJECT, TAG, DECOY], (images, SIDE, SIDE)).astype(np.uint8)
    with RunWriter.create(path, record) as writer:
        writer.save_model(build_model(record.model, classes))
        writer.save_images(digits.integers(0, 256, (images, SIDE, SIDE, 3), dtype=np.uint8), kinds if masks else None)
        writer.complete(predictions_table(logits, labels, paths), np.zeros((images, 1)))
    return Run(path)


@pytest.fixture(scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        measure_less(patch)
        yield


@pytest.fixture(scope="module")
def bare_run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "bare")


@pytest.fixture(scope="module")
def measured_run(bare_run, tmp_path_factory, quick):
    run = Run(shutil.copytree(bare_run.path, tmp_path_factory.mktemp("measured") / "some"))
    said = measure(run, methods=("gradcam",))
    assert said == f"some: measured 6 kinds of maps on 20 images: {run.path / 'quality.csv'}."
    return run


@pytest.fixture
def run(measured_run, tmp_path):
    """A copy of the measured run that a test may damage."""
    return Run(shutil.copytree(measured_run.path, tmp_path / "some"))


@pytest.fixture
def judged(monkeypatch):
    """What was measured by ROAD: kind, first image and the one after the last. Nothing is really measured.

    Every image's value is its place in the sample, in thousandths, every mosaic's its number.
    """
    begun = []

    def replaced(family):
        def take(examination, kinds, part):
            if family.measures == ("road_gap",):
                begun.extend((kind, part.start, part.stop) for kind in kinds)
            values = np.arange(part.start, part.stop) / 1000
            return {kind: dict.fromkeys(family.measures, values) for kind in kinds}

        return replace(family, take=take)

    monkeypatch.setattr(families, "FAMILIES", [replaced(family) for family in families.FAMILIES])
    return begun


@pytest.fixture
def command(call_main):
    return partial(call_main, quality)


def test_pandas_reads_a_figure_a_row_with_its_interval(measured_run):
    table = pd.read_csv(measured_run.path / "quality.csv")
    assert list(table.columns) == [
        "method", "layer", "measure", "value", "low", "high", "n", "control", "images",
        "best", "worst", "level", "final", "weights",
    ]  # fmt: skip
    leads = [over(measure, control) for measure in ("road_gap", "blur_gap") for control in ALL_CONTROLS]
    assert len(table) == 6 * len(MEASURES) + 2 * len(leads)
    assert set(table.measure) == {*MEASURES, *leads}
    assert set(zip(table.method, table.layer, table.control, strict=True)) == {
        ("gradcam", "layer3", False), ("gradcam", "layer4", False),
        *((control, "input", True) for control in ("random", "sobel", "gaussian", "mean_map")),
    }  # fmt: skip
    counting = table[table.n > 1]
    assert (counting.low <= counting.value + 1e-6).all() and (counting.value <= counting.high + 1e-6).all()
    for name, known in MEASURES.items():
        assert counting[counting.measure == name].value.between(known.least, known.most).all(), name
    weights = hashlib.sha256((measured_run.path / "model.safetensors").read_bytes()).hexdigest()
    assert set(table.weights) == {weights} and set(table.images) == {IMAGES}
    numbers = table.groupby("measure").n.agg(set)
    assert numbers["gridpg"] == {5} and max(numbers["road_gap"]) <= 20 and numbers["randomisation_smooth"] <= {1, 2, 3}
    assert numbers["average_drop"] == numbers["increase"] == {12}


def test_a_lead_is_the_mean_of_the_differences_image_by_image(measured_run):
    values = read_values(measured_run)
    mine, theirs = (values[kind]["road_gap"] for kind in (("gradcam", "layer3"), ("sobel", "input")))
    both = min(len(mine), len(theirs))
    differences = mine[:both] - theirs[:both]
    lead = next(
        row for row in read_quality(measured_run) if (row.layer, row.measure) == ("layer3", "road_gap_over_sobel")
    )
    assert (lead.value, lead.n) == (pytest.approx(differences.mean(), rel=1e-5), both)


def test_control_maps_know_neither_class_nor_model(measured_run):
    table = pd.read_csv(measured_run.path / "quality.csv")
    controls = table[table.control].set_index(["method", "measure"]).value
    for name in ALL_CONTROLS:
        assert controls[name, "gridpg"] == pytest.approx(0.25, abs=1e-5)
        assert controls[name, "class_sensitivity"] == controls[name, "randomisation"] == pytest.approx(1, abs=1e-5)


def test_the_figures_are_those_of_the_maps_of_the_predicted_class_and_its_rival(measured_run):
    model, sample = measured_run.load_model(), draw_sample(measured_run, 500)
    predictions = measured_run.predictions()
    likeliest = np.argsort(-predictions.probabilities[sample.rows], axis=1)[:, :2]
    assert sample.classes.tolist() == likeliest.tolist()
    images = measured_run.to_input(measured_run.images()[sample.rows])
    maps = layer_attributions(model, images, ["layer3"], torch.from_numpy(likeliest.copy()))["layer3"]
    objects = torch.from_numpy(measured_run.masks()[sample.rows]) == OBJECT
    share = positive_share(upsample(maps, (SIDE, SIDE))[:, 0], objects).mean().item()
    correlations = pearson(maps[:, 0].numpy(), maps[:, 1].numpy())
    rows = {row.measure: row for row in read_quality(measured_run) if row.layer == "layer3"}
    assert rows["object_share"].value == pytest.approx(share, rel=1e-4)
    first = len(read_values(measured_run)["gradcam", "layer3"]["class_sensitivity"])  # until it was certain
    assert rows["class_sensitivity"].value == pytest.approx(np.nanmean(correlations[:first]), rel=1e-3)


def examine(run, kinds, images=20):
    """Measure all values of some kinds and the controls on a sample, in rounds, however certain the verdicts are."""
    progress = quality.tqdm()
    measured = Measured(draw_sample(run, images), {}, exhaustive=True)
    examination = begin(run.load_model(), measured.sample, "layer4", progress)
    assert list(rounds(examination, measured, kinds, families.families_for(measured.sample)))
    return measured.values


def test_pixel_methods_are_measured_at_the_inputs_resolution_on_fewer_images(bare_run, quick):
    kind = ("integrated_gradients", "input")
    values = examine(bare_run, [kind])[kind]
    assert set(values) == set(MEASURES)
    assert len(values["road_gap"]) == 8 and len(values["gridpg"]) == 2 and len(values["randomisation"]) == 2
    assert len(values["increase"]) == 6


def test_two_methods_of_one_map_are_judged_once(bare_run, quick, monkeypatch):
    """HiResCAM is Grad-CAM before pooling and a linear layer, and nowhere else."""
    images = []
    gap = families.road_gap
    monkeypatch.setattr(
        families, "road_gap", lambda *words, seed: images.append(len(words[1])) or gap(*words, seed=seed)
    )
    kinds = [(method, layer) for method in ("gradcam", "hirescam") for layer in LAYERS]
    found = examine(bare_run, kinds)
    assert sum(images) == 3 * 20
    assert found["hirescam", "layer4"]["road_gap"].tolist() == found["gradcam", "layer4"]["road_gap"].tolist()
    assert found["hirescam", "layer3"]["road_gap"].tolist() != found["gradcam", "layer3"]["road_gap"].tolist()


def test_curves_in_bfloat16_are_those_of_float32(bare_run):
    """Eight bits of mantissa: single probabilities are off by hundredths, their means by less."""
    model, sample = bare_run.load_model(), draw_sample(bare_run, 20)
    images, targets = sample.images(slice(None), torch.device("cpu")), sample.classes[:, 0]
    maps = images.mean(dim=1)
    model.fc.weight.mul_(8)  # so that the network is sure of something
    quick = Autocast(model, torch.bfloat16)
    assert quick(images).dtype == torch.float32 and not torch.equal(quick(images), model(images))
    for measured in (removal.road_gap, lambda *words: removal.blurring(*words).gap):
        exact, found = (measured(one, images, maps, targets) for one in (model, quick))
        assert torch.allclose(found, exact, atol=0.02) and abs((found - exact).mean()) < 2e-3
        assert exact.abs().max() > 0.1
    assert torch.equal(Autocast(model, torch.float32)(images), model(images))


def test_the_mean_map_stays_the_same_when_more_images_are_asked_for(bare_run):
    model, few, many = bare_run.load_model(), draw_sample(bare_run, 5), draw_sample(bare_run, IMAGES)
    images = many.images(slice(1), torch.device("cpu"))
    examined = (begin(model, sample, "layer4", quality.tqdm(disable=True)) for sample in (few, many))
    of_few, of_many = (one.controls["mean_map"](images, [0]) for one in examined)
    assert of_few.any() and torch.equal(of_few, of_many)


def test_what_is_measured_is_not_measured_again(run, judged):
    before = (run.path / "quality.csv").read_bytes()
    assert measure(run, methods=("gradcam",)) == "some: everything is measured already, there is nothing to do."
    assert judged == [] and (run.path / "quality.csv").read_bytes() == before


def test_only_what_is_missing_is_measured_and_the_rest_is_kept(run, judged):
    before = read_quality(run)
    measure(run, layers=("layer4", "layer2"), methods=("layercam", "gradcam"))
    new = [("layercam", "layer4"), ("layercam", "layer2"), ("gradcam", "layer2")]
    assert list(dict.fromkeys(kind for kind, *_ in judged)) == new
    rows = read_quality(run)
    of_before = [row for row in rows if (row.method, row.layer) not in new]
    assert [replace(row, final=True) for row in of_before] == [replace(row, final=True) for row in before]
    assert {(row.method, row.layer) for row in rows if row not in of_before} == set(new)


def test_the_best_and_the_worst_images_of_a_figure_are_named(run, judged):
    measure(run, layers=("layer2",), methods=("gradcam",), exhaustive=True)
    sample = draw_sample(run, IMAGES)
    rows = {row.measure: row for row in read_quality(run) if row.layer == "layer2"}
    first, last = tuple(sample.rows[:4].tolist()), tuple(sample.rows[:-5:-1].tolist())
    assert (rows["road_gap"].best, rows["road_gap"].worst) == (last, first)
    last_of_twelve = tuple(sample.rows[11:7:-1].tolist())
    assert (rows["average_drop"].best, rows["average_drop"].worst) == (first, last_of_twelve)  # where lower is better
    assert (rows["randomisation"].best, rows["tag_minus_decoy"].best) == (first, last)  # where figures do not rank
    assert (rows["gridpg"].best, rows["gridpg"].worst) == tuple(map(tuple, sample.mosaics[[-1, 0]].tolist()))


def test_more_images_go_on_behind_those_that_are_measured(bare_run, tmp_path, judged):
    run = Run(shutil.copytree(bare_run.path, tmp_path / "some"))
    measure(run, ("layer4",), ("gradcam",), images=12, exhaustive=True)
    assert {row.images for row in read_quality(run)} == {12}
    judged.clear()
    measure(run, ("layer4",), ("gradcam",), images=20, exhaustive=True)
    assert judged == [(kind, 12, 20) for kind in kinds_of(("gradcam",), ("layer4",))]
    assert {row.images for row in read_quality(run)} == {20}


def test_a_kind_whose_verdict_is_certain_is_left_out_of_later_rounds(bare_run, tmp_path, monkeypatch, judged):
    """Grad-CAM at layer4 costs 1, the controls 0, and layer3 one time in four: it is undecided to the end."""
    monkeypatch.setattr("sightline.explain.judging.intervals.LOOKS", (5, 10))
    measured = []

    def take(examination, kinds, part):
        measured.extend((kind, part.stop) for kind in kinds)
        places = np.arange(part.start, part.stop)
        costs = {"layer4": np.ones(len(places)), "layer3": places % 4 == 0, "input": np.zeros(len(places))}
        return {(method, layer): {"road_gap": costs[layer].astype(float)} for method, layer in kinds}

    road = next(family for family in families.FAMILIES if family.measures == ("road_gap",))
    monkeypatch.setattr(families, "FAMILIES", [replace(road, take=take)])
    run = Run(shutil.copytree(bare_run.path, tmp_path / "some"))
    measure(run, methods=("gradcam",))
    ends = {kind: [stop for one, stop in measured if one == kind] for kind, _ in measured}
    assert ends["gradcam", "layer4"] == [5, 10]  # the first look decides nothing for good
    assert ends["gradcam", "layer3"] == [5, 10, 20] == ends["gaussian", "input"]
    assert [(verdict.layer, verdict.name, verdict.final) for verdict in verdicts(read_quality(run))] == [
        ("layer4", "supported", True), ("layer3", "undecided", True),
    ]  # fmt: skip


def test_ctrl_c_keeps_the_rounds_that_are_finished(bare_run, tmp_path, command, judged, monkeypatch):
    monkeypatch.setattr("sightline.explain.judging.intervals.LOOKS", (5, 10))
    run, write = Run(shutil.copytree(bare_run.path, tmp_path / "some")), quality.write_quality

    def write_and_stop(run, rows):
        write(run, rows)
        if judged[-1][-1] == 10:
            raise KeyboardInterrupt

    arguments = ("--run", run.path, "--layers", "layer4,layer2", "--methods", "hirescam", "--exhaustive")
    with monkeypatch.context() as patch:
        patch.setattr(quality, "write_quality", write_and_stop)
        code, said = command(*arguments)
    assert (code, "Traceback" in said) == (130, False)
    assert "what was measured is kept, and the same command goes on with the rest" in said
    assert not any(row.final for row in read_quality(run) if row.measure == "road_gap")
    judged.clear()
    assert command(*arguments)[0] == 0
    assert judged == [(kind, 10, 20) for kind in kinds_of(("hirescam",), ("layer4", "layer2"))]
    assert all(row.final for row in read_quality(run))


def test_an_interrupted_report_goes_on_to_the_same_bytes(bare_run, tmp_path, quick, monkeypatch):
    """Also in the middle of a round, between two families of measures, or between two kinds of maps."""

    def report(name, stop_after=0):
        run = Run(shutil.copytree(bare_run.path, tmp_path / name))
        written, write = [], quality.write_quality

        def write_and_stop(run, rows):
            write(run, rows)
            written.append(len(rows))
            if len(written) == stop_after:
                raise KeyboardInterrupt

        if stop_after:
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr(quality, "write_quality", write_and_stop)
                measure(run, ("layer4",), ("gradcam", "hirescam"))
        measure(run, ("layer4",), ("gradcam", "hirescam"))
        return (run.path / "quality.csv").read_bytes()

    assert report("at once") == report("early", stop_after=2) == report("late", stop_after=12)
    monkeypatch.setattr(quality, "PIXELS_AT_ONCE", 1)
    assert report("kind by kind") == report("kind by kind, stopped", stop_after=40)


def test_figures_that_were_not_begun_are_there_and_to_come(bare_run, tmp_path, judged, monkeypatch):
    """Else a report that was stopped once all verdicts were certain would look complete."""
    run = Run(shutil.copytree(bare_run.path, tmp_path / "some"))

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(quality, "write_quality", lambda *words: write_quality(*words) or stop())
        measure(run, ("layer4",), ("gradcam",), images=5)
    rows = {row.measure: row for row in read_quality(run) if row.layer == "layer4"}
    assert rows["road_gap"].final and rows["road_gap"].n == 5
    assert (rows["gridpg"].final, rows["gridpg"].n) == (False, 0)


def test_values_of_other_weights_are_not_gone_on_with(run, judged):
    (run.path / "quality.csv").unlink()
    with open(run.path / "model.safetensors", "ab") as weights:
        weights.write(b" ")
    assert read_values(run) == {}


def predict_anew(run, labels):
    logits = np.eye(CLASSES, dtype=np.float32)[labels]
    pq.write_table(predictions_table(logits, labels, None), run.path / "predictions.parquet")


def paint_anew(run, labels):
    np.save(run.path / "images.npy", 255 - run.images()[:])


@pytest.mark.parametrize("change", [predict_anew, paint_anew])
def test_values_of_other_images_are_not_taken_for_those_of_the_new_ones(run, judged, change):
    """With the same weights: somebody has put other images, or what the model made of them, in place."""
    assert read_values(run)
    change(run, np.arange(IMAGES)[::-1] % CLASSES)
    assert read_values(Run(run.path)) == {}
    assert "measured 6 kinds of maps on 20 images" in measure(Run(run.path), methods=("gradcam",))
    assert {start for _, start, _ in judged} >= {0}
    assert len(read_values(Run(run.path))) == 6


def change_values(run, change):
    """Let quality.safetensors hold something else, by name: measure/method/layer → float64 N, as any program can."""
    file = run.path / "quality.safetensors"
    arrays = load(file.read_bytes())
    change(arrays)
    file.write_bytes(save(arrays))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda arrays: arrays.update({"road_gap/gradcam/layer4": np.full(3, 1e308)}), "holds other arrays"),
        (lambda arrays: arrays.update({"road_gap/gradcam/layer4": np.full(3, np.inf)}), "holds other arrays"),
        (lambda arrays: arrays.update({"road_gap/gradcam/layer4": np.zeros(IMAGES + 1)}), "holds other arrays"),
        (lambda arrays: arrays.update({"road_gap/gradcam/layer4": np.zeros((2, 2))}), "holds other arrays"),
        (lambda arrays: arrays.update({"road_gap/gradcam/layer4": np.zeros(3, np.int8)}), "holds other arrays"),
        (lambda arrays: arrays.update({"road_gap": np.zeros(3)}), "is damaged"),
    ],
)
def test_values_that_no_report_wrote_are_a_sentence_and_stay(run, command, change, says):
    change_values(run, change)
    before = contents(run)
    assert_refused(command("--run", run.path), f"quality.safetensors {says}")
    assert contents(run) == before


@pytest.mark.parametrize("damage", [lambda content: b"\x05", lambda content: content[: len(content) // 2]])
def test_values_that_are_damaged_are_a_sentence_and_stay(run, command, damage):
    file = run.path / "quality.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    before = contents(run)
    assert_refused(command("--run", run.path), "quality.safetensors is damaged")
    assert contents(run) == before


def test_values_of_methods_and_measures_that_nobody_knows_are_kept(run, judged):
    """Of a later version, say."""
    odd = {"road_gap/guess/layer9": np.array([0.5, 0.25, 0.5]), "wisdom/gradcam/layer4": np.array([0.5])}
    change_values(run, lambda arrays: arrays.update(odd))
    measure(run, layers=("layer2",), methods=("gradcam",))
    values = read_values(Run(run.path))
    assert values["guess", "layer9"]["road_gap"].tolist() == [0.5, 0.25, 0.5]
    assert values["gradcam", "layer4"]["wisdom"].tolist() == [0.5]
    assert "guess" in {verdict.method for verdict in verdicts(read_quality(run))}


def test_figures_of_measures_that_nobody_knows_are_kept(run, judged):
    odd = replace(read_quality(run)[0], method="gradcam", layer="layer4", measure="wisdom", control=False)
    write_quality(run, [*read_quality(run), odd])
    measure(run, layers=("layer4", "layer2"), methods=("gradcam",))
    assert odd in read_quality(run)


def test_figures_that_were_removed_are_written_again_from_the_values(run, judged):
    before = (run.path / "quality.csv").read_bytes()
    (run.path / "quality.csv").unlink()
    assert "nothing to do" in measure(run, methods=("gradcam",))
    assert (run.path / "quality.csv").read_bytes() == before and judged == []


def test_figures_of_before_stay_until_new_ones_take_their_place(run, judged, monkeypatch):
    """Here the values of single images are lost, and the report is stopped at once."""
    (run.path / "quality.safetensors").unlink()
    before = {(row.method, row.layer, row.measure): row for row in read_quality(run)}
    write = quality.write_quality

    def write_and_stop(run, rows):
        write(run, rows)
        raise KeyboardInterrupt

    monkeypatch.setattr(quality, "write_quality", write_and_stop)
    with pytest.raises(KeyboardInterrupt):
        measure(run, methods=("gradcam",))
    after = {(row.method, row.layer, row.measure): row for row in read_quality(run)}
    assert after.keys() == before.keys()
    assert {measure_of(key[-1]) for key in after if after[key] != before[key]} == {"road_gap"}


def test_a_file_of_before_keeps_its_other_methods_when_some_are_measured_anew(run, judged):
    """Columns as they were before rounds: no level, not final or not."""
    table = pd.read_csv(OLD_RUN / "quality.csv", dtype=str, keep_default_na=False)
    table["weights"] = hashlib.sha256((run.path / "model.safetensors").read_bytes()).hexdigest()
    table["best"] = table["worst"] = ""
    assert not {"level", "final"} & set(table.columns)
    table.to_csv(run.path / "quality.csv", index=False)
    (run.path / "quality.safetensors").unlink()
    before = read_quality(run)
    measure(run, methods=("gradcam",))
    after = read_quality(run)
    kept = [row for row in before if row.method in ("hirescam", "layercam", "integrated_gradients")]
    assert kept and all(row in after for row in kept)
    anew = [row for row in after if (row.method, row.layer) == ("gradcam", "layer4") and row.measure in MEASURES]
    assert {row.images for row in anew} == {IMAGES}


def test_verdicts_are_printed_from_a_file_of_before_without_weights_or_images(command, tmp_path):
    """The run of twelve epochs on CIFAR-10, as it was measured before blurring, leads and the mean map."""
    run = shutil.copytree(OLD_RUN, tmp_path / "old")
    code, said = command("--run", run, "--verdicts")
    *lines, note = said.splitlines()[1:]
    assert note == "Of the controls, the mean map of all images was not measured; measuring again adds it."
    lines = [line.split() for line in lines]
    found = {(method, layer): " ".join(words) for method, layer, *words in lines}
    assert code == 0 and len(found) == 17
    for layer in ("layer1", "layer2", "layer3"):
        assert found["gradcam", layer].startswith("not supported")
    assert found["gradcam++", "layer1"].startswith("not supported")
    assert found["gradcam", "layer4"].startswith("supported ROAD's lead over a blob in the middle is 0.09")
    code, said = command("--run", run, "--verdicts", "--json")
    assert {(one["method"], one["layer"]): one["name"] for one in json.loads(said)}["gradcam", "layer4"] == "supported"


def test_verdicts_of_what_was_never_measured_say_how_to_measure_it(bare_run, command):
    assert_refused(command("--run", bare_run.path, "--verdicts"), "has no verdicts")


def test_a_run_without_masks_has_no_shares(tmp_path, judged):
    run = make_run(tmp_path / "run", masks=False)
    measure(run, methods=("gradcam",))
    assert {measure_of(row.measure) for row in read_quality(run)} == MEASURES.keys() - WITH_MASKS


def test_two_classes_are_measured_without_gridpg_and_it_says_so(tmp_path, judged):
    run = make_run(tmp_path / "run", classes=2)
    assert "GridPG is left out: it needs four classes" in measure(run)
    assert {row.n for row in read_quality(run) if row.measure == "gridpg"} == {0}
    assert "nothing to do. GridPG is left out" in measure(run)


def test_a_model_of_one_input_size_is_measured_without_gridpg_and_it_says_so(bare_run, tmp_path, judged, monkeypatch):
    class OneSize(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer4, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * (SIDE - 2) ** 2, 5)

        def forward(self, x):
            return self.fc(self.layer4(x).flatten(1))

    run = Run(shutil.copytree(bare_run.path, tmp_path / "run"))
    monkeypatch.setattr(Run, "load_model", lambda self: OneSize().eval())
    said = measure(run, layers=("layer4",))
    assert "GridPG is left out: its mosaics are 32 pixels wide, and the model takes only 16." in said


def test_figures_of_other_weights_are_stale_and_say_so(run, command):
    with RunWriter.reopen(run.path, run.record) as writer:
        torch.manual_seed(1)
        writer.save_model(build_model("resnet18_narrow", 5))
    before = (run.path / "quality.csv").read_bytes()
    code, said = command("--run", run.path, "--methods", "gradcam")
    assert code == 1 and "quality.csv is stale, it measured other weights than model.safetensors holds now" in said
    assert "Remove it and measure again with: sightline quality --run" in said and "\n" not in said
    assert (run.path / "quality.csv").read_bytes() == before
    with pytest.raises(RunError, match="stale"):
        read_quality(run)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("method,", "", 1),
        lambda text: text.replace("true", "perhaps", 1),
        lambda text: text[: len(text) // 2],
        lambda text: text + "gradcam,layer9\n",
        lambda text: text.replace(",20,", ",many,", 1),
        lambda text: text.replace("gradcam", '"gradcam', 1),
    ],
)
def test_a_damaged_file_is_a_sentence(run, command, damage):
    file = run.path / "quality.csv"
    file.write_text(damage(file.read_text()))
    code, said = command("--run", run.path, "--methods", "gradcam")
    assert code == 1 and ("quality.csv is damaged" in said or "quality.csv is stale" in said) and "\n" not in said


def test_bytes_that_are_no_text_are_damaged(run):
    (run.path / "quality.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match="damaged"):
        read_quality(run)


def test_nothing_measured_is_no_rows(bare_run):
    assert read_quality(bare_run) == []


def contents(run):
    return {file.name: file.read_bytes() for file in run.path.iterdir() if file.is_file()}


def assert_refused(answer, says):
    code, said = answer
    assert code == 1 and said.startswith("Error: ") and says in said and "\n" not in said.strip(), said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--layers", "layer9"], "The model has no layer 'layer9'"), (["--layers", "layer4,fc"], "'fc' is no map")],
)
def test_a_layer_that_has_no_map_is_refused_before_anything_is_measured(run, command, judged, arguments, says):
    assert_refused(command("--run", run.path, *arguments), says)
    assert judged == []


def test_a_run_without_weights_is_refused(run, command):
    (run.path / "model.safetensors").unlink()
    assert_refused(command("--run", run.path), "has lost its model.safetensors. Train the run again.")


def test_a_run_without_predictions_is_refused(run, command):
    (run.path / "predictions.parquet").unlink()
    assert_refused(command("--run", run.path), "has lost its predictions.parquet")


def save_originals(folder):
    """Save images twice as large as thumbnails, and return their paths."""
    digits, files = np.random.default_rng(1), [folder / f"{number}.png" for number in range(IMAGES)]
    for file in files:
        Image.fromarray(digits.integers(0, 256, (LARGE, LARGE, 3), dtype=np.uint8)).save(file)
    return tuple(map(str, files))


def test_a_run_of_thumbnails_without_its_originals_is_refused(tmp_path, command):
    run = make_run(tmp_path / "run", side=32, paths=save_originals(tmp_path))
    for file in tmp_path.glob("*.png"):
        file.unlink()
    assert_refused(command("--run", run.path), "keeps thumbnails only, and a map needs the original")


def test_masks_of_thumbnails_are_stretched_to_the_originals(tmp_path, quick):
    run = make_run(tmp_path / "run", side=LARGE, paths=(paths := save_originals(tmp_path)))
    keep_thumbnails(run.path, paths, LARGE)
    np.save(run.path / "masks.npy", np.random.default_rng(2).choice([0, OBJECT], (IMAGES, 96, 96)).astype(np.uint8))
    sample = draw_sample(run, IMAGES).without_mosaics()
    kind = ("gaussian", "input")  # the same map for every image
    places = next(family for family in families_for(sample) if "object_share" in family.measures)
    examination = begin(run.load_model(), sample, "layer4", quality.tqdm())
    values = places.take(examination, [kind], slice(0, IMAGES))[kind]
    blob = CONTROLS["gaussian"](torch.zeros(1, 3, LARGE, LARGE), [0])[0].numpy()
    on_objects = np.kron(run.masks()[sample.rows] == OBJECT, np.ones((2, 2)))
    np.testing.assert_allclose(values["object_share"], (blob * on_objects).sum(axis=(1, 2)) / blob.sum(), rtol=1e-5)


def test_one_class_is_refused(tmp_path, command):
    assert_refused(command("--run", make_run(tmp_path / "run", classes=1).path), "Run run has one class")


def test_two_images_a_class_are_refused_where_they_are_too_few_for_an_interval(tmp_path, command):
    run = make_run(tmp_path / "run", classes=4, images=8)
    assert_refused(command("--run", run.path), "Run run has 8 test images; an interval needs 10 or more")


def test_two_images_a_class_are_measured_where_they_are_enough(tmp_path, judged):
    run = make_run(tmp_path / "run", classes=8, images=16)
    assert "on 16 images" in measure(run)


def test_no_run_and_a_busy_run_are_refused(run, command, tmp_path):
    assert_refused(command("--run", tmp_path / "nowhere"), "run.json is missing")
    with RunWriter.reopen(run.path, run.record):
        assert_refused(command("--run", run.path), "Another process is writing")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--methods", "guess"], "hirescam"),
        (["--methods", ""], "choose from"),
        (["--images", "9"], "choose 10 or more"),
        (["--images", "many"], "--images"),
        (["--device", "tpu"], "cuda"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_the_choices(run, command, arguments, says):
    code, said = command("--run", run.path, *arguments)
    assert code == 2 and says in said and "Traceback" not in said
