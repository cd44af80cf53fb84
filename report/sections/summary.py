"""What the run is worth, in sentences."""

from sightline.report.asked import Asked
from sightline.report.sections.section import Facts
from sightline.report.words.text import count, percent
from sightline.run_store.comparison import wilson


def summary(asked: Asked) -> Facts:
    """Return the sentences, in Markdown."""
    predictions = asked.predictions
    images, mistakes = len(predictions), int(predictions.wrong.sum())
    low, high = wilson(images - mistakes, images)
    return {
        "sentences": [
            f"**{percent(predictions.accuracy)}** of {count(images)} test images are right "
            f"({100 * low:.1f}–{percent(high)}); {count(mistakes)} are mistakes.",
        ]
    }
