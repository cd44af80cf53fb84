"""The browser's part of the first page: it fetches Vega while Python still imports."""

import time

import streamlit as st

_FETCHED = "vega_fetched"
_INVISIBLE = {"mark": {"type": "point", "opacity": 0}, "width": 1, "height": 1, "view": {"stroke": None}}


def fetch_vega() -> None:
    """Once a session, draw an invisible chart before anything else.

    What the browser finds missing only when the curves arrive costs its fetching, and the 300 ms for which React holds
    back what it has just fetched (its throttle of Suspense).
    """
    place = st.container(key="fetch_vega").empty()
    if _FETCHED not in st.session_state:
        st.session_state[_FETCHED] = True
        place.vega_lite_chart(_INVISIBLE, width="content")
        time.sleep(0.01)  # the server sends it before the imports keep the interpreter busy
