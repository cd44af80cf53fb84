"""No page fails, hangs or takes much memory, whatever a run holds; and one bad run never touches another.

SIGHTLINE_DAMAGES=10000 tries as many ways to damage one, other ones each time.
"""

import os
import shutil
import threading
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sightline.app.elements.thumbnails import ROUTES, thumbnails_url
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.judging.measures import MEASURES
from sightline.explain.why.influence import known_features
from sightline.explain.why.margins import Margins
from sightline.model_zoo.graph import export_graph
from sightline.report.address.typed import AskedError
from sightline.report.asked import ask
from sightline.report.page import make_report
from sightline.run_store import files
from sightline.run_store.culprits import (
    Culprits,
    TrainingImages,
    culprit_maps,
    read_culprits,
    training_thumbnails,
    write_culprits,
)
from sightline.run_store.hashes import weights_hash
from sightline.run_store.history import no_history
from sightline.run_store.left_out import left_out
from sightline.run_store.maps import MapsWriter
from sightline.run_store.note import RunNote, write_note
from sightline.run_store.patterns import Attended, Covered, Pattern, Patterns, read_patterns, read_space, write_patterns
from sightline.run_store.quality import INPUT, QualityRow, read_values, write_quality, write_values
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from tests.app_pages import edit_record, open_page
from tests.damages import EPOCH, damages
from tests.fabricated import LAYERS, fabricate_run

