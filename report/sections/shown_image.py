"""What the page shows of one image of the set: what it was taken for, and a figure for each of its maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sightline.report.asked import Asked
from sightline.report.drawing.cells import Cell, Cells, Row, described
from sightline.report.drawing.encoded import image_uri, map_uri
from sightline.report.drawing.map_settings import CLASS_TARGET, MapSettings
from sightline.report.drawing.sides import Side
from sightline.report.drawing.subject import Subject
from sightline.report.words.text import percent

_RIVAL = "rival"  # what a prediction is held against by default: the true class, or the runner-up of a right one


def shown_image(asked: Asked, sides: Sequence[Side], cells: Cells) -> Mapping[str, Any]:
    """Return what the page shows of an image: texts are plain."""
    subject, settings = sides[0].subject, sides[0].settings
    return {
        "title": subject.title,
        "uri": image_uri(subject.pixels),
        "alt": subject.describe(),
        "guesses": [_guess(side) for side in sides],
        "maps": [
            _map(asked, cell, place, settings, sides[int(bool(row[0].row.whose and row[0].row.whose.is_second))])
            for row in cells
            for place, cell in enumerate(row)
        ],
    }


def _guess(side: Side) -> Mapping[str, Any]:
    subject = side.subject
    p = subject.probabilities[subject.predicted]
    return {
        "whose": side.whose,
        "true": None if subject.label is None else subject.name(subject.label),
        "predicted": subject.name(subject.predicted),
        "wrong": subject.is_wrong,
        "confidence": "" if np.isnan(p) else percent(float(p)),
    }


def _map(asked: Asked, cell: Cell, place: int, settings: MapSettings, side: Side) -> Mapping[str, Any]:
    finding = cell.finding
    parts, start = [], 0.0
    for name, share in cell.shares:
        if share == share:
            parts.append({"name": name, "start": 100 * start, "width": 100 * share, "share": percent(share, 0)})
            start += share
    return {
        "target": _target(asked, cell.row, side.subject),
        "layer": place,
        "whose": cell.row.whose,
        "title": f"{cell.row.title}: {cell.row.subtitle}",
        "at": cell.layer,
        "size": "" if cell.values is None else "{}×{}".format(*cell.values.shape),
        "uri": map_uri(cell, settings),
        "alt": described(cell, settings.method),
        "extremes": cell.extremes,
        "missing": cell.missing if cell.values is None else "not drawn",
        "finding": finding.name if finding else "",
        "why": f"{finding.name}: {finding.reason}" if finding else "",
        "shares": parts,
    }


def _target(asked: Asked, row: Row, subject: Subject) -> str:
    """Name what a map explains, the same for all images and both runs, whose classes may have other codes."""
    if not asked.selection.targets and row.key in ("true", "runner-up"):
        return _RIVAL
    return CLASS_TARGET + subject.name(row.score[0]) if row.key.startswith("class-") else row.key


def target_titles(shown: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """Return what can be chosen of what maps explain: by name, in words."""
    found: dict[str, dict[str, None]] = {}
    for image in shown:
        for one in image["maps"]:
            found.setdefault(one["target"], {})[one["title"].partition(":")[0]] = None
    titles = {name: " or ".join(word if not place else word.lower() for place, word in enumerate(words))
              for name, words in found.items()}  # fmt: skip
    return {name: name if name.startswith(CLASS_TARGET) else title for name, title in titles.items()}
