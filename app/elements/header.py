"""The header of every page: brand, style sheet, links to the views, the two runs, and what can be done anywhere."""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from sightline.app.address.url import forget_shown_image
from sightline.app.elements.page_keys import draw_page_keys
from sightline.app.elements.run_pickers import draw_run_pickers, run_colours
from sightline.app.elements.shell import with_second_run
from sightline.report.address.selection import Selection
from sightline.report.drawing.element import SHARED_STYLE

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

# Of app/style/; the last has the last word.
SHEETS = ("page", "controls", "maps", "patterns", "runs", "sets", "compare", "strip", "narrow")
PRESENT = "present"  # comes after them while a page is presented


def draw_header(pages: Mapping[str, "StreamlitPage"], current: str, selection: Selection) -> None:
    """Draw the brand, one link a view, which carries the selection along, the run pickers, and the keys."""
    forget_shown_image()
    seen = with_second_run(selection) if current == "Compare" else selection
    with st.container(key="header", horizontal=True, vertical_alignment="center", gap="small"):
        number = list(pages).index(current) + 1
        st.html(_brand(number, run_colours(seen), selection.present), width="content")
        with st.container(key="nav", horizontal=True, gap="small", width="content", wrap=False):
            for view, page in pages.items():
                query = with_second_run(selection) if view == "Compare" else seen
                st.page_link(page, label=view, query_params=query.to_query(), width="content")
        draw_run_pickers(seen)
        draw_page_keys(seen, current)


@lru_cache
def _brand(number: int, colours: str, presents: bool) -> str:
    """Write the brand and the style sheet. number: of the link to the page one is on, from 1. colours: of the runs."""
    folder = Path(__file__).parents[1] / "style"
    names = (*SHEETS, PRESENT) if presents else SHEETS
    sheets = [SHARED_STYLE, *(folder / f"{name}.css" for name in names)]
    sheet = "\n".join(file.read_text(encoding="utf-8") for file in sheets).replace("HERE", str(number))
    one_line = " ".join(re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL).split())  # Streamlit goes through its lines
    return f'<style>:root {{ {colours} }} {one_line}</style><div class="brand"><span></span>Sightline</div>'
