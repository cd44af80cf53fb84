"""How two runs compare: which is better, on which images, classes and pairs of classes."""

from typing import NamedTuple

from sightline.report.address.selection import Selection
from sightline.report.asked import Asked
from sightline.report.drawing.bars import BARS, bars_data
from sightline.report.drawing.compared_bars import changed_bars, class_bars
from sightline.report.sections.section import Facts
from sightline.report.words.comparison import better_words, changed_words, class_words, set_words
from sightline.report.words.text import escape_markdown
from sightline.run_store.comparison import ONE_SIDED


class ImageSet(NamedTuple):
    """A set of images by how both runs do on it. name: Markdown. share: of all, 0–1. colour: of the only one right."""

    name: str
    images: int
    share: float
    colour: str


def comparison(asked: Asked) -> Facts | None:
    """Return sentences in Markdown, the sets, and the bars by class and by pair; None of a run alone."""
    found = asked.comparison
    if found is None:
        return None
    names = [escape_markdown(shown.title) for shown in asked.runs]
    colours = dict(zip(ONE_SIDED, (shown.colour for shown in asked.runs), strict=True))
    of_nothing = Selection()  # none of the bars is chosen
    legend = [(shown.title, shown.colour) for shown in asked.runs]
    pairs = changed_bars(found, of_nothing)
    return {
        "better": better_words(found, [f"**{name}**" for name in names]),
        "sets": [
            ImageSet(name, found.images[change], found.images[change] / max(1, len(found.a)), colours.get(change, ""))
            for change, name in set_words(*names).items()
        ],
        "bars": BARS,
        "classes": bars_data(class_bars(found, legend, of_nothing), widths=(42,), label_share=0.6),
        "class_words": class_words(found),
        "pairs": bars_data(pairs, widths=(46,), label_share=1.6) if pairs else None,
        "pair_words": changed_words(found),
    }
