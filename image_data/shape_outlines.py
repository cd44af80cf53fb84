"""The outlines of the planted shapes, as signed distances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def signed_distance(name: str, x: Floats, y: Floats) -> Floats:
    """Return the distance to the outline of the shape of radius 1 at the origin, y downwards; negative inside."""
    if name == "circle":
        return np.sqrt(x * x + y * y) - np.float32(0.9)
    if name == "ring":
        return np.abs(np.sqrt(x * x + y * y) - np.float32(0.72)) - np.float32(0.26)
    if name == "moon":
        bite = np.float32(0.78) - np.sqrt((x - np.float32(0.5)) ** 2 + (y + np.float32(0.12)) ** 2)
        crescent: Floats = np.maximum(np.sqrt(x * x + y * y) - 1, bite)
        return crescent
    return _polygon_distance(_polygon(name), x, y)


def _polygon(name: str) -> list[tuple[float, float]]:
    if name == "star":
        radii, turns = [1.1, 0.5] * 5, range(10)
        return [
            (r * math.sin(k * math.pi / 5), -r * math.cos(k * math.pi / 5)) for r, k in zip(radii, turns, strict=True)
        ]
    if name == "heart":  # the curve 16 sin³t, 13 cos t − 5 cos 2t − 2 cos 3t − cos 4t
        ts = [k * math.pi / 10 for k in range(20)]
        wave = [13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t) for t in ts]
        return [(16 * math.sin(t) ** 3 / 16.7, -(w + 2.5) / 16.7) for t, w in zip(ts, wave, strict=True)]
    if name == "cross":
        a, b = 0.34, 1.0
        right = [(a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b)]
        return right + [(-x, -y) for x, y in right]
    return {
        "square": [(-0.77, -0.77), (0.77, -0.77), (0.77, 0.77), (-0.77, 0.77)],
        "triangle": [(0.0, -1.1), (0.9, 0.63), (-0.9, 0.63)],
        "diamond": [(0.0, -1.1), (0.88, 0.0), (0.0, 1.1), (-0.88, 0.0)],
        "arrow": [
            (0.0, -1.1),
            (0.9, -0.1),
            (0.36, -0.1),
            (0.36, 1.0),
            (-0.36, 1.0),
            (-0.36, -0.1),
            (-0.9, -0.1),
        ],
    }[name]


def _polygon_distance(corners: list[tuple[float, float]], x: Floats, y: Floats) -> Floats:
    """Return the signed distance to a polygon (I. Quilez, https://iquilezles.org/articles/distfunctions2d/)."""
    squared = np.full_like(x, np.inf)
    inside = np.zeros(x.shape, bool)
    points = np.round(np.array(corners), 4).astype(np.float32)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, 1, axis=0), strict=True):
        ex, ey = x1 - x0, y1 - y0
        dx, dy = x - x0, y - y0
        along = ((dx * ex + dy * ey) / (ex * ex + ey * ey)).clip(0, 1)
        squared = np.minimum(squared, (dx - ex * along) ** 2 + (dy - ey * along) ** 2)
        if y0 != y1:  # a ray to the left crosses this edge
            inside ^= ((y >= y0) != (y >= y1)) & (x > x0 + dy * (ex / ey))
    return np.where(inside, -np.sqrt(squared), np.sqrt(squared))
