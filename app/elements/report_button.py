"""The report of what is on screen, by URL: made when it is asked for, one at a time, while somebody waits for it.

A download button of Streamlit would say “Failed to generate file” of every error, and gives up after three minutes; of
an address, the page in the browser (page_keys.py) can say what came of it. The launcher imports this before the server
answers, so what makes a report is imported only where one is made.
"""

import asyncio
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from sightline.image_data import Progress
    from sightline.report.address.selection import Selection
    from sightline.report.page import Report

_FOLDER = "/app/static/report"
_SHOW_EPOCHS = ("Mistakes", "Layers")  # all other views show a run as it ended
_BUSY = "Another report is being made on this server; ask again in a moment."
_LOOK = 0.5  # seconds between two looks at whether the visitor still waits


class _GoneError(Exception):
    """Nobody waits for the report any more."""


@dataclass
class _Making:
    """The one report that is being made. how_far: it is, plain text; "" where that is not known, or none is made."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    how_far: str = ""


_making = _Making()


def report_url(selection: "Selection", view: str, base_path: str = "") -> str:
    """Return the address of the report of what a view shows. base_path: Streamlit's server.baseUrlPath."""
    shown = selection if view in _SHOW_EPOCHS else replace(selection, epoch=None)
    prefix = f"/{base_path.strip('/')}" if base_path.strip("/") else ""
    return f"{prefix}{_FOLDER}/report.html?{shown.in_query()}"


async def serve_report(request: Request) -> Response:
    """Answer with the report, or with a sentence on why there is none; a visitor who leaves ends the work."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return PlainTextResponse("Reports are made for the pages of this server.", 403)  # others could keep it busy
    is_gone = threading.Event()
    watching = asyncio.create_task(_watch(request, is_gone))
    try:
        return await run_in_threadpool(_report_alone, request.url.query, is_gone)
    finally:
        watching.cancel()


def serve_how_far(request: Request) -> Response:
    """Answer with how far the report is that is being made: words, or none."""
    return PlainTextResponse(_making.how_far, headers={"Cache-Control": "no-store"})


async def _watch(request: Request, is_gone: threading.Event) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(_LOOK)
    is_gone.set()


def _report_alone(query: str, is_gone: threading.Event) -> Response:
    def tell(done: int, images: int) -> None:
        if is_gone.is_set():
            raise _GoneError
        _making.how_far = f"maps of {done} of {images} images"

    if not _making.lock.acquire(blocking=False):
        return PlainTextResponse(_BUSY, 503, {"Retry-After": "1"})
    try:
        return _report(query, tell)
    finally:
        _making.how_far = ""
        _making.lock.release()


def _report(query: str, progress: "Progress") -> Response:
    from sightline.explain.command_line import sentence
    from sightline.run_store.files import safe_name

    try:
        made = make_report_of(query, progress)
    except Exception as error:  # whatever it is, the visitor gets a sentence
        return PlainTextResponse(sentence(error), 422)
    name = quote(safe_name(made.title, "report") + ".html")
    headers = {"Content-Disposition": f"attachment; filename*=utf-8''{name}", "Cache-Control": "no-store"}
    headers |= {"X-Content-Type-Options": "nosniff"}
    return Response(made.html.encode(), media_type="text/html; charset=utf-8", headers=headers)


def make_report_of(query: str, progress: "Progress | None" = None) -> "Report":
    """Make the report of a query of the dashboard's address: what is not there is passed over, as on its pages.

    progress: as of Asked. Raises RunError, and what progress raises.
    """
    from urllib.parse import parse_qs

    from sightline.app.runs import run_list
    from sightline.report.address.selection import Selection
    from sightline.report.asked import IMAGES, ask
    from sightline.report.of_run import report_command
    from sightline.report.page import make_report
    from sightline.run_store.record import RunError

    run_list.look()
    selection, _ = Selection.from_query(parse_qs(query), run_list.titles(), run_list.facts)
    a, b = (run_list.find_run(name) for name in (selection.run, selection.beside))
    if a is None:
        raise RunError("This run is not there any more; choose another one.")
    if b and (b.name == a.name or not run_list.are_comparable(a, b)):
        b = None  # which stands in the charts of the dashboard alone
    if b is None:
        selection = replace(selection, of_compare=False)
    titles, colours = ([of(run) for run in (a, b) if run] for of in (run_list.title, run_list.colour))
    the_set = replace(selection, run=None, beside=None).in_query()
    again = report_command(a, b, the_set, IMAGES)
    return make_report(ask(a, b, selection, IMAGES, again, titles, colours, progress))


# Streamlit puts its own routes under server.baseUrlPath, not those of the app; a proxy may also take the prefix away.
ROUTES = [
    Route(f"{prefix}{_FOLDER}/{name}", serve)
    for prefix in ("", "/{base_path:path}")
    for name, serve in (("report.html", serve_report), ("how_far", serve_how_far))
]
