"""The strip across the top of Layers: what is covered, what the network says of it, and what the page says of that."""

import base64
import hashlib
import re
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sightline.app.views.layers.brush import checked_bits
from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.judging.hiding import hide, hottest
from sightline.run_store.run import Run
from tests.app_pages import checked, open_page
from tests.fabricated import LAYERS, fabricate_run, speak_against

NAMES = ("cat", "dog", "owl")
WRONG = 5  # every fifth prediction of a fabricated run is wrong
PAINTING = {"layers_cover": "what I paint"}


@pytest.fixture
def run(tmp_path, monkeypatch, fabricated):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    return Path(shutil.copytree(fabricated, tmp_path / "runs" / "run"))


def open_layers(state=None, **query):
    return open_page("layers", state, image=str(WRONG), **query)


def strip_of(app):
    (body,) = [html.proto.body for html in app.get("html") if 'class="proof-strip"' in html.proto.body]
    return unescape(body)


def titles_of(app):
    return re.findall(r"<figcaption>(.*?)</figcaption>", strip_of(app))


def shares_of(app):
    """What each figure says of each class, in percent."""
    return [float(share) for share in re.findall(r"<strong>(\S+) %</strong>", strip_of(app))]


def words_of(app):
    """The sentence, without its tags."""
    return re.sub("<.*?>", "", re.search(r"<p>(.*?)</p>", strip_of(app))[1])


def hidden_of(run, mask_of):
    """The same, computed from the parts: mask_of is given the network, its input and the predicted class."""
    opened = Run(run)
    model, pixels = opened.load_model(), opened.images()[WRONG]
    predicted = int(opened.predictions().column("predicted")[WRONG])
    return hide(model, pixels, mask_of(model, opened.to_input(pixels[None]), predicted), opened.to_input)


def hottest_at(layer):
    def mask_of(model, images, predicted):
        return hottest(layer_attributions(model, images, [layer], torch.tensor([predicted]))[layer][0, 0], (32, 32))

    return mask_of


def expected_shares(run, hidden):
    predictions = Run(run).predictions()
    codes = [int(predictions.column(name)[WRONG]) for name in ("predicted", "label")]
    rows = (hidden.before, hidden.after, hidden.elsewhere.mean(axis=0))
    return [round(100 * float(row[code]), 1) for row in rows for code in codes]


def test_the_hottest_tenth_of_the_deepest_layer_is_covered_without_a_click(run):
    app = open_layers()
    hidden = hidden_of(run, hottest_at("layer4"))
    assert titles_of(app) == ["As it is", "Grad-CAM at layer4", "Hottest tenth covered", "As much at random, mean of 5"]
    assert shares_of(app) == pytest.approx(expected_shares(run, hidden), abs=0.1)
    assert "hide" not in app.query_params


def test_the_sentence_holds_the_figures_and_nothing_else(run):
    before, _, after, _, elsewhere, _ = shares_of(app := open_layers())
    name = NAMES[int(Run(run).predictions().column("predicted")[WRONG])]
    draws = hidden_of(run, hottest_at("layer4")).elsewhere[:, NAMES.index(name)]
    assert words_of(app) == (
        f"Covering the tenth of the image where Grad-CAM at layer4 is hottest takes {name} from {before} % "
        f"to {after} %; "
        f"covering as much at random, to {elsewhere} % (mean of 5 random places, "
        f"{100 * draws.min():.1f} % to {100 * draws.max():.1f} %)."
    )


def test_another_layer_is_chosen_on_the_strip_and_stands_in_the_address(run):
    app = open_layers()
    checked(app.selectbox(key="layers_hide_layer").set_value("layer2").run())
    assert app.query_params["hide"] == "layer2"
    expected = expected_shares(run, hidden_of(run, hottest_at("layer2")))
    for shown in (app, open_layers(hide="layer2")):
        assert "Grad-CAM at layer2" in titles_of(shown)
        assert shares_of(shown) == pytest.approx(expected, abs=0.1)
    assert "Grad-CAM at layer4" in titles_of(open_layers(hide="layer9"))


def test_a_pinned_run_is_not_covered(run):
    shutil.copytree(run, run.parent / "other")
    app = open_page("layers", image=str(WRONG), run="run", beside="other")
    assert strip_of(app)  # one only


def test_what_was_drawn_is_not_computed_again_until_another_image_or_another_network(run, monkeypatch):
    asked = []
    import sightline.app.views.layers.strip as strip

    real = strip.cover_hottest
    monkeypatch.setattr(strip, "cover_hottest", lambda *arguments: asked.append(arguments[1].key) or real(*arguments))
    app = open_layers({"layers_appearance": True})
    before = strip_of(app)
    checked(app.run())
    checked(app.slider(key="layers_opacity").set_value(30).run())
    assert asked == [WRONG] and strip_of(app) == before
    weights = load_file(run / "model.safetensors")
    weights["fc.weight"] = -weights["fc.weight"]
    save_file(weights, run / "model.safetensors")
    checked(app.run())
    assert asked == [WRONG, WRONG] and strip_of(app) != before


