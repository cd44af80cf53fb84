"""The Trust view, and what Layers says of it, through AppTest: figures written by hand."""

import csv
import io
import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest

from sightline.app.elements import measuring, task
from sightline.app.elements.run_label import run_label
from sightline.app.runs import processes
from sightline.app.views.trust.files import figures_csv
from sightline.explain.judging import estimate
from sightline.explain.judging.measures import MEASURES
from sightline.explain.judging.verdicts import RULE, over
from sightline.explain.output import ProgressBar
from sightline.run_store.quality import QualityRow, read_quality, write_quality
from sightline.run_store.run import Run
from tests.app_pages import checked, edit_record, open_page

MODULE = "sightline.explain.quality"


@pytest.fixture
def run(tmp_path, monkeypatch, fabricated):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    return Run(Path(shutil.copytree(fabricated, tmp_path / "runs" / "run")))


def figure(method, layer, value, measure="road_gap", control=False, **more):
    """With an interval of ±0.01; image 7 is the best and 3 the worst."""
    row = QualityRow(method, layer, measure, value, value - 0.01, value + 0.01, 12, control, 12, (7,), (3,))
    return replace(row, **more)


CONTROLS = [figure(name, "input", 0.2, control=True) for name in ("random", "sobel", "gaussian", "mean_map")]
GOOD = figure("gradcam", "layer4", 0.5)
BAD, UNSURE = figure("gradcam", "layer1", 0.0), figure("gradcam", "layer2", 0.21)
OTHER = figure("occlusion", "input", 0.4)
ROWS = [*CONTROLS, BAD, UNSURE, GOOD, OTHER]


def text_of(app):
    kinds = (*app.markdown, *app.caption, *app.warning, *app.html, *app.subheader)
    return unescape(" ".join(element.value for element in kinds)).replace("\\", "")


def sentence_of(app):
    return next(element.value for element in app.markdown if "kind" in element.value).replace("\\", "")


def chart_of(app):
    """The rows of the data, and the specification."""
    (chart,) = app.get("arrow_vega_lite_chart")
    return chart


def test_a_sentence_says_which_kind_of_map_is_supported_best_and_how_many_are(run):
    write_quality(run, ROWS)
    assert sentence_of(open_page("trust")) == (
        "On this run, **Grad-CAM at layer4 is supported**: the model minds losing what it points to more than what any "
        "control map points to. Of 4 kinds, 2 are supported, 1 is not supported, 1 is undecided."
    )


def test_where_all_is_measured_and_nothing_beats_the_controls_no_kind_is_supported(run):
    write_quality(run, [*CONTROLS, BAD, UNSURE])
    said = "**No kind of map is supported on this run.** Of 2 kinds, 1 is not supported, 1 is undecided."
    assert sentence_of(open_page("trust")) == said


def test_of_one_kind_that_is_not_supported_nothing_is_said_of_others(run):
    write_quality(run, [*CONTROLS, BAD])
    said = "On this run, **Grad-CAM at layer1**, the only kind of map that was measured, is **not supported**."
    assert sentence_of(open_page("trust")) == said


def test_while_figures_are_provisional_nothing_is_final(run):
    write_quality(run, [replace(row, final=False, images=500) for row in [*CONTROLS, BAD, UNSURE]])
    said = text_of(open_page("trust"))
    assert "**Not decided yet.** Of 2 kinds, 1 is not supported, 1 is undecided so far." in said
    assert "provisional" in said and "figures on up to 12 of 500 test images" in said
    assert "So far, Grad-CAM is **not supported** at layer1; **undecided** at layer2." in text_of(open_page("layers"))


def test_the_rule_and_what_may_not_be_claimed_stand_on_the_page(run):
    write_quality(run, ROWS)
    said = text_of(open_page("trust"))
    assert RULE in said
    for words in ("Attribution is not attention", "imputed", "vision transformers"):
        assert words in said


