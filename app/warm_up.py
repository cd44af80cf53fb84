"""What is imported once the first page is drawn, so that the others need not wait for it."""

import gc
import threading
import time
from importlib import import_module

import streamlit as st

# Of tables; torch; the intervals of verdicts.
WARMED_UP = ("pandas", "sightline.explain.attribution.engine", "scipy.special")


@st.cache_resource(show_spinner=False)
def warm_up(delay: float = 3.0) -> threading.Thread:
    """Import what other pages need, once a server, after the first page is drawn."""

    def load() -> None:
        time.sleep(delay)
        for name in WARMED_UP:
            import_module(name)
        gc.collect()
        gc.freeze()  # from then on a full collection, in which nobody is answered, takes some 15 ms instead of 190

    thread = threading.Thread(target=load, name="warm-up", daemon=True)
    thread.start()
    return thread
