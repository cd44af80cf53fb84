"""The images of the set, each with its maps: of every target at every layer, of one run or of two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sightline.explain.attribution.methods import METHODS
from sightline.explain.judging.verdicts import known_rows, verdicts
from sightline.image_data import Progress
from sightline.report.asked import Asked, Shown
from sightline.report.drawing.cells import Cells, Maps, Whose, make_cells, on_scale
from sightline.report.drawing.colour_bar import ends, stops
from sightline.report.drawing.encoded import LOSSLESS_SIDE
from sightline.report.drawing.map_settings import SCALE_WORDS, MapSettings, colours_for
from sightline.report.drawing.maps import maps_of, stored_maps
from sightline.report.drawing.resolve import resolve
from sightline.report.drawing.shares import with_shares
from sightline.report.drawing.sides import Side, alone, merged, settings_beside, side_by_side
from sightline.report.drawing.subject import split_image
from sightline.report.sections.section import Facts
from sightline.report.sections.shown_image import shown_image, target_titles
from sightline.report.words.support import MARKS, Support, supports_of
from sightline.report.words.text import count, counted
from sightline.run_store.predictions import Predictions
from sightline.run_store.quality import read_quality
from sightline.run_store.record import RunError


@dataclass(frozen=True)
class _Kind:
    """What one run is asked for, of every image. reason: why it has no maps at all."""

    shown: Shown
    predictions: Predictions
    settings: MapSettings | None
    supports: Mapping[str, Support]
    whose: Whose | None
    reason: str = ""


def images(asked: Asked) -> Facts | None:
    """Return the images of the set with their maps; None where none were asked for. Raises RunError."""
    if not asked.images:
        return None
    rows = asked.shown_rows
    if not len(rows):
        return _facts(asked, [], [], None, ["No image passes the filters: the set is empty."])
    pixels = asked.run.images()[rows]
    kinds = _kinds(asked)
    sides = [_sides(asked, kinds, int(image), one) for image, one in zip(rows, pixels, strict=True)]
    found, problems = [], []
    for place, kind in enumerate(kinds):
        maps, problem = _maps_of([of_image[place] for of_image in sides], kind, asked.progress)
        found.append(maps)
        why = kind.reason or problem
        if why:
            some = "Not all maps" if any(maps) else "No maps"
            problems.append(f"{some}{f', {kind.shown.title}' if asked.b else ''}: {why}")
    masks, problem = _masks(asked, rows)
    grids = [
        _grid(own, [maps[place] for maps in found], kinds, None if masks is None else masks[place])
        for place, own in enumerate(sides)
    ]
    shown = [shown_image(asked, own, cells) for own, cells in zip(sides, grids, strict=True)]
    return _facts(asked, shown, kinds, grids, [*problems, *([problem] if problem else [])])


def _kinds(asked: Asked) -> list[_Kind]:
    """Return what each run is asked for: B for what A shows, as far as it has it."""
    first: MapSettings | None = None
    found = []
    predictions = [asked.predictions, *([asked.comparison.b] if asked.comparison else [])]
    for place, (shown, own) in enumerate(zip(asked.runs, predictions, strict=True)):
        whose = Whose(shown.title, shown.colour, bool(place)) if asked.b else None
        try:
            if first is None:
                settings, _ = resolve(shown.run, asked.selection)
                first = settings if not place else None
            else:
                settings = settings_beside(shown.run, first, asked.selection)
        except RunError as error:
            found.append(_Kind(shown, own, None, {}, whose, str(error)))
            continue
        found.append(_Kind(shown, own, settings, _supports(shown, settings), whose))
    return found


def _supports(shown: Shown, settings: MapSettings) -> Mapping[str, Support]:
    try:
        return supports_of(verdicts(known_rows(read_quality(shown.run))), settings.method, settings.layers)
    except RunError as error:
        return supports_of([], settings.method, settings.layers, str(error))


def _sides(asked: Asked, kinds: Sequence[_Kind], image: int, pixels: np.ndarray) -> list[Side]:
    """Ask each run for its maps of an image."""
    subjects = [split_image(kind.predictions, image, pixels) for kind in kinds]
    rival = "true" if any(subject.is_wrong for subject in subjects) else "runner-up"
    wanted = asked.selection.targets or ("predicted", *((rival,) if subjects[0].rival is not None else ()))
    spare = next((kind.settings for kind in kinds if kind.settings), None) or MapSettings(
        asked.selection.method, (), (), "own", "positive", "smooth", "inferno", 60
    )
    found = []
    for kind, subject in zip(kinds, subjects, strict=True):
        settings = replace(kind.settings or spare, targets=wanted)
        side = alone(kind.shown.run, subject, settings, kind.whose)
        found.append(replace(side, reason=kind.reason))
    return side_by_side(*found) if len(found) > 1 else found


def _maps_of(sides: Sequence[Side], kind: _Kind, progress: Progress | None) -> tuple[list[Maps], str]:
    """Return the maps of one run of each image, and why some are missing.

    What tells whether a layer's maps depend on the class at all is computed too, but only where the network has to be
    asked anyway.
    """
    if kind.settings is None:
        return [{} for _ in sides], ""
    run, method, layers = kind.shown.run, kind.settings.method, kind.settings.layers
    subjects = [side.subject for side in sides]
    rows = [[row.score for row in side.rows] for side in sides]
    found, problem = stored_maps(run, subjects, method, layers, rows)
    there = all(
        (layer, score) in one for one, own in zip(found, rows, strict=True) for layer in layers for score in own
    )
    if there or not run.has_network and any(found):
        return found, problem
    return maps_of(run, subjects, method, layers, [side.scores for side in sides], progress)


def _masks(asked: Asked, rows: np.ndarray) -> tuple[np.ndarray | None, str]:
    """Return the masks of the images, if any, or why they cannot be read."""
    try:
        masks = asked.run.masks()
        return (None if masks is None else masks[rows]), ""
    except RunError as error:
        return None, str(error)


def _grid(sides: Sequence[Side], maps: Sequence[Maps], kinds: Sequence[_Kind], mask: np.ndarray | None) -> Cells:
    """Lay out the maps of an image, as the dashboard does."""
    if not any(maps):
        return []
    made = []
    for side, found, kind in zip(sides, maps, kinds, strict=True):
        is_judged = all((layer, score) in found for layer in side.settings.layers for score in side.scores)
        rows = side.rows if found else []
        made.append(make_cells(found, rows, side.subject, side.settings, kind.supports, is_stored=not is_judged))
    failed = [None if found else RunError("It has no maps.") for found in maps]
    rows_of_all = [row for row in merged(sides, made, failed) if not row[0].row.reason]
    cells = on_scale(rows_of_all, sides[0].settings.scale)
    return cells if mask is None else with_shares(cells, mask)


def _facts(
    asked: Asked,
    shown: Sequence[Mapping[str, Any]],
    kinds: Sequence[_Kind],
    grids: Sequence[Cells] | None,
    problems: Sequence[str],
) -> Facts:
    settings = next((kind.settings for kind in kinds if kind.settings), None)
    has_maps = any(image["maps"] for image in shown)
    cells = [cell for grid in grids or () for row in grid for cell in row]
    signs = dict.fromkeys(cell.row.sign for cell in cells if cell.is_drawable)
    side = asked.run.images().shape[1] if shown else 0
    return {
        "shown": shown,
        "said": _said(asked, len(shown), settings if has_maps else None),
        "problems": problems,
        "has_maps": has_maps,
        "targets": target_titles(shown),
        "layers": settings.layers if settings else (),
        "opacity": settings.opacity if settings else 60,
        "bars": [
            {"ends": ends(sign, None), "stops": stops(colours_for(sign, settings.colours))}
            for sign in signs
            if settings
        ],
        "scale": SCALE_WORDS[settings.scale] if settings else "",
        "supports": [
            {"whose": kind.whose, "layer": layer, "support": support, "mark": MARKS[support.name]}
            for kind in kinds
            for layer, support in (kind.supports.items() if has_maps else ())
        ],
        "is_hard": settings is not None and settings.cells == "true",
        "is_lossy": side > LOSSLESS_SIDE,
        "lossless_side": LOSSLESS_SIDE,
    }


def _said(asked: Asked, images: int, settings: MapSettings | None) -> str:
    """Say in plain text what is shown."""
    if not images:
        return ""
    total, order = counted(len(asked.rows), "image"), asked.predictions.known_order(asked.selection.order)
    if images == len(asked.rows):
        shown = total
    elif asked.shown_rows[0] == asked.rows[0]:
        shown = f"The first {count(images)} of {total}"
    else:
        shown, order = f"{count(images)} of {total}", f"the chosen one before the others, {order}"
    of_maps = f", with their maps by {METHODS[settings.method].title}" if settings else ""
    return f"{shown} of the set, {order}{of_maps}."
