"""What images of a test split share, by their stored maps: mean image, mean map, what was attended; each map alone."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from sightline.explain.why.shared import find_shared, usual_colours
from sightline.image_data.images import Images
from sightline.report.drawing.map_settings import colours_for
from sightline.report.drawing.paint import paint, strongest
from sightline.report.drawing.pictures import data_url
from sightline.run_store.maps import read_maps
from sightline.run_store.patterns import Attended
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.thumbnails import thumbnail

MOST_AVERAGED = 500  # images of a set, evenly spaced: the mean of more looks the same
MOST_PIXELS = 2**25  # of them, or of their maps: of images of more than 256 pixels a side fewer are averaged
TARGET = "predicted"
_SIDES = 32, 64  # pixels of a map, at least and at most: the browser enlarges it smoothly


@dataclass(frozen=True)
class Means:
    """Mean image and mean map as data URLs, of how many images, and what was attended in them.

    map: "" and attended: None where no maps are stored, or not to be read, as problem says.
    """

    image: str
    map: str
    images: int
    attended: Attended | None = None
    problem: str = ""


def averaged(images: Images, rows: np.ndarray, cells: int = 0) -> np.ndarray:
    """Return as many of the rows as are averaged, int64, whatever their order. cells: of a map of each."""
    _, height, width, _ = images.shape
    most = min(MOST_AVERAGED, max(1, MOST_PIXELS // max(height * width, cells)))
    return np.sort(rows)[:: -(-len(rows) // most)].astype(np.int64)


def cells_of_map(run: Run, method: str, layer: str) -> int:
    """Return how many cells a stored map has; 0 where there are none."""
    with suppress(RunError):
        one = read_maps(run, method, layer, TARGET, [0])
        return 0 if one is None else one.size
    return 0


def colours_of_split(images: Images) -> np.ndarray:
    """Return the `usual_colours` of a test split."""
    return usual_colours(images[averaged(images, np.arange(len(images)))])


def means(run: Run, images: Images, rows: np.ndarray, method: str, layer: str, usual: np.ndarray) -> Means:
    """Return the means of images of the test split. rows: as `averaged` returns them. usual: `colours_of_split`."""
    shown = images[rows]
    try:
        maps, problem = read_maps(run, method, layer, TARGET, rows), ""
    except RunError as error:
        maps, problem = None, str(error)
    if maps is None:
        mean = np.rint(shown.mean(axis=0)).astype(np.uint8)
        return Means(data_url(thumbnail(mean)), "", len(rows), None, problem)
    found = find_shared(shown, maps, usual)
    return Means(data_url(thumbnail(found.image)), painted(found.map), len(rows), found.attended)


def map_urls(run: Run, images: Sequence[int], method: str, layer: str) -> tuple[str, ...]:
    """Return the stored map of each image as a data URL, "" of one that is not finite; none where none are stored."""
    try:
        maps = read_maps(run, method, layer, TARGET, np.array(images, int))
    except RunError:
        return ()
    return () if maps is None else tuple(map(painted, maps))


def why_no_maps(run: Run, method: str, layer: str) -> str:
    """Say why there are no maps of patterns to show, else nothing."""
    try:
        maps = read_maps(run, method, layer, TARGET, np.array([0]))
    except RunError as error:
        return str(error)
    return "" if maps is not None else "The maps are gone: finding the patterns again writes them."


def painted(values: np.ndarray, largest: float | None = None) -> str:
    """Return a map as a data URL, "" where it is not finite. largest: what has the strongest colour; else its own."""
    if not np.isfinite(values).all():
        return ""
    sign, side = "positive", int(np.clip(max(values.shape), *_SIDES))
    largest = strongest(values, sign) if largest is None else largest
    how = {"sign": sign, "cells": "smooth", "colours": colours_for(sign, None)}
    return data_url(paint(values, largest=largest, size=(side, side), **how))
