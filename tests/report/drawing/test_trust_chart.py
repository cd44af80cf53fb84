"""The chart of Trust in a report: places by hand."""

import pytest

from sightline.explain.judging.verdicts import verdicts
from sightline.report.drawing.trust_chart import nice_ticks, trust_chart
from sightline.report.drawing.trust_figures import Figures
from sightline.run_store.quality import QualityRow


def row(method, layer, value, control=False):
    return QualityRow(method, layer, "road_gap", value, value - 0.1, value + 0.1, 100, control, 100)


ROWS = [row("random", "input", 0.0, control=True), row("gradcam", "layer4", 0.5), row("gradcam", "layer1", 0.3)]


def test_places_are_shares_of_the_axis_in_the_order_of_the_dashboard():
    """The axis goes from −0.2 to 0.6: 0.5 is at seven eighths of it."""
    chart = trust_chart([Figures("a", "#0b7fab", ROWS, verdicts(ROWS))], "road_gap")
    assert [one.title for one in chart.rows] == ["Grad-CAM at layer4", "Grad-CAM at layer1", "control: random numbers"]
    assert [text for _, text in chart.ticks] == ["−0.20", "0.00", "0.20", "0.40", "0.60"]
    (mark,) = chart.rows[0].marks
    assert (mark.low, mark.value, mark.high) == (75.0, 87.5, 100.0)
    assert chart.rules == (25.0,)  # the highest control


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-0.31, 0, [-0.4, -0.3, -0.2, -0.1, 0]), (0, 0, 2), (-3, 500, 7)],
)
def test_ticks_are_round_and_hold_both_ends(low, high, ticks):
    found = nice_ticks(low, high)
    assert found[0] <= low and found[-1] >= high and len(found) >= 2
    assert len(found) == ticks if isinstance(ticks, int) else found == pytest.approx(ticks)
