import csv
import io
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sightline.app.elements.current_set import current_set
from sightline.app.elements.filters import chips, headline
from sightline.app.elements.gallery import gallery_items
from sightline.app.elements.inspector import probability_bars
from sightline.app.elements.matrix import toggle
from sightline.app.elements.range_filter import slider_scale
from sightline.app.elements.spreadsheets import set_as_csv
from sightline.app.elements.thumbnails import ROUTES, thumbnails_url
from sightline.app.views.mistakes.overview import class_bars, pair_bars
from sightline.report.address.selection import Selection
from sightline.report.drawing.bars import Bar
from sightline.report.drawing.subject import split_image
from sightline.report.words.text import count, duration, escape_markdown, percent
from sightline.run_store.formulas import no_formula
from sightline.run_store.predictions import Range
from sightline.run_store.predictions_file import predictions_table
from sightline.run_store.record import RunRecord
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter

NAMES = ("cat", "<img src=x onerror=alert(1)>", "=1+1")
LABELS = np.array([0, 0, 1, 1, 2, 2])
PREDICTED = np.array([0, 1, 1, 1, 1, 2])


def logits():
    """Right for images 0, 2, 3, 5; image 4 is a more confident mistake than image 1."""
    table = np.zeros((6, 3), np.float32)
    table[np.arange(6), PREDICTED] = [1, 2, 1, 1, 3, 1]
    return table


@pytest.fixture
def run(tmp_path, monkeypatch):
    record = RunRecord(
        model="resnet18_narrow", layers=("layer4",), dataset="test", fingerprints={"test": "x"},
        image_counts={"test": 6},
        class_names=NAMES, mean=(0.5,) * 3, std=(0.5,) * 3, input_size=8, parameters=10, recipe={}, seed=0, threads=1,
        device="cpu", created="2026-01-01T00:00:00Z",
    )  # fmt: skip
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path))
    with RunWriter.create(tmp_path / "a run & more", record) as writer:
        writer.save_images(np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8), None)
        writer.complete(predictions_table(logits(), LABELS), np.zeros((6, 2)))
    return Run(tmp_path / "a run & more")


@pytest.fixture
def predictions(run):
    return run.predictions()


@pytest.fixture
def browser():
    return TestClient(Starlette(routes=ROUTES))


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_thumbnail_is_the_image_pixel_by_pixel_and_may_be_kept_for_ever(run, browser):
    answer = browser.get(f"{thumbnails_url(run)}/3.png")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]
    np.testing.assert_array_equal(pixels(answer.content), run.images()[3])


def test_a_run_that_was_trained_again_has_other_addresses_and_the_old_ones_are_refused(run, browser):
    old = f"{thumbnails_url(run)}/0.png"
    np.save(run.path / "images.npy", np.zeros((7, 8, 8, 3), np.uint8))
    new = f"{thumbnails_url(Run(run.path))}/0.png"
    assert new != old and browser.get(old).status_code == 404
    assert not pixels(browser.get(new).content).any()


@pytest.mark.parametrize("index", ["6", "99999999", "9" * 30, "-1", "abc", "1e2", "0x1"])
def test_an_image_that_does_not_exist_is_not_found(run, browser, index):
    assert browser.get(f"{thumbnails_url(run)}/0.png".replace("/0.png", f"/{index}.png")).status_code == 404


@pytest.mark.parametrize("name", ["other", "..", "%2e%2e", "a%20run%20%26%20more%2f..", "%2Fetc"])
def test_only_runs_in_the_list_are_served(run, browser, name):
    token = f"{thumbnails_url(run)}/0.png".split("/")[-2]
    assert browser.get(f"/app/static/thumb/{name}/{token}/0.png").status_code == 404


def test_damaged_images_are_not_found(run, browser):
    (run.path / "images.npy").write_bytes(b"not an array")
    assert browser.get(f"{thumbnails_url(run)}/0.png").status_code == 404


def test_an_image_that_is_kept_whole_is_served_small(run, browser):
    images = np.zeros((12, 200, 200, 3), np.uint8)
    np.save(run.path / "images.npy", images)
    answer = browser.get(f"{thumbnails_url(Run(run.path))}/0.png")
    assert Image.open(io.BytesIO(answer.content)).size == (96, 96)


@pytest.mark.parametrize(
    "base, prefix", [("", "/app/"), ("/", "/app/"), ("base", "/base/app/"), ("/a/b/", "/a/b/app/")]
)
def test_thumbnails_are_served_under_the_base_path(run, browser, base, prefix):
    url = f"{thumbnails_url(run, base)}/0.png"
    assert url.startswith(prefix) and urlsplit(url).query == "" and " " not in url
    np.testing.assert_array_equal(pixels(browser.get(url).content), run.images()[0])


