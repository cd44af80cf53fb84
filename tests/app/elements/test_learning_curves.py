import re

import altair as alt
import pytest
from jsonschema import ValidationError

from sightline.app.elements.arrow import arrow_rows
from sightline.app.elements.learning_curves import QUANTITIES, learning_curves, lines_of, smoothed
from sightline.app.views.curves.files import curves_csv, curves_picture, curves_png, curves_svg
from sightline.run_store.metrics import Epoch

NAN = float("nan")
RUNS = {
    "a.b[0]": [Epoch(1, 2.0, 0.25, 2.5, 0.2, 0.1, 3.0), Epoch(2, 1.0, 0.75, 1.5, 0.5, 0.1, 3.0)],
    "<b>x</b>": [Epoch(1, 3.0, 0.5, 3.5, 0.4, 0.1, 3.0)],
}
COLOURS = {"a.b[0]": "#111111", "<b>x</b>": "#222222"}


def curves(quantity, runs=RUNS, **options):
    return learning_curves(runs, quantity, COLOURS, **options)


def points(quantity, **options):
    return curves(quantity, **options)["datasets"][f"points of {quantity}"]


def marks(spec, kind):
    return [layer for layer in spec["layer"] if layer["mark"]["type"] == kind]


def test_curves_draw_accuracy_in_percent_and_loss_as_it_is():
    assert {(row["run"], row["line"], row["epoch"], row["value"]) for row in points("accuracy")} == {
        ("a.b[0]", "train", 1, 25.0), ("a.b[0]", "train", 2, 75.0),
        ("a.b[0]", "test", 1, 20.0), ("a.b[0]", "test", 2, 50.0),
        ("<b>x</b>", "train", 1, 50.0), ("<b>x</b>", "test", 1, 40.0),
    }  # fmt: skip
    loss = [row["value"] for row in points("loss") if (row["run"], row["line"]) == ("a.b[0]", "test")]
    assert loss == [2.5, 1.5]


def test_the_gap_is_train_less_test_accuracy_in_points():
    gap = [row["value"] for row in points("gap") if row["run"] == "a.b[0]"]
    assert gap == pytest.approx([5, 25])


def test_train_is_dashed_test_is_solid_and_a_run_keeps_its_colour():
    (line,) = marks(curves("loss"), "line")
    scale = line["encoding"]["strokeDash"]["scale"]
    dash = dict(zip(scale["domain"], scale["range"], strict=True))
    assert dash["test"] == [1, 0] and dash["train"][1] > 0
    assert marks(curves("gap"), "line")[0]["encoding"]["strokeDash"]["scale"]["range"] == [[1, 0]]
    colour = line["encoding"]["color"]["scale"]
    assert dict(zip(colour["domain"], colour["range"], strict=True)) == COLOURS


@pytest.mark.parametrize("quantity, title", [("loss", "loss (nats)"), ("accuracy", "accuracy (%)")])
def test_axes_name_what_they_show_with_its_unit(quantity, title):
    encoding = marks(curves(quantity), "line")[0]["encoding"]
    assert (encoding["x"]["title"], encoding["y"]["title"]) == ("epoch", title)


def test_only_a_single_epoch_is_drawn_as_a_point():
    (point,) = marks(curves("loss"), "point")
    assert point["transform"] == [{"filter": "datum.is_beside_gap"}]
    assert {row["run"] for row in points("loss") if row["is_beside_gap"]} == {"<b>x</b>"}


def test_a_dotted_rule_marks_where_a_run_begins_to_train_on_images_of_full_size():
    assert len(marks(curves("loss"), "rule")) == 1  # that of the pointer
    spec = curves("loss", full_size_from={"a.b[0]": 2, "<b>x</b>": 3})  # the second run has not come so far
    dotted, _ = marks(spec, "rule")
    assert dotted["mark"]["strokeDash"] and dotted["transform"] == [{"filter": "datum.is_first_full"}]
    marked = {(row["run"], row["epoch"]) for row in spec["datasets"]["points of loss"] if row["is_first_full"]}
    assert marked == {("a.b[0]", 2)}


