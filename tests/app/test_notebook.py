"""`sightline.show` in a program: it starts a server or finds one, which ends with the program, however that ends."""

import html
import http.server
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

import sightline
from sightline.app import notebook
from sightline.app.announced import Announcement, announcements_folder, find_server
from sightline.app.gate import check_origin
from sightline.app.notebook import LOCAL_PAGES, Dashboard, ShowError
from sightline.run_store.run import Run, list_runs
from tests.fabricated import PATIENCE, ROOT, fabricate_run, free_port

SHOWING = "import sightline; dashboard = sightline.show({folder!r}, port={port}); "


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of a complete run, pets, of another in an experiment's folder, and of one that was interrupted."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("pets", "exp/seed 0", "cut"):
        fabricate_run(folder / name, 12, ("cat", "dog", "owl"))
    (folder / "cut" / "predictions.parquet").unlink()
    record = folder / "cut" / "run.json"
    record.write_text(record.read_text().replace('"complete"', '"running"'))
    return folder


@pytest.fixture(autouse=True)
def own_announcements(tmp_path, monkeypatch):
    """No server of anybody else's is found, and none of these by others."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def start(runs):
    """Start a program that shows `runs` on the port, and then does what is said; once the server answers."""
    started = []

    def start(port, then, **options):
        program = SHOWING.format(folder=str(runs), port=port) + then
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([sys.executable, "-c", program], env=environment, **options)
        started.append(process)
        until(lambda: find_server(runs, port) or process.poll() is not None)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def answers(port):
    with socket.socket() as opened:
        return opened.connect_ex(("127.0.0.1", port)) == 0


def until(happened):
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_is_started_once_for_a_folder_and_ends_when_it_is_told(runs):
    dashboard = sightline.show(runs / "pets", port=(port := free_port()))
    with urllib.request.urlopen(dashboard.url, timeout=PATIENCE) as answer:
        assert b"<html" in answer.read()
        assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"  # no notebook is there to frame it
    assert dashboard.url == f"http://127.0.0.1:{port}/mistakes?run=pets"
    again = Run(runs / "cut").show()
    assert again.url == f"http://127.0.0.1:{port}/?run=cut" and again.process is dashboard.process
    nested = next(run for run in list_runs(runs) if run.name == "exp/seed 0")
    assert sightline.show(nested).url.endswith("/mistakes?run=exp%2Fseed+0")
    dashboard.stop()
    assert not answers(port) and list(announcements_folder().iterdir()) == []
    again.stop()  # which has ended already


def test_the_server_ends_with_a_program_that_is_killed(start):
    process = start(port := free_port(), "import time; time.sleep(600)")
    process.kill()
    until(lambda: not answers(port))
    until(lambda: list(announcements_folder().iterdir()) == [])


def test_the_server_of_another_program_is_found_and_not_ended(runs, start):
    start(port := free_port(), "import time; time.sleep(600)")
    found = sightline.show(runs)
    assert found.url == f"http://127.0.0.1:{port}"
    with pytest.raises(ShowError, match="Another program has started the dashboard at .*; end it there"):
        found.stop()
    assert answers(port)


def test_a_script_says_where_it_is_and_in_a_terminal_waits_for_ctrl_c(start):
    ours, theirs = pty.openpty()
    process = start(port := free_port(), "print(dashboard.process.poll())", stdin=theirs, stdout=subprocess.PIPE)
    assert process.stdout.readline().decode() == f"The dashboard is at http://127.0.0.1:{port}.\n"
    assert process.poll() is None and answers(port)
    process.send_signal(signal.SIGINT)
    assert process.communicate()[0] == b"-15\n" and process.returncode == 0
    assert not answers(port)
    os.close(ours), os.close(theirs)


def test_a_script_that_nobody_could_interrupt_goes_on(start):
    process = start(free_port(), "print('on')", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.communicate()[0].decode().endswith("\non\n")


def test_who_only_says_that_it_is_the_server_is_not_believed(runs):
    class Liar(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"00" * 32)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert urllib.request.urlopen(url).read() == b"00" * 32
        written = {"url": url, "runs": str(runs), "framed_by": [], "secret": "ab" * 16}
        assert not Announcement(**written).is_answered()
        for number, content in enumerate((json.dumps(written), "{", '{"url": 1}', "[]", "")):
            (announcements_folder() / f"{socket.gethostname()}-{number}.json").write_text(content)
        assert find_server(runs) is None
        server.shutdown()


def test_only_its_user_reads_what_a_server_says(runs):
    sightline.show(runs, port=free_port())
    (file,) = announcements_folder().iterdir()
    assert file.stat().st_mode & 0o077 == 0 and announcements_folder().stat().st_mode & 0o077 == 0
    sightline.show(runs).stop()


def test_what_cannot_be_shown_is_refused_in_a_sentence(runs, tmp_path, monkeypatch):
    with pytest.raises(ShowError, match=r"There is no folder .*none; give a run, a folder of runs"):
        sightline.show(tmp_path / "none")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ShowError, match=rf"did not start: .*Port {port} is not available. Try another port"):
            sightline.show(runs, port=port)
    with pytest.raises(ShowError, match="did not start"):
        sightline.show(runs, port=70_000)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ShowError, match="cannot be started"):
        sightline.show(runs)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(ShowError, match="no home folder; name another in XDG_CACHE_HOME"):
        sightline.show(runs)


def no_home():
    raise RuntimeError("Could not determine home directory.")


def test_a_run_is_shown_among_those_of_the_usual_folder(runs, monkeypatch):
    for root, path, folder, name in (
        (runs, "exp/seed 0", runs, "exp/seed 0"),
        (runs / "none", "exp/seed 0", runs / "exp", "seed 0"),
    ):
        monkeypatch.setenv("SIGHTLINE_RUNS", str(root))
        assert notebook._folder_and_run(runs / path)[0] == folder
        assert notebook._folder_and_run(Run(runs / path))[1].name == name
    assert notebook._folder_and_run(None) == (runs / "none", None)


def test_a_notebook_shows_the_page_in_a_frame_where_that_may_be():
    url = 'http://127.0.0.1:8501/mistakes?run=a&label="x"'
    shown = Dashboard(url, 500, True, None)._repr_html_()
    assert f'<a href="{html.escape(url)}"' in shown
    assert f'<iframe src="{html.escape(url.replace("127.0.0.1", "localhost"))}"' in shown
    assert 'height="500"' in shown
    assert "<iframe" not in Dashboard(url, 500, False, None)._repr_html_()


def test_where_the_page_would_not_be_reached_a_notebook_says_so(monkeypatch):
    dashboard = Dashboard("http://127.0.0.1:8507/x", 500, True, None)
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/anna/")
    shown = dashboard._repr_html_()
    assert "<iframe" not in shown and "ssh -L 8507:127.0.0.1:8507" in shown
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    shown = dashboard._repr_html_()
    assert "href" not in shown and "sightline show --runs FOLDER" in shown


def test_only_pages_of_this_machine_may_frame_it():
    assert [check_origin(page) for page in LOCAL_PAGES] == list(LOCAL_PAGES)
    places = {page.split("://")[1].split(":")[0] for page in LOCAL_PAGES if page.startswith("http")}
    assert places == {"localhost", "127.0.0.1"}


def test_the_view_that_the_address_names_is_there():
    assert (Path(notebook.__file__).parent / "views" / "mistakes" / "page.py").exists()


def in_notebook(monkeypatch):
    """As if IPython ran this in front of a notebook."""
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None)))


def test_without_a_server_a_run_is_shown_as_its_report(runs):
    report = sightline.show(runs / "pets", server=False, height=500)
    assert isinstance(report, sightline.Report) and report.height == 500
    assert report.title == "pets" and list(announcements_folder().iterdir()) == []
    assert repr(Run(runs / "pets").show(server=False)) == "The report of pets: save it with .save('report.html')."


@pytest.mark.parametrize("place", ["colab", "JUPYTERHUB_SERVICE_PREFIX", "KAGGLE_KERNEL_RUN_TYPE"])
def test_where_no_browser_reaches_a_server_a_notebook_shows_the_report_of_a_run(runs, monkeypatch, place):
    if place == "colab":
        monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    else:
        monkeypatch.setenv(place, "/user/anna/")
    in_notebook(monkeypatch)
    assert isinstance(Run(runs / "pets").show(), sightline.Report)
    monkeypatch.setattr(notebook, "find_server", lambda *_: Announcement("http://127.0.0.1:1", str(runs), (), "secret"))
    for shown in (sightline.show(runs), sightline.show(runs / "pets", server=True)):  # a report is of one run
        assert isinstance(shown, Dashboard)
    monkeypatch.delitem(sys.modules, "IPython")
    monkeypatch.setattr(sys, "stdin", None)
    assert isinstance(sightline.show(runs / "pets"), Dashboard)  # in a terminal of the same machine


def test_a_report_that_there_cannot_be_is_refused_in_a_sentence(runs, tmp_path):
    for asked in (runs, None):
        with pytest.raises(ShowError, match=r"A report is of one run, and .* is a folder of runs; name one of them\."):
            sightline.show(asked, server=False)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_text("{")
    with pytest.raises(ShowError, match=r"Run bad: run\.json is not valid JSON\. Restore it"):
        sightline.show(tmp_path / "bad", server=False)


def test_the_report_of_a_run_without_predictions_says_why_there_are_none(runs):
    report = sightline.show(runs / "cut", server=False)
    assert "it is written when the training ends" in report.html
    assert "cut, interrupted: epochs 20" in report._repr_html_()
