"""Every view through AppTest, over runs in every condition a crash, a copy or an editor can leave behind."""

import asyncio
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sightline.app.runs import run_list
from sightline.app.runs.demo import train_demo
from sightline.run_store.predictions_file import predictions_table
from sightline.run_store.record import RunRecord
from sightline.run_store.writer import RunWriter
from tests.app_pages import charts_of, end_processes, open_page, rows_of, table_of, text_of_rows
from tests.fabricated import ROOT

NAMES = ("cat", "dog", "owl")
HOSTILE = ("<img src=x onerror=alert(1)>", ":red[x]", "![x](http://a.b/c.png)", "$x$", "`y`")
VIEWS = ("curves", "mistakes")
IMAGES = 60
FILES = ("run.json", "metrics.csv", "images.npy", "predictions.parquet", "features.npy")


def record(class_names=NAMES, **changes):
    values = {
        "model": "resnet18_narrow", "layers": ("layer1", "layer4"), "dataset": "planted-shapes:honest",
        "fingerprints": {"train": "a", "test": "b"}, "image_counts": {"train": 100, "test": IMAGES},
        "class_names": class_names, "mean": (0.5,) * 3, "std": (0.25,) * 3, "input_size": 8, "parameters": 1234,
        "recipe": {"epochs": 4}, "seed": 0, "threads": 1, "device": "cpu", "created": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return RunRecord(**(values | changes))


def begin(path, epochs=3, **changes):
    """A run that is being written: `epochs` of 4 done, its lock held."""
    writer = RunWriter.create(path, record(**changes))
    for epoch in range(1, epochs + 1):
        row = {"epoch": epoch, "train_loss": 2 / epoch, "train_accuracy": 0.2 * epoch, "test_loss": 3 / epoch}
        writer.append_metrics(row | {"test_accuracy": 0.15 * epoch, "learning_rate": 0.1, "seconds": 30.5})
    return writer


def complete(path, **changes):
    """Of 60 images, 20 a class, all are predicted as the class after their own in the first 12, right in the rest."""
    with begin(path, epochs=4, **changes) as writer:
        classes = len(writer.record.class_names)
        labels = np.arange(IMAGES) % classes
        predicted = np.where(np.arange(IMAGES) < 12, (labels + 1) % classes, labels)
        logits = np.zeros((IMAGES, classes), np.float32)
        logits[np.arange(IMAGES), predicted] = np.linspace(1, 4, IMAGES)
        writer.save_images(np.random.default_rng(0).integers(0, 256, (IMAGES, 8, 8, 3), dtype=np.uint8), None)
        writer.complete(predictions_table(logits, labels), np.zeros((IMAGES, 4)))


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    yield tmp_path / "runs"
    end_processes("demo")


@pytest.fixture(scope="session")
def complete_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("complete") / "run"
    complete(path)
    return path


def open_view(view, opened=(), **query):
    """opened: the keys of what is open and closed by a click."""
    return open_page(view, dict.fromkeys(opened, True), **query)


def markdown_of(app):
    kinds = ("markdown", "caption", "info", "warning", "error", "subheader")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(app, kind))


def html_of(app):
    bodies = (element.proto.body for element in app.get("html"))
    return "\n".join(body for body in bodies if not body.lstrip().startswith("<style"))


def text_of(app):
    """All that the page says, as Markdown or HTML source."""
    return "\n".join((markdown_of(app), html_of(app), text_of_rows(app)))


def address_of(app):
    """The query, one value a key; a list where there are several."""
    return {
        key: value[0] if len(value) == 1 and isinstance(value, list) else value
        for key, value in app.query_params.items()
    }


def gallery_of(app, place=0):
    """That of the set; then that of similar images."""
    found = [element for element in app.get("bidi_component") if "gallery" in element.proto.component_name]
    element = found[place]
    return json.loads(element.proto.json) if element.proto.json else json.loads(element.proto.mixed.json)


