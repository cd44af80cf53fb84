"""Servers that show a folder of runs: each says where it is, in a file that only its user reads.

So `sightline.show` finds the one that runs already. The launcher imports this before the server answers: keep it light.
"""

import hmac
import json
import os
import secrets
import socket
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

SECRET_VARIABLE = "SIGHTLINE_SERVER_SECRET"  # set by the program that starts a server: by it, that finds its own
_PROOF = "/app/static/proof/"
_PATIENCE = 5  # seconds that a server may take to answer, while it computes for others


@dataclass(frozen=True)
class Announcement:
    """What a server says of itself. url: of its first page, without the last slash. runs: its folder, an absolute path.

    framed_by: origins of the pages that may show it in a frame. secret: hexadecimal; who knows it is that server.
    """

    url: str
    runs: str
    framed_by: tuple[str, ...]
    secret: str

    def is_answered(self) -> bool:
        """Ask the server at the address for a proof that it is the one that wrote this."""
        question = secrets.token_hex(16)
        try:
            with _DIRECT.open(self.url + _PROOF + question, timeout=_PATIENCE) as answer:
                return hmac.compare_digest(answer.read(1024), _proof(self.secret, question).encode())
        except (OSError, HTTPException, ValueError):  # nobody is there, or somebody who speaks otherwise
            return False


# Not through a proxy of the environment, which does not know this machine by that name.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def announcements_folder() -> Path:
    """Return the folder of the files, which nobody else may look into. Raises OSError where it cannot be made."""
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as error:
        raise FileNotFoundError("this user has no home folder; name another in XDG_CACHE_HOME") from error
    folder = cache / "sightline" / "servers"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def find_server(runs: Path, port: int | None = None, secret: str | None = None) -> Announcement | None:
    """Return what a server says that runs on this machine, and shows this folder. Raises OSError.

    port, secret: of the one that is meant; None: any.
    """
    for file in announcements_folder().glob(_file_name(port or "*")):
        with suppress(OSError, ValueError, TypeError):  # it has just ended, or the file is damaged
            found = Announcement(**json.loads(file.read_bytes()))
            if found.runs == str(runs.resolve()) and found.secret == (secret or found.secret) and found.is_answered():
                return found
    return None


@contextmanager
def announced(runs: Path, framed_by: Sequence[str]) -> Iterator[None]:
    """Announce this server, whose socket is bound, as long as it runs; without a place for the file it is not found."""
    from streamlit import config

    port = config.get_option("server.port")
    scheme = "https" if config.get_option("server.sslCertFile") else "http"
    host = config.get_option("server.address")
    base = config.get_option("server.baseUrlPath").strip("/")
    url = f"{scheme}://{'127.0.0.1' if host in (None, '0.0.0.0', '::') else host}:{port}/{base}".rstrip("/")
    content = json.dumps(asdict(Announcement(url, str(runs.resolve()), tuple(framed_by), _secret())))
    file = None
    with suppress(OSError):
        file = announcements_folder() / _file_name(port)
        file.unlink(missing_ok=True)  # of a server that was killed
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(content)
    try:
        yield
    finally:
        with suppress(OSError):
            if file and file.read_text() == content:
                file.unlink()


def _file_name(port: object) -> str:
    return f"{socket.gethostname()}-{port}.json"  # of several machines that share the folder


@lru_cache(1)
def _secret() -> str:
    return os.environ.pop(SECRET_VARIABLE, "") or secrets.token_hex(16)


def _proof(secret: str, question: str) -> str:
    return hmac.new(bytes.fromhex(secret), question.encode(), "sha256").hexdigest()


def _prove(request: Request) -> PlainTextResponse:
    return PlainTextResponse(_proof(_secret(), request.path_params["question"]))


# As the thumbnails': with or without the prefix of a proxy.
PROOF_ROUTES = [Route(base + _PROOF + "{question}", _prove) for base in ("", "/{base_path:path}")]
