"""One image, large and crisp, with what the model thought of it. Mistakes, Layers and Compare share it."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from sightline.app.address.url import change_selection, note_shown_image
from sightline.app.elements.bars import draw_bars
from sightline.app.elements.current_set import CurrentSet
from sightline.app.elements.epoch_strip import draw_epoch_strip
from sightline.app.runs import loaders
from sightline.report.drawing.bars import Bar, Kind
from sightline.report.drawing.pictures import png
from sightline.report.drawing.subject import Subject, split_image
from sightline.report.words.text import count, escape_markdown, percent
from sightline.run_store.predictions import Predictions
from sightline.run_store.run import Run

SHOWN_CLASSES = 5


def draw_inspector(
    run: Run,
    predictions: Predictions,
    current: CurrentSet,
    shown_classes: int = SHOWN_CLASSES,
    picture: Callable[[Subject], None] | None = None,
    subject: Subject | None = None,
) -> None:
    """Draw the title with previous and next, the image, what it was taken for, now and after each epoch.

    picture: draws the image, where that is not all there is to draw. subject: the primary image, by default as the
    predictions have it. Raises RunError.
    """
    if current.image is None:
        st.caption("No image is chosen.")
        return
    draw_title(current)
    subject = subject or split_image(predictions, current.image, loaders.images(run)[current.image])
    draw_subject(subject, shown_classes, picture)
    draw_epoch_strip(run, predictions, current.image)


def draw_subject(
    subject: Subject, shown_classes: int = SHOWN_CLASSES, picture: Callable[[Subject], None] | None = None
) -> None:
    """Draw the image, what it was taken for, class probabilities."""
    if picture:
        picture(subject)
    else:
        draw_image(subject.pixels, subject.describe())
    st.markdown(outcome_markdown(subject))
    if np.isnan(subject.probabilities).all():
        st.caption("Only the predicted class is known, no probabilities.")
        return
    draw_bars(probability_bars(subject, shown_classes), key="inspector_probabilities", widths=(48,), label_share=0.8)


def draw_title(current: CurrentSet) -> None:
    """Draw the number of the primary image, with previous and next; whether it is outside the set."""
    note_shown_image(current.image)
    with st.container(key="inspector_title", horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        outside = " :gray[not in this set]" if current.position is None else ""
        st.markdown(f"**Image {count(current.image or 0)}**{outside}", width="stretch")
        for step, icon, name in ((-1, "chevron_left", "Previous image"), (1, "chevron_right", "Next image")):
            neighbour = current.neighbour(step)
            st.button(
                name,  # for screen readers: the style sheet shows the icon only
                icon=f":material/{icon}:",
                key=f"inspector_step_{step}",
                type="tertiary",
                disabled=neighbour is None,
                on_click=change_selection,
                kwargs={"image": neighbour},
            )


def draw_image(image: np.ndarray, alt: str, key: str = "inspector_image") -> None:
    """Draw uint8 H×W×3 as wide as its column, with hard pixels: the style sheet smoothes no key `pixels_…`."""
    with st.container(key=f"pixels_{key}"):
        st.image(png(image), width="stretch", output_format="PNG", alt=alt)


def outcome_markdown(subject: Subject) -> str:
    """Say in Markdown what the image was taken for."""
    predicted = escape_markdown(subject.name(subject.predicted))
    if subject.label is None:
        return f":gray[taken for] **{predicted}**"
    if subject.is_wrong:
        return f"**{escape_markdown(subject.name(subject.label))}** :gray[taken for] :orange[**{predicted}**]"
    return f":green[:material/check:] **{predicted}** :gray[predicted right]"


def probability_bars(subject: Subject, shown: int = SHOWN_CLASSES) -> list[Bar]:
    """Return the most probable classes, and the true one in any case: it is green, a wrong prediction orange.

    Classes whose probability nobody knows are left out.
    """
    p, label, predicted = subject.probabilities, subject.label, subject.predicted
    order = subject.likeliest[:shown]
    kinds: dict[int, Kind] = {predicted: ""}
    roles = {predicted: " (predicted)"}
    if label is not None:
        if label not in order:
            order[-1] = label
        kinds = {predicted: "wrong", label: "right"}  # the true class last: a right prediction is green
        roles[label] = " (true)" if subject.is_wrong else " (true and predicted)"
    return [
        Bar(
            subject.name(code),
            p[code],
            (percent(p[code]),),
            kind=kinds.get(code, "muted"),
            title=f"{subject.name(code)}{roles.get(code, '')}: {percent(p[code], 2)}",
        )
        for code in order
        if not np.isnan(p[code])
    ]
