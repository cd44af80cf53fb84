"""The Trust view, and what Layers says of it, through AppTest: figures written by hand."""

import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sightline.app.runs import processes
from sightline.app.views.trust.files import figures_csv
from sightline.explain.judging.measures import MEASURES
from sightline.run_store.quality import QualityRow, read_quality, write_quality
from sightline.run_store.run import Run
from tests.app_pages import checked, open_page

LAYERS = ("layer1", "layer4")


@pytest.fixture
def run(tmp_path, monkeypatch, fabricated):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    return Run(Path(shutil.copytree(fabricated, tmp_path / "runs" / "run")))


def figures(method, layer, gridpg, road, control=False):
    """Both measures with intervals of ±0.01; image 7 is the best and 3 the worst."""
    return [
        QualityRow(method, layer, name, value, value - 0.01, value + 0.01, 12, control, 12, (7,), (3,))
        for name, value in (("gridpg", gridpg), ("road_gap", road))
    ]


GOOD, BAD = figures("gradcam", "layer4", 0.8, 0.5), figures("gradcam", "layer1", 0.3, 0.0)
ROWS = [*figures("random", "input", 0.25, 0.0, control=True), *BAD, *GOOD, *figures("occlusion", "input", 0.4, 0.2)]


def text_of(app):
    return " ".join(element.value for element in (*app.markdown, *app.caption, *app.warning, *app.html, *app.subheader))


def test_a_sentence_says_which_map_to_believe(run):
    write_quality(run, ROWS)
    said = text_of(open_page("trust"))
    assert r"Believe **Grad\-CAM at layer4** most: GridPG **80 % (79–81)**, chance 25 %." in said
    # layer1 is unfaithful, and so not among those that may be believed.
    assert "2 of 3 kinds of maps beat every control map and are faithful." in said


def test_where_no_map_beats_the_controls_none_is_to_be_believed(run):
    write_quality(run, [*ROWS[:2], *figures("gradcam", "layer4", 0.25, 0.0)])
    assert "**Believe none** of the 1 kinds of maps" in text_of(open_page("trust"))
    assert "**None**: on this run no layer of Grad-CAM beats" in text_of(open_page("layers"))


def test_every_measure_is_explained_in_sentences_with_its_source(run):
    write_quality(run, [replace(row, measure=name) for row in ROWS[::2] for name in MEASURES])
    for name, measure in MEASURES.items():
        app = open_page("trust", measure=name)
        assert f"{measure.deed} {measure.figure}" in text_of(app) and measure.source in text_of(app)
        assert measure.direction.capitalize() in text_of(app) and not app.warning
    assert app.selectbox(key="trust_measure").options == [measure.title for measure in MEASURES.values()]


def test_the_figures_to_take_along_are_those_of_the_run_and_no_formulas(run):
    rows = [*ROWS, *figures("gradcam", "=cmd.layer", -0.5, 0.1)]
    write_quality(run, rows)
    found = read_quality(run)
    texts = (run.path / "quality.csv").read_text(), figures_csv(run, found).decode()
    written, taken = (list(csv.reader(io.StringIO(text))) for text in texts)
    assert [row for row in written if row[1] != "=cmd.layer"] == [row for row in taken if row[1] != "'=cmd.layer"]
    assert [row[1] for row in taken if "cmd" in row[1]] == ["'=cmd.layer"] * (len(rows) - len(ROWS))
    assert "-0.5" in [row[3] for row in taken]


def test_a_chosen_measure_stands_in_the_address(run):
    write_quality(run, ROWS)
    app = open_page("trust")
    app.selectbox(key="trust_measure").set_value("road_gap").run()
    assert checked(app).query_params["measure"] == "road_gap"
    assert "**0.50 (0.49 to 0.51)**" in text_of(app)


def test_the_map_that_layers_shows_is_the_one_with_examples(run):
    write_quality(run, ROWS)
    app = open_page("trust", layer="layer1")
    assert app.selectbox(key="trust_map").value == ("gradcam", "layer1")
    app.selectbox(key="trust_map").set_value(("occlusion", "input")).run()
    assert checked(app).query_params["method"] == "occlusion" and "layer" not in app.query_params


def test_a_file_without_the_measures_that_pages_begin_with_is_shown_by_what_it_has(run):
    write_quality(run, [replace(GOOD[0], measure="road_gap"), replace(GOOD[0], measure="of a later version")])
    assert "80 %" in text_of(open_page("trust")) or "0.80" in text_of(open_page("trust"))
    open_page("layers")


@pytest.mark.parametrize("changes", [{"measure": "of a later version"}, {"n": 0}], ids=["no measure", "no image"])
def test_a_file_without_a_figure_is_as_if_nothing_was_measured(run, changes):
    write_quality(run, [replace(row, **changes) for row in ROWS])
    for view in ("trust", "layers"):
        assert "Not measured yet" in text_of(open_page(view))


def test_what_was_never_measured_says_how_and_a_button_does_it_once(run, monkeypatch):
    started = []
    monkeypatch.setattr(processes, "start", lambda *arguments: started.append(arguments))
    for view in ("trust", "layers"):
        app = open_page(view)
        assert any("sightline quality --run" in code.value for code in app.code)
    app.button(key="layers_measure_button").click().run()
    key = ("quality", run.path)
    options = ("--run", str(run.path), "--methods", "gradcam,hirescam,layercam,gradcam++")
    assert started == [(key, "sightline.explain.quality", *options)]


def test_while_it_is_measured_the_progress_is_shown_and_it_can_be_stopped(run, monkeypatch):
    stopped = []
    monkeypatch.setattr(processes, "is_running", lambda key: key == ("quality", run.path))
    monkeypatch.setattr(processes, "progress", lambda key: processes.ProgressBar(0.5, "gradcam: layer4", "01:30"))
    monkeypatch.setattr(processes, "stop", stopped.append)
    app = open_page("trust")
    assert "trust_measure_button" not in [button.key for button in app.button]
    app.button(key="trust_measure_stop").click().run()
    assert stopped == [("quality", run.path)]


def test_a_measurement_that_failed_says_why(run, monkeypatch):
    monkeypatch.setattr(processes, "failure", lambda key: "Error: no weights in :red[x].")
    assert r"\:red\[x\]" in open_page("trust").error[0].value


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
    assert r"quality\.csv is " + {"stale": "stale", "torn": "damaged"}[damage] in said
    assert "Believe" not in said


def test_layers_says_which_layer_to_believe(run):
    write_quality(run, ROWS)
    app = open_page("layers")
    said = text_of(app)
    assert "**layer4** localises best on this run: GridPG **80 % (79–81)**, chance 25 %." in said
    app = open_page("layers", method="layercam")
    assert "LayerCAM was not measured on this run" in text_of(app)
