"""What was attended: its colour, size and place, drawn in a frame and said."""

from html import escape

from sightline.report.drawing.pictures import svg_url
from sightline.report.words.pattern import SCATTERED, place_words, size_words, standing_out_words
from sightline.run_store.patterns import Attended


def attended_html(attended: Attended, whose: str = "Attended") -> str:
    """Write swatch, size and place, and draw them in a frame. whose: plain text before the words."""
    colour = "rgb({:.0f},{:.0f},{:.0f})".format(*attended.colour) if attended.stands_out else "grey"
    words = f"{size_words(attended)}, {place_words(attended)}, {standing_out_words(attended)}"
    frame = _picture("frame", _blob(attended, colour)) if attended.spread <= SCATTERED else ""
    swatch = _picture("swatch", f'<rect width="100%" height="100%" fill="{colour}"/>') if attended.stands_out else ""
    return f'<div class="attended">{frame}{swatch}<span>{escape(whose)}: <b>{words}</b></span></div>'


def _blob(attended: Attended, colour: str) -> str:
    side = max(8.0, 100 * attended.size**0.5)
    left, top = (min(max(100 * share - side / 2, 0), 100 - side) for share in attended.place)
    shape = f'x="{left:.0f}%" y="{top:.0f}%" width="{side:.0f}%" height="{side:.0f}%" rx="2"'
    return f'<rect {shape} fill="{colour}"/>'


def _picture(name: str, content: str) -> str:
    return f'<img class="{name}" alt="" src="{svg_url(content)}">'