def test_why_there_is_no_gridpg_is_said(run):
    write_quality(run, [*ROWS, figure("gradcam", "layer4", float("nan"), "gridpg", n=0)])
    assert "GridPG is left out" in text_of(open_page("trust"))
    write_quality(run, ROWS)
    assert "GridPG is left out" not in text_of(open_page("trust"))


def test_a_control_that_was_not_measured_is_named_once(run):
    write_quality(run, [row for row in ROWS if row.method != "mean_map"])
    assert "the mean map of all images was not measured" in text_of(open_page("trust"))
    write_quality(run, ROWS)
    assert "was not measured" not in text_of(open_page("trust"))


def test_where_the_two_measures_disagree_the_page_says_so(run):
    blurred = [replace(row, measure="blur_gap", value=0.2, low=0.19, high=0.21) for row in CONTROLS]
    write_quality(run, [*ROWS, *blurred, figure("gradcam", "layer4", 0.0, "blur_gap")])
    said = text_of(open_page("trust", layer="layer4"))
    assert "For 1 kind the two measures, ROAD and blurring, disagree" in said
    assert "By blurring it is not supported: the two measures disagree." in said


def test_the_lead_over_each_control_decides_and_is_no_measure_to_choose(run):
    """Apart, the intervals meet; image by image they do not."""
    leads = [figure("gradcam", "layer2", 0.05, over("road_gap", row.method)) for row in CONTROLS]
    write_quality(run, [*ROWS, *leads])
    app = open_page("trust")
    assert "3 are supported, 1 is not supported." in sentence_of(app)
    assert app.selectbox(key="trust_measure").options == ["ROAD"]
    assert "over" not in " ".join(re.findall("<th.*?</th>", table_of(app))[0])


def table_of(app):
    return next(element.value for element in app.html if "<table>" in element.value)


def cells_of(app):
    """The words of each row of the table, without what explains them, by the name of the map."""
    body = re.sub(r'<span class="reason">.*?</span>', "", table_of(app)).replace("\u00a0", " ")
    rows = [re.findall(r"<t[hd]\b.*?>(.*?)</t[hd]>", row) for row in re.findall("<tr.*?</tr>", body)]
    return {row[0]: row[1:] for row in [[unescape(re.sub("<.*?>", "", cell)).strip() for cell in row] for row in rows]}


def test_the_table_begins_with_what_decides_and_ends_with_the_controls(run, monkeypatch):
    check = "class_sensitivity"
    monkeypatch.setitem(MEASURES, check, replace(MEASURES[check], bound=0.9))
    checks = [figure("gradcam", "layer4", 0.0, check), figure("gradcam", "layer1", 1.0, check)]
    write_quality(run, [figure("gradcam", "layer4", 0.8, "gridpg"), *checks, *ROWS])
    cells = cells_of(open_page("trust"))
    assert cells["Map"] == ["Verdict", "ROAD lead ↑", "ROAD ↑", "Two classes' maps", "GridPG ↑"]
    assert cells["Grad-CAM at layer4"][:3] == ["✓ supported", "0.30 (0.27 to 0.33)", "0.50 (0.49 to 0.51) (best)"]
    assert cells["Grad-CAM at layer4"][3].startswith("✓ passes") and cells["Grad-CAM at layer1"][3].startswith(
        "✕ fails"
    )
    assert [*cells][1:] == [
        "Grad-CAM at layer4", "Occlusion", "Grad-CAM at layer2", "Grad-CAM at layer1", "control: random numbers",
        "control: an edge detector", "control: a blob in the middle", "control: the mean map of all images",
    ]  # fmt: skip


def test_every_verdict_of_the_table_has_its_reason(run):
    write_quality(run, ROWS)
    found = table_of(open_page("trust"))
    assert found.count("; it must be above 0.01.") == 1 and found.count("; no control is nearer.") == 2


