"""What the keyboard does, beside Tab, Enter and Space: the table that the help overlay shows."""

from typing import NamedTuple


class Key(NamedTuple):
    """keys: as they are named on a keyboard. where: what has to have the focus, or the view. what: it does."""

    keys: str
    where: str
    what: str


KEYS = (
    Key("P", "any view", "present it: settings are hidden, type and tiles larger"),
    Key("← →", "while presenting", "go through the images of the set"),
    Key("Esc", "while presenting", "leave the presentation"),
    Key("?", "any view", "show these keys"),
    Key("← → Home End", "a chart of Curves", "go from epoch to epoch"),
    Key("↑ ↓", "a chart of Curves", "go from run to run"),
    Key("Enter", "a chart of Curves", "open the run's mistakes after that epoch, or choose the run"),
    Key("↑ ↓", "the table of runs", "go to the same button of the next run"),
    Key("← → ↑ ↓ Home End", "the confusion matrix", "go from cell to cell, and to the names of classes"),
    Key("Enter", "the confusion matrix", "filter by the classes of the cell or the name"),
    Key("← → ↑ ↓ Home End", "a gallery", "go from image to image"),
    Key("Enter", "a gallery", "open the image in Layers"),
    Key("Space", "the gallery of Mistakes", "choose the image, with others, or no longer"),
    Key("Shift + ← → ↑ ↓", "the gallery of Mistakes", "choose images on the way"),
    Key("Ctrl + A", "the gallery of Mistakes", "choose all images of the page"),
    Key("← →", "Layers", "go through the images of the set"),
    Key("← → ↑ ↓ Home End", "the maps of Layers", "go from map to map, also while one is open large"),
    Key("Enter", "a map", "open it large"),
    Key("← → ↑ ↓, with Shift", "the brush in Layers", "move the brush by a pixel, by its width"),
    Key("Space", "the brush in Layers", "paint"),
    Key("Backspace", "the brush in Layers", "take back what was painted last"),
)
