"""The button that takes a table along."""

from collections.abc import Callable

import streamlit as st


def draw_csv_button(
    make: Callable[[], bytes], name: str, *, key: str, label: str = "CSV", help: str | None = None
) -> None:
    """Draw it. make: writes the table, once it is asked for. name: of the file, without its ending."""
    st.download_button(
        label,
        data=make,
        file_name=f"{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        help=help,
        key=key,
        on_click="ignore",
        type="tertiary",
    )
