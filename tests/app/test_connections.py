import asyncio
import socket
from urllib.request import urlopen

from sightline.app.connections import answer_at_once
from tests.fabricated import ROOT, serve

APP = """
import os, socket, sys
from contextlib import suppress
import streamlit as st
from starlette.responses import PlainTextResponse
from starlette.routing import Route
sys.path.insert(0, {root!r})
from sightline.app.connections import answer_at_once

def report(request):
    for number in map(int, os.listdir("/dev/fd")):
        with suppress(OSError), socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) as opened:
            if opened.getpeername()[1:2] == (request.client.port,):
                return PlainTextResponse(str(opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))

app = st.App("page.py", routes=[Route("/nodelay", report)], lifespan=answer_at_once)
"""


def test_connections_accepted_after_the_start_send_small_answers_at_once():
    # As Streamlit binds it: without a protocol number, from which asyncio would know that it is TCP.
    with socket.socket() as listening, open("/dev/null"):
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        async def start():
            async with answer_at_once(None):
                with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
                    return accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

        assert asyncio.run(start())


def test_streamlit_has_bound_its_socket_when_the_app_starts(tmp_path):
    (tmp_path / "page.py").write_text("")
    (tmp_path / "main.py").write_text(APP.format(root=str(ROOT)))
    with serve(tmp_path / "main.py", tmp_path) as address:
        urlopen(address).close()  # a connection that was there before the app started is as it was
        with urlopen(f"{address}/nodelay") as answer:
            assert answer.read() == b"1"


def test_an_app_starts_where_open_files_cannot_be_listed(monkeypatch):
    monkeypatch.setattr("sightline.app.connections.OPEN_FILES", "/nowhere")

    async def start():
        async with answer_at_once(None):
            return True

    assert asyncio.run(start())