@pytest.mark.parametrize("view", VIEWS)
def test_without_runs_every_view_says_how_to_make_one(runs, view):
    app = open_view(view)
    assert "No runs yet" in text_of(app) and app.button(key="train_demo").label == "Train the demo"
    assert "sightline train" in "".join(code.value for code in app.code)


class Process:
    """What subprocess.Popen returns: runs until `status` is set."""

    def __init__(self, command, status=None, said=b"", **options):
        self.command, self.status = command, status
        options["stderr"].write(said)
        options["stderr"].flush()

    def poll(self):
        return self.status

    def wait(self):
        pass

    def terminate(self):
        self.status = -15


def test_a_button_trains_the_demo_once(runs, monkeypatch):
    started = []
    monkeypatch.setattr(
        "subprocess.Popen", lambda *args, **options: started.append(Process(*args, **options)) or started[-1]
    )
    app = open_view("curves")
    app.button(key="train_demo").click().run()
    assert not app.exception and "train_demo" not in [button.key for button in app.button]
    assert started[0].command[1:] == ["-m", "sightline.training.demo", "--runs", str(runs)]
    train_demo(runs)  # somebody else's click
    assert len(started) == 1
    monkeypatch.setattr(Process, "terminate", lambda self: None)  # it takes a while
    button = app.button(key="demo_stop").click().run().button(key="demo_stop")
    assert button.label == "Stopping …" and button.disabled
    started[0].status = -15
    assert not app.run().exception and app.button(key="train_demo")


def test_the_launcher_trains_the_demo_when_told_to_and_stops_it_in_the_end(runs, monkeypatch):
    calls = []
    monkeypatch.setattr("sys.argv", ["main.py", "--demo", "--runs", str(runs)])
    monkeypatch.setattr("sightline.app.runs.demo.train_demo", lambda runs: calls.append(runs))
    monkeypatch.setattr("sightline.app.runs.processes.stop_all", lambda: calls.append("stop"))
    launcher = runpy.run_path(str(ROOT / "app" / "main.py"))

    async def serve():
        async with launcher["lifespan"](None):
            calls.append("serves")

    asyncio.run(serve())
    assert calls == [runs, "serves", "stop"]


def test_a_demo_that_fails_says_why_and_can_be_started_again(runs, monkeypatch):
    said = b"Traceback\nError: no space is left for :red[runs].\n"
    monkeypatch.setattr("subprocess.Popen", lambda *args, **options: Process(*args, status=1, said=said, **options))
    app = open_view("curves")
    app.button(key="train_demo").click().run()
    assert r"Error\: no space is left for \:red\[runs\]\." in app.error[0].value
    assert not app.button(key="train_demo").disabled


