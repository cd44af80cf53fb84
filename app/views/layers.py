"""Where did it look? The primary image on the left, a grid of layers × classes, the map's settings on the right."""

import streamlit as st

from app import loaders
from app.current import current_set
from app.inspector import draw_inspector
from app.map_grid import draw_grid, rows_of_targets
from app.map_settings import chosen_layers, chosen_targets, draw_settings
from app.shell import draw_run
from app.state import Selection
from app.text import escape_markdown
from run_store.run import Run, RunError


def draw(run: Run, selection: Selection) -> None:
    record, predictions = loaders.record(run), loaders.predictions(run)
    current = current_set(predictions, selection)
    targets = chosen_targets(selection, is_wrong=current.image is not None and bool(predictions.wrong[current.image]))
    left, middle, right = st.columns([250, 720, 240], gap="small")
    with left, st.container(key="panel_inspector", border=True, gap="small"):
        draw_inspector(run, predictions, current)
    with right, st.container(key="panel_map", border=True, gap="small"):
        draw_settings(record, selection, targets)
    with middle, st.container(key="panel_grid", border=True, gap="small"):
        if current.image is None:
            st.info("No image passes the filters: remove one in Mistakes, or choose “All” there.")
            return
        rows = rows_of_targets(predictions, current.image, targets)
        try:
            draw_grid(run, current.image, chosen_layers(record, selection), rows, selection)
        except RunError as error:  # the predictions are whole, so the image and its probabilities still stand
            st.warning(f"No maps: {escape_markdown(str(error))}", icon=":material/layers_clear:")


draw_run(draw)
