"""What the colours of maps mean: the ends of a bar and the stops of its gradient."""

from collections.abc import Sequence
from functools import lru_cache

from sightline.report.drawing.paint import in_digits

STOPS = 12  # of the gradient


def ends(sign: str, largest: float | None) -> Sequence[str]:
    """Return what stands at the ends of a bar, with 0 in the middle of a signed one.

    largest: what has the strongest colour; None where that differs from map to map, so that the ends are words.
    """
    if largest is None:
        return ("−", "0", "+") if sign == "signed" else ("low", "high")
    return (in_digits(-largest), "0", in_digits(largest)) if sign == "signed" else ("0", in_digits(largest))


@lru_cache
def stops(colours: str) -> tuple[str, ...]:
    """Return the colours of a bar from low to high, as CSS has them. colours: matplotlib's name."""
    from matplotlib import colormaps

    shares = (place / (STOPS - 1) for place in range(STOPS))
    return tuple(
        "rgb({:.0f} {:.0f} {:.0f})".format(*(255 * part for part in colormaps[colours](share)[:3])) for share in shares
    )
