"""Patterns in words: plain texts, and sentences in Markdown that Patterns and Curves share. No Streamlit here."""

import colorsys
from collections.abc import Sequence

from sightline.explain.why.differing import Differing
from sightline.report.words.text import count, counted, escape_markdown, p_words, percent
from sightline.run_store.patterns import Attended, Covered, Pattern

SCATTERED = 0.17  # of a side: where the centres lie farther from their mean than this, that is no place

# Up to this hue, in degrees, a colour is called so.
_HUES = (
    (15, "red"), (40, "orange"), (65, "yellow"), (95, "yellow-green"), (165, "green"), (195, "turquoise"),
    (255, "blue"), (290, "purple"), (345, "pink"), (360, "red"),
)  # fmt: skip
_GREYS = ((48, "black"), (100, "dark grey"), (165, "grey"), (220, "light grey"), (256, "white"))  # up to this lightness
_NO_HUE, _LITTLE_HUE = 20, 60  # the difference between the largest and the least of red, green and blue


def colour_words(colour: tuple[float, float, float]) -> str:
    """Name a colour, red, green and blue of 0–255.

    >>> colour_words((230, 30, 40)), colour_words((120, 140, 160)), colour_words((90, 90, 95))
    ('red', 'greyish blue', 'dark grey')
    """
    most, least = max(colour), min(colour)
    if most - least < _NO_HUE:
        return next(name for end, name in _GREYS if (most + least) / 2 < end)
    hue = 360 * colorsys.rgb_to_hsv(*colour)[0]
    name = next(name for end, name in _HUES if hue <= end)
    if name == "orange" and most < 170:
        name = "brown"
    return f"greyish {name}" if most - least < _LITTLE_HUE else name


def place_words(attended: Attended) -> str:
    """Say where that is, in an image: 'top left', 'in the middle'; where it is elsewhere in each, 'in many places'."""
    if attended.spread > SCATTERED:  # NaN: nobody knows
        return "in many places"
    left, top = attended.place
    words = (_third(top, "top", "bottom"), _third(left, "left", "right"))
    return " ".join(filter(None, words)) or "in the middle"


def _third(share: float, first: str, last: str) -> str:
    return first if share < 0.4 else last if share > 0.6 else ""


def size_words(attended: Attended) -> str:
    """Write '5 % of the image'."""
    return f"{percent(attended.size, 0 if attended.size >= 0.01 else 1)} of the image"


def standing_out_words(attended: Attended) -> str:
    """Say which colour stands out, if any does, and how much more of the heat it has than of the images."""
    if not attended.stands_out:
        return "no colour stands out"
    return f"{colour_words(attended.colour)} stands out (+{percent(attended.excess, 0)})"


def covered_words(covered: Covered) -> str:
    """Say what covering the hottest places does, beside as much covered at random."""
    return (
        f"With the hottest tenth covered, {count(covered.right)} of {counted(covered.mistakes, 'mistake')} "
        f"become{'s' * (covered.mistakes == 1)} right; with as much covered at random, "
        f"{count(covered.right_at_random)} ({p_words(covered.p_value)})."
    )


def rate_words(pattern: Pattern) -> str:
    """Write the error rate with its interval: '92 % (87–95 %)'."""
    return f"{percent(pattern.error_rate, 0)} ({100 * pattern.low:.0f}–{percent(pattern.high, 0)})"


def strongest_sentence(pattern: Pattern, class_names: Sequence[str]) -> str:
    """Say in Markdown what a pattern is, in figures."""
    taken_for = escape_markdown(class_names[pattern.taken_for])
    attended = pattern.attended
    sentence = (
        f"{counted(pattern.images, 'test image')}, **{percent(pattern.error_rate, 0)} wrong** (other images: "
        f"{percent(pattern.rest_rate, 0)}), most often taken for **{taken_for}**. Attended: {size_words(attended)}, "
        f"{place_words(attended)}, {standing_out_words(attended)}."
    )
    return f"{sentence} {covered_words(pattern.covered)}" if pattern.covered else sentence


def differing_words(one: Differing) -> str:
    """Say how a column of the predictions differs: 'camera: left in 80 % of them, in 20 % of the others (p = 0.01)'."""
    if one.word is None:
        middles = f"{one.here:.4g}, of the others {one.elsewhere:.4g}"
        return f"{one.column}: median {middles} ({p_words(one.p_value)})"
    shares = f"{percent(one.here, 0)} of them, in {percent(one.elsewhere, 0)} of the others"
    return f"{one.column}: {one.word} in {shares} ({p_words(one.p_value)})"