def test_a_map_without_a_hottest_tenth_is_not_covered(run):
    speak_against(run, *range(len(NAMES)))
    app = open_layers()
    assert "no hottest tenth" in words_of(app) and titles_of(app) == ["As it is"]


def test_answers_that_are_not_finite_are_said_to_be_so(run):
    weights = load_file(run / "model.safetensors")
    weights["fc.bias"][0] = float("nan")
    save_file(weights, run / "model.safetensors")
    app = open_layers()
    assert "not finite" in words_of(app) and "takes" not in words_of(app)
    assert "<strong>–</strong>" in strip_of(app) and not shares_of(app)


def test_without_its_weights_a_run_says_why_nothing_is_covered(run):
    (run / "model.safetensors").unlink()
    assert "Not covered:" in words_of(open_layers()) and "model.safetensors" in words_of(open_layers())


def painted(run, mask):
    """The state of a session in which this was painted."""
    picture = hashlib.sha256(Run(run).images()[WRONG].tobytes()).hexdigest()[:16]
    return PAINTING | {"layers_painted": (picture, np.packbits(mask).tobytes())}


@pytest.fixture
def stroke():
    mask = np.zeros((32, 32), bool)
    mask[4:12, 6:20] = True
    return mask


def test_what_is_painted_is_covered_and_map_and_probabilities_follow(run, stroke):
    app = open_layers(painted(run, stroke))
    hidden = hidden_of(run, lambda *_: torch.from_numpy(stroke))
    assert shares_of(app) == pytest.approx(expected_shares(run, hidden), abs=0.1)
    assert titles_of(app) == [
        "As it is: Grad-CAM at layer4",
        "Painted, covered",
        "The same stroke elsewhere, mean of 5",
    ]
    assert "Covering what is painted, 10.9 % of the image, takes" in words_of(app)  # 8 × 14 of 1,024 pixels
    assert strip_of(app).count('class="over"') == 2
    assert "layers_painted" not in app.query_params and "hide" not in app.query_params


def test_a_painting_belongs_to_its_picture(run, stroke):
    app = open_page("layers", painted(run, stroke), image=str(WRONG + 1), show="all")
    assert words_of(app).startswith("Paint over the image")
    shutil.copytree(run, run.parent / "other")  # with the same picture
    app = open_page("layers", painted(run, stroke), image=str(WRONG), run="other")
    assert words_of(app).startswith("Covering what is painted")


@pytest.mark.parametrize("share", [0, 1])
def test_all_and_nothing_are_not_covered(run, share):
    app = open_layers(painted(run, np.full((32, 32), bool(share))))
    assert words_of(app).startswith("Leave something unpainted" if share else "Paint over the image")
    assert len(shares_of(app)) == 2 and titles_of(app) == ["As it is: Grad-CAM at layer4"]


def test_the_map_of_a_slow_method_does_not_follow_the_brush(run, stroke):
    app = open_layers(painted(run, stroke), method="occlusion")
    assert "Occlusion takes too long for its map to follow a brush." in words_of(app)
    assert len(shares_of(app)) == 6 and 'class="over"' not in strip_of(app)


def test_what_is_painted_over_a_thumbnail_covers_what_lies_there_in_the_original(tmp_path, monkeypatch):
    from PIL import Image

    from sightline.app.maps.covered import cover_painted
    from sightline.report.drawing.subject import split_image
    from tests.fabricated import keep_thumbnails

    paths = tuple(str(tmp_path / f"{index}.png") for index in range(6))
    original = np.random.default_rng(0).integers(60, 200, (144, 144, 3), dtype=np.uint8)
    for path in paths:
        Image.fromarray(original).save(path)
    fabricate_run(tmp_path / "large", 6, NAMES, side=96, input_size=144, paths=paths, with_model=True)
    keep_thumbnails(tmp_path / "large", paths, 144)
    run, mask = Run(tmp_path / "large"), np.zeros((96, 96), bool)
    mask[30:60, 0:20] = True
    subject = split_image(run.predictions(), WRONG, run.images()[WRONG])
    found = cover_painted(run, subject, "gradcam", "layer4", np.packbits(mask).tobytes())
    changed = (found.hidden.image != original).any(axis=2)
    assert found.hidden.image.shape == original.shape
    assert changed[45:90, 0:30].mean() > 0.9 and changed.sum() == changed[45:90, 0:30].sum()


@pytest.mark.parametrize(
    "sent",
    [None, "x", [], ["other", "AAAA"], ["here", 5], ["here", "no base64!"], ["here", base64.b64encode(b"x").decode()]],
)
def test_what_is_no_painting_of_this_picture_is_passed_over(sent):
    assert checked_bits(sent, "here", 32) is None
    assert checked_bits(["here", base64.b64encode(bytes(128)).decode()], "here", 32) == bytes(128)


def test_every_layer_is_offered(run):
    assert open_layers().selectbox(key="layers_hide_layer").options == list(LAYERS)
