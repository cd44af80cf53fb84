"""The button that stops what a page has started: it answers at once, and long before the process has ended."""

import streamlit as st

from sightline.app.runs import processes


def draw_stop(process: processes.Key, key: str, what: str = "") -> None:
    """Draw the button of a process that runs or waits; of one that was told to stop it says so, until that has ended.

    key: of the button. what: is stopped, where others beside it can be stopped too.
    """
    waits, is_stopping = processes.is_waiting(process), processes.is_stopping(process)
    words = "Stopping …" if is_stopping else " ".join(("Cancel" if waits else "Stop", what)).strip()
    st.button(
        words,
        icon=":material/hourglass_empty:" if is_stopping else ":material/close:" if waits else ":material/stop:",
        key=key,
        on_click=processes.stop,
        args=(process,),
        disabled=is_stopping,
    )
