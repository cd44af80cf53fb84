"""What a map is drawn from. No Streamlit here."""

from dataclasses import dataclass

SIGNS = ("positive", "signed")
CELLS = ("smooth", "true")
SCALES = (
    "own",
    "layer",
    "row",
)  # whose maximum has the strongest colour: the map's, or that of all of its layer or row
SCALE_WORDS = {"own": "each map on its own scale", "layer": "one scale a layer", "row": "one scale a row"}
COLOURS = {"positive": ("inferno", "viridis", "cividis"), "signed": ("RdBu_r", "PuOr_r", "BrBG")}  # matplotlib's names
CLASS_TARGET = "class:"
TARGETS = ("predicted", "true", "runner-up", "difference")  # a target is one of these, or CLASS_TARGET + a class name

STORED_TARGETS = ("predicted", "true", "difference")  # of which maps may be computed ahead of time


@dataclass(frozen=True)
class MapSettings:
    """Which maps are computed and how they look: `resolve` makes it of what the address asks for.

    method: a key of METHODS. layers: of a layer method `named_modules()` names, shallow to deep; of a pixel method
    INPUT alone. targets: of TARGETS, or CLASS_TARGET + a class name; () means the view's default. sign: of SIGNS, one
    that the method has. colours: of COLOURS for that sign. opacity: of a map over its image, 0–100 percent.
    """

    method: str
    layers: tuple[str, ...]
    targets: tuple[str, ...]
    scale: str
    sign: str
    cells: str
    colours: str
    opacity: int


def colours_for(sign: str, wanted: str | None) -> str:
    """Return `wanted` where it fits the sign, else the first that does: a signed map needs a scale with a middle."""
    return wanted if wanted in COLOURS[sign] else COLOURS[sign][0]
