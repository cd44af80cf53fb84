"""The gallery: one element for a page of thumbnails, with mouse, arrow keys and text alternatives."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import streamlit as st

from sightline.app.elements.beside import beside
from sightline.app.elements.thumbnails import thumbnails_url
from sightline.report.words.text import percent
from sightline.run_store.predictions import Predictions
from sightline.run_store.run import Run

Event = Literal["pick", "open", "turn", "fits", "choose"]
Size = Literal["small", "medium", "large"]
TAPPED = "sightline:tapped"  # the document's event after a click on a tile, whose `detail` is the tile
PAGER_HEIGHT = 64  # pixels that the window has to keep free below the tiles

_COMPONENT = st.components.v2.component(
    "sightline_gallery",
    html='<div class="grid"></div>\n',
    css=beside(__file__, "css"),
    js=beside(__file__, "js").replace("TAPPED", TAPPED),
)


def gallery_items(run: Run, predictions: Predictions, rows: np.ndarray) -> list[dict[str, Any]]:
    """Return what the browser needs for each row: all of it plain text.

    May be added: `over`, the URL of a map; `tag`, what people say of it; `guesses`, what each of several runs took the
    image for, to stand in the place of true → predicted: the true class above, below it “A | B”, each a dict of
    `name`, `wrong` and `colour`.
    """
    folder = thumbnails_url(run, st.get_option("server.baseUrlPath"))
    names = predictions.class_names
    labels, guesses = predictions.column("label")[rows], predictions.column("predicted")[rows]
    confidences = predictions.column("confidence")[rows]
    items = []
    for index, label, guess, confidence in zip(rows.tolist(), labels, guesses, confidences, strict=True):
        outcome = (
            f"true {names[label]}, predicted {names[guess]}" if label != guess else f"{names[label]}, predicted right"
        )
        items.append(
            {
                "index": index,
                "url": f"{folder}/{index}.png",
                "true": names[label],
                "predicted": names[guess],
                "wrong": bool(label != guess),
                "confidence": "" if np.isnan(confidence) else percent(float(confidence), 0),
                "alt": f"Image {index}: {outcome}, confidence {percent(float(confidence))}".removesuffix(
                    ", confidence –"
                ),
            }
        )
    return items


def draw_gallery(
    items: Sequence[dict[str, Any]],
    *,
    key: str,
    label: str,
    on: Mapping[Event, Callable[[], None]],
    selected: int | None = None,
    page: tuple[int, int] = (1, 1),
    columns: int | None = None,
    narrow: int = 4,
    size: Size = "medium",
    chosen: Sequence[int] | None = None,
    told: int = 0,
) -> Any:
    """Draw a page of thumbnails; `st.session_state[key]`, which is also returned, says what the visitor does.

    items: as of `gallery_items`. `wrong` None: neither right nor wrong; `mark`: a word of warning below the caption.
    on: what is called for an event. `pick` and `open` are an image's index, `turn` is 1 or -1; `fits` says how many
    images the window has room for, where it is asked for. page: its number, and how many there are. columns: by
    default as many as there is room for, by `size`. narrow: columns in a narrow place, whatever else is asked for.
    chosen: of the items, the indices of those chosen beside the selected one; None: one image is chosen at a time.
    told: of the last event `choose` that they follow: a dict of indices `shown`, those of them `chosen`, and `told`.
    """
    number, pages = page
    below = PAGER_HEIGHT if "fits" in on else None
    shown = {
        "items": tuple(items),  # no list: Streamlit looks whether one is a table, which takes longer than all the rest
        "selected": selected, "page": number, "pages": pages, "label": label, "below": below,
        "columns": columns, "narrow": narrow, "size": size,
        "chosen": None if chosen is None else tuple(chosen), "told": told,
    }  # fmt: skip
    callbacks: dict[str, Any] = {f"on_{event}_change": on.get(event, _nothing) for event in get_args(Event)}
    return _COMPONENT(key=key, data=shown, **callbacks)


def _nothing() -> None:
    """Do nothing: the component sends an event only where it has a callback."""
