"""The report of what is on screen, by its URL: of which runs and set it is, and what is said where there is none."""

import asyncio
import json
import re
import shutil
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sightline.app.elements import report_button
from sightline.app.elements.report_button import ROUTES, make_report_of, report_url
from sightline.app.runs import run_list
from sightline.report.address.selection import Selection
from sightline.report.asked import Asked
from sightline.run_store import files
from tests.app_pages import edit_predicted, edit_record, open_page
from tests.fabricated import fabricate_run


@pytest.fixture
def runs(tmp_path, monkeypatch, fabricated):
    """Runs new and old of 12 images, of which new is wrong about 1, 5 and 10; and `other`, of other images."""
    root = tmp_path / "runs"
    monkeypatch.setenv("SIGHTLINE_RUNS", str(root))
    shutil.copytree(fabricated, root / "old")
    edit_predicted(shutil.copytree(fabricated, root / "new"), {0: 0, 1: 2, 5: 1})
    fabricate_run(root / "other", 6)
    edit_record(root / "other", fingerprints={"test": "another"})
    return root


@pytest.fixture
def asked_for(monkeypatch):
    """What the report of a query is asked for."""

    def asked_for(query) -> Asked:
        with monkeypatch.context() as patch:
            patch.setattr("sightline.report.page.make_report", lambda asked: asked)
            return make_report_of(query)

    return asked_for


def get(query="run=new", **headers):
    return TestClient(Starlette(routes=ROUTES)).get(f"/app/static/report/report.html?{query}", headers=headers)


def url_of(app):
    (keys,) = [one.proto for one in app.get("bidi_component") if one.proto.component_name.endswith("page_keys")]
    return urlsplit(json.loads(keys.json or keys.mixed.json)["report"])


def test_a_report_is_a_file_to_keep_and_never_kept_by_a_browser(runs):
    answer = get()
    assert answer.status_code == 200 and answer.text.startswith("<!doctype html>")
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''new_report.html"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("view", ["curves", "mistakes", "layers", "patterns", "trust", "compare"])
def test_every_view_has_the_report_of_its_runs_and_set(runs, view):
    url = url_of(open_page(view, run="new", beside="old", true="cat", layer="layer2", target="true"))
    query = {"run": ["new"], "beside": ["old"], "true": ["cat"], "layer": ["layer2"], "target": ["true"]}
    of_compare = {"set": ["compared"]} if view == "compare" else {}
    assert url.path == "/app/static/report/report.html" and parse_qs(url.query) == query | of_compare


def test_the_link_names_the_runs_that_the_address_leaves_to_chance(runs):
    query = parse_qs(url_of(open_page("compare")).query)
    assert query["run"] and query["beside"]  # the second of Compare, which nobody chose


def test_an_epoch_is_that_of_the_views_that_show_one():
    seen = Selection(run="new", epoch=3)
    assert "epoch=3" in report_url(seen, "Mistakes") and "epoch" not in report_url(seen, "Trust")
    assert report_url(seen, "Trust", "/team/").startswith("/team/app/static/report/report.html?")


def test_it_is_asked_for_what_is_on_screen_in_the_titles_and_colours_of_the_dashboard(runs, asked_for):
    (runs / "new" / files.NOTE).write_text('{"name": "mine"}')
    asked = asked_for(
        "run=new&beside=old&true=dog&order=least-confident-first&layer=layer2&target=true&method=hirescam"
    )
    run_list.look()
    colours = [run_list.colour(run_list.find_run(name)) for name in ("new", "old")]
    assert [(shown.title, shown.colour) for shown in asked.runs] == list(zip(("mine", "old"), colours, strict=True))
    assert asked.rows.tolist() == sorted([1, 10], key=lambda row: asked.predictions.column("confidence")[row])
    selection = asked.selection
    assert (selection.layers, selection.targets, selection.method) == (("layer2",), ("true",), "hirescam")
    assert asked.command.startswith("sightline report --run ") and "--set 'true=dog&" in asked.command