def test_the_hover_rule_reads_the_values_of_all_runs_at_an_epoch():
    spec = curves("accuracy", smoothing=0.9)
    (rule,) = marks(spec, "rule")
    titles = {entry["field"]: entry.get("title") for entry in rule["encoding"]["tooltip"]}
    assert list(titles.values())[1:] == ["a.b[0] train", "a.b[0] test", "<b>x</b> train", "<b>x</b> test"]
    first, second = spec["datasets"]["readings of accuracy"]
    assert [first[field] for field in titles] == [1, "25.0", "20.0", "50.0", "40.0"]
    assert [second[field] for field in titles] == [2, "75.0", "50.0", "–", "–"]  # the other run has ended
    assert not any(set(".[]") & set(field) for field in titles)  # Vega would read a path


def test_what_is_no_number_has_no_point():
    spec = curves("loss", {"a.b[0]": [Epoch(1, 2.0, 0.1, float("inf"), NAN, 0.1, 1.0), Epoch(2, NAN, *[0.5] * 5)]})
    assert [row["value"] for row in spec["datasets"]["points of loss"]] == [2, None, None, 0.5]
    assert spec["datasets"]["readings of loss"] == [
        {"epoch": 1, "v0": "2.000", "v1": "inf"}, {"epoch": 2, "v0": "–", "v1": "0.500"},
    ]  # fmt: skip


def sparse_run(epochs, known):
    """Of these epochs, those that have a test accuracy of a half; nothing else is known."""
    return {"a.b[0]": [Epoch(epoch, *[NAN] * 3, 0.5 if epoch in known else NAN, NAN, NAN) for epoch in epochs]}


@pytest.mark.parametrize(
    "epochs, known, beside",
    [
        (range(1, 12), {5, 10}, {5, 10}),  # tested every fifth epoch
        (range(1, 8), {1, 2, 3, 5, 6, 7}, {3, 5}),
        ((1, 2, 3, 7, 8), {1, 2, 3, 7, 8}, {3, 7}),  # the log has no line for some
        (range(1, 8), {3, 4, 5}, set()),  # begins later and ends earlier
        (range(1, 8), {4}, {4}),
    ],
)
def test_a_line_joins_what_is_known_and_has_a_point_at_either_side_of_a_gap(epochs, known, beside):
    spec = curves("accuracy", sparse_run(epochs, known))
    (line,) = marks(spec, "line")
    assert line["mark"]["invalid"] == "filter"  # of Vega-Lite: a line passes over what has no value
    rows = spec["datasets"]["points of accuracy"]
    assert {row["epoch"] for row in rows if row["is_beside_gap"]} == beside
    assert {row["epoch"] for row in rows if row["value"] is not None} == known


def test_a_gap_is_joined_in_the_picture_too():
    paths = re.findall(r'<path aria-label="epoch[^>]* d="(M[^"]+)"', curves_svg(
        curves_picture(sparse_run(range(1, 12), {1, 5, 10}), ("accuracy",), COLOURS)
    ).decode())  # fmt: skip
    assert [path.count("L") for path in paths if "L" in path] == [2], paths


def test_what_a_run_lacks_takes_no_place_in_chart_tooltip_and_legend():
    log = {"a.b[0]": [Epoch(1, 2.0, NAN, NAN, 0.5, NAN, NAN)], "<b>x</b>": [Epoch(1, 1.0, *[NAN] * 5)]}
    spec = curves("accuracy", log)
    (line,), (rule,) = marks(spec, "line"), marks(spec, "rule")
    assert line["encoding"]["color"]["scale"]["domain"] == ["a.b[0]"]
    assert [entry.get("title") for entry in rule["encoding"]["tooltip"]] == [None, "test accuracy"]
    assert spec["datasets"]["readings of accuracy"] == [{"epoch": 1, "v0": "50.0"}]
    assert [len(lines_of(log, name)) for name in QUANTITIES] == [2, 1, 0, 0, 0]
    specification = curves_picture(log, ("loss", "seconds"), COLOURS)
    assert [chart["data"]["name"] for chart in specification["vconcat"]] == ["points of loss"]


