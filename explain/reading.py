"""Read the images of a split batch by batch, so that memory does not grow with their number."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.image_data.images import Images, in_chunks

GPU_SHARE = 1 / 4  # of a GPU's free memory: the most that the images of a training may take of it
AHEAD = 1  # batch, read before it is asked for; one more is being read


def on_gpu_if_small(images: Images, device: torch.device) -> Images | Tensor:
    """Return the images on the GPU, uint8, where they take at most GPU_SHARE of its free memory; else as they are."""
    if device.type != "cuda" or math.prod(images.shape) > GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
        return images
    placed, start = torch.empty(images.shape, dtype=torch.uint8, device=device), 0
    for chunk in in_chunks(images):
        placed[start : start + len(chunk)] = torch.from_numpy(_own(chunk))
        start += len(chunk)
    return placed


def read_ahead(images: Images | Tensor, parts: Iterable[Any], device: torch.device) -> Iterator[Tensor]:
    """Yield `images[part]` on the device for each of `parts`: slices, or rows as a tensor on the CPU.

    A thread reads AHEAD of whoever takes them; what lies in a tensor is taken from there at once.
    """
    if isinstance(images, Tensor):
        yield from (images[part.to(images.device, non_blocking=True)] for part in parts)
        return
    reader, pending = ThreadPoolExecutor(1), deque[Future[np.ndarray]]()
    try:
        for part in parts:
            rows = part.numpy() if isinstance(part, Tensor) else part
            pending.append(reader.submit(lambda rows: _own(images[rows]), rows))
            if len(pending) > AHEAD:
                yield torch.from_numpy(pending.popleft().result()).to(device, non_blocking=True)
        while pending:
            yield torch.from_numpy(pending.popleft().result()).to(device, non_blocking=True)
    finally:
        reader.shutdown(cancel_futures=True)


def _own(pixels: np.ndarray) -> np.ndarray:
    """Return an array that lies in memory, not in a memory map, and may be written to."""
    return np.require(pixels, requirements=["C", "O", "W"])
