"""Parts of a page that draw themselves in the browser: the dashboard and the report show the same ones."""

from dataclasses import dataclass
from pathlib import Path

SHARED_STYLE = Path(__file__).parent / "shared.css"  # of what is HTML alone in both


@dataclass(frozen=True)
class Element:
    """What a browser needs to draw a part of a page. name: in words that may stand in a name of Streamlit's.

    html: what it begins with. css: with `:host`, and the variables `--st-…` of Streamlit's themes. js: a module whose
    default function is called with `data`, `parentElement` and `setTriggerValue(event, value)`.
    """

    name: str
    html: str
    css: str
    js: str


def element(module: str, html: str) -> Element:
    """Read the element whose style and script stand beside a module. module: its `__file__`."""
    path = Path(module)
    css, js = (path.with_suffix(ending).read_text(encoding="utf-8") for ending in (".css", ".js"))
    return Element(f"sightline_{path.stem}", html, css, js)
