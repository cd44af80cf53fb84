"""What was attended: its colour, size and place, drawn in a frame and said. No Streamlit here."""

from html import escape

from sightline.report.words.pattern import SCATTERED, place_words, size_words, standing_out_words
from sightline.run_store.patterns import Attended


def attended_html(attended: Attended, whose: str = "Attended") -> str:
    """Write swatch, size and place, and draw them in a frame. whose: plain text before the words."""
    colour = "rgb({:.0f} {:.0f} {:.0f})".format(*attended.colour) if attended.stands_out else "grey"
    side = max(8.0, 100 * attended.size**0.5)
    left, top = (min(max(100 * share - side / 2, 0), 100 - side) for share in attended.place)
    blob = f'<i style="left:{left:.0f}%;top:{top:.0f}%;width:{side:.0f}%;height:{side:.0f}%;background:{colour}"></i>'
    words = f"{size_words(attended)}, {place_words(attended)}, {standing_out_words(attended)}"
    frame = f'<span class="frame" aria-hidden="true">{blob}</span>' if attended.spread <= SCATTERED else ""
    swatch = f'<span class="swatch" aria-hidden="true" style="background:{colour}"></span>'
    shown = swatch if attended.stands_out else ""
    return f'<div class="attended">{frame}{shown}<span>{escape(whose)}: <b>{words}</b></span></div>'
