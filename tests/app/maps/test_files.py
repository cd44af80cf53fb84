"""What people take away from the Layers view, and what its cells hold before they are drawn."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from sightline.app.maps.files import file_name, grid_png, maps_npz
from sightline.report.drawing.cells import class_rows, make_cells, on_scale, rows_of, scores_to_judge, targets_of
from sightline.report.drawing.map_settings import MapSettings
from sightline.report.drawing.sides import Side
from sightline.report.drawing.subject import Subject
from sightline.run_store.run import Run

NAMES = ("cat", "dog", "../../owl")
LAYERS = ("layer1", "layer2")
SETTINGS = MapSettings("gradcam", LAYERS, (), "own", "positive", "smooth", "inferno", 60)
PIXELS = np.full((8, 8, 3), 100, np.uint8)


def subject(label=1, predicted=0, image=3, p=(0.7, 0.2, 0.1)):
    return Subject("Image 3", NAMES, np.array(p), predicted, PIXELS, label, image)


def side(seen=None, settings=SETTINGS, name="a run", whose=None):
    return Side(Run(Path("a run"), name), seen or subject(), settings, LAYERS, whose)


def maps(codes=(0, 1, 2)):
    """Class c at layer l: (c + 1) × 10^l × the numbers 0 to 15, upside down for every other class."""
    ramp = np.arange(16, dtype=np.float32).reshape(4, 4)
    return {
        (layer, (code, None)): (code + 1) * 10**place * (ramp if code % 2 == 0 else ramp[::-1])
        for place, layer in enumerate(LAYERS)
        for code in codes
    }


def cells_of(targets, scale="own", method="gradcam", **changes):
    rows = rows_of(subject(**changes), targets, "positive", method)
    found = maps()
    found |= {(layer, (0, 1)): found[layer, (0, None)] - found[layer, (1, None)] for layer in LAYERS}
    return make_cells(found, rows, subject(**changes), replace(SETTINGS, scale=scale), {})


def test_a_mistake_is_held_against_the_true_class_and_a_hit_against_the_runner_up():
    assert targets_of(subject(label=2), ()) == ("predicted", "true", "difference")
    assert targets_of(subject(label=0), ()) == ("predicted", "runner-up", "difference")
    assert (subject(label=2).rival, subject(label=0).rival, subject(label=None).rival) == (2, 1, 1)


def test_a_class_that_is_alone_has_no_rival():
    alone = Subject("x", ("cat",), np.array([1.0]), 0, PIXELS, 0, 0)
    assert targets_of(alone, ("difference", "runner-up")) == ("predicted",) and scores_to_judge(alone) == [(0, None)]


def test_the_predicted_class_is_the_likeliest_even_where_rounding_made_two_equal():
    assert subject(predicted=1, p=(0.5, 0.5, 0)).likeliest == [1, 0, 2]


def test_rows_name_their_class_its_probability_and_their_key():
    rows = rows_of(subject(), ("true", "class:../../owl", "difference"), "positive", "gradcam")
    assert [(row.key, row.title, row.subtitle, row.score, row.sign) for row in rows] == [
        ("true", "True", "dog 20.0\xa0%", (1, None), "positive"),
        ("class-2", "Class", "../../owl 10.0\xa0%", (2, None), "positive"),
        ("difference", "Difference", "cat − dog", (0, 1), "signed"),
    ]


def test_the_difference_is_positive_where_the_method_has_no_negative_values():
    (row,) = rows_of(subject(), ("difference",), "positive", "layercam")
    assert row.sign == "positive"


def test_every_map_has_its_own_scale_or_that_of_its_row_or_its_layer():
    own, row, layer = (
        [[cell.largest for cell in row] for row in cells_of(("predicted", "true"), scale)]
        for scale in ("own", "row", "layer")
    )
    assert own == [[15, 150], [30, 300]] and row == [[150, 150], [300, 300]] and layer == [[30, 300], [30, 300]]


def test_all_classes_can_share_a_scale():
    rows = class_rows(subject(), 2, "positive")
    cells = make_cells(maps(), rows, subject(), replace(SETTINGS, layers=LAYERS[:1]), {})
    assert [row.title for row in rows] == ["cat", "dog"]
    assert [cell.largest for (cell,) in on_scale(cells, "layer")] == [30, 30]


def test_a_map_that_is_missing_has_no_finding_and_takes_no_scale():
    rows = rows_of(subject(), ("predicted", "class:../../owl"), "positive", "gradcam")
    cells = make_cells(maps((0, 1)), rows, subject(), replace(SETTINGS, scale="row"), {})
    assert [cell.finding for row in cells for cell in row] == 4 * [None] and cells[1][0].largest == 0


def test_the_arrays_are_the_raw_maps_under_names_that_stay_in_their_file():
    cells = cells_of(("predicted", "class:../../owl", "difference"))
    content = np.load(io.BytesIO(maps_npz(cells, [side()])), allow_pickle=False)
    rows = ("predicted", "class-2", "difference")
    facts = {"run", "method", "image", "title", "classes", "probabilities", "predicted"}
    assert set(content) == {f"{layer}/{row}" for layer in LAYERS for row in rows} | facts
    np.testing.assert_array_equal(content["layer2/predicted"], 10 * np.arange(16).reshape(4, 4))
    assert content["layer1/difference"].min() < 0 and content["layer1/difference"].dtype == np.float32
    assert (str(content["run"]), int(content["image"]), str(content["method"])) == ("a run", 3, "gradcam")
    assert list(content["classes"]) == list(NAMES)


def test_the_picture_holds_every_map_in_its_colours_at_its_place():
    shown = replace(SETTINGS, opacity=100, cells="true")
    picture = Image.open(io.BytesIO(grid_png(cells_of(("predicted", "true")), [side(settings=shown)])))
    pixels = np.asarray(picture)
    lowest, highest = (np.rint(255 * np.array(colormaps["inferno"](end)[:3])) for end in (0.0, 1.0))
    for colour, number in ((lowest, 4), (highest, 4)):  # one cell of 16 in each of four maps
        assert (pixels == colour).all(axis=2).sum() == number * 64 * 64
    assert picture.format == "PNG" and (pixels[0] == 255).all()


@pytest.mark.parametrize("names", [("ничего", "猫 " * 80), ("<b>", "\n\n")])
def test_any_name_can_be_written_into_the_picture(names):
    odd = Subject(names[1], NAMES, np.array([0.7, 0.2, 0.1]), 0, PIXELS, None, None)
    content = grid_png(cells_of(("predicted",)), [side(odd, name=names[0])])
    assert (
        Image.open(io.BytesIO(content)).width
        == Image.open(io.BytesIO(grid_png(cells_of(("predicted",)), [side()]))).width
    )


def test_file_names_have_no_separators():
    odd = Subject("../my holiday.png", NAMES, np.ones(3) / 3, 0, PIXELS)
    assert file_name("a/../b <x>", odd, "gradcam++", ".npz") == "a-..-b-x_my-holiday.png_gradcam.npz"


def test_a_map_is_called_unchecked_until_the_other_class_is_known_and_nothing_then():
    one_layer = replace(SETTINGS, layers=LAYERS[:1])
    rows = rows_of(subject(), ["predicted"], "positive", "gradcam")
    (unchecked,), (checked,) = (make_cells(maps(codes), rows, subject(), one_layer, {})[0] for codes in ((0,), (0, 1)))
    assert unchecked.finding.name == "not checked" and checked.finding is None
