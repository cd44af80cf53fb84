"""The report of what is on screen, by URL: made when it is asked for, one at a time.

A download button of Streamlit would say “Failed to generate file” of every error, and gives up after three minutes; of
an address, the page in the browser (page_keys.py) can say what came of it. The launcher imports this before the server
answers, so what makes a report is imported only where one is made.
"""

import threading
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from sightline.report.address.selection import Selection
    from sightline.report.page import Report

_FOLDER = "/app/static/report"
_SHOW_EPOCHS = ("Mistakes", "Layers")  # all other views show a run as it ended
_BUSY = "Another report is being made on this server; ask again in a moment."
_making = threading.Lock()


def report_url(selection: "Selection", view: str, base_path: str = "") -> str:
    """Return the address of the report of what a view shows. base_path: Streamlit's server.baseUrlPath."""
    shown = selection if view in _SHOW_EPOCHS else replace(selection, epoch=None)
    prefix = f"/{base_path.strip('/')}" if base_path.strip("/") else ""
    return f"{prefix}{_FOLDER}/report.html?{shown.in_query()}"


def serve_report(request: Request) -> Response:
    """Answer with the report, or with a sentence on why there is none."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return PlainTextResponse("Reports are made for the pages of this server.", 403)  # others could keep it busy
    if not _making.acquire(blocking=False):
        return PlainTextResponse(_BUSY, 503, {"Retry-After": "1"})
    try:
        return _report(request)
    finally:
        _making.release()


def _report(request: Request) -> Response:
    from sightline.explain.command_line import sentence
    from sightline.run_store.files import safe_name

    try:
        made = make_report_of(request.url.query)
    except Exception as error:  # whatever it is, the visitor gets a sentence
        return PlainTextResponse(sentence(error), 422)
    name = quote(safe_name(made.title, "report") + ".html")
    headers = {"Content-Disposition": f"attachment; filename*=utf-8''{name}", "Cache-Control": "no-store"}
    headers |= {"X-Content-Type-Options": "nosniff"}
    return Response(made.html.encode(), media_type="text/html; charset=utf-8", headers=headers)


def make_report_of(query: str) -> "Report":
    """Make the report of a query of the dashboard's address: what is not there is passed over, as on its pages.

    Raises RunError.
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
    titles, colours = ([of(run) for run in (a, b) if run] for of in (run_list.title, run_list.colour))
    the_set = replace(selection, run=None, beside=None).in_query()
    return make_report(ask(a, b, selection, IMAGES, report_command(a, b, the_set, IMAGES), titles, colours))


# Streamlit puts its own routes under server.baseUrlPath, not those of the app; a proxy may also take the prefix away.
ROUTES = [Route(f"{prefix}{_FOLDER}/report.html", serve_report) for prefix in ("", "/{base_path:path}")]
