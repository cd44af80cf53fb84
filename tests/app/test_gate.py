"""Who is let in: by the name of the server in a request, on a real server; and who may show it in a frame."""

import http.client
import shutil
from argparse import ArgumentTypeError
from socket import create_connection
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit import config
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sightline.app.elements.thumbnails import thumbnails_url
from sightline.app.gate import Gate, check_origin
from sightline.run_store.run import Run
from tests.fabricated import LAUNCHER, serve

BASE = "some/base"


@pytest.fixture(scope="module")
def server(tmp_path_factory, fabricated):
    """The address of a server under a base path, which is also known as sightline.example.org."""
    runs = tmp_path_factory.mktemp("runs")
    shutil.copytree(fabricated, runs / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMLIT_SERVER_BASE_URL_PATH", BASE)
        with serve(LAUNCHER, runs, "--host", "sightline.example.org") as address:
            yield address, thumbnails_url(Run(runs / "run"), BASE) + "/0.png"


def get(address, path, host, method="GET"):
    """Ask the server at `address`, as a browser that was told that `host` is there: status, and headers."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers


def open_socket(address, host):
    """Open the page's websocket as the page at http://HOST does."""
    port = urlsplit(address).port
    uri, origin = f"ws://{host}:{port}/{BASE}/_stcore/stream", f"http://{host}:{port}"
    return connect(uri, origin=origin, sock=create_connection(("127.0.0.1", port)), subprotocols=["streamlit"])


def test_a_foreign_name_gets_nothing_of_the_server_and_its_own_names_get_all(server):
    address, thumbnail = server
    port = urlsplit(address).port
    paths = {f"/{BASE}/": 200, f"/{BASE}/_stcore/health": 200, thumbnail: 200, f"/{BASE}/media/none.png": 404}
    for path, status in paths.items():
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", "sightline.example.org"):
            assert get(address, path, host)[0] == status, (path, host)
        for host in (f"evil.example:{port}", "evil.example", "127.0.0.1.evil.example", ""):
            assert get(address, path, host)[0] == 403, (path, host)
    assert get(address, f"/{BASE}/_stcore/upload_file/a/b", "evil.example", "PUT")[0] == 403


def test_a_page_under_a_foreign_name_gets_no_websocket(server):
    address, _ = server
    for host in ("localhost", "sightline.example.org"):
        with open_socket(address, host) as opened:
            assert opened.subprotocol == "streamlit"
    with pytest.raises(InvalidStatus) as refused:
        open_socket(address, "evil.example")
    assert refused.value.response.status_code == 403


def test_no_page_of_others_may_show_it_in_a_frame(server):
    address, thumbnail = server
    for path, host in ((f"/{BASE}/", "localhost"), (thumbnail, "localhost"), ("/", "localhost"), ("/", "evil.example")):
        headers = get(address, path, host)[1]
        assert headers.get_all("Content-Security-Policy") == ["frame-ancestors 'self'"], path
        assert headers["X-Frame-Options"] == "SAMEORIGIN"


def answering(host, **options):
    """The answer of an app behind a gate to a request under this name."""
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("in"))], middleware=[Middleware(Gate, **options)])
    return TestClient(app).get("/", headers={"Host": host})


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8501", "localhost.", "127.0.0.1:1", "[::1]", "[::1]:8501", "a.example",
             "B.A.Example:80", "10.0.0.7", "known.org", "streamlit.example"],
)  # fmt: skip
def test_its_own_names_are_let_in_however_they_are_written(host, monkeypatch):
    settings = {"server.address": "10.0.0.7", "browser.serverAddress": "known.org/path",
                "server.allowedHosts": ["streamlit.example"]}  # fmt: skip
    monkeypatch.setattr(config, "get_option", settings.__getitem__)
    assert answering(host, hosts=["a.example", "*.a.example"]).text == "in"


@pytest.mark.parametrize(
    "host", ["evil", "a.example.evil", "xa.example", "b.a.example", "localhost:80:80", "evil@localhost",
             "localhost/@evil", "[::1", "::1", "[::1]evil", "127.0.0.2", "0.0.0.0", "localhost evil", "локалхост"],
)  # fmt: skip
def test_other_names_are_refused_in_a_sentence(host):
    answer = answering(host.encode(), hosts=["a.example"])
    assert answer.status_code == 403 and "sightline show --host NAME" in answer.text


def test_a_page_that_is_named_may_show_it_in_a_frame():
    headers = answering("localhost", framed_by=["http://localhost:8888", "https://*.example.org"]).headers
    policy = "frame-ancestors 'self' http://localhost:8888 https://*.example.org"
    assert headers["Content-Security-Policy"] == policy and "X-Frame-Options" not in headers


@pytest.mark.parametrize(
    "origin", ["localhost:8888", "http://a b", "http://a; script-src *", "https://a\r\nX: y", "*", ""]
)
def test_what_is_no_origin_is_refused(origin):
    with pytest.raises(ArgumentTypeError, match="is no origin of a page"):
        check_origin(origin)
    assert check_origin("http://localhost:8888") == "http://localhost:8888"
