"""What the Patterns view says of all patterns together. Markdown; no Streamlit here."""

import numpy as np

from sightline.report.words.support import map_words
from sightline.report.words.text import count, counted, escape_markdown, percent
from sightline.run_store.patterns import TESTED, Patterns
from sightline.run_store.predictions import Predictions

WHAT_IT_DOES = (
    "Test images are grouped by what the model attended to in them, on one half of the test split; on the other half "
    "each group is tested: does the model err in it more often than elsewhere? What is found is shown with its images, "
    "its maps and what was attended, and how many mistakes become right when the hottest places are covered."
)
HARD_CLASSES = (
    "In these groups the model errs more often than elsewhere, but not, by more than chance, than on other images "
    "that it takes for the same classes: they say which classes are hard, and not why."
)


def found_words(found: Patterns, predictions: Predictions) -> str:
    """Say how many patterns there are, and how many of the mistakes they hold, on the half that did not form them."""
    numbers = [one.number for one in found.patterns if one.kind == "pattern"]
    hard = len(found.patterns) - len(numbers)
    if not numbers:
        return f"**No pattern was found**, only {count(hard)} hard class{'es' * (hard != 1)}."
    is_tested = predictions.wrong & (found.half == TESTED)
    mistakes, held = int(is_tested.sum()), int((is_tested & np.isin(found.pattern, numbers)).sum())
    share = f" ({percent(held / mistakes, 0)})" if mistakes else ""
    return (
        f"**{counted(len(numbers), 'pattern')}** hold{'s' * (len(numbers) == 1)} {count(held)} of the "
        f"{counted(mistakes, 'mistake')}{share} on the half of the test split that had no part in finding "
        f"{'it' if len(numbers) == 1 else 'them'}."
    )


def nothing_words(found: Patterns, predictions: Predictions) -> str:
    """Say that nothing was found, and what was tried."""
    images, tested = len(predictions), int((found.half == TESTED).sum())
    return (
        f"**No pattern was found.** {counted(found.groups, 'group')} of images that are attended alike were formed "
        f"from {counted(images - tested, 'test image')} and tested on the {count(tested)} others: in none of them does "
        "the model err more often than chance explains. Its mistakes may still have causes, such as one that few "
        "images share."
    )


def how_words(found: Patterns) -> str:
    """Say how they were looked for."""
    maps = escape_markdown(map_words(found.method, found.layer))
    return (
        f"Looked for in {counted(found.groups, 'group')} of images that are attended alike: {maps}, predicted class. "
        "Error rates are of the half that had no part in it; p-values of exact tests, corrected for all groups."
    )
