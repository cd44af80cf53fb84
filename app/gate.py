"""Who is let in: requests that name this server as it is known, and pages of others that may show it in a frame."""

import re
from argparse import ArgumentTypeError
from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"(?:\[([\da-f:.]+)\]|([^\s\[\]:@/?#\\]+?))\.?(?::\d+)?", re.IGNORECASE)
_ORIGIN = re.compile(r"[a-z][a-z\d+.-]*://[\w.*-]+(:(\d+|\*))?", re.IGNORECASE)
_REFUSED = (
    "This server is not known by the name in the address, so it does not answer: the page of somebody else may have "
    "led the browser here. Where the name is right, start the server with: sightline show --host NAME\n"
)


class Gate:
    """ASGI middleware: answers 403 to a foreign name, and says in every response which pages may frame it.

    A browser that was led to this server under the name of a foreign page takes both for the same site, and would let
    that page read all there is. hosts: names beside `LOOPBACK` and those in Streamlit's settings; "*.example.org" is
    all below example.org, "*" is all. framed_by: origins of pages that may show it, such as a notebook's.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = (), framed_by: Sequence[str] = ()) -> None:
        self.app = app
        self.hosts = {host.strip("[]").lower().rstrip(".") for host in (*LOOPBACK, *hosts, *_of_streamlit())}
        self.headers = {"Content-Security-Policy": " ".join(("frame-ancestors 'self'", *framed_by))}
        if not framed_by:  # which cannot name a page
            self.headers["X-Frame-Options"] = "SAMEORIGIN"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                for name, value in self.headers.items():
                    MutableHeaders(scope=message).append(name, value)
            await send(message)

        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif self._knows(Headers(scope=scope).getlist("host")):
            await self.app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await receive()  # its wish to connect
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
        else:
            await PlainTextResponse(_REFUSED, 403)(scope, receive, send_with_headers)

    def _knows(self, hosts: Sequence[str]) -> bool:
        return bool(hosts) and all(map(self._is_known, hosts))

    def _is_known(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = (found[1] or found[2]).lower()
        above = (f"*.{name.split('.', level)[-1]}" for level in range(1, name.count(".") + 1))
        return not self.hosts.isdisjoint((name, "*", *above))


def check_origin(origin: str) -> str:
    """Return the origin of a page, such as http://localhost:8888. Raises ArgumentTypeError for what is none."""
    if not _ORIGIN.fullmatch(origin):
        raise ArgumentTypeError(f"{origin!r} is no origin of a page, such as http://localhost:8888.")
    return origin


def _of_streamlit() -> list[str]:
    """Return the names in Streamlit's own settings."""
    named = (config.get_option("server.address"), config.get_option("browser.serverAddress"))
    return [*(name.partition("/")[0] for name in named if name), *config.get_option("server.allowedHosts")]