def test_smoothing_is_a_moving_average_that_begins_at_the_first_value():
    # Weight ½ of 4, 8, 8: 4, then (½·4 + 8) / 1½, then (¼·4 + ½·8 + 8) / 1¾.
    assert smoothed([4, 8, NAN, 8], 0.5)[0:2] == pytest.approx([4, 10 / 1.5])
    assert smoothed([4, 8, NAN, 8], 0.5)[3] == pytest.approx(13 / 1.75)
    assert smoothed([3, 1], 0) == [3, 1]


def test_the_measured_values_stay_visible_behind_a_smoothed_line():
    behind, line = marks(curves("loss", smoothing=0.5), "line")
    assert (behind["encoding"]["y"]["field"], line["encoding"]["y"]["field"]) == ("raw", "value")
    raw = [row["raw"] for row in points("loss", smoothing=0.5) if (row["run"], row["line"]) == ("a.b[0]", "train")]
    assert raw == [2, 1]


def test_a_logarithmic_axis_is_for_what_is_positive_and_leaves_out_zero():
    ended = {"a.b[0]": [Epoch(1, 1.0, 0.5, 1.0, 0.5, 0.1, 1.0), Epoch(2, 1.0, 0.5, 1.0, 0.5, 0.0, 1.0)]}
    rate = curves("learning rate", ended, logarithmic=True)
    assert marks(rate, "line")[0]["encoding"]["y"]["scale"]["type"] == "log"
    assert [row["value"] for row in rate["datasets"]["points of learning rate"]] == [0.1, None]
    assert "type" not in marks(curves("gap", logarithmic=True), "line")[0]["encoding"]["y"]["scale"]


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_the_specification_is_vega_lite(quantity):
    spec = curves(quantity, smoothing=0.5, logarithmic=True, full_size_from={"a.b[0]": 2})
    assert isinstance(alt.Chart.from_dict(spec, validate=True), alt.LayerChart)
    with pytest.raises(ValidationError):
        alt.Chart.from_dict(spec | {"height": {"step": "tall"}}, validate=True)


def test_the_data_leave_as_a_table_in_which_no_name_is_a_formula():
    assert curves_csv({"=a": RUNS["a.b[0]"][:1]}).decode().split("\n") == [
        "run,epoch,train_loss,train_accuracy,test_loss,test_accuracy,learning_rate,seconds",
        "'=a,1,2.0,0.25,2.5,0.2,0.1,3.0",
        "",
    ]
    assert curves_csv(sparse_run([3], {3})).decode().split("\n")[1] == "a.b[0],3,,,,0.5,,"


def test_the_charts_leave_as_pictures_with_axes_and_legends():
    specification = curves_picture(RUNS, ("loss", "gap"), COLOURS, smoothing=0.5)
    svg = curves_svg(specification).decode()
    for text in ("loss (nats)", "train − test", "a.b[0]", "&lt;b&gt;x&lt;/b&gt;", "#111111"):
        assert text in svg
    dashed = 'stroke-dasharray="5,4"'
    alone = curves_svg(curves_picture(RUNS, ("loss",), COLOURS, smoothing=0.5)).decode()
    assert svg.count(dashed) == alone.count(dashed) > 0  # the only line of the gap is solid
    assert curves_png(specification).startswith(b"\x89PNG")
    assert 'stroke-dasharray="1,3"' not in alone
    marked = curves_svg(curves_picture(RUNS, ("loss",), COLOURS, full_size_from={"a.b[0]": 2})).decode()
    assert 'stroke-dasharray="1,3"' in marked


def test_rows_reach_the_browser_with_their_gaps_and_also_where_there_are_none():
    rows = [{"run": "2026-11-24", "epoch": 1, "value": None, "alone": False}]
    table = arrow_rows(rows + [row | {"value": 0.5} for row in rows])
    assert table.to_pydict() == {
        "run": ["2026-11-24"] * 2, "epoch": [1, 1], "value": [None, 0.5], "alone": [False, False],
    }  # fmt: skip
    assert arrow_rows([]).num_rows == 0
