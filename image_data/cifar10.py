"""CIFAR-10 through torchvision: a local copy that it verifies, or a download."""

from __future__ import annotations

import contextlib
import os
import pickle
import secrets
import shutil
import socket
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sightline.image_data.splits import DataError, ImageData, ImageSplit, content_fingerprint

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

CONNECT_SECONDS = 6.0  # until the server must have answered, names and proxies included
STALL_SECONDS = 30.0  # without a byte, after which a download is given up


def load_cifar10(data_dir: Path) -> ImageData:
    """Load CIFAR-10: 50,000 training and 10,000 test images, uint8 32×32×3, and ten class names.

    Looks in `data_dir` for `cifar-10-batches-py/` or `cifar-10-python.tar.gz`, whose checksums torchvision
    verifies; what is missing or damaged is downloaded there, complete or not at all.

    Raises:
        DataError: there is no valid copy and none can be downloaded; names the three ways out.
    """
    from torchvision.datasets import CIFAR10

    data_dir = Path(os.path.abspath(data_dir.expanduser()))
    if not _is_complete(data_dir):
        with _working_folder(data_dir) as folder:
            _obtain(CIFAR10, data_dir, folder)
            # Read where it is, if it cannot be kept: a read-only data_dir with the archive in it will do.
            return _read(folder if not _keep(folder, data_dir) else data_dir)
    return _read(data_dir)


def _is_complete(root: Path) -> bool:
    from torchvision.datasets import CIFAR10

    try:
        CIFAR10(root, train=False)
    except (RuntimeError, OSError, pickle.UnpicklingError):
        return False
    return True


def _read(root: Path) -> ImageData:
    from torchvision.datasets import CIFAR10

    splits = {}
    for split, train in (("train", True), ("test", False)):
        data = CIFAR10(root, train=train)
        images, labels = np.ascontiguousarray(data.data), np.asarray(data.targets, dtype=np.int64)
        class_names = tuple(data.classes)
        fingerprint = content_fingerprint(images, labels, class_names)
        splits[split] = ImageSplit(images, labels, class_names, fingerprint)
    return ImageData("cifar10", splits["train"], splits["test"])


def _obtain(dataset: type[CIFAR10], data_dir: Path, folder: Path) -> None:
    """Bring a verified copy into `folder`, from the archive in `data_dir` or from the network."""
    from torchvision.datasets.utils import check_integrity, extract_archive

    archive = data_dir / dataset.filename
    local = False
    with contextlib.suppress(OSError):
        local = check_integrity(archive, dataset.tgz_md5)
    if not local and not _answers(dataset.url):
        raise _no_copy(data_dir, "there is no network, or the server does not answer")
    try:
        if local:
            extract_archive(archive, folder)
        with _stalling_downloads_end():
            dataset(str(folder), train=False, download=True)  # downloads nothing where all is there
    except (OSError, RuntimeError, EOFError) as error:
        raise _no_copy(data_dir, str(error) or type(error).__name__) from error


def _answers(url: str) -> bool:
    """Tell whether the server can be reached, in seconds even where looking up its name hangs."""
    answered = threading.Event()
    finished = threading.Event()

    def ask() -> None:
        with contextlib.suppress(Exception):
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=CONNECT_SECONDS).close()
            answered.set()
        finished.set()

    threading.Thread(target=ask, daemon=True).start()
    finished.wait(CONNECT_SECONDS)
    return answered.is_set()


@contextlib.contextmanager
def _stalling_downloads_end() -> Iterator[None]:
    # torchvision opens its connection without a timeout of its own.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _working_folder(data_dir: Path) -> Iterator[Path]:
    """Yield a new folder beside the final place, so that moving is one step; elsewhere if that is read-only."""
    parent: Path | None = data_dir
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=".cifar10-", dir=parent)
    except OSError:
        folder = tempfile.mkdtemp(prefix="cifar10-")
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(folder: Path, data_dir: Path) -> bool:
    """Move the verified files to `data_dir`, in place of a damaged copy; return False if that is not possible."""
    name = "cifar-10-batches-py"
    aside = folder / f"damaged-{secrets.token_hex(4)}"
    with contextlib.suppress(OSError):
        os.rename(data_dir / name, aside)
    with contextlib.suppress(OSError):
        os.rename(folder / name, data_dir / name)
    return _is_complete(data_dir)  # also if another process was faster


def _no_copy(data_dir: Path, reason: str) -> DataError:
    return DataError(
        f"CIFAR-10 could not be downloaded ({reason}). Three ways out: put cifar-10-python.tar.gz or "
        f"cifar-10-batches-py/ into {data_dir}; train on your own images with folder:DIR; "
        "or use planted-shapes, which needs no download."
    )
