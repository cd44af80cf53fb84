"""The chart of Trust without a browser: its rows, their order, what tells verdicts and runs apart."""

from dataclasses import replace

import pytest

from sightline.app.views.trust.chart import trust_chart, trust_rows
from sightline.explain.judging.measures import MEASURES
from sightline.explain.judging.verdicts import verdicts
from sightline.report.drawing.figure_table import best_kind
from sightline.report.drawing.learning_curves import RUN_COLOURS
from sightline.report.drawing.trust_figures import COLOURS, CONTROL, Figures, in_order
from sightline.run_store.quality import QualityRow


def row(method, layer, value, measure="road_gap", control=False):
    return QualityRow(method, layer, measure, value, value - 0.01, value + 0.01, 100, control, 100)


ROWS = [
    row("random", "input", 0.0, control=True), row("gaussian", "input", 0.3, control=True),
    row("gradcam", "layer1", 0.1), row("gradcam", "layer4", 0.5), row("layercam", "layer4", 0.6),
]  # fmt: skip


def figures(rows, title="a", colour="#0b7fab"):
    return Figures(title, colour, rows, verdicts(rows))


def names(found):
    return [f"{one.method} {one.layer}" for one in found]


def test_the_best_lead_comes_first_and_the_controls_last():
    assert names(in_order(figures(ROWS), "road_gap")) == [
        "layercam layer4", "gradcam layer4", "gradcam layer1", "gaussian input", "random input",
    ]  # fmt: skip


def test_where_lower_is_better_the_lowest_comes_first():
    rows = [row("gradcam", layer, value, "average_drop") for layer, value in (("layer1", 0.5), ("layer4", 0.1))]
    assert names(in_order(figures(rows), "average_drop")) == ["gradcam layer4", "gradcam layer1"]


def test_each_verdict_has_a_word_a_mark_a_shape_and_a_colour_of_its_own():
    table = trust_rows([figures(ROWS)], "road_gap", ("gradcam", "layer4")).to_pylist()
    said = {one["map"]: (one["mark"], one["word"], one["chosen"]) for one in table}
    assert said["Grad-CAM at layer4"] == ("supported", "✓ supported", True)
    assert said["Grad-CAM at layer1"] == ("not supported", "✕ not supported", False)
    assert said["control: random numbers"] == (CONTROL, "", False)
    (point,) = [layer for layer in trust_chart([figures(ROWS)], "road_gap", "light")["layer"] if "params" in layer]
    shapes = point["encoding"]["shape"]["scale"]
    assert {"supported", "not supported", "undecided", CONTROL} <= set(shapes["domain"])
    assert len(set(shapes["range"][:4])) == 4


def test_the_second_measure_has_the_words_of_its_own_rule():
    second = [replace(one, measure="blur_gap", value=0.0, low=-0.01, high=0.01) for one in ROWS if not one.control]
    second += [replace(one, measure="blur_gap") for one in ROWS if one.control]
    table = trust_rows([figures([*ROWS, *second])], "blur_gap", None).to_pylist()
    assert {one["word"] for one in table if one["mark"] != CONTROL} == {"✕ not supported"}


def test_no_verdict_has_the_colour_of_a_run():
    for theme in COLOURS.values():
        assert not set(theme.values()) & set(RUN_COLOURS) and len(set(theme.values())) == len(theme)


def test_two_runs_stand_in_one_chart_each_in_its_colour():
    runs = [figures(ROWS), figures(ROWS[:3], "b", "#d1495b")]
    assert [one["run"] for one in trust_rows(runs, "road_gap", None).to_pylist()] == ["a"] * 5 + ["b"] * 3
    encoding = trust_chart(runs, "road_gap", "dark")["encoding"]
    assert encoding["color"]["scale"] == {"domain": ["a", "b"], "range": ["#0b7fab", "#d1495b"]}
    assert encoding["y"]["sort"][-2:] == ["control: a blob in the middle", "control: random numbers"]
    assert encoding["yOffset"]["sort"] == ["a", "b"]


def test_a_check_says_whether_it_is_passed_and_shows_its_bound(monkeypatch):
    monkeypatch.setitem(MEASURES, "randomisation", replace(MEASURES["randomisation"], bound=0.5))
    rows = [*ROWS, row("gradcam", "layer4", 0.1, "randomisation"), row("gradcam", "layer1", 0.9, "randomisation")]
    table = trust_rows([figures(rows)], "randomisation", None).to_pylist()
    assert [one["word"] for one in table] == ["✓ passes", "✕ fails"]
    assert rules_of(trust_chart([figures(rows)], "randomisation", "light")) == [0.5]


def rules_of(chart):
    """Where the dashed rules stand."""
    return [layer["encoding"]["x"]["datum"] for layer in chart["layer"] if "strokeDash" in layer["mark"]]


def test_the_rule_of_the_decisive_measure_is_the_highest_control():
    assert rules_of(trust_chart([figures(ROWS)], "road_gap", "light")) == [0.3]


@pytest.mark.parametrize(
    ("better", "best"), [("higher", ("layercam", "layer4")), ("lower", ("gradcam", "layer1")), ("", None)]
)
def test_the_best_of_a_measure_is_no_control_and_none_where_nothing_is_better(monkeypatch, better, best):
    monkeypatch.setitem(MEASURES, "road_gap", replace(MEASURES["road_gap"], better=better))
    assert best_kind(ROWS, "road_gap") == best
