"""Decode many files at once.

Threads do for a few files. For many small ones they are slower than a single thread, since they hand the
interpreter lock to and fro (8,000 CIFAR-10 JPEGs on two cores: one thread 1.4 s, two threads 2.1 s, two
processes 0.8 s). The processes are plain `python -c` workers that speak pickle over their pipes: neither fork
(unsafe beside torch's threads) nor multiprocessing's spawn (it would run the caller's script again).
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import sightline
from sightline.image_data.decode import ImageError, decode_file
from sightline.image_data.resize import CROP, Resize

PROCESSES_FROM = 3000  # files; below, starting the workers takes longer than they save
BATCH = 128  # files
_WORKER = (
    "import sys; sys.path.insert(0, sys.argv[1]); from sightline.image_data.folder.decoding_pool import serve; serve()"
)


class Failure(NamedTuple):
    """The reason why a file was left out, and whether it was the file system that refused it, which may pass."""

    reason: str
    is_refused: bool


class Batch(NamedTuple):
    """The outcome of decoding some files: images uint8 n×S×S×3 in order, and the failures by their position.

    bits: by position, as in `Decoded`, of the images of 16 bits that use only the lowest few.
    """

    images: NDArray[np.uint8]
    failures: dict[int, Failure]
    bits: dict[int, int]


def decode_batch(files: Sequence[str], image_size: int, resize: Resize = CROP) -> Batch:
    """Decode files in this process, each to image_size × image_size pixels."""
    images, failures, bits = [], {}, {}
    for position, file in enumerate(files):
        try:
            decoded = decode_file(file, image_size, resize)
            images.append(decoded.pixels)
            if decoded.bits is not None:
                bits[position] = decoded.bits
        except ImageError as error:
            failures[position] = Failure(error.reason, error.is_refused)
    stacked = np.stack(images) if images else np.empty((0, image_size, image_size, 3), np.uint8)
    return Batch(stacked, failures, bits)


class DecodingPool:
    """Workers that decode `files` many files; they start with the first file and end with `close`, or `with`."""

    def __init__(self, files: int, workers: int | None = None) -> None:
        self.workers = workers or min(_available_cores(), 16)
        self._use_processes = files >= PROCESSES_FROM and self.workers > 1
        self._threads = ThreadPoolExecutor(self.workers, initializer=self._start_worker)
        self._local = threading.local()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._closing = False

    def __enter__(self) -> DecodingPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; what they have not decoded is lost."""
        self._closing = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._processes:
            worker.terminate()
        self._threads.shutdown()
        for worker in self._processes:
            worker.communicate()

    def decode(
        self, files: Sequence[str], image_size: int, resize: Resize = CROP, size: int | None = None
    ) -> Iterator[Batch]:
        """Yield batches of `size` files, by default `BATCH`, in the order of the files."""
        size = size or BATCH
        # Only a few batches ahead of the reader, or large images would fill the memory.
        pending: deque[Future[Batch]] = deque()
        for start in range(0, len(files), size):
            pending.append(self._threads.submit(self._decode_batch, files[start : start + size], image_size, resize))
            if len(pending) > 2 * self.workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def _start_worker(self) -> None:
        self._local.worker = None
        if self._use_processes:
            root = str(Path(sightline.__file__).resolve().parent.parent)
            try:
                worker = subprocess.Popen(
                    [sys.executable, "-P", "-c", _WORKER, root],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            except OSError:  # no more processes: the thread does the work
                return
            self._local.worker = worker
            self._processes.append(worker)

    def _decode_batch(self, files: Sequence[str], image_size: int, resize: Resize) -> Batch:
        worker = self._local.worker
        if worker is not None:
            try:
                pickle.dump((files, image_size, resize), worker.stdin, protocol=5)
                worker.stdin.flush()
                batch: Batch = pickle.load(worker.stdout)  # our own worker's answer, not a file from elsewhere
                return batch
            except (OSError, EOFError, ValueError, pickle.UnpicklingError):
                if self._closing:
                    raise
                self._local.worker = None  # it died: do without it
        return decode_batch(files, image_size, resize)


def serve() -> None:
    """Decode every batch named on standard input until it is closed: the side of the worker."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            question = pickle.load(questions)
        except (EOFError, KeyboardInterrupt):
            return
        pickle.dump(decode_batch(*question), answers, protocol=5)
        answers.flush()


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
