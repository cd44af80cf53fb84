"""Images, or mosaics, that a kind of map is best and worst on, with their maps. A click opens one in Layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw

from sightline.app.address.views import pages
from sightline.app.elements.gallery import draw_gallery, gallery_items
from sightline.app.maps import compute
from sightline.app.maps.waiting import draw_restart, waiting
from sightline.app.runs import loaders
from sightline.app.runs.kept import kept, read_once
from sightline.explain.judging.measures import MEASURES
from sightline.report.address.selection import Selection
from sightline.report.drawing.paint import overlay
from sightline.report.drawing.pictures import data_url
from sightline.report.drawing.resolve import resolve
from sightline.report.drawing.subject import Subject, split_image
from sightline.report.words.text import escape_markdown
from sightline.run_store.quality import INPUT, QualityRow
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_SIDE = 224  # pixels of a picture: more than the page shows, so that its map is smooth
_MOSAICS, _CELLS = "gridpg", 4


@dataclass(frozen=True)
class Example:
    """A picture: the map of a class, by its code, over an image, or over a mosaic with that class's cell framed."""

    subject: Subject
    code: int
    framed: int | None = None  # 0–3, row by row


def draw_examples(run: Run, row: QualityRow, selection: Selection) -> None:
    """Draw what the figure is best and worst on, once the maps are there. Raises RunError for a run without images."""
    predictions = loaders.predictions(run)
    best, worst = ([image for image in images if image < len(predictions)] for images in (row.best, row.worst))
    if not best or not worst:
        st.caption("The figure is the same for all images: none is the best or the worst.")
        return
    shown = selection.change(method=row.method, layers=() if row.layer == INPUT else (row.layer,))
    is_mosaic = row.measure == _MOSAICS and len(best) == len(worst) == _CELLS
    items = gallery_items(run, predictions, np.array([*best, *worst], int))
    try:
        examples = [one for images in (best, worst) for one in examples_of(run, images, is_mosaic)]
        for item, picture in zip(items, pictures(run, examples, shown), strict=True):
            item |= {"url": picture, "is_smooth": True}
    except RunError as error:
        st.caption(f"Without their maps: {escape_markdown(str(error))}")
        draw_restart(error)
    what = " mosaic: the map of the framed image's class should light up there only" if is_mosaic else ""
    known = MEASURES[row.measure]
    ends = ("highest", "lowest") if known.is_highest_first else ("lowest", "highest")
    titles = ("best", "worst") if known.better else ends
    for key, title, part in zip(("best", "worst"), titles, (items[: len(best)], items[len(best) :]), strict=True):
        st.caption(f"{title.capitalize()}{what}")
        _draw_gallery(part, shown, key, f"{title.capitalize()} images")


def _draw_gallery(items: Sequence[dict[str, Any]], shown: Selection, key: str, label: str) -> None:
    picked = draw_gallery(items, key=f"trust_{key}", label=label, on={}, columns=_CELLS)
    image = picked.pick if picked.pick is not None else picked.open
    if image is not None:
        st.switch_page(pages()["Layers"], query_params=shown.change(image=int(image)).to_query())


def examples_of(run: Run, images: Sequence[int], is_mosaic: bool) -> list[Example]:
    """Return an example for each image, of its predicted class. Raises RunError."""
    predictions = loaders.predictions(run)
    if not is_mosaic:
        pixels = loaders.images(run)
        subjects = [split_image(predictions, image, pixels[image]) for image in images]
        return [Example(subject, subject.predicted) for subject in subjects]
    classes = predictions.column("predicted")[list(images)].tolist()
    subject = Subject(
        title="Mosaic", class_names=predictions.class_names, probabilities=np.zeros(len(predictions.class_names)),
        predicted=classes[0], pixels=_mosaic(run, tuple(images)), token=f"mosaic of {tuple(images)}",
    )  # fmt: skip
    return [Example(subject, code, place) for place, code in enumerate(classes)]


@kept("maps", read_once(16))
def _mosaic(run: Run, images: tuple[int, ...]) -> np.ndarray:
    """Read four images, perhaps from their files, and lay them side by side."""
    return as_mosaic(run.model_images(images))


def as_mosaic(images: np.ndarray) -> np.ndarray:
    """Lay four images side by side, row by row: uint8 4×H×W×3 → 2H×2W×3."""
    return np.concatenate([np.concatenate(list(pair), axis=1) for pair in (images[:2], images[2:])])


def pictures(run: Run, examples: Sequence[Example], shown: Selection) -> list[str]:
    """Return the picture of each example as a data URL. Loads torch. Raises RunError."""
    settings, _ = resolve(run, shown, compute.map_layers)
    layer, found = settings.layers[-1], []
    with waiting(run, examples[0].subject, settings.method, "Computing maps …") as look:
        for place, example in enumerate(examples):

            def look_at_all(done: int, total: int, place: int = place) -> None:
                look(place * total + done, len(examples) * total)

            score = (example.code, None)
            maps = compute.maps(run, example.subject, settings.method, (layer,), [score], look_at_all).maps
            appearance = (settings.sign, settings.cells, settings.colours, settings.opacity)
            found.append(paint_example(example.subject.pixels, maps[layer, score], appearance, example.framed))
    return found


@st.cache_resource(show_spinner=False, max_entries=128)
def paint_example(
    pixels: np.ndarray, values: np.ndarray, appearance: tuple[str, str, str, int], framed: int | None
) -> str:
    """Paint a map over its image, and frame a cell of a mosaic, as a data URL: once, since a click may last 0.1 s.

    appearance: sign, cells, colours and opacity of MapSettings. A map that is not finite is not painted.
    """
    sign, cells, colours, opacity = appearance
    resample = Image.Resampling.NEAREST if len(pixels) < _SIDE else Image.Resampling.LANCZOS
    image = np.asarray(Image.fromarray(pixels).resize((_SIDE, _SIDE), resample))
    if np.isfinite(values).all():
        image = overlay(image, values, sign=sign, cells=cells, colours=colours, opacity=opacity / 100)
    picture = Image.fromarray(image)
    if framed is not None:
        _frame(picture, framed)
    return data_url(picture)


def _frame(picture: Image.Image, place: int) -> None:
    """Frame a cell of a mosaic, light within dark: seen on any map."""
    half, draw = _SIDE // 2, ImageDraw.Draw(picture)
    left, top = half * (place % 2), half * (place // 2)
    for inset, width, colour in ((0, 7, "black"), (2, 3, "white")):
        draw.rectangle(
            (left + inset, top + inset, left + half - 1 - inset, top + half - 1 - inset), None, colour, width
        )