def test_every_measure_is_explained_in_sentences_with_its_source(run):
    write_quality(run, [replace(row, measure=name) for row in ROWS[::2] for name in MEASURES])
    for name, measure in MEASURES.items():
        app = open_page("trust", measure=name)
        assert f"{measure.deed} {measure.figure}" in text_of(app) and measure.source in text_of(app)
        assert measure.direction.capitalize() in text_of(app) and not app.warning
    assert app.selectbox(key="trust_measure").options == [measure.title for measure in MEASURES.values()]


def test_the_figures_to_take_along_are_those_of_the_run_and_no_formulas(run):
    rows = [*ROWS, figure("gradcam", "=cmd.layer", -0.5)]
    write_quality(run, rows)
    found = read_quality(run)
    texts = (run.path / "quality.csv").read_text(), figures_csv(run, found).decode()
    written, taken = (list(csv.reader(io.StringIO(text))) for text in texts)
    assert [row for row in written if row[1] != "=cmd.layer"] == [row for row in taken if row[1] != "'=cmd.layer"]
    assert [row[1] for row in taken if "cmd" in row[1]] == ["'=cmd.layer"]
    assert "-0.5" in [row[3] for row in taken]


def test_a_chosen_measure_stands_in_the_address(run):
    write_quality(run, [*ROWS, figure("gradcam", "layer4", 0.8, "gridpg")])
    app = open_page("trust")
    app.selectbox(key="trust_measure").set_value("gridpg").run()
    assert checked(app).query_params["measure"] == "gridpg"
    assert "**80 % (79–81)**" in text_of(app)


def test_the_map_that_layers_shows_is_the_one_with_examples(run):
    write_quality(run, ROWS)
    app = open_page("trust", layer="layer1")
    assert app.selectbox(key="trust_map").value == ("gradcam", "layer1")
    app.selectbox(key="trust_map").set_value(("occlusion", "input")).run()
    assert checked(app).query_params["method"] == "occlusion" and "layer" not in app.query_params


def test_a_run_without_weights_has_its_figures_and_examples_without_maps(run):
    write_quality(run, ROWS)
    (run.path / "model.safetensors").unlink()
    app = open_page("trust", layer="layer4")
    assert "Grad-CAM at layer4 is supported" in text_of(app)
    assert "Without their maps: Run run has lost its model.safetensors." in text_of(app)
    assert figures_csv(run, read_quality(run)).decode().startswith("method,layer,measure")


def test_a_file_without_the_decisive_measure_is_shown_by_what_it_has_and_without_verdicts(run):
    rows = [figure("gradcam", "layer4", 0.8, "gridpg"), figure("gradcam", "layer4", 0.8, "of a later version")]
    write_quality(run, rows)
    said = text_of(open_page("trust"))
    assert "80 %" in said and "is not known yet: that takes ROAD" in said
    assert "Grad-CAM was not measured on this run." in text_of(open_page("layers"))


@pytest.mark.parametrize("changes", [{"measure": "of a later version"}, {"n": 0}], ids=["no measure", "no image"])
def test_a_file_without_a_figure_is_as_if_nothing_was_measured(run, changes):
    write_quality(run, [replace(row, **changes) for row in ROWS])
    for view in ("trust", "layers"):
        assert "Not measured yet" in text_of(open_page(view))


def test_what_was_never_measured_says_how_and_a_button_does_it_on_as_many_images_as_are_chosen(run, monkeypatch):
    started = []
    monkeypatch.setattr(processes, "start", lambda *arguments: started.append(arguments))
    monkeypatch.setattr(measuring, "SIZES", (10, 100))
    for view in ("trust", "layers"):
        app = open_page(view)
        assert any("sightline quality --run" in code.value for code in app.code)
    assert app.selectbox(key="layers_measure_images").options == ["10", "all 12"]
    app.selectbox(key="layers_measure_images").set_value(10).run()
    app.button(key="layers_measure_button").click().run()
    key, methods = ("quality", run.path), "gradcam,hirescam,layercam,gradcam++"
    assert started == [(key, MODULE, "--run", str(run.path), "--methods", methods, "--images", "10")]


