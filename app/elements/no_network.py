"""What stands where a network is needed, and a run has none."""

import streamlit as st

from sightline.app.runs import loaders
from sightline.report.words.text import escape_markdown
from sightline.run_store.commands import network_command
from sightline.run_store.run import Run


def draw_no_network(run: Run) -> None:
    """Say why the run has no network, and how to add one. Raises RunError."""
    record = loaders.record(run)
    # What is shown for copying is ours, and not the run's, which may be a stranger's.
    why, is_command, _ = record.without_network.partition(": sightline ")
    st.markdown(f"**This run has no network.** {escape_markdown(why)}{':' if is_command else ''}")
    if is_command:
        st.code(network_command(record.dataset, record.recipe.get("predictions")), language=None, wrap_lines=True)
