"""A run as it was after an epoch, through AppTest: Mistakes and Layers follow it, the other views do not."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sightline.app.maps import compute
from sightline.app.runs import loaders
from sightline.app.views.curves.clicks import CLICK, nearest_epoch
from sightline.report.drawing.subject import split_image
from sightline.run_store import files
from sightline.run_store.run import Run
from tests.app.test_app import address_of, gallery_of, text_of
from tests.app_pages import curves_of, edit_record, open_page
from tests.fabricated import LAYERS
from tests.histories import CONFIDENCE, PREDICTED, WRONG_AFTER, keep_history, keep_weights


@pytest.fixture
def run(tmp_path, monkeypatch, fabricated):
    """The folder of the only run, which has a history of four epochs."""
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    path = Path(shutil.copytree(fabricated, tmp_path / "runs" / "run"))
    keep_history(path)
    return path


def images_of(app):
    return [item["index"] for item in gallery_of(app)["items"]]


def component_of(app, name):
    """What the browser gets of each component of this name."""
    found = [element.proto for element in app.get("bidi_component") if name in element.proto.component_name]
    return [json.loads(proto.json or proto.mixed.json) for proto in found]


def spoil(run):
    content = (run / files.HISTORY).read_bytes()
    (run / files.HISTORY).write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("epoch", WRONG_AFTER)
def test_mistakes_shows_those_of_the_epoch(run, epoch):
    app = open_page("mistakes", epoch=str(epoch), order="test-order")
    assert images_of(app) == WRONG_AFTER[epoch]
    assert f"**{len(WRONG_AFTER[epoch])}** :gray[of {len(WRONG_AFTER[epoch])} mistakes, 12 test images]" in text_of(app)
    (strip,) = component_of(app, "epochs")
    assert strip["epochs"][strip["chosen"]]["epoch"] == epoch and len(strip["epochs"]) == 4
    assert app.button(key="chip_0").label == f"after epoch {epoch}"
    app.button(key="chip_0").click().run()
    assert "epoch" not in address_of(app) and images_of(app) == WRONG_AFTER[4]


def test_the_confusion_is_that_of_the_epoch(run):
    after_first, last = ([[4, 0, 0], [3, 1, 0], [4, 0, 0]], [[3, 1, 0], [0, 3, 1], [1, 0, 3]])
    assert loaders.predictions(Run(run, epoch=1)).confusion.dense().tolist() == after_first
    assert loaders.predictions(Run(run)).confusion.dense().tolist() == last


def test_the_image_stays_while_the_epoch_changes(run):
    app = open_page("mistakes", epoch="3", image="10")
    app.button(key="chip_0").click().run()
    assert address_of(app)["image"] == "10"


@pytest.mark.parametrize("epoch", ["5", "0", "x"])
def test_an_epoch_that_the_history_does_not_have_is_ignored_and_named(run, epoch):
    app = open_page("mistakes", epoch=epoch, order="test-order")
    assert app.warning[0].value.startswith("Ignored in the address: epoch") and images_of(app) == WRONG_AFTER[4]


def test_a_run_without_a_history_has_no_strip_and_no_epochs(run):
    (run / files.HISTORY).unlink()
    app = open_page("mistakes", epoch="2", order="learned-last-first")
    assert app.warning[0].value.startswith("Ignored in the address: epoch")
    assert component_of(app, "epochs") == [] and sorted(images_of(app)) == WRONG_AFTER[4]
    assert "learned last first" not in app.selectbox(key="mistakes_order").options


def test_a_damaged_history_costs_the_columns_and_the_strip_where_a_sentence_says_why(run):
    spoil(run)
    app = open_page("mistakes", order="test-order", value="never learned:yes")
    assert images_of(app) == WRONG_AFTER[4] and component_of(app, "epochs") == []
    assert any("Remove it" in caption.value and "history" in caption.value for caption in app.caption)
    assert app.button(key="chip_0").label == r"never learned\: yes \(not in this run\)"


def test_how_images_were_learned_filters_orders_and_is_in_the_csv(run):
    app = open_page("mistakes", show="all", value="never learned:yes")
    assert images_of(app) == [5] and app.button(key="chip_0").label == r"never learned\: yes"
    app = open_page("mistakes", show="all", range="forgotten:1..", order="most-often-forgotten-first")
    assert images_of(app) == [10, 0] and app.button(key="chip_0").label == "forgotten ≥ 1"
    assert images_of(open_page("mistakes", order="learned-last-first")) == [0, 10, 5]
    assert {"learned last first", "most often forgotten first"} <= set(app.selectbox(key="mistakes_order").options)
    columns = loaders.predictions(Run(run)).scalars.column_names
    assert {"learned at", "forgotten", "never learned"} <= set(columns)


def test_after_an_epoch_how_images_were_learned_in_all_is_still_known(run):
    app = open_page("mistakes", epoch="2", show="all", value="never learned:yes")
    assert images_of(app) == [5]


def test_nothing_of_the_last_weights_stands_beside_an_earlier_epoch(run):
    app = open_page("mistakes", epoch="2")
    assert "What is alike to the model is known of its last epoch only." in text_of(app)
    assert len([name for name in app.get("bidi_component") if "gallery" in name.proto.component_name]) == 1
    app = open_page("layers", epoch="2")
    assert "the verdicts on its maps are known of its last epoch only" in text_of(app).replace("\\", "")
    assert "the training images behind its mistakes are known of its last epoch only" in text_of(app).replace("\\", "")
    assert not [button for button in app.button if button.key and "influence" in button.key]


def grid_of(app):
    return [element.proto.body for element in app.get("html") if element.proto.body.startswith('<div class="map-')]


def test_layers_says_how_weights_of_an_epoch_are_kept_where_they_were_not(run):
    app = open_page("layers", epoch="2")
    assert "the weights of epoch 2 were not kept" in app.warning[0].value.replace("\\", "")
    assert "sightline train --keep-epochs N" in app.warning[0].value.replace("\\", "")
    assert grid_of(app) == [] and not app.select_slider
    app.button(key="chip_0").click().run()
    assert grid_of(app) and "epoch" not in address_of(app)


def test_a_slider_goes_over_the_kept_epochs_and_changes_the_network(run):
    networks = {epoch: keep_weights(run, epoch) for epoch in (1, 3)}
    app = open_page("layers", image="0")
    slider = app.select_slider(key="layers_epoch")
    assert slider.options == ["1", "3", "4 (last)"] and slider.value == 4
    last = grid_of(app)
    app.select_slider(key="layers_epoch").set_value(3).run()
    assert address_of(app) == {"run": "run", "image": "0", "epoch": "3"}
    assert grid_of(app) and grid_of(app) != last
    opened = Run(run)
    p = networks[3](opened.to_input(opened.images()[[0]])).softmax(1)[0].tolist()
    (bars,) = component_of(app, "bars")
    shown = {bar["label"]: bar["value"] for bar in bars["bars"]}
    assert shown == pytest.approx(dict(zip(("cat", "dog", "owl"), p, strict=True)))
    app.select_slider(key="layers_epoch").set_value(4).run()
    assert "epoch" not in address_of(app) and grid_of(app) == last


@pytest.mark.parametrize(("full_size_from", "why"), [(1, "with other rounding"), (3, "from smaller images")])
def test_where_the_weights_give_another_answer_than_the_history_layers_says_so(run, full_size_from, why):
    network, opened = keep_weights(run, 2), Run(run)
    edit_record(run, full_size_from=full_size_from)
    codes = network(opened.to_input(opened.images()[:])).argmax(1).numpy()
    other, same = (int(np.flatnonzero(found)[0]) for found in (codes != PREDICTED[1], codes == PREDICTED[1]))
    said = text_of(open_page("layers", epoch="2", image=str(other)))
    assert f"Computed now, these weights take it for **{('cat', 'dog', 'owl')[codes[other]]}**" in said and why in said
    assert "Computed now" not in text_of(open_page("layers", epoch="2", image=str(same)))


def test_the_slider_shows_the_chosen_epoch_also_where_its_weights_were_not_kept(run):
    keep_weights(run, 1)
    app = open_page("layers", epoch="2")
    assert app.select_slider(key="layers_epoch").options == ["1", "2", "4 (last)"]
    assert app.select_slider(key="layers_epoch").value == 2


def test_the_maps_and_the_files_of_an_epoch_are_of_its_network(run):
    keep_weights(run, 1)
    maps = {}
    for epoch in (None, 1):
        opened = Run(run, epoch=epoch)
        subject = split_image(loaders.predictions(opened), 0, opened.images()[0])
        maps[epoch] = compute.maps(opened, subject, "gradcam", LAYERS[:1], [(0, None)], lambda *_: None).maps
    assert not np.allclose(maps[None][LAYERS[0], (0, None)], maps[1][LAYERS[0], (0, None)])


@pytest.mark.parametrize("view", ["trust", "compare", "patterns"])
def test_other_views_show_the_run_as_it_ended_and_lead_to_it(run, view):
    shutil.copytree(run, run.with_name("other"))
    at = {"run": "run", "beside": "other", "compared": "both-wrong"}
    plain, after = (open_page(view, **at, **query) for query in ({}, {"epoch": "2"}))
    assert text_of(plain) == text_of(after) and "after epoch 2" not in text_of(after)
    in_header = [link.proto.query_string for link in after.get("page_link")[:6]]
    assert all("epoch=2" in query for query in in_header)  # the way back to Mistakes after that epoch
    assert not [link for link in after.get("page_link")[6:] if "epoch=" in link.proto.query_string]
    assert not [button for button in after.button if "after epoch" in button.label]


def test_another_run_is_shown_as_it_ended_unless_it_has_that_epoch(run):
    shutil.copytree(run, run.with_name("other"))
    keep_history(run.with_name("other"), PREDICTED[[1, 3]], CONFIDENCE[:2], epochs=(2, 4))
    for epoch, kept in (("2", "2"), ("3", None)):
        app = open_page("mistakes", run="run", epoch=epoch)
        app.selectbox(key="shell_run").select("other").run()
        assert address_of(app).get("epoch") == kept and not app.warning


def test_a_click_at_the_curves_opens_the_mistakes_after_the_nearest_epoch_of_the_history(run):
    keep_history(run, PREDICTED[[0, 1, 3]], CONFIDENCE[:3], epochs=(2, 10, 20))
    app = open_page("curves", run="run")
    assert "A click at a line shows the mistakes of its run after that epoch." in text_of(app)
    assert [entry["opens"] for entry in curves_of(app)["runs"]] == [[2, 10, 20]]
    for clicked, address in ((7, {"run": "run", "epoch": "10"}), (19, {"run": "run"})):
        click = "run", nearest_epoch([2, 10, 20], clicked)
        app = open_page("curves", {CLICK: click}, run="run", show="all", image="3")
        assert address_of(app) == address and len(gallery_of(app)["items"]) in (2, 3)


def test_without_a_history_no_click_is_offered(run):
    (run / files.HISTORY).unlink()
    for _ in range(2):
        app = open_page("curves", run="run")
        assert "A click at a line" not in text_of(app) and curves_of(app)["runs"][0]["opens"] == []
        keep_history(run)
        spoil(run)
