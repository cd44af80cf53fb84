"""The images of a run that look alike to its model."""

import numpy as np

from sightline.app.runs.kept import computed_once, kept, read_once
from sightline.run_store.neighbours import nearest, unit_rows
from sightline.run_store.run import Run

MOST_NEIGHBOURS = 50_000  # images at most that are searched for similar ones: 100 MB of memory for ResNet18
MOST_VALUES = 2**26  # of their features together: 256 MB


@kept("features", computed_once(max_entries=2))
def _directions(run: Run) -> np.ndarray:
    return unit_rows(run.features()[: searched(run)])


def searched(run: Run) -> int:
    """Return how many images are searched for similar ones: the first ones of the run. Raises RunError."""
    images, values = run.features().shape
    return min(images, MOST_NEIGHBOURS, MOST_VALUES // values)


@kept("features", read_once(4096))
def similar(run: Run, image: int, count: int) -> np.ndarray:
    """Return the images (int64) nearest to `image` in the penultimate features; not to be written to.

    Raises RunError.
    """
    directions = _directions(run)  # 100 MB to go through, while the image stays the same for many clicks
    found = nearest(directions, unit_rows(run.features()[image : image + 1])[0], count + 1)
    return found[found != image][:count]