def test_compare_and_what_is_opened_from_it_have_the_set_of_compare(runs, asked_for):
    asked = asked_for("run=new&beside=old&set=compared&compared=only-b-right")
    assert asked.b and asked.rows.tolist() == [1]


def test_what_a_page_passes_over_is_passed_over(runs, asked_for):
    asked = asked_for("run=new&beside=other&true=fox&layer=layer9&range=height:1..2")
    assert asked.b is None and sorted(asked.rows.tolist()) == [1, 5, 10]
    alone = asked_for("run=new&beside=other&set=compared&compared=only-b-right")
    assert alone.b is None and not alone.selection.of_compare and "set=compared" not in alone.command
    assert not asked_for("run=new&set=compared").selection.of_compare


def test_a_server_that_only_shows_runs_has_reports_too(runs, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_READ_ONLY", "1")
    assert get().status_code == 200


def test_an_error_is_a_sentence(runs, monkeypatch):
    gone = get("run=gone")
    assert (gone.status_code, gone.text) == (422, "This run is not there any more; choose another one.")
    (runs / "new" / files.PREDICTIONS).unlink()
    (runs / "new" / files.METRICS).unlink()
    assert f"Run new has lost its {files.PREDICTIONS}." in get().text and get().status_code == 422
    monkeypatch.setattr(report_button, "make_report_of", lambda query, progress: {}["key"])
    broken = get()
    assert broken.status_code == 422 and broken.text.startswith("KeyError: 'key'")
    assert broken.headers["content-type"].startswith("text/plain")


def test_only_one_is_made_at_a_time_and_the_next_one_is_told_to_ask_again(runs, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def make(query, progress):
        begun.set()
        go_on.wait(60)
        raise ValueError("it was enough")

    monkeypatch.setattr(report_button, "make_report_of", make)
    first = threading.Thread(target=get)
    first.start()
    begun.wait(60)
    second = get()
    go_on.set()
    first.join()
    assert second.status_code == 503 and second.headers["retry-after"] == "1" and "Another report" in second.text
    assert get().status_code == 422  # an error leaves the way free


def test_it_says_how_far_it_is(runs, monkeypatch):
    said = []

    def make(query, progress):
        said.append(client.get("/app/static/report/how_far").text)
        progress(3, 24)
        said.append(client.get("/app/static/report/how_far").text)
        raise ValueError("it was enough")

    monkeypatch.setattr(report_button, "make_report_of", make)
    client = TestClient(Starlette(routes=ROUTES))
    assert get().status_code == 422
    said.append(client.get("/app/static/report/how_far").text)
    assert said == ["", "maps of 3 of 24 images", ""]


def test_a_visitor_who_leaves_ends_the_work(runs, monkeypatch):
    begun, ended = threading.Event(), threading.Event()

    def make(query, progress):
        begun.set()
        try:
            while True:
                progress(0, 24)
                time.sleep(0.01)
        finally:
            ended.set()

    async def leave():
        async def receive():
            return {"type": "http.disconnect"} if begun.is_set() else {"type": "http.request"}

        async def send(message):
            pass  # to nobody

        scope = {"type": "http", "method": "GET", "path": "/app/static/report/report.html", "headers": []}
        await Starlette(routes=ROUTES)(scope | {"query_string": b"run=new"}, receive, send)

    monkeypatch.setattr(report_button, "make_report_of", make)
    asyncio.run(leave())
    assert ended.is_set() and not report_button._making.lock.locked()


def test_pages_of_others_get_none(runs):
    assert get(**{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert get(**{"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_a_page_makes_none_by_itself(runs, monkeypatch):
    monkeypatch.setattr(report_button, "make_report_of", lambda *_: pytest.fail("nobody asked for it"))
    for view in ("curves", "mistakes", "compare"):
        open_page(view, run="new", beside="old")


def test_names_of_files_are_no_other_header(runs, fabricated):
    shutil.copytree(fabricated, runs / 'a"; x=1 ä')
    header = get("run=a%22;%20x%3D1%20%C3%A4").headers["content-disposition"]
    assert re.fullmatch(r"attachment; filename\*=utf-8''[\w.%-]+", header)