def test_how_long_it_takes_is_said_in_words_once_it_is_known(run, monkeypatch):
    asked = []
    monkeypatch.setattr(estimate, "seconds", lambda *words: asked.append(words) or (28.0, 170.0))
    monkeypatch.setattr(measuring, "_estimator", AtOnce())
    app = open_page("trust")
    assert "Estimating how long it takes" in text_of(app)  # after the page, which waits for nothing
    said = measuring._estimate_words(run, 12).replace("\\", "")
    assert said == "It takes at most about 3 minutes on this machine; the first figures come after about 30 seconds."
    assert asked[0][1:] == (measuring.MEASURED, run.record.layers, 12)


class AtOnce:
    """An executor that does it now."""

    def submit(self, act, *arguments):
        return SimpleNamespace(done=lambda: True, result=lambda: act(*arguments))


def test_while_it_is_measured_the_figures_so_far_and_the_progress_are_shown_and_it_can_be_stopped(run, monkeypatch):
    stopped = []
    monkeypatch.setattr(processes, "is_running", lambda key: key == ("quality", run.path))
    monkeypatch.setattr(processes, "progress", lambda key: ProgressBar(0.5, "round 2 of 5", "02:50"))
    monkeypatch.setattr(processes, "stop", stopped.append)
    for rows in ([], [replace(row, final=False) for row in ROWS]):
        if rows:
            write_quality(run, rows)
        for view in ("trust", "layers"):
            app = open_page(view)
            assert f"{view}_measure_button" not in [button.key for button in app.button]
            assert progress_of(app) == "Measuring: round 2 of 5 · about 3 minutes left"
    assert "So far, Grad-CAM is **supported** at layer4" in text_of(app)
    app.button(key="layers_measure_stop").click().run()
    assert stopped == [("quality", run.path)]


def progress_of(app):
    return app.get("progress")[0].proto.text.replace("\\", "")


def test_a_stop_answers_at_once_in_every_window(run, monkeypatch):
    monkeypatch.setattr(processes, "is_running", lambda key: True)
    monkeypatch.setattr(processes, "is_stopping", lambda key: True)
    button = open_page("trust").button(key="trust_measure_stop")
    assert button.label == "Stopping …" and button.disabled


def test_what_was_stopped_goes_on_with_what_was_begun(run, monkeypatch):
    started = []
    monkeypatch.setattr(processes, "start", lambda *arguments: started.append(arguments[2:]))
    edit_record(run.path, layers=["layer4"])
    begun = [replace(row, images=250) for row in [*CONTROLS, UNSURE, OTHER]]
    decided = replace(GOOD, images=250)  # by this measure, and perhaps by no other
    write_quality(run, [decided, replace(BAD, layer="of before"), *(replace(row, final=False) for row in begun)])
    for view in ("trust", "layers"):
        app = open_page(view)
        assert app.button(key=f"{view}_measure_button").label == "Go on"
        app.button(key=f"{view}_measure_button").click().run()
    words = ("--run", str(run.path), "--methods", "gradcam,occlusion", "--layers=layer4,layer2", "--images", "250")
    assert started == [words, words]


def test_what_was_measured_can_be_measured_again(run, monkeypatch):
    write_quality(run, ROWS)
    assert "trust_measure_button" not in [button.key for button in open_page("trust").button]
    app = open_page("trust", {"trust_again": True})
    assert app.button(key="trust_measure_button").label == "Measure again"


def test_a_measurement_that_failed_says_why(run, monkeypatch):
    monkeypatch.setattr(processes, "failure", lambda key: "Error: no weights in :red[x].")
    assert r"\:red\[x\]" in open_page("trust").error[0].value


