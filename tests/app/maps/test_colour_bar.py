"""What the bar says of the colours."""

import re
from dataclasses import replace

import numpy as np
from matplotlib import colormaps

from sightline.app.maps.colour_bar import bars_html
from sightline.report.drawing.cells import Cell, Row, on_scale
from sightline.report.drawing.map_settings import MapSettings

SETTINGS = MapSettings("gradcam", ("layer4",), (), "own", "positive", "smooth", "inferno", 60)


def cells_of(*rows):
    """A row a pair of sign and largest value, each of a map that has it."""
    return [
        [Cell("layer4", Row("k", "T", "s", (0, None), sign), np.array([[largest]]), largest)] for sign, largest in rows
    ]


def said_by(html):
    return re.findall(r">([^<>]+)<", html)


def test_where_each_map_has_its_own_scale_the_ends_are_words():
    assert said_by(bars_html(cells_of(("positive", 2.0), ("positive", 3.0)), SETTINGS)) == [
        "low",
        "high",
        "each map on its own scale",
    ]


def test_where_all_share_a_scale_its_ends_are_numbers():
    shared = replace(SETTINGS, scale="layer")
    cells = on_scale(cells_of(("positive", 2.0), ("positive", 3.0)), "layer")
    assert said_by(bars_html(cells, shared)) == ["0", "3", "one scale for all"]
    cells = on_scale(cells_of(("signed", 2.0)), "layer")
    assert said_by(bars_html(cells, shared)) == ["−2", "0", "2", "one scale for all"]


def test_where_rows_differ_the_ends_are_words_and_signed_maps_have_a_bar_of_their_own():
    cells = cells_of(("positive", 2.0), ("signed", 3.0))
    said = said_by(bars_html(cells, replace(SETTINGS, scale="row")))
    assert said == ["low", "high", "−", "0", "+", "one scale a row"]


def test_the_bar_has_the_colours_of_the_maps_from_end_to_end():
    html = bars_html(cells_of(("positive", 2.0)), replace(SETTINGS, colours="viridis"))
    stops = [tuple(map(int, stop)) for stop in re.findall(r"rgb\((\d+) (\d+) (\d+)\)", html)]
    ends = [tuple(round(255 * part) for part in colormaps["viridis"](end)[:3]) for end in (0.0, 1.0)]
    assert [stops[0], stops[-1]] == ends


def test_without_a_map_there_is_no_bar():
    assert bars_html([[Cell("layer4", Row("k", "T", "s", (0, None), "positive"))]], SETTINGS) == ""