def test_the_curves_are_drawn_without_torch_pandas_and_altair(complete_run):
    program = (
        "import os, sys; from streamlit.testing.v1 import AppTest; import sightline.app.main;"
        f"os.environ['SIGHTLINE_RUNS'] = {str(complete_run.parent)!r};"
        "page = AppTest.from_file('app/dashboard.py', default_timeout=30).run();"
        "from tests.app_pages import charts_of; assert not page.exception and len(charts_of(page)) == 2;"
        "heavy = {'torch', 'captum', 'torchvision', 'pandas', 'altair'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]


def test_warming_up_leaves_nothing_for_a_full_collection_to_pass_over():
    program = (
        "import gc, sys; from sightline.app.warm_up import warm_up; warm_up(0).join();"
        "assert {'torch', 'pandas'} <= set(sys.modules); assert len(gc.get_objects()) < gc.get_freeze_count() / 100"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_run_that_comes_in_the_same_moment_as_the_list_is_read_is_in_the_next_one(runs, complete_run):
    shutil.copytree(complete_run, runs / "first")
    moment = runs.stat()
    assert [run.name for run in run_list.listing().runs] == ["first"]
    shutil.copytree(complete_run, runs / "second")
    os.utime(runs, ns=(moment.st_atime_ns, moment.st_mtime_ns))
    assert {run.name for run in run_list.listing().runs} == {"first", "second"}


def test_a_folder_whose_name_is_no_unicode_is_passed_over(runs, complete_run):
    shutil.copytree(complete_run, runs / "good")
    shutil.copytree(complete_run, runs / os.fsdecode(b"\xff"))
    app = open_view("curves")
    assert app.selectbox(key="shell_run").options == ["good"]


@pytest.mark.parametrize("view", VIEWS)
def test_a_complete_run_is_shown_without_a_word_of_complaint(runs, complete_run, view):
    shutil.copytree(complete_run, runs / "good")
    app = open_view(view)
    drawn = charts_of(app) if view == "curves" else app.get("bidi_component")
    assert drawn and not app.warning and not app.error and not app.info


def test_curves_list_accuracy_gap_epochs_time_and_parameters(runs, complete_run):
    shutil.copytree(complete_run, runs / "good")
    said = text_of(open_view("curves"))
    # after 4 epochs: train 80 %, test 60 %, 4 × 30.5 s
    for figure in ("60.0 %", "60.0 % (4)", "+20.0 points", "2 min 2 s", "1\u202f234", "complete"):
        assert figure in said


def test_the_table_of_runs_has_a_column_for_each_setting_that_differs(runs):
    common = {"epochs": 4, "momentum": 0.9, "run": "anything"}
    for name, recipe in {"one": {"learning_rate": 0.05, "flip": True}, "two": {"learning_rate": 0.1}}.items():
        begin(runs / name, recipe=common | recipe | {"run": name}).__exit__()
    figures = [row["figures"] for row in rows_of(open_view("curves")).values()]
    assert [list(row)[-2:] for row in figures] == 2 * [["learning_rate", "flip"]]
    assert sorted(list(row.values())[-2:] for row in figures) == [["0.05", "yes"], ["0.1", "–"]]


def test_no_two_columns_of_the_table_of_runs_have_one_name(runs):
    """Runs of unlike lengths, and of a stranger who calls settings as our columns are called."""
    for number in (2, 3):
        recipe = dict.fromkeys(("epochs", "planned_epochs", "time", "test accuracy", "best"), number)
        begin(runs / f"run {number}", epochs=1, recipe=recipe).__exit__()
    words = [column["words"] for column in table_of(open_view("curves"))["columns"]]
    assert len(words) == len(set(words)) and words[:3] == ["run", "state", "test accuracy"]


def full_size_of(app):
    return {line["full_size_from"] for chart in charts_of(app) for line in chart["lines"]}


def test_curves_say_from_where_on_a_run_trained_on_images_of_full_size(runs, complete_run):
    shutil.copytree(complete_run, runs / "large_throughout")
    app = open_view("curves")
    assert "smaller" not in text_of(app) and full_size_of(app) == {None}
    complete(runs / "larger_and_larger", full_size_from=3)
    app = open_view("curves")
    assert "trained and tested on smaller ones" in text_of(app)
    assert full_size_of(app) == {None, 3}


def test_curves_draw_the_quantities_that_the_address_names_and_keep_what_is_chosen_in_it(runs, complete_run):
    shutil.copytree(complete_run, runs / "good")
    app = open_view("curves", ("curves_lines",), chart=["gap", "seconds"], smoothing="40", axis="log").run()
    assert [chart["label"] for chart in charts_of(app)] == ["Gap by epoch", "Seconds by epoch"]
    app.segmented_control(key="curves_quantities").set_value(["learning rate", "loss"]).run()
    assert [chart["label"] for chart in charts_of(app)] == ["Train and test loss by epoch", "Learning rate by epoch"]
    app.slider(key="curves_smoothing").set_value(0).run()
    app.toggle(key="curves_axis").set_value(False).run()
    assert address_of(app)["chart"] == ["loss", "learning rate"]
    assert not {"smoothing", "axis"} & address_of(app).keys()
    app.segmented_control(key="curves_quantities").set_value([]).run()
    assert "chart" not in address_of(app) and len(charts_of(app)) == 2


def test_curves_follow_a_run_in_training(runs):
    with begin(runs / "growing"):
        app = open_view("curves")
        assert "training: epoch 3 of 4" in text_of(app) and charts_of(app)
        assert "Still training" in text_of(open_view("mistakes"))


def test_a_run_before_its_first_epoch_says_that_curves_will_come(runs):
    with begin(runs / "young", epochs=0):
        app = open_view("curves")
        assert "no epoch has ended yet" in text_of(app) and not charts_of(app)


@pytest.mark.parametrize("view", VIEWS)
def test_an_interrupted_run_says_how_to_go_on(runs, view):
    begin(runs / "stopped").__exit__()
    said = text_of(open_view(view)).replace("\\", "")
    assert "nterrupted" in said and "--resume goes on after its last finished epoch" in said


@pytest.mark.parametrize("view", VIEWS)
def test_a_failed_run_says_why(runs, view):
    with begin(runs / "bad") as writer:
        writer.fail("The loss was not finite at step 7, learning rate 0.8.")
    said = text_of(open_view(view)).replace("\\", "")
    assert "failed" in said and "not finite at step 7, learning rate 0.8." in said


@pytest.mark.parametrize("damage", ["missing", "truncated", "other bytes", "empty"])
@pytest.mark.parametrize("file", FILES)
def test_no_damage_to_a_file_breaks_a_view(runs, complete_run, file, damage):
    shutil.copytree(complete_run, runs / "run")
    target = runs / "run" / file
    content = target.read_bytes()
    if damage == "missing":
        target.unlink()
    else:
        target.write_bytes(
            {"truncated": content[: len(content) // 2], "other bytes": bytes(range(256)) * 4, "empty": b""}[damage]
        )
    for view in VIEWS:
        said = text_of(open_view(view, run="run"))
        if file in ("images.npy", "predictions.parquet") or (file == "run.json" and damage != "missing"):
            assert file in said or "damaged" in said or "No runs" in said


def test_a_prediction_table_of_another_length_than_the_images_is_named(runs, complete_run):
    shutil.copytree(complete_run, runs / "run")
    np.save(runs / "run" / "images.npy", np.zeros((7, 8, 8, 3), np.uint8))
    said = text_of(open_view("mistakes")).replace("\\", "")
    assert "60 rows" in said and "7 images" in said and "sightline evaluate --run" in said


def test_a_torn_last_line_of_metrics_is_left_out(runs, complete_run):
    shutil.copytree(complete_run, runs / "run")
    with open(runs / "run" / "metrics.csv", "a") as stream:
        stream.write("5,0.1,0.9")
    assert rows_of(open_view("curves"))["run"]["figures"]["epochs"] == "4"


def test_other_runs_are_shown_beside_a_damaged_one(runs, complete_run):
    shutil.copytree(complete_run, runs / "good")
    (runs / "torn").mkdir()
    (runs / "torn" / "run.json").write_text("{")
    app = open_view("mistakes")
    assert app.selectbox(key="shell_run").value == "good" and len(gallery_of(app)["items"]) == 12


def test_mistakes_open_with_the_most_confident_mistake(runs, complete_run):
    shutil.copytree(complete_run, runs / "good")
    app = open_view("mistakes")
    items = gallery_of(app)["items"]
    assert [item["index"] for item in items] == list(range(11, -1, -1))  # confidence grows with the index
    assert items[0]["true"] == "owl" and items[0]["predicted"] == "cat"
    assert "**12** :gray[of 12 mistakes, 60 test images]" in text_of(app) and "**Image 11**" in text_of(app)


def test_filters_come_from_the_address_and_chips_remove_them(runs, complete_run):
    shutil.copytree(complete_run, runs / "good")
    app = open_view("mistakes", true="dog", show="all")
    assert {item["true"] for item in gallery_of(app)["items"]} == {"dog"}
    app.button(key="chip_0").click().run()
    assert not app.exception and address_of(app) == {"run": "good", "show": "all"}
    assert len({item["true"] for item in gallery_of(app)["items"]}) == 3


def test_widgets_write_the_address(runs, complete_run):
    shutil.copytree(complete_run, runs / "good")
    app = open_view("mistakes", opened=("filter_form",))
    app.selectbox(key="mistakes_label").select(2).run()
    app.selectbox(key="mistakes_order").select("highest loss first").run()
    app.slider(key="mistakes_column_confidence").set_range(20, 90).run()
    assert not app.exception
    assert address_of(app) == {
        "run": "good", "true": "owl", "order": "highest-loss-first", "range": "confidence:0.2..0.9"
    }  # fmt: skip
    app.slider(key="mistakes_column_confidence").set_range(0, 100).run()
    assert "range" not in address_of(app)


def test_columns_of_others_filter_and_every_choice_says_how_many_images_it_has(runs, complete_run):
    file = shutil.copytree(complete_run, runs / "good") / "predictions.parquet"
    table = pq.read_table(file)
    table = table.append_column(":red[camera]", pa.array(["left", "right", None] * 20))
    pq.write_table(table.append_column("angle", pa.array(range(IMAGES))), file)
    app = open_view("mistakes", opened=("filter_form",))
    camera = app.selectbox(key="mistakes_column_:red[camera]")
    assert (camera.label, camera.options) == (r"\:red\[camera\]", ["left · 4", "right · 4"])
    camera.select("right").run()
    app.slider(key="mistakes_column_angle").set_range(4, 59).run()
    assert not app.exception
    assert address_of(app) == {"run": "good", "range": "angle:4..", "value": "%3Ared[camera]:right"}
    assert [item["index"] for item in gallery_of(app)["items"]] == [10, 7, 4]
    # Image 3i + 1 is a right-hand dog; of the first twelve images all are wrong.
    assert app.segmented_control(key="mistakes_outcome").options == ["Wrong 3", "Right 16", "All 19"]
    assert app.selectbox(key="mistakes_label").options == ["cat · 0", "dog · 3", "owl · 0"]


def test_a_column_that_another_run_does_not_have_is_kept_and_said(runs, complete_run):
    shutil.copytree(complete_run, runs / "good")
    app = open_view("mistakes", value="camera:left", range="angle:4..")
    assert len(gallery_of(app)["items"]) == 12
    assert app.button(key="chip_0").label.startswith(r"angle ≥ 4 \(not in this run\)")
    app.button(key="chip_1").click().run()
    assert address_of(app) == {"run": "good", "range": "angle:4.."}


def test_next_image_and_next_page(runs, complete_run):
    shutil.copytree(complete_run, runs / "good")
    app = open_view("mistakes", show="all", order="test-order")
    app.button(key="pager_1").click().run()
    assert gallery_of(app)["page"] == 2 and gallery_of(app)["items"][0]["index"] == 24
    app.button(key="inspector_step_-1").click().run()
    assert address_of(app)["image"] == "23" and gallery_of(app)["page"] == 1


def test_similar_images_are_those_with_the_nearest_features(runs, complete_run):
    shutil.copytree(complete_run, runs / "good")
    angles = np.linspace(0, 3, IMAGES)
    np.save(runs / "good" / "features.npy", np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16))
    app = open_view("mistakes", image="20", show="all")
    assert sorted(item["index"] for item in gallery_of(app, place=1)["items"]) == [18, 19, 21, 22]
    (runs / "good" / "features.npy").unlink()
    app.run()
    assert not app.exception and r"features\.npy" in text_of(app) and gallery_of(app)["items"]


def test_a_set_without_images_says_so(runs, complete_run):
    shutil.copytree(complete_run, runs / "good")
    assert "No image passes" in text_of(open_view("mistakes", true="cat", predicted="cat"))


def test_another_run_keeps_the_classes_it_knows_and_the_image_of_the_same_split(runs, complete_run):
    shutil.copytree(complete_run, runs / "one")
    complete(runs / "two", created="2025-01-01T00:00:00Z")
    complete(runs / "three", class_names=("dog", "elk"), fingerprints={"test": "other"}, created="2024-01-01T00:00:00Z")
    app = open_view("mistakes", true="cat", predicted="dog", image="3", run="one")
    app.selectbox(key="shell_run").select("two").run()
    assert address_of(app) == {"run": "two", "true": "cat", "predicted": "dog", "image": "3"}
    app.selectbox(key="shell_run").select("three").run()
    assert not app.exception and not app.warning
    assert address_of(app) == {"run": "three", "predicted": "dog"}


@pytest.mark.parametrize("view", VIEWS)
def test_values_that_do_not_exist_are_named_in_one_sentence(runs, complete_run, view):
    shutil.copytree(complete_run, runs / "good")
    query = {
        "run": ":red[gone]",
        "true": "unicorn",
        "image": "99999999",
        "order": "<b>",
        "layer": "conv",
    }
    (warning,) = open_view(view, **query).warning
    assert warning.value.startswith("Ignored in the address: ") and r"\:red\[gone\]" in warning.value


@pytest.mark.parametrize("view", VIEWS)
def test_hostile_names_and_reasons_are_shown_as_text(runs, view):
    complete(runs / "![r](http:)", class_names=HOSTILE)
    with begin(runs / "bad <b>", created="2025-01-01T00:00:00Z") as writer:
        writer.fail("<script>alert(1)</script> :red[x]")
    for run in ("![r](http:)", "bad <b>"):
        app = open_view(view, run=run, true=HOSTILE[0], show="all")
        ours = ' src="data:image/png;base64,[A-Za-z0-9+/=]*" alt='  # the mean image that the page itself draws
        assert not re.search(rf"<(script|img(?!{ours})|b>)", html_of(app))
        assert not re.search(r"(?<!\\)[<!`$]|(?<!\\):red", markdown_of(app))


def test_hostile_class_names_reach_filters_and_chips_escaped(runs):
    complete(runs / "run", class_names=HOSTILE)
    app = open_view("mistakes", true=HOSTILE[1], predicted=HOSTILE[0], show="all")
    assert app.button(key="chip_0").label == r"true\: \:red\[x\]"
    assert r"\<img src" in app.button(key="chip_1").label
    app.button(key="chip_1").click().run()
    assert gallery_of(app)["items"][0]["true"] == HOSTILE[1] and r"**\:red\[x\]**" in text_of(app)


def test_many_runs_are_told_apart_and_the_shown_ones_stand_in_the_address(runs, complete_run):
    with ExitStack() as closing:
        for number in range(6):
            closing.enter_context(begin(runs / f"run {number}", created=f"2026-01-0{number + 1}T00:00:00Z"))
    app = open_view("curves", ("curves_runs",))
    assert app.multiselect(key="curves_shown").value == ["run 5", "run 4", "run 3", "run 2"]
    app.multiselect(key="curves_shown").set_value(["run 0", "run 5"]).run()
    assert not app.exception and address_of(app)["runs"] == ["run 0", "run 5"]


def test_the_launcher_serves_page_and_thumbnails_from_the_folder_it_is_given(complete_run, tmp_path):
    """As `streamlit run app/main.py -- --runs DIR`, under a base path, from another working directory."""
    program = (
        "import os, sys; from starlette.testclient import TestClient;"
        f"sys.argv = ['main.py', '--runs', {str(complete_run.parent)!r}]; sys.path.insert(0, {str(ROOT)!r});"
        "from sightline.app.main import app; from sightline.app.runs import run_list;"
        "from sightline.app.elements.thumbnails import thumbnails_url;"
        "browser = TestClient(app, base_url='http://localhost').__enter__(); run = run_list.find_run('run');"
        "found = [browser.get(thumbnails_url(run, base) + '/0.png') for base in ('', 'some/base')];"
        "assert [answer.headers['content-type'] for answer in found] == ['image/png'] * 2, found;"
        "assert browser.get('/').status_code == 200;"
        "from streamlit import config; assert config.get_option('server.address') == '127.0.0.1';"
        "assert config.get_option('runner.postScriptGC') is False;"
        "assert config.get_option('server.fileWatcherType') == 'none'; os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
