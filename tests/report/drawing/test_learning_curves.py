import re

import altair as alt
import pytest
from jsonschema import ValidationError

from sightline.app.views.curves.files import curves_csv, curves_picture, curves_png, curves_svg
from sightline.report.drawing.learning_curves import QUANTITIES, chart, lines_of, smoothed
from sightline.run_store.metrics import Epoch

NAN = float("nan")
RUNS = {
    "a.b[0]": [Epoch(1, 2.0, 0.25, 2.5, 0.2, 0.1, 3.0), Epoch(2, 1.0, 0.75, 1.5, 0.5, 0.1, 3.0)],
    "<b>x</b>": [Epoch(1, 3.0, 0.5, 3.5, 0.4, 0.1, 3.0)],
}
COLOURS = {"a.b[0]": "#111111", "<b>x</b>": "#222222"}


def curves(quantity, runs=RUNS, **options):
    return chart(runs, quantity, **options)


def drawn(quantity, what="values", runs=RUNS, **options):
    """By run and line, what the chart holds for each epoch."""
    return {(line["run"], line["name"]): line[what] for line in curves(quantity, runs, **options)["lines"]}


def test_curves_draw_accuracy_in_percent_and_loss_as_it_is():
    assert drawn("accuracy") == {
        ("a.b[0]", "train"): [25.0, 75.0], ("a.b[0]", "test"): [20.0, 50.0],
        ("<b>x</b>", "train"): [50.0], ("<b>x</b>", "test"): [40.0],
    }  # fmt: skip
    assert drawn("accuracy", "epochs")["a.b[0]", "test"] == [1, 2]
    assert drawn("loss")["a.b[0]", "test"] == [2.5, 1.5]


def test_the_gap_is_train_less_test_accuracy_in_points():
    assert drawn("gap")["a.b[0]", ""] == pytest.approx([5, 25])


@pytest.mark.parametrize("quantity, title", [("loss", "loss (nats)"), ("accuracy", "accuracy (%)")])
def test_charts_name_what_they_show_with_its_unit(quantity, title):
    assert curves(quantity)["title"] == title


def test_only_a_single_epoch_is_drawn_as_a_point():
    points = drawn("loss", "beside_gaps")
    assert points["<b>x</b>", "test"] == [1] and points["a.b[0]", "test"] == []


def test_a_mark_says_where_a_run_begins_to_train_on_images_of_full_size():
    marked = drawn("loss", "full_size_from", full_size_from={"a.b[0]": 2, "<b>x</b>": 3})
    assert marked["a.b[0]", "test"] == 2
    assert marked["<b>x</b>", "test"] is None  # it has not come so far


def test_what_is_read_at_an_epoch_are_the_values_themselves():
    read = drawn("accuracy", "texts", smoothing=0.9)
    assert read["a.b[0]", "train"] == ["25.0", "75.0"] and read["<b>x</b>", "test"] == ["40.0"]


def test_what_is_no_number_has_no_point():
    odd = {"a.b[0]": [Epoch(1, 2.0, 0.1, float("inf"), NAN, 0.1, 1.0), Epoch(2, NAN, *[0.5] * 5)]}
    assert drawn("loss", runs=odd) == {("a.b[0]", "train"): [2.0, None], ("a.b[0]", "test"): [None, 0.5]}
    assert drawn("loss", "texts", odd) == {("a.b[0]", "train"): ["2.000", "–"], ("a.b[0]", "test"): ["inf", "0.500"]}


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
def test_a_line_has_a_point_at_either_side_of_a_gap(epochs, known, beside):
    (line,) = curves("accuracy", sparse_run(epochs, known))["lines"]
    assert set(line["beside_gaps"]) == beside
    values = zip(line["epochs"], line["values"], strict=True)
    assert {epoch for epoch, value in values if value is not None} == known


def test_a_gap_is_joined_in_the_picture():
    paths = re.findall(r'<path aria-label="epoch[^>]* d="(M[^"]+)"', curves_svg(
        curves_picture(sparse_run(range(1, 12), {1, 5, 10}), ("accuracy",), COLOURS)
    ).decode())  # fmt: skip
    assert [path.count("L") for path in paths if "L" in path] == [2], paths


def test_what_a_run_lacks_takes_no_place():
    log = {"a.b[0]": [Epoch(1, 2.0, NAN, NAN, 0.5, NAN, NAN)], "<b>x</b>": [Epoch(1, 1.0, *[NAN] * 5)]}
    assert drawn("accuracy", runs=log) == {("a.b[0]", "test"): [50.0]}
    assert [len(lines_of(log, name)) for name in QUANTITIES] == [2, 1, 0, 0, 0]
    specification = curves_picture(log, ("loss", "seconds"), COLOURS)
    assert [drawing["layer"][0]["encoding"]["y"]["title"] for drawing in specification["vconcat"]] == ["loss (nats)"]


def test_smoothing_is_a_moving_average_that_begins_at_the_first_value():
    # Weight ½ of 4, 8, 8: 4, then (½·4 + 8) / 1½, then (¼·4 + ½·8 + 8) / 1¾.
    assert smoothed([4, 8, NAN, 8], 0.5)[0:2] == pytest.approx([4, 10 / 1.5])
    assert smoothed([4, 8, NAN, 8], 0.5)[3] == pytest.approx(13 / 1.75)
    assert smoothed([3, 1], 0) == [3, 1]


def test_the_measured_values_stay_behind_a_smoothed_line():
    assert drawn("loss", "raw", smoothing=0.5)["a.b[0]", "train"] == [2, 1]
    assert drawn("loss", smoothing=0.5)["a.b[0]", "train"] == pytest.approx([2, 4 / 3])  # (½·2 + 1) / 1½


def test_a_logarithmic_axis_is_for_what_is_positive_and_leaves_out_zero():
    ended = {"a.b[0]": [Epoch(1, 1.0, 0.5, 1.0, 0.5, 0.1, 1.0), Epoch(2, 1.0, 0.5, 1.0, 0.5, 0.0, 1.0)]}
    assert curves("learning rate", ended, logarithmic=True)["is_log"]
    assert drawn("learning rate", runs=ended, logarithmic=True)["a.b[0]", ""] == [0.1, None]
    assert not curves("gap", logarithmic=True)["is_log"]


def test_the_picture_is_vega_lite():
    spec = curves_picture(
        RUNS, tuple(QUANTITIES), COLOURS, smoothing=0.5, logarithmic=True, full_size_from={"a.b[0]": 2}
    )
    assert isinstance(alt.Chart.from_dict(spec, validate=True), alt.VConcatChart)
    with pytest.raises(ValidationError):
        alt.Chart.from_dict(spec | {"background": 3}, validate=True)


def test_in_the_picture_train_is_dashed_test_is_solid_and_a_run_keeps_its_colour():
    loss, gap = curves_picture(RUNS, ("loss", "gap"), COLOURS)["vconcat"]
    encoding = loss["layer"][0]["encoding"]
    dash = dict(zip(*encoding["strokeDash"]["scale"].values(), strict=True))
    assert dash["test"] == [1, 0] and dash["train"][1] > 0
    assert gap["layer"][0]["encoding"]["strokeDash"]["scale"]["range"] == [[1, 0]]
    assert dict(zip(*encoding["color"]["scale"].values(), strict=True)) == COLOURS


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
