"""The space in which images that attend to alike things lie close together, and its division into groups.

Scikit-learn is imported where it divides. A command that ends earlier, just after reading a table, would else end in
"terminate called without an active exception": beside it and torch, pyarrow cannot end threads that it has just begun.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

DIMENSIONS = 32
STARTS = 10  # of k-means, of which the best is kept
SEED = 0
_AT_ONCE = 8192  # images


@dataclass(frozen=True)
class Space:
    """Directions of features from their mean, projected on a few components, and the centres of G groups there.

    mean: float32 K. components: float32 D×K. centres: float32 G×D. numbers: int64 G, of the pattern that each group
    is; 0: of none.
    """

    mean: np.ndarray
    components: np.ndarray
    centres: np.ndarray
    numbers: np.ndarray

    def points(self, features: np.ndarray) -> np.ndarray:
        """Return where attended features, float n×K, lie: float32 n×D. One that equals the mean lies in the middle."""
        parts = [features[start : start + _AT_ONCE] for start in range(0, len(features), _AT_ONCE)]
        return np.concatenate(
            [_directions(part, self.mean) @ self.components.T for part in parts]
            or [np.zeros((0, len(self.components)), np.float32)]
        )


def nearest_pattern(space: Space, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of attended features, float n×K, the number of the pattern they fall into, int64 n, −1: into none;

    and how alike they are to the centre of their group, float32 n: the cosine, −1 to 1.
    """
    points = space.points(features)
    group = nearest(points, space.centres)
    centres = space.centres[group]
    lengths = np.linalg.norm(points, axis=1) * np.linalg.norm(centres, axis=1)
    numbers = space.numbers[group]
    return np.where(numbers > 0, numbers, -1), (points * centres).sum(axis=1) / np.maximum(lengths, 1e-12)


def divide(features: np.ndarray, groups: int) -> Space:
    """Divide attended features, float n×K, into groups of which none is a pattern yet: always in the same way.

    They are centred, scaled to length 1 and projected on their first principal components, 32 or as many as there are.
    """
    from sklearn.decomposition import PCA

    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    directions = _directions(features, mean)
    # One thread: sums of several come out in any order. Where all images are the same, nothing varies to be explained.
    with threadpool_limits(1), np.errstate(invalid="ignore"):
        pca = PCA(min(DIMENSIONS, *features.shape), random_state=SEED).fit(directions)
        components = pca.components_.astype(np.float32)
    points = directions @ components.T
    centres = cluster(points, min(groups, len(np.unique(points, axis=0))))
    return Space(mean, components, centres, np.zeros(len(centres), np.int64))


def cluster(points: np.ndarray, groups: int, seed: int = SEED) -> np.ndarray:
    """Return the centres of k-means, float32 G×D, of points, float32 n×D."""
    from sklearn.cluster import KMeans

    with threadpool_limits(1):
        found: Any = KMeans(groups, n_init=STARTS, random_state=seed).fit(points)
    return np.asarray(found.cluster_centers_, np.float32)


def overlap(group: np.ndarray, other: np.ndarray, groups: int) -> np.ndarray:
    """Return of each group (int n, from 0) how far it is one of another division: the best Jaccard index, 0–1.

    >>> overlap(np.array([0, 0, 0, 1]), np.array([1, 1, 0, 0]), 2).round(2).tolist()  # 2 of 3 in common, 1 of 2
    [0.67, 0.5]
    """
    both = np.zeros((groups, groups))
    np.add.at(both, (group, other), 1)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both
    return np.asarray((both / np.maximum(either, 1)).max(axis=1))


def nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return which of the centres, float G×D, is nearest to each of the points, float n×D: int64 n."""
    # |p − c|² less |p|², which is the same for all centres.
    return np.argmin((centres**2).sum(axis=1) - 2 * points @ centres.T, axis=1)


def _directions(features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    centred = np.asarray(features, np.float32) - mean
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(lengths > 0, lengths, 1)
