"""`sightline quality` with less to measure, in more batches: for tests in one process, and to start it in several."""

import pytest

from sightline.explain import quality
from sightline.explain.judging import measuring
from sightline.explain.judging.measuring import ImageLimits


def measure_less(patch: pytest.MonkeyPatch) -> None:
    """Let there be fewer noisy copies and images under random parameters than in a report."""
    patch.setattr("sightline.explain.judging.randomisation.NOISY_DRAWS", 1)
    patch.setattr(measuring, "LIMITS", {"layer": ImageLimits(20, 12, 4, 3), "pixel": ImageLimits(8, 6, 2, 1)})
    patch.setattr(measuring, "MOST_IMAGES", 8)
    patch.setattr("sightline.explain.attribution.methods.INTEGRATION_STEPS", 2)


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        measure_less(patch)
        quality.main()
