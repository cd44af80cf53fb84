"""The views there are. To add one, name it here and put its page.py into a folder of that name in app/views/."""

from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

VIEWS = ("Curves", "Mistakes", "Layers", "Patterns", "Trust", "Compare")  # the first is the one that opens


def pages() -> dict[str, "StreamlitPage"]:
    """Return the page of each view, by its name.

    They are copies: Streamlit notes in a page that it may be run, and two sessions must not share that.
    """
    return {view: copy(page) for view, page in _pages().items()}


@lru_cache(1)
def _pages() -> dict[str, "StreamlitPage"]:
    """Make the pages once: Streamlit looks for their files, which takes as long as drawing some of them."""
    return {
        view: st.Page(f"views/{view.lower()}/page.py", title=view, url_path=view.lower(), default=view == VIEWS[0])
        for view in VIEWS
    }
