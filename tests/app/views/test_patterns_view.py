"""The Patterns view, what Mistakes and Curves make of it, through AppTest: patterns written by hand."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from sightline.run_store.hashes import weights_hash
from sightline.run_store.patterns import Attended, Covered, Pattern, Patterns, write_patterns
from sightline.run_store.run import Run
from tests.app.test_app import gallery_of
from tests.app_pages import open_page

RED = Attended((200.0, 30.0, 40.0), 0.05, (0.1, 0.2))
FIRST = Pattern(
    number=1, kind="pattern", images=6, tested=4, mistakes=3, error_rate=0.75, low=0.2, high=0.99, rest_rate=0.1,
    same_classes_rate=0.2, p_value=0.0001, p_same_classes=0.01, stability=0.9, taken_for=1, attended=RED,
    covered=Covered(mistakes=3, right=2, right_at_random=0, p_value=0.5),
)  # fmt: skip
HARD = Pattern(
    number=2, kind="hard class", images=3, tested=2, mistakes=2, error_rate=1.0, low=0.2, high=1.0, rest_rate=0.3,
    same_classes_rate=0.9, p_value=0.03, p_same_classes=0.8, stability=0.4, taken_for=2,
    attended=Attended((20.0, 30.0, 220.0), 0.2, (0.5, 0.5)),
)  # fmt: skip
OF_IMAGES = (1, 1, 1, -1, 1, 1, 2, 2, -1, -1, 1, 2)  # of which 0, 5 and 10 are mistakes


@pytest.fixture
def run(tmp_path, monkeypatch, fabricated):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    return Run(Path(shutil.copytree(fabricated, tmp_path / "runs" / "run")))


def write(run, *patterns, of_images=OF_IMAGES):
    kept = [number if number <= len(patterns) else -1 for number in of_images]
    halves = np.arange(len(kept), dtype=np.int8) % 2
    found = Patterns("layer4", "gradcam", 25, weights_hash(run), patterns, np.array(kept), halves)
    write_patterns(run, found, {})


def test_a_pattern_is_a_set_in_mistakes(run):
    write(run, FIRST, HARD)
    app = open_page("mistakes", value="pattern:1", show="all", order="test-order")
    assert [item["index"] for item in gallery_of(app)["items"]] == [0, 1, 2, 4, 5, 10]
    assert app.button(key="chip_0").label == r"pattern\: 1"
    app.button(key="chip_0").click().run()
    assert "value" not in app.query_params and len(gallery_of(app)["items"]) == 12


def test_patterns_that_are_found_while_the_page_is_open_are_a_set_at_once(run):
    app = open_page("mistakes", value="pattern:2", show="all")
    assert app.button(key="chip_0").label == r"pattern\: 2 \(not in this run\)"
    write(run, FIRST, HARD)
    app.run()
    assert sorted(item["index"] for item in gallery_of(app)["items"]) == [6, 7, 11]


@pytest.mark.parametrize("damage", ["torn", "stale", "other rows"])
def test_patterns_that_cannot_be_read_cost_nobody_the_predictions(run, damage):
    write(run, FIRST, HARD)
    spoil(run, damage)
    app = open_page("mistakes", value="pattern:1", show="all")
    assert len(gallery_of(app)["items"]) == 12
    assert app.button(key="chip_0").label == r"pattern\: 1 \(not in this run\)"


def spoil(run, damage):
    if damage == "torn":
        (run.path / "patterns.json").write_text("{")
    elif damage == "stale":
        with open(run.path / "model.safetensors", "ab") as weights:
            weights.write(b" ")
    else:
        (run.path / "patterns.parquet").write_bytes(b"none of ours")
