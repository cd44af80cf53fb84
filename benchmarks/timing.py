"""Seconds, and what the machine could do in them."""

import time
from collections.abc import Callable

import torch


def seconds_of(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of multiplying two large square matrices: the best of ten."""
    side = 8192 if device.type == "cuda" else 4096
    one, other = torch.randn(2, side, side, device=device).to(dtype)
    return 2 * side**3 / min(seconds_of(lambda: (one @ other)[0, 0].item()) for _ in range(10))
