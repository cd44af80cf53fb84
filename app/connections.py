"""What the launcher sets on the server's connections."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

OPEN_FILES = "/dev/fd"


@asynccontextmanager
async def answer_at_once(app: object) -> AsyncIterator[None]:
    """Set TCP_NODELAY on the server's listening sockets, whose connections inherit it: a lifespan of the app.

    Streamlit binds its socket without naming the protocol, and then asyncio leaves Nagle's algorithm on: every answer
    but a connection's first waits some 40 ms for the browser's delayed acknowledgement (uvicorn issue 3149).
    """
    numbers: list[str] = []
    with suppress(OSError):  # without /proc nothing is set, and everything works
        numbers = os.listdir(OPEN_FILES)
    for number in map(int, numbers):
        with suppress(OSError), socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) as opened:  # or is no socket
            if opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    yield