def test_a_gallery_item_says_true_predicted_and_confidence(run, predictions):
    right, wrong = gallery_items(run, predictions, np.array([0, 1]))
    assert (right["true"], right["predicted"], right["wrong"]) == ("cat", "cat", False)
    assert (wrong["true"], wrong["predicted"], wrong["wrong"]) == ("cat", NAMES[1], True)
    # e² / (e² + 2) = 0.787
    assert (
        wrong["confidence"] == "79 %" and wrong["alt"] == f"Image 1: true cat, predicted {NAMES[1]}, confidence 78.7 %"
    )


def test_the_current_set_starts_with_the_most_confident_mistake(predictions):
    current = current_set(predictions, Selection())
    assert (current.rows.tolist(), current.page, current.pages, current.image) == ([4, 1], 1, 1, 4)
    assert (current.neighbour(1), current.neighbour(-1), current.position) == (1, None, 0)


def test_an_empty_set_has_no_image_unless_one_was_chosen(predictions):
    nothing = Selection(label="cat", predicted="cat")
    assert current_set(predictions, nothing).image is None
    outside = current_set(predictions, Selection(label="cat", predicted="cat", image=5))
    assert (outside.image, outside.position, outside.neighbour(1)) == (5, None, None)


def test_the_headline_counts_the_set_the_mistakes_and_the_images(predictions):
    assert headline(predictions, 1, Selection()) == "**1** :gray[of 2 mistakes, 6 test images]"
    assert headline(predictions, 4, Selection(outcome="right")) == "**4** :gray[of 4 hits, 6 test images]"
    assert headline(predictions, 6, Selection(outcome="all")) == "**6** :gray[of 6 test images]"


def test_every_filter_is_a_chip_that_undoes_it(predictions):
    columns = (("confidence", Range(0.9, 0.95)), ("loss", Range(high=0.25)), ("margin", Range(0.5)), ("camera", "left"))
    selection = Selection(label="cat", predicted="dog", columns=columns)
    found = chips(predictions, selection)
    assert [text for text, _ in found] == [
        "true: cat", "predicted: dog", "confidence 90 %–95 %", "loss ≤ 0.25", "margin ≥ 0.5",
        "camera: left (not in this run)",
    ]  # fmt: skip
    for text, undo in found:
        assert text not in [other for other, _ in chips(predictions, selection.change(**undo))]


@pytest.mark.parametrize(
    "values, scale",
    [
        ([0.013, 2.94], (0.0, 3.0, 0.1)),
        ([-4.0, 4.95, np.nan, np.inf], (-4.0, 5.0, 0.1)),
        ([1.0, 4.0, np.nan, 2.0], (1.0, 4.0, 1.0)),
        ([1234, 98765], (1000.0, 99000.0, 1000.0)),
        ([2.95e-7, 5.15e-7], (2.9e-7, 5.2e-7, 1e-8)),
        ([0.5, 0.5], None),
        ([np.nan], None),
        ([], None),
        ([-1.7e308, 1.7e308], None),
        ([0, 5e-324], None),
    ],
)
def test_a_slider_covers_all_values_in_round_steps(values, scale):
    assert slider_scale(np.array(values)) == (scale and pytest.approx(scale))


def test_the_csv_holds_names_figures_and_probabilities_and_no_formula(predictions):
    table = pd.read_csv(io.BytesIO(set_as_csv(predictions, np.array([4, 1]))))
    assert list(table["index"]) == [4, 1]
    assert list(table["label"]) == ["'=1+1", "cat"] and list(table["predicted"]) == [NAMES[1]] * 2
    assert list(table.columns[3:7]) == ["confidence", "margin", "loss", "entropy"]
    np.testing.assert_allclose(table["p(cat)"] + table[f"p({NAMES[1]})"] + table["p(=1+1)"], 1, atol=2e-3)
    np.testing.assert_allclose(table["confidence"], [np.e**3 / (np.e**3 + 2), np.e**2 / (np.e**2 + 2)], rtol=1e-4)


@pytest.mark.parametrize(
    "text", ["=1", "+1", "-1", "@a", "\t1", "\r=1", "\n1", "＝1", "＋1", "－1", "＠a", "\u22121", " =1", "\u00a0=1",
             '"=1', "'=1", "“=1", "\ufeff=1", "\u200b=1", "\0=1", "\u202e=1", "=cmd|' /C calc'!A0", "' \"＝1"],
)  # fmt: skip
def test_what_a_spreadsheet_may_take_for_a_formula_becomes_text(text):
    assert no_formula(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "cat", "a=1", "1-1", "#1", "(=1)", "Ähre", "猫", "😀=1", " a", "'a'"])
