"""The current set's headline, filters as removable chips, order and download."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sightline.app.address.url import change_selection, read_selection, write_selection
from sightline.app.elements.csv_button import draw_csv_button
from sightline.app.elements.current_set import CurrentSet
from sightline.app.elements.popover import draw_popover
from sightline.app.elements.range_filter import draw_range
from sightline.app.elements.spreadsheets import set_as_csv
from sightline.report.address.selection import Selection
from sightline.report.drawing.matrix import MOST_DRAWN
from sightline.report.words.text import after_words, count, counted, escape_markdown
from sightline.run_store.files import safe_name
from sightline.run_store.predictions import Condition, Filter, Predictions

_OUTCOMES = {"wrong": "Wrong", "right": "Right", "all": "All"}


def draw_headline(predictions: Predictions, current: CurrentSet, selection: Selection) -> None:
    """Draw how many images are shown, their order, and the download."""
    name = safe_name(f"{selection.run or 'run'}{after_words(selection.epoch)}", selection.outcome)
    with st.container(key="headline", horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        st.markdown(headline(predictions, len(current.rows), selection), width="stretch")
        draw_order(predictions, selection, "mistakes")
        draw_csv_button(lambda: set_as_csv(predictions, current.rows), name, key="mistakes_csv")


def draw_order(predictions: Predictions, selection: Selection, view: str) -> None:
    """Draw the choice of the order in this view, of those that mean something for these predictions."""
    key = f"{view}_order"
    st.session_state[key] = predictions.known_order(selection.order)
    st.selectbox(
        "Order",
        predictions.orders,
        key=key,
        label_visibility="collapsed",
        on_change=_take,
        args=(key, "order"),
        width=178,
    )


def headline(predictions: Predictions, shown: int, selection: Selection) -> str:
    """Write “41 of 386 mistakes, 2 000 test images”, in Markdown."""
    mistakes, images = int(predictions.wrong.sum()), len(predictions)
    whole = {"wrong": counted(mistakes, "mistake"), "right": counted(images - mistakes, "hit"), "all": ""}
    of = f"of {', '.join(filter(None, (whole[selection.outcome], counted(images, 'test image'))))}"
    return f"**{count(shown)}** :gray[{of}]"


def draw_filters(predictions: Predictions, selection: Selection, more: Callable[[], None] | None = None) -> None:
    """Draw the outcome, the chips, and the form with every other filter. more: draws what stands behind it."""
    wanted = selection.filter(predictions.class_names)
    images = predictions.outcome_counts(wanted)
    with st.container(key="filters", horizontal=True, vertical_alignment="center", gap="small"):
        st.session_state["mistakes_outcome"] = selection.outcome
        st.segmented_control(
            "Show",
            list(_OUTCOMES),
            format_func=lambda outcome: f"{_OUTCOMES[outcome]} {count(images[outcome])}",
            key="mistakes_outcome",
            label_visibility="collapsed",
            required=True,
            on_change=_take,
            args=("mistakes_outcome", "outcome"),
        )
        draw_chips(predictions, selection)
        form = draw_popover("Filter", "filter_form", icon=":material/filter_alt:", type="tertiary", width=110)
        if form.open:  # drawing it takes longer than all other filters
            with form:
                _draw_filter_form(predictions, wanted, selection)
        if more:
            more()


def explain_nothing(selection: Selection) -> str:
    """Say why the current set is empty, and what to do."""
    if selection.outcome == "all" or selection.label or selection.predicted or selection.columns:
        return "No image passes these filters. Remove one of the chips above."
    other = "Right" if selection.outcome == "wrong" else "Wrong"
    return f"No test image was predicted {selection.outcome}: choose “{other}” or “All”."


def draw_chips(predictions: Predictions, selection: Selection) -> None:
    """Draw a button for each filter, which removes it."""
    for number, (text, undo) in enumerate(chips(predictions, selection)):
        st.button(
            escape_markdown(text),
            icon=":material/close:",  # not in the words: of long ones, the end is not shown
            icon_position="right",
            help="Remove this filter",
            key=f"chip_{number}",
            on_click=change_selection,
            kwargs=undo,
        )


def chips(predictions: Predictions, selection: Selection) -> list[tuple[str, dict[str, Any]]]:
    """Return each filter in words, with the change that removes it."""
    found: list[tuple[str, dict[str, Any]]] = []
    if selection.epoch is not None:
        found.append((after_words(selection.epoch).strip(), {"epoch": None}))
    if selection.label is not None:
        found.append((f"true: {selection.label}", {"label": None}))
    if selection.predicted is not None:
        found.append((f"predicted: {selection.predicted}", {"predicted": None}))
    for name, asked in selection.columns:
        missing = "" if predictions.has(name, asked) else " (not in this run)"
        found.append((f"{in_words(name, asked)}{missing}", {"columns": selection.ask(name, None)}))
    return found


def in_words(name: str, asked: Condition) -> str:
    """Write “confidence ≥ 90 %”, “loss 0.5–2”, “camera: left”."""
    if isinstance(asked, str):
        return f"{name}: {asked}"
    low, high = (f"{100 * end:.6g} %" if name == "confidence" else f"{end:.4g}" for end in (asked.low, asked.high))
    if not math.isfinite(asked.high):
        return f"{name} ≥ {low}"
    return f"{name} ≤ {high}" if not math.isfinite(asked.low) else f"{name} {low}–{high}"


def _draw_filter_form(predictions: Predictions, wanted: Filter, selection: Selection) -> None:
    """Draw a widget for every column, two beside each other."""
    places = st.columns(2)
    if len(predictions.class_names) <= MOST_DRAWN:  # else they stand in the place of the confusion matrix
        _draw_classes(places, predictions, wanted)
    for number, name in enumerate(predictions.numbers):
        draw_range(places[number % 2], name, predictions, wanted, take=partial(_ask, name))
    for number, name in enumerate(predictions.words, len(predictions.numbers)):
        _draw_words(places[number % 2], name, predictions, wanted)


def draw_class_search(predictions: Predictions, selection: Selection) -> None:
    """Draw the search that stands in place of a matrix of too many classes."""
    st.caption(f"{count(len(predictions.class_names))} classes: search one, or choose a pair below.")
    _draw_classes([st.container(), st.container()], predictions, selection.filter(predictions.class_names))


def _draw_classes(places: Sequence[DeltaGenerator], predictions: Predictions, wanted: Filter) -> None:
    _draw_class(places[0], "True class", "label", predictions, wanted)
    _draw_class(places[1], "Predicted class", "predicted", predictions, wanted)


def _draw_class(
    place: DeltaGenerator, title: str, name: Literal["label", "predicted"], predictions: Predictions, wanted: Filter
) -> None:
    key, names, images = f"mistakes_{name}", predictions.class_names, predictions.class_counts(name, wanted)
    st.session_state[key] = getattr(wanted, name)
    place.selectbox(
        title,
        range(len(names)),
        format_func=lambda code: f"{names[code]} · {count(int(images[code]))}",
        index=None,
        placeholder="any class",
        key=key,
        on_change=lambda: change_selection(**{name: None if (code := st.session_state[key]) is None else names[code]}),
    )


def _draw_words(place: DeltaGenerator, name: str, predictions: Predictions, wanted: Filter) -> None:
    key, words = f"mistakes_column_{name}", predictions.words[name].words
    images = dict(zip(words, predictions.word_counts(name, wanted), strict=True))
    asked = dict(wanted.columns).get(name)
    st.session_state[key] = asked if asked in images else None
    place.selectbox(
        escape_markdown(name),
        in_natural_order(words),
        format_func=lambda word: f"{word} · {count(images[word])}",
        index=None,
        placeholder="any",
        key=key,
        on_change=lambda: _ask(name, st.session_state[key]),
    )


def in_natural_order(words: Sequence[str]) -> list[str]:
    """Sort words; numbers among them come first, by what they count.

    >>> in_natural_order(["b", "10", "9", "a"])
    ['9', '10', 'a', 'b']
    """
    return sorted(words, key=lambda word: (not word.isdecimal(), len(word) * word.isdecimal(), word))


def _ask(name: str, condition: Condition | None) -> None:
    selection, _ = read_selection()
    write_selection(selection.change(columns=selection.ask(name, condition)))


def _take(key: str, name: str) -> None:
    """Make the widget's new value the selection's."""
    change_selection(**{name: st.session_state[key]})