WAYS = int(os.environ.get("SIGHTLINE_DAMAGES", 500))
MEGABYTES = 500
VIEWS = ("mistakes", "layers", "patterns", "trust", "compare")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with a run in order, which is the folder of runs; and beside it one that has every file."""
    folder = tmp_path_factory.mktemp("damaged")
    runs, whole = folder / "runs", folder / "whole"
    fabricate_run(whole, 12, ("cat", "dog", "owl"), with_model=True)
    np.save(whole / files.MASKS, np.ones((12, 32, 32), np.uint8))
    (whole / files.CHECKPOINT).write_bytes(b"")
    write_note(whole, RunNote(text="As it was."))
    graph = export_graph(Run(whole).load_model(), torch.zeros(1, 3, 32, 32))
    with RunWriter.reopen(whole, Run(whole).record) as writer:
        writer.save_network(graph)
        writer.save_epoch(EPOCH, Run(whole).load_model().state_dict())
        history = no_history(12)
        for epoch in (EPOCH, 20):
            history = history.after(epoch, np.arange(12) % 2, np.ones(12))
        writer.save_history(history)
    recipe = {"epochs": 20, "flip": True, "dataset": "folder:x", "without": "list.csv", "planned_epochs": 21}
    edit_record(whole, recipe=recipe, reason="")
    (whole / files.WITHOUT).write_text("train_index,label\n3,cat\n")
    run = Run(whole)
    for target in ("predicted", "label"):
        writer = MapsWriter(run, "gradcam", "layer4", target, (4, 4))
        writer.write(np.arange(12), np.random.default_rng(0).normal(size=(12, 4, 4)).astype(np.float32))
        writer.finish()
    kinds = [("gradcam", layer, False) for layer in LAYERS] + [("sobel", INPUT, True)]
    write_quality(
        run,
        [
            QualityRow(method, layer, measure, 0.5, 0.4, 0.6, 12, is_control, 12, (1, 2), (3,))
            for method, layer, is_control in kinds
            for measure in MEASURES
        ],
    )
    write_values(run, {(method, layer): {"road_gap": np.linspace(0, 1, 12)} for method, layer, _ in kinds})
    _save_patterns(run)
    _save_culprits(run)
    shutil.copytree(whole, runs / "fine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTLINE_RUNS", str(runs))
        for view in VIEWS:  # what the first page imports and keeps is no run's fault
            open_page(view, run="fine", map="shown")
        yield runs


def _save_patterns(run):
    """A pattern and a hard class, of six images each, that were covered, and not."""
    attended = Attended((200.0, 30.0, 40.0), 0.2, 0.05, (0.1, 0.2), 0.3)
    of_both = {"images": 6, "tested": 3, "mistakes": 2, "error_rate": 0.7, "low": 0.2, "high": 0.9, "rest_rate": 0.1}
    of_both |= {"same_classes_rate": 0.2, "p_value": 0.01, "p_same_classes": 0.1, "stability": 0.9, "taken_for": 2}
    kinds = (("pattern", Covered(2, 1, 0, 1.0)), ("hard class", None))
    patterns = tuple(
        Pattern(number, kind, **of_both, attended=attended, covered=covered)
        for number, (kind, covered) in enumerate(kinds, 1)
    )
    halves = np.arange(12, dtype=np.int8) % 2
    found = Patterns("layer4", "gradcam", 3, weights_hash(run), patterns, np.repeat([1, 2], 6), halves)
    values = {
        name: np.zeros(shape, np.float32) for name, shape in (("mean", 4), ("components", (2, 4)), ("centres", (3, 2)))
    }
    write_patterns(run, found, values | {"numbers": np.array([1, 0, 2])})


def _save_culprits(run):
    """Two training images behind each of the mistakes 0, 5 and 10, of six that all have a picture."""
    labels = np.arange(6, dtype=np.int16) % 3
    training = TrainingImages(labels, labels, np.ones(6, np.float32), labels == 1, np.arange(6))
    train_index = np.array([1, 4, 0, 3, 2, 5])
    found = Culprits(
        "layer4", True, weights_hash(run), training, np.repeat([0, 5, 10], 2), np.tile(np.int16([1, 2]), 3),
        train_index, np.linspace(1, 0, 6, dtype=np.float32), labels[train_index], "f" * 64, 1.0,
    )  # fmt: skip
    features, pictures = np.ones((6, 128), np.float16), np.zeros((6, 32, 32, 3), np.uint8)
    write_culprits(run, found, features, pictures, np.ones((6, 2, 4, 4), np.float16))


def _look_behind(run):
    if found := read_culprits(run):
        training_thumbnails(run, found)[:1], culprit_maps(run, found)[:1]
        with suppress(ExplainError):  # features of another layer
            known_features(run, found).similar(Margins(torch.ones(1, 128, 4, 4), torch.ones(1, 128), True), 1, 3)


@pytest.fixture(scope="module")
def most_memory():
    """The most memory that this process has had since, in bytes beyond what it had: a function."""
    ended, most = threading.Event(), 0

    def resident() -> int:
        with open("/proc/self/statm") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def watch() -> None:
        nonlocal most
        while not ended.wait(0.002):
            most = max(most, resident())

    before, thread = resident(), threading.Thread(target=watch, daemon=True)
    thread.start()
    yield lambda: most - before
    ended.set()
    thread.join()


tried = 0


@settings(
    max_examples=WAYS,
    derandomize="SIGHTLINE_DAMAGES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(damages())
def test_a_damaged_run_is_shown_or_named_and_leaves_the_others_alone(root, most_memory, ways):
    global tried
    tried += 1
    hurt = root / f"hurt-{tried}"
    shutil.copytree(root.parent / "whole", hurt)
    edit_record(hurt, network=("architecture", "graph")[tried // len(VIEWS) % 2])
    try:
        for damage in ways:
            with suppress(OSError, ValueError, KeyError, TypeError):  # the second of a file that the first has removed
                damage.do(hurt)
        view = VIEWS[tried % len(VIEWS)]
        # A page that waits for ever is ended by its own time-out, and is then an error.
        place = {"image": "5", "show": "all", "map": "shown", "compared": "both-wrong"}
        if tried // (2 * len(VIEWS)) % 2:
            place["epoch"] = str(EPOCH)
        open_page(view, run=hurt.name, beside="fine", **place)
        listed = open_page("curves", run="fine", beside=hurt.name)
        assert listed.selectbox(key="shell_run").value == "fine"
        with suppress(RunError):
            read_values(Run(hurt))  # which no page does
        for read in (left_out, lambda run: read_space(run, read_patterns(run)), _look_behind):
            with suppress(RunError):
                read(Run(hurt))
        if view == VIEWS[0]:  # of every fifth
            with suppress(RunError, AskedError):
                make_report(ask(Run(hurt), Run(root / "fine"), images=3))
        with TestClient(Starlette(routes=ROUTES)) as browser:
            assert browser.get(f"{thumbnails_url(Run(hurt))}/3.png").status_code in (200, 404)
        assert most_memory() < MEGABYTES * 2**20
    finally:
        shutil.rmtree(hurt)


def test_so_many_ways_were_tried():
    assert tried >= WAYS or tried == 0  # 0: this test alone
