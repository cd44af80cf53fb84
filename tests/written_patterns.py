"""Patterns that nobody found, written into a run by hand."""

import numpy as np

from sightline.run_store.hashes import weights_hash
from sightline.run_store.maps import MapsWriter
from sightline.run_store.patterns import Attended, Covered, Pattern, Patterns, write_patterns

RED = Attended((200.0, 30.0, 40.0), 0.12, 0.05, (0.1, 0.2), 0.1)
FIRST = Pattern(
    number=1, kind="pattern", images=6, tested=4, mistakes=3, error_rate=0.75, low=0.2, high=0.99, rest_rate=0.1,
    same_classes_rate=0.2, p_value=0.0001, p_same_classes=0.01, stability=0.9, taken_for=1, attended=RED,
    covered=Covered(mistakes=3, right=2, right_at_random=0, p_value=0.5),
)  # fmt: skip
HARD = Pattern(
    number=2, kind="hard class", images=3, tested=2, mistakes=2, error_rate=1.0, low=0.2, high=1.0, rest_rate=0.3,
    same_classes_rate=0.9, p_value=0.03, p_same_classes=0.8, stability=0.4, taken_for=2,
    attended=Attended((20.0, 30.0, 220.0), 0.01, 0.2, (0.5, 0.5), 0.1),
)  # fmt: skip
OF_IMAGES = (1, 1, 1, -1, 1, 1, 2, 2, -1, -1, 1, 2)  # of which 0, 5 and 10 are mistakes in a fabricated run of 12


def write(run, *patterns, of_images=OF_IMAGES):
    """Write these patterns; further images are of none. The halves are the even and the odd images."""
    pattern = np.full(len(run.images()), -1)
    pattern[: len(of_images)] = [number if number <= len(patterns) else -1 for number in of_images]
    halves = np.arange(len(pattern), dtype=np.int8) % 2
    write_patterns(run, Patterns("layer4", "gradcam", 25, weights_hash(run), patterns, pattern, halves), {})


def write_maps(run):
    """Write maps of the predicted class that are hot at the top left."""
    maps = np.zeros((len(run.images()), 4, 4), np.float32)
    maps[:, 0, 0] = 1
    writer = MapsWriter(run, "gradcam", "layer4", "predicted", (4, 4))
    writer.write(np.arange(len(maps)), maps)
    writer.finish()
