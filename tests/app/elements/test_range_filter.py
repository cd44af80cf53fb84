"""The histogram below the slider of a range."""

import re
from urllib.parse import unquote

import numpy as np
import pytest

from sightline.app.elements.range_filter import CHOSEN, MOST_BARS, OTHER, bar_edges, histogram_html
from tests.app_pages import open_page
from tests.fabricated import fabricate_run


def test_few_whole_numbers_have_a_bar_around_each_and_others_bars_of_one_width():
    assert bar_edges(0, 3, 1, is_whole=True).tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]
    edges = bar_edges(0, 3, 1, is_whole=False)
    assert len(edges) == MOST_BARS + 1 and (edges[0], edges[-1]) == (0, 3)
    assert np.diff(edges) == pytest.approx(np.full(MOST_BARS, 3 / MOST_BARS))
    assert len(bar_edges(0, 1000, 10, is_whole=True)) == MOST_BARS + 1


def bars_of(html):
    """Colour → place and height of its bars, 0 to 100."""
    paths = re.findall(r'fill="(#\w+)" d="([^"]*)"', unquote(html))
    return {
        colour: [(int(place), 100 - float(top)) for place, top in re.findall(r"M(\d+)\.08 100V([\d.]+)h", bars)]
        for colour, bars in paths
    }


def test_bars_are_as_high_as_they_have_images_and_strong_where_they_are_chosen():
    html = histogram_html("Loss", np.array([50, 0, 100, 1]), np.array([0.0, 1, 2, 3, 4]), (2, 4), 99)
    assert bars_of(html) == {CHOSEN: [(2, 100), (3, 5)], OTHER: [(0, 52)]}
    words = "Loss of 151 images that pass the other filters: 99 in the range; the highest bar, 100, is from 2 to 3"
    assert f'alt="{words}"' in html


def test_of_no_image_nothing_is_drawn_and_names_are_text():
    html = histogram_html('<b>"', np.array([0, 0]), np.array([0.0, 1, 2]), (0, 2), 0)
    assert bars_of(html) == {CHOSEN: [], OTHER: []}
    assert 'alt="&lt;b&gt;&quot; of 0 images that pass the other filters"' in html


def histograms(app):
    return [html.proto.body for html in app.get("html") if "<img" in html.proto.body]


def test_histograms_are_drawn_while_the_form_is_open(tmp_path, monkeypatch):
    fabricate_run(tmp_path / "run", 60)
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path))
    assert not histograms(open_page("mistakes", run="run"))
    drawn = histograms(open_page("mistakes", {"filter_form": True}, run="run", show="all"))
    assert len(drawn) == 4 and all("of 60 images that pass the other filters" in html for html in drawn)
