"""Images of a run by URL, so that the gallery costs the script one string each and the browser keeps them.

The launcher imports this before the server answers, so NumPy is imported only where it is used.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sightline.report.drawing.pictures import png

if TYPE_CHECKING:
    from sightline.run_store.run import Run

Kind = Literal["images", "culprits"]  # readings of a run, each of which shows pictures
_FOLDERS: Mapping[Kind, str] = {"images": "/app/static/thumb", "culprits": "/app/static/training"}


def thumbnails_url(run: "Run", base_path: str = "", kind: Kind = "images") -> str:
    """Return the address of a run's images, each of which is in it as <index>.png.

    base_path: Streamlit's server.baseUrlPath. kind: "images" of the test split, or training images: "culprits".
    """
    from sightline.app.runs.loaders import files_token

    prefix = f"/{base_path.strip('/')}" if base_path.strip("/") else ""
    return f"{prefix}{_FOLDERS[kind]}/{quote(run.name, safe='')}/{files_token(run, kind)}"


def serve_thumbnail(request: Request, kind: Kind = "images") -> Response:
    """Answer with an image; an outdated token is refused: under it, a browser would keep the wrong one for a year."""
    from sightline.app.runs.loaders import files_token, images, training_images
    from sightline.app.runs.run_list import find_known_run
    from sightline.run_store.record import RunError
    from sightline.run_store.thumbnails import thumbnail

    run = find_known_run(request.path_params["run"])
    if run is None or request.path_params["token"] != files_token(run, kind):
        return Response(status_code=404)
    read = {"images": images, "culprits": training_images}[kind]
    try:
        pixels = read(run)[request.path_params["index"]]
    except (RunError, IndexError, OverflowError):
        return Response(status_code=404)
    headers = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(png(thumbnail(pixels)), media_type="image/png", headers=headers)


# Streamlit puts its own routes under server.baseUrlPath, not those of the app; a proxy may also take the prefix away.
ROUTES = [
    Route(f"{prefix}{folder}/{{run:path}}/{{token}}/{{index:int}}.png", partial(serve_thumbnail, kind=kind))
    for kind, folder in _FOLDERS.items()
    for prefix in ("", "/{base_path:path}")
]
