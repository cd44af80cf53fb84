"""What the colours of the maps mean: a bar for amounts, and one for signed values where there are any."""

from collections.abc import Sequence
from functools import lru_cache

from sightline.report.drawing.cells import Cells
from sightline.report.drawing.map_settings import SCALE_WORDS, MapSettings, colours_for
from sightline.report.drawing.paint import in_digits

STOPS = 12  # of the gradient


def bars_html(cells: Cells, settings: MapSettings) -> str:
    """Draw a bar for each sign of the maps; its ends are numbers where all maps are on one scale. "" of no map."""
    drawn = [cell for row in cells for cell in row if cell.is_drawable]
    signs = dict.fromkeys(cell.row.sign for cell in drawn)
    scales = {cell.largest for cell in drawn}
    one = scales.pop() if settings.scale != "own" and len(scales) == 1 else None
    bars = "".join(_bar(_ends(sign, one), colours_for(sign, settings.colours)) for sign in signs)
    whose = "one scale for all" if one is not None else SCALE_WORDS[settings.scale]
    return f'<div class="colour-bars">{bars}<span>{whose}</span></div>' if bars else ""


def _ends(sign: str, largest: float | None) -> Sequence[str]:
    if largest is None:
        return ("−", "0", "+") if sign == "signed" else ("low", "high")
    return (in_digits(-largest), "0", in_digits(largest)) if sign == "signed" else ("0", in_digits(largest))


def _bar(ends: Sequence[str], colours: str) -> str:
    low, *middle, high = (f"<span>{end}</span>" for end in ends)
    words = f"Colours of the maps, from {ends[0]} to {ends[-1]}"
    gradient = f'<i role="img" aria-label="{words}" style="background:linear-gradient(90deg,{_stops(colours)})">'
    return f'<div class="colour-bar">{low}{gradient}{"".join(middle)}</i>{high}</div>'


@lru_cache
def _stops(colours: str) -> str:
    from matplotlib import colormaps

    shares = (place / (STOPS - 1) for place in range(STOPS))
    return ",".join(
        "rgb({:.0f} {:.0f} {:.0f})".format(*(255 * part for part in colormaps[colours](share)[:3])) for share in shares
    )
