"""The proof strip's figures as HTML: pictures, and beside them what the network says, in large figures and bars."""

from collections.abc import Sequence
from html import escape

import numpy as np

from sightline.report.drawing.map_settings import MapSettings
from sightline.report.drawing.paint import paint, strongest
from sightline.report.drawing.pictures import data_url
from sightline.report.drawing.subject import Subject
from sightline.report.words.text import percent
from sightline.run_store.thumbnails import THUMBNAIL_SIZE, thumbnail

_OPACITY = 0.6  # of a map over its image, both of which are to be seen


def strip_html(figures: Sequence[str], words: str) -> str:
    """Lay out figures in a row, or below each other where there is no room. words: HTML that stands with them."""
    return f'<div class="proof-strip"><div class="row">{"".join(figures)}</div><p>{words}</p></div>'


def figure_html(title: str, *pictures: str, chances: str = "") -> str:
    """Write pictures below a plain title, and beside them the chances, see `chances_html`."""
    chances = f'<div class="chances">{chances}</div>' if chances else ""
    content = f"<div>{''.join(pictures)}{chances}</div>"
    return f"<figure><figcaption>{escape(title)}</figcaption>{content}</figure>"


def picture_html(pixels: np.ndarray, alt: str, over: str = "") -> str:
    """Write an image, uint8 S×S×3. over: the address of a map that lies over it."""
    hard = " hard" if pixels.shape[0] <= THUMBNAIL_SIZE else ""
    lies_over = f'<img class="over" style="opacity:{_OPACITY}" alt="" src="{over}">' if over else ""
    image = f'<img alt="{escape(alt)}" src="{data_url(thumbnail(pixels))}">'
    return f'<div class="picture{hard}">{image}{lies_over}</div>'


def map_pictures(
    subject: Subject, settings: MapSettings, title: str, *maps: tuple[np.ndarray, np.ndarray]
) -> list[str]:
    """Write maps of the predicted class over their images (uint8 S×S×3 and float h×w), all on one scale.

    A map that is not finite is left out of its picture, which says so.
    """
    largest = max(strongest(values, settings.sign) for _, values in maps)
    drawn = []
    for pixels, values in maps:
        if not np.isfinite(values).all():
            drawn.append(picture_html(pixels, f"{title}: not finite"))
            continue
        map_ = paint(values, sign=settings.sign, cells=settings.cells, colours=settings.colours, largest=largest)
        drawn.append(picture_html(pixels, f"{title} for {subject.name(subject.predicted)}", data_url(map_)))
    return drawn


def chances_html(subject: Subject, chances: np.ndarray, draws: np.ndarray | None = None) -> str:
    """Write the probabilities, (C,), of the predicted class and of its rival, as figures and bars.

    draws: (D, C), of which `chances` is the mean: their range lies over the bar.
    """
    codes = [code for code in (subject.predicted, subject.rival) if code is not None]
    return "".join(
        _chance(subject, code, float(chances[code]), None if draws is None else draws[:, code]) for code in codes
    )


def _chance(subject: Subject, code: int, share: float, draws: np.ndarray | None) -> str:
    kind = "right" if code == subject.label else "wrong" if subject.is_wrong else "muted"
    if subject.label is None and code == subject.predicted:
        kind = "taken-for"
    width = 0 if np.isnan(share) else 100 * share
    ends = ""
    if draws is not None and np.isfinite(draws).all():
        ends = f'<u style="left:{100 * draws.min():.1f}%;right:{100 - 100 * draws.max():.1f}%"></u>'
    name = escape(subject.name(code))
    return (
        f'<div class="chance {kind}"><span dir="auto" title="{name}">{name}</span><strong>{percent(share)}</strong>'
        f'<i><em style="width:{width:.1f}%"></em>{ends}</i></div>'
    )
