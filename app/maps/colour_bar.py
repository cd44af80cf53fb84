"""What the colours of the maps mean: a bar for amounts, and one for signed values where there are any."""

from collections.abc import Sequence

from sightline.report.drawing.cells import Cells
from sightline.report.drawing.colour_bar import ends, stops
from sightline.report.drawing.map_settings import SCALE_WORDS, MapSettings, colours_for


def bars_html(cells: Cells, settings: MapSettings) -> str:
    """Draw a bar for each sign of the maps; its ends are numbers where all maps are on one scale. "" of no map."""
    drawn = [cell for row in cells for cell in row if cell.is_drawable]
    signs = dict.fromkeys(cell.row.sign for cell in drawn)
    scales = {cell.largest for cell in drawn}
    one = scales.pop() if settings.scale != "own" and len(scales) == 1 else None
    bars = "".join(_bar(ends(sign, one), colours_for(sign, settings.colours)) for sign in signs)
    whose = "one scale for all" if one is not None else SCALE_WORDS[settings.scale]
    return f'<div class="colour-bars">{bars}<span>{whose}</span></div>' if bars else ""


def _bar(named: Sequence[str], colours: str) -> str:
    low, *middle, high = (f"<span>{end}</span>" for end in named)
    words = f"Colours of the maps, from {named[0]} to {named[-1]}"
    gradient = (
        f'<i role="img" aria-label="{words}" style="background:linear-gradient(90deg,{",".join(stops(colours))})">'
    )
    return f'<div class="colour-bar">{low}{gradient}{"".join(middle)}</i>{high}</div>'
