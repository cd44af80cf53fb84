"""What is shown of a pattern: what its images share, its most confident mistakes, and their maps."""

from collections.abc import Sequence

import numpy as np

from sightline.app.maps.shared import means_of, urls_of
from sightline.app.runs import loaders
from sightline.app.runs.kept import kept, read_once
from sightline.report.drawing.means import Means, why_no_maps
from sightline.report.drawing.pattern_card import pattern_mistakes
from sightline.run_store.patterns import Patterns
from sightline.run_store.run import Run


def means(run: Run, found: Patterns, number: int) -> Means:
    """Return the mean pictures of a pattern. Raises RunError."""
    return means_of(run, found.rows(number), found.method, found.layer)


@kept("columns", read_once(64))
def mistakes(run: Run, number: int) -> np.ndarray:
    """Return the mistakes of a pattern (int64), the most confident first. Raises RunError."""
    return pattern_mistakes(loaders.patterns(run), loaders.predictions(run), number)


def map_urls(run: Run, found: Patterns, images: Sequence[int]) -> tuple[str, ...]:
    """Return the map of each image as a data URL, "" of one that is not finite; none where no maps are stored."""
    return urls_of(run, images, found.method, found.layer)


def problem(run: Run, found: Patterns) -> str:
    """Say why there are no maps to show, else nothing."""
    return why_no_maps(run, found.method, found.layer)
