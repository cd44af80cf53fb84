"""A command for a terminal, where there is room for it: a column of 200 pixels breaks it into a dozen lines."""

import streamlit as st


def draw_command(command: str) -> None:
    """Draw the button that shows a command, as wide as it needs, whatever column it stands in."""
    with st.popover("In a terminal", type="tertiary", icon=":material/terminal:"):
        st.code(command, language=None, wrap_lines=True)
