import altair as alt
import pytest
from altair.utils.schemapi import SchemaValidationError

from app.learning_curves import learning_curves
from run_store.metrics import Epoch

NAN = float("nan")
RUNS = {
    "a.b[0]": [Epoch(1, 2.0, 0.25, 2.5, 0.2, 0.1, 3.0), Epoch(2, 1.0, 0.75, 1.5, 0.5, 0.1, 3.0)],
    "<b>x</b>": [Epoch(1, 3.0, 0.5, 3.5, 0.4, 0.1, 3.0)],
}
COLOURS = {"a.b[0]": "#111111", "<b>x</b>": "#222222"}


def curves(quantity, runs=RUNS):
    return learning_curves(runs, quantity, COLOURS)


def mark(spec, kind):
    (layer,) = (layer for layer in spec["layer"] if layer["mark"]["type"] == kind)
    return layer


def test_curves_draw_accuracy_in_percent_and_loss_as_it_is():
    accuracy, loss = curves("accuracy")["datasets"]["points"], curves("loss")["datasets"]["points"]
    assert {(row["run"], row["split"], row["epoch"], row["value"]) for row in accuracy} == {
        ("a.b[0]", "train", 1, 25.0), ("a.b[0]", "train", 2, 75.0),
        ("a.b[0]", "test", 1, 20.0), ("a.b[0]", "test", 2, 50.0),
        ("<b>x</b>", "train", 1, 50.0), ("<b>x</b>", "test", 1, 40.0),
    }  # fmt: skip
    assert [row["value"] for row in loss if row["run"] == "a.b[0]" and row["split"] == "test"] == [2.5, 1.5]


def test_train_is_dashed_test_is_solid_and_a_run_keeps_its_colour():
    encoding = mark(curves("loss"), "line")["encoding"]
    dash = dict(zip(encoding["strokeDash"]["scale"]["domain"], encoding["strokeDash"]["scale"]["range"], strict=True))
    assert dash["test"] == [1, 0] and dash["train"][1] > 0
    colour = encoding["color"]["scale"]
    assert dict(zip(colour["domain"], colour["range"], strict=True)) == COLOURS


@pytest.mark.parametrize("quantity, title", [("loss", "loss (nats)"), ("accuracy", "accuracy (%)")])
def test_axes_name_what_they_show_with_its_unit(quantity, title):
    encoding = mark(curves(quantity), "line")["encoding"]
    assert (encoding["x"]["title"], encoding["y"]["title"]) == ("epoch", title)


def test_only_a_single_epoch_is_drawn_as_a_point():
    spec = curves("loss")
    assert mark(spec, "point")["transform"] == [{"filter": "datum.alone"}]
    assert {row["run"] for row in spec["datasets"]["points"] if row["alone"]} == {"<b>x</b>"}


def test_the_hover_rule_reads_the_values_of_all_runs_at_an_epoch():
    spec = curves("accuracy")
    tooltip = mark(spec, "rule")["encoding"]["tooltip"]
    titles = {entry["field"]: entry.get("title") for entry in tooltip}
    assert list(titles.values())[1:] == ["a.b[0] train", "a.b[0] test", "<b>x</b> train", "<b>x</b> test"]
    first, second = spec["datasets"]["readings"]
    assert [first[field] for field in titles] == [1, "25.0", "20.0", "50.0", "40.0"]
    assert [second[field] for field in titles] == [2, "75.0", "50.0", "–", "–"]  # the other run has ended
    assert not any(set(".[]") & set(field) for field in titles)  # Vega would read a path


def test_what_is_no_number_is_a_gap():
    spec = curves("loss", {"a.b[0]": [Epoch(1, NAN, 0.1, float("inf"), NAN, 0.1, 1.0)]})
    assert [row["value"] for row in spec["datasets"]["points"]] == [None, None]
    assert spec["datasets"]["readings"] == [{"epoch": 1, "v0": "–", "v1": "inf"}]


@pytest.mark.parametrize("quantity", ["loss", "accuracy"])
def test_the_specification_is_vega_lite(quantity):
    assert isinstance(alt.Chart.from_dict(curves(quantity), validate=True), alt.LayerChart)
    with pytest.raises(SchemaValidationError):
        alt.Chart.from_dict(curves(quantity) | {"height": "tall"}, validate=True)