def test_other_text_is_as_it_was(text):
    assert no_formula(text) == text


def test_numbers_of_the_csv_stay_numbers_and_every_text_and_header_is_safe(predictions):
    extra = {
        "=head": ["=1", "a", None, "-2", "＝3", " @b"], "-1": [-1, -2, -3, -4, -5, -6],
        "when": [timedelta(-1)] * 6, "list": [["=1"]] * 6, "exact": [Decimal("-1.5")] * 6,
    }  # fmt: skip
    scalars = predictions.scalars
    for name, values in extra.items():
        scalars = scalars.append_column(name, pa.array(values))
    content = set_as_csv(replace(predictions, scalars=scalars), np.arange(6)).decode()
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [row["'=head"] for row in rows] == ["'=1", "a", "", "'-2", "'＝3", "' @b"]
    assert [float(row["'-1"]) for row in rows] == [-1, -2, -3, -4, -5, -6]
    assert {row["when"] for row in rows} == {"'-1 days +00:00:00"} and {row["exact"] for row in rows} == {"-1.5"}
    for name, value in ((name, value) for row in rows for name, value in row.items()):
        for cell in (name, value):
            assert cell[:1] not in ("=", "+", "@", "\t", "\r") and (cell[:1] != "-" or float(cell) < 0), (name, value)


def test_the_true_class_is_among_the_bars_however_improbable(predictions):
    pixels = np.zeros((8, 8, 3), np.uint8)
    bars = probability_bars(split_image(predictions, 4, pixels), shown=1)
    assert [(bar.label, bar.kind) for bar in bars] == [("=1+1", "right")]
    bars = probability_bars(split_image(predictions, 4, pixels), shown=2)
    assert [(bar.label, bar.kind) for bar in bars] == [(NAMES[1], "wrong"), ("=1+1", "right")]
    assert probability_bars(split_image(predictions, 0, pixels))[0] == Bar(
        "cat", pytest.approx(np.e / (np.e + 2)), ("57.6 %",), kind="right", title="cat (true and predicted): 57.61 %"
    )


def test_pairs_and_classes_are_listed_worst_first(predictions):
    assert [(bar.label, bar.taken_for, bar.cells) for bar in pair_bars(predictions, Selection())] == [
        ("cat", NAMES[1], ("1",)),
        ("=1+1", NAMES[1], ("1",)),
    ]
    # recall 1/2, 2/2, 1/2; precision 1/1, 2/4, 1/1
    assert [(bar.label, bar.cells) for bar in class_bars(predictions, Selection())] == [
        ("cat", ("50 %", "100 %", "2")),
        ("=1+1", ("50 %", "100 %", "2")),
        (NAMES[1], ("100 %", "50 %", "2")),
    ]


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain name_1", r"plain name\_1"),
        ("<img src=x onerror=alert(1)>", r"\<img src\=x onerror\=alert\(1\)\>"),
        (":red[x]", r"\:red\[x\]"),
        ("![x](http://a.b)", r"\!\[x\]\(http\:\/\/a\.b\)"),
        ("$x$ `y` **z**", r"\$x\$ \`y\` \*\*z\*\*"),
        ("a\n# b", r"a \# b"),
        (":smile:", "\\:\u2060smile\\:"),
        (":material/home:", "\\:\u2060material\\/home\\:"),
    ],
)
def test_other_peoples_text_is_no_markdown(text, shown):
    assert escape_markdown(text) == shown


def test_numbers_have_units_and_sensible_digits():
    assert (percent(0.934), percent(float("nan")), percent(1.0, 0)) == ("93.4 %", "–", "100 %")
    assert (count(999), count(10000)) == ("999", "10\u202f000")
    assert [duration(seconds) for seconds in (4.24, 75, 3725, float("nan"))] == [
        "4.2 s",
        "1 min 15 s",
        "1 h 2 min",
        "–",
    ]


@pytest.mark.parametrize(
    "start, clicked, result",
    [
        (Selection(), ("cat", "dog"), Selection(label="cat", predicted="dog")),
        (Selection(label="cat", predicted="dog"), ("cat", "dog"), Selection()),
        (Selection(), ("cat", "cat"), Selection(label="cat", predicted="cat", outcome="right")),
        (Selection(outcome="right"), ("cat", "dog"), Selection(label="cat", predicted="dog", outcome="wrong")),
        (Selection(outcome="all"), ("cat", "cat"), Selection(label="cat", predicted="cat", outcome="all")),
        (Selection(predicted="dog", image=3), ("cat", None), Selection(label="cat")),
    ],
)
def test_a_click_on_a_cell_filters_by_it_and_a_second_click_no_longer_does(start, clicked, result):
    assert toggle(start, *clicked) == result
