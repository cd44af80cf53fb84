"""Of which images the figures by class are, in words. Plain texts."""

from sightline.report.address.selection import Selection
from sightline.report.words.text import counted
from sightline.run_store.predictions import Predictions


def scope_words(predictions: Predictions, selection: Selection) -> str:
    """Say which images confusion and tables count, where it is not all of them.

    They go by every filter but those that they set themselves: the two classes, and whether they are the same.
    """
    if not any(predictions.has(name, asked) for name, asked in selection.columns):
        return ""
    images = int(predictions.confusion_of(selection.columns).images.sum())
    return f"Of the {counted(images, 'image')} that {'pass' if images != 1 else 'passes'} the filters, right or wrong."
