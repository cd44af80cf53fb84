"""The current set's headline, filters as removable chips, order and download."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.current import CurrentSet
from app.state import Selection, change_selection
from app.text import count, escape_markdown, no_formula, percent
from run_store.predictions import ORDERS, Predictions

_OUTCOMES = {"wrong": "Wrong", "right": "Right", "all": "All"}


def draw_headline(predictions: Predictions, current: CurrentSet, selection: Selection) -> None:
    with st.container(key="headline", horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        st.markdown(headline(predictions, len(current.rows), selection), width="stretch")
        st.session_state["mistakes_order"] = selection.order
        st.selectbox(
            "Order",
            list(ORDERS),
            key="mistakes_order",
            label_visibility="collapsed",
            on_change=_take,
            args=("mistakes_order", "order"),
            width=178,
        )
        st.download_button(
            "CSV",
            data=lambda: set_as_csv(predictions, current.rows),
            file_name=f"{_file_name(selection.run)}_{selection.outcome}.csv",
            mime="text/csv",
            icon=":material/download:",
            key="mistakes_csv",
            on_click="ignore",
            type="tertiary",
        )


def headline(predictions: Predictions, shown: int, selection: Selection) -> str:
    """“41 of 386 mistakes, 2 000 test images”, in Markdown."""
    mistakes, images = int(predictions.wrong.sum()), len(predictions)
    whole = {"wrong": f"{count(mistakes)} mistakes", "right": f"{count(images - mistakes)} hits", "all": ""}[
        selection.outcome
    ]
    of = f"of {whole}, {count(images)} test images" if whole else f"of {count(images)} test images"
    return f"**{count(shown)}** :gray[{of}]"


def draw_filters(predictions: Predictions, selection: Selection) -> None:
    with st.container(key="filters", horizontal=True, vertical_alignment="center", gap="small"):
        st.session_state["mistakes_outcome"] = selection.outcome
        st.segmented_control(
            "Show",
            list(_OUTCOMES),
            format_func=_OUTCOMES.__getitem__,
            key="mistakes_outcome",
            label_visibility="collapsed",
            required=True,
            on_change=_take,
            args=("mistakes_outcome", "outcome"),
        )
        for number, (text, undo) in enumerate(chips(selection)):
            st.button(
                f"{escape_markdown(text)} :material/close:",
                key=f"chip_{number}",
                on_click=change_selection,
                kwargs=undo,
            )
        with st.popover("Filter", icon=":material/filter_alt:", type="tertiary", width=110):
            _draw_filter_form(predictions.class_names, selection)


def chips(selection: Selection) -> list[tuple[str, dict[str, Any]]]:
    """Each filter in words, with the change that removes it."""
    found: list[tuple[str, dict[str, Any]]] = []
    if selection.label is not None:
        found.append((f"true: {selection.label}", {"label": None}))
    if selection.predicted is not None:
        found.append((f"predicted: {selection.predicted}", {"predicted": None}))
    if selection.min_confidence > 0:
        found.append((f"confidence ≥ {percent(selection.min_confidence, 0)}", {"min_confidence": 0.0}))
    if selection.max_confidence < 1:
        found.append((f"confidence ≤ {percent(selection.max_confidence, 0)}", {"max_confidence": 1.0}))
    return found


def _draw_filter_form(class_names: tuple[str, ...], selection: Selection) -> None:
    for title, name in (("True class", "label"), ("Predicted class", "predicted")):
        key = f"mistakes_{name}"
        st.session_state[key] = getattr(selection, name)
        st.selectbox(
            title,
            class_names,
            index=None,
            placeholder="any class",
            key=key,
            on_change=_take,
            args=(key, name),
        )
    st.session_state["mistakes_confidence"] = (
        round(100 * selection.min_confidence),
        round(100 * selection.max_confidence),
    )
    st.slider("Confidence", 0, 100, key="mistakes_confidence", format="%d %%", on_change=_take_confidence)


def _take(key: str, name: str) -> None:
    """The widget's new value becomes the selection's."""
    change_selection(**{name: st.session_state[key]})


def _take_confidence() -> None:
    low, high = st.session_state["mistakes_confidence"]
    change_selection(min_confidence=low / 100, max_confidence=high / 100)


def set_as_csv(predictions: Predictions, rows: np.ndarray) -> bytes:
    """index, label, predicted (names), confidence, margin, loss, entropy, extra columns, a probability a class."""
    table = predictions.table.iloc[rows].reset_index(drop=True)
    names = np.array([no_formula(name) for name in predictions.class_names], dtype=object)
    for column in ("label", "predicted"):
        table[column] = names[table[column].to_numpy()]
    probabilities = pd.DataFrame(
        predictions.probabilities[rows].astype(np.float32), columns=[f"p({name})" for name in predictions.class_names]
    )
    return pd.concat([table, probabilities], axis=1).to_csv(index=False, float_format="%.6g").encode()


def _file_name(text: str | None) -> str:
    return "".join(character if character.isalnum() or character in "-_." else "_" for character in text or "run")
