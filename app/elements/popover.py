"""What opens on a click, is drawn only then, and closes once it has done what it was opened for."""

from typing import Any

import streamlit as st
from streamlit.elements.lib.mutable_popover_container import PopoverContainer

_CLOSING = "popovers_closing"  # of the session: keys of those that have acted


def draw_popover(label: str, key: str, **options: Any) -> PopoverContainer:
    """Draw the button, and return the place that it opens: what is in it is to be drawn only while it is `open`.

    options: as of st.popover.
    """
    if key in st.session_state.get(_CLOSING, ()):
        st.session_state[_CLOSING].remove(key)
        st.session_state[key] = False
    return st.popover(label, key=key, on_change="rerun", **options)


def close_popover(key: str) -> None:
    """Close it when it is drawn next: for the callback of what is in it, or before st.rerun()."""
    st.session_state.setdefault(_CLOSING, set()).add(key)