def test_a_server_that_only_shows_runs_offers_the_command_alone(run, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_READ_ONLY", "1")
    for rows in ([], [replace(row, final=False) for row in ROWS]):
        if rows:
            write_quality(run, rows)
        app = open_page("trust")
        assert "This server only shows runs" in text_of(app)
        assert not [button for button in app.button if "measure" in button.key]


@pytest.mark.parametrize("view", ["trust", "layers"])
@pytest.mark.parametrize("damage", ["stale", "torn"])
def test_figures_of_other_weights_and_damaged_ones_are_named_and_not_used(run, view, damage):
    write_quality(run, ROWS)
    if damage == "stale":
        with open(run.path / "model.safetensors", "ab") as weights:
            weights.write(b" ")
    else:
        (run.path / "quality.csv").write_text("method,layer\ngradcam")
    said = text_of(open_page(view))
    assert "quality.csv is " + {"stale": "stale", "torn": "damaged"}[damage] in said
    assert "✓" not in said and "is supported" not in said


@pytest.fixture
def pinned(run, fabricated):
    """A second run on the same images, of which only one kind was measured, and is not supported."""
    second = Run(Path(shutil.copytree(fabricated, run.path.parent / "second")))
    write_quality(second, [*CONTROLS, figure("gradcam", "layer4", 0.1)])
    return second


def test_a_pinned_run_stands_in_the_same_chart_and_table(run, pinned):
    write_quality(run, ROWS)
    app = open_page("trust", run="run", beside="second")
    cells = cells_of(app)
    assert cells["Map"][:2] == ["Verdict · run", "Verdict · second"]
    assert cells["Grad-CAM at layer4"][:2] == ["✓ supported", "✕ not supported"]
    assert cells["Grad-CAM at layer1"][:2] == ["✕ not supported", "– not measured"]
    assert f"{run_label(pinned)}: On this run, **Grad-CAM at layer4**, the only kind" in text_of(app)


def test_what_a_pinned_run_lacks_is_said_of_it(run, pinned):
    write_quality(run, [*ROWS, figure("gradcam", "layer4", 0.8, "gridpg")])
    write_quality(pinned, [*CONTROLS[:3], figure("gradcam", "layer4", 0.1)])
    said = text_of(open_page("trust", run="run", beside="second", measure="gridpg"))
    assert said.count("second: Of the controls, the mean map of all images was not measured") == 1
    assert said.count("was not measured, so") == 1 and f"GridPG was not measured on {run_label(pinned)}." in said
    assert f"**All figures of {run_label(run)}**" in said


def test_a_pinned_run_that_was_not_measured_is_named(run, pinned):
    write_quality(run, ROWS)
    (pinned.path / "quality.csv").unlink()
    app = open_page("trust", run="run", beside="second")
    assert "second, pinned, was not measured yet" in text_of(app) and cells_of(app)["Map"][0] == "Verdict"


def test_layers_says_beside_each_layer_whether_its_maps_are_supported_and_why(run):
    write_quality(run, ROWS)
    app = open_page("layers")
    said = text_of(app)
    assert (
        "On this run, Grad-CAM is **supported** at layer4; **not supported** at layer1; **undecided** at layer2."
        in said
    )
    heads = re.findall(r'<div class="layer">.*?</div>', said)
    assert [re.search(r"</i> (.*?)<", head)[1] for head in heads] == [
        "not supported", "undecided", "not measured", "supported",
    ]  # fmt: skip
    assert "ROAD's lead over random numbers is −0.20" in heads[0]
    assert "LayerCAM was not measured on this run" in text_of(open_page("layers", method="layercam"))


def test_compare_says_of_each_run_whether_its_map_is_supported(run, pinned):
    write_quality(run, ROWS)
    said = text_of(open_page("compare", run="run", beside="second", layer="layer4", compared="both-right", image="1"))
    assert re.findall(r"</i> (.*?)<span", said) == ["supported", "not supported"]


def test_while_another_program_writes_a_measured_run_nothing_is_called_provisional(run, monkeypatch):
    write_quality(run, ROWS)
    monkeypatch.setattr(task, "is_locked", lambda path: True)
    said = text_of(open_page("trust"))
    assert "Another program writes this run" in said and "provisional" not in said
