"""`sightline quality` with less to measure, in more batches: for tests in one process, and to start it in several."""

from dataclasses import replace

import pytest

from sightline.explain import quality
from sightline.explain.judging import examination, families, intervals
from sightline.explain.judging.families import Family

LIMITS = {  # images of layer methods and of pixel methods
    "randomisation": (4, 2),
    "randomisation_smooth": (3, 1),
    "average_drop": (12, 6),
}


def measure_less(patch: pytest.MonkeyPatch) -> None:
    """Let there be fewer noisy copies, and fewer images under random parameters, than in a report; and small rounds."""
    patch.setattr("sightline.explain.judging.randomisation.NOISY_DRAWS", 1)
    patch.setattr("sightline.explain.attribution.methods.INTEGRATION_STEPS", 2)
    patch.setattr(examination, "MOST_IMAGES", 8)
    patch.setattr(intervals, "LOOKS", (5, 12))
    patch.setattr(families, "FAMILIES", [_with_fewer_images(family) for family in families.FAMILIES])


def _with_fewer_images(family: Family) -> Family:
    of_layers, of_pixels = LIMITS.get(family.measures[0], (20, 8))
    return replace(family, layer_images=of_layers, pixel_images=of_pixels)


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        measure_less(patch)
        quality.main()
