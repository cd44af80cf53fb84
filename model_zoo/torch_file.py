"""Read what `torch.save` wrote, as a zip archive or in its older format, or a pickle alone, and run nothing of it.

What was saved is read by `read_pickle`; each tensor in it is a `StoredTensor`, which says where in the file it lies.
Only those that are asked for are read, and all that a file says of them is checked before torch sees it.
"""

import io
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO

import torch
from torch import Tensor

from sightline.model_zoo.numpy_values import as_bytes, read_array
from sightline.model_zoo.pickled import Made, read_pickle

ZIP = b"PK\x03\x04"
PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))  # what those of Python begin with
LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."  # a pickle of torch's magic number
MOST_SIDES, MOST_NUMBER = 64, 2**48  # of a tensor; of a side, stride or offset

_STORAGES = {
    **{"FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16},
    **{"BFloat16Storage": torch.bfloat16, "BoolStorage": torch.bool, "UntypedStorage": torch.uint8},
    **{"LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16},
    **{"CharStorage": torch.int8, "ByteStorage": torch.uint8},
    **{"ComplexFloatStorage": torch.complex64, "ComplexDoubleStorage": torch.complex128},
    **{"QInt8Storage": torch.int8, "QUInt8Storage": torch.uint8, "QInt32Storage": torch.int32},
}
# The number types that have no storage of their own.
_DTYPES = {
    str(dtype): dtype for dtype in (torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2)
}


class UnreadableError(Exception):
    """What a file is, where it is known and holds no weights that can be read: "it is …"."""


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: torch.dtype
    start: int = 0  # its first element, where it is a part of the storage in the file


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor in a file, of which nothing has been read: as the file describes it, right or wrong."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    quantizer: tuple[Any, ...] = ()  # how integers stand for real numbers: a name, scale, zero point; or more than one


class TorchFile:
    """A file of `torch.save`, which stays open as long as `stream` does.

    content: what was saved, see `read_pickle`, with a `StoredTensor` for each tensor.
    Raises UnreadableError, or many kinds of Exception where the file is damaged.
    """

    def __init__(self, stream: BinaryIO) -> None:
        stream.seek(0)
        self.content, self._storages = _reader(stream)(stream)
        self._bytes: dict[str, bytearray] = {}
        self._room = 2 * stream.seek(0, io.SEEK_END)  # numbers with memory of their own; a tensor may have two names

    def tensor(self, stored: StoredTensor | Made) -> Tensor:
        """Read a tensor, or an array of numpy's; quantised numbers as the real ones that they stand for, in float32."""
        if isinstance(stored, Made):
            return self._own(torch.from_numpy(read_array(stored)))
        values = self._values(stored)
        if not stored.quantizer:
            return values
        self._own(values)
        _, scale, zero, *axis = stored.quantizer
        if axis:  # a scale and a zero point for each of its sides along this axis
            shape = [-1 if side == axis[0] else 1 for side in range(values.ndim)]
            scale, zero = (self._values(part).float().reshape(shape) for part in (scale, zero))
        return (values.float() - zero) * scale

    def _own(self, values: Tensor) -> Tensor:
        """Count what takes memory of its own: a thousand tensors may be one storage. Raises ValueError for too much."""
        self._room -= values.numel()
        if self._room < 0:
            raise ValueError("more numbers than bytes")
        return values

    def _values(self, stored: StoredTensor) -> Tensor:
        """Read a tensor as the numbers in the file. Raises ValueError where it is more than its storage holds."""
        shape, strides, offset = stored.shape, stored.strides, stored.offset + stored.storage.start
        numbers_fit = all(type(number) is int and 0 <= number < MOST_NUMBER for number in (offset, *shape, *strides))
        if len(shape) > MOST_SIDES or not numbers_fit:
            raise ValueError("a tensor of impossible shape")
        key = stored.storage.key
        if key not in self._bytes:
            self._bytes[key] = bytearray(self._storages[key]())
        last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
        held = len(self._bytes[key]) // stored.dtype.itemsize
        if 0 in shape:
            return torch.empty(shape, dtype=stored.dtype)
        if last >= held or math.prod(shape) > held:  # the second where strides make many numbers of few
            raise ValueError("a tensor of more than its storage holds")
        return torch.frombuffer(self._bytes[key], dtype=stored.dtype, count=last + 1).as_strided(shape, strides, offset)


def _reader(stream: BinaryIO) -> Callable[[BinaryIO], tuple[Any, dict[str, Callable[[], bytes]]]]:
    stream.seek(0)
    start = stream.read(len(LEGACY))
    stream.seek(0)
    return _read_zip if start.startswith(ZIP) else _read_legacy if start == LEGACY else _read_plain


def _read_plain(stream: BinaryIO) -> tuple[Any, dict[str, Callable[[], bytes]]]:
    """Read a pickle of Python's own, in which each storage is a whole file of torch's, as bytes."""
    storages: dict[str, Callable[[], bytes]] = {}

    def make(name: str, arguments: tuple[Any, ...]) -> object:
        if name != "torch.storage._load_from_bytes":
            return _make(name, arguments)
        inner = io.BytesIO(as_bytes(*arguments))
        reader = _reader(inner)
        storage, found = (None, {}) if reader is _read_plain else reader(inner)
        if not isinstance(storage, _Storage):
            raise ValueError("a storage that is none")
        key = f"{len(storages)}"
        storages[key] = found[storage.key]
        return replace(storage, key=key)

    return read_pickle(stream, make=make), storages


def _read_zip(stream: BinaryIO) -> tuple[Any, dict[str, Callable[[], bytes]]]:
    """Read the archive that torch writes since version 1.6."""
    archive = zipfile.ZipFile(stream)
    members = {member.filename: member for member in archive.infolist()}
    folder = next((name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")), None)
    if folder is None:
        raise UnreadableError("it is a zip archive of another kind")
    if f"{folder}constants.pkl" in members:
        raise UnreadableError("it is a TorchScript archive")
    if sum(member.file_size for member in archive.infolist()) > stream.seek(0, io.SEEK_END):
        raise UnreadableError("it unfolds to more than its size, and torch compresses nothing")
    if f"{folder}byteorder" in members and archive.read(f"{folder}byteorder") != b"little":
        raise UnreadableError("it was written by a big-endian machine")
    content = read_pickle(io.BytesIO(archive.read(f"{folder}data.pkl")), _persistent, _make)
    data = f"{folder}data/"
    storages = {name: partial(archive.read, name) for name in members if name.startswith(data)}
    return content, {name.removeprefix(data): read for name, read in storages.items()}


def _read_legacy(stream: BinaryIO) -> tuple[Any, dict[str, Callable[[], bytes]]]:
    """Read what torch wrote before: five pickles, then each storage after the number of its elements."""
    dtypes: dict[str, torch.dtype] = {}

    def persistent(id: Any) -> object:
        storage = _persistent(id)
        if isinstance(storage, _Storage):
            dtypes[storage.key] = storage.dtype
        return storage

    read_pickle(stream), read_pickle(stream)  # the magic number, and the version
    system = read_pickle(stream)
    if not (isinstance(system, dict) and system.get("little_endian") is True):
        raise UnreadableError("it was written by a big-endian machine")
    content, keys = read_pickle(stream, persistent, _make), read_pickle(stream)
    storages: dict[str, Callable[[], bytes]] = {}
    for key in keys if isinstance(keys, list) else []:
        if not isinstance(key, str):
            raise ValueError("a storage without a name")
        size = int.from_bytes(stream.read(8), "little") * dtypes[key].itemsize
        storages[key] = partial(_read_at, stream, stream.tell(), size)
        stream.seek(size, io.SEEK_CUR)
    return content, storages


def _read_at(stream: BinaryIO, start: int, size: int) -> bytes:
    if start + size > stream.seek(0, io.SEEK_END):
        raise EOFError("a storage that ends after its file")
    stream.seek(start)
    return stream.read(size)


def _persistent(id: Any) -> object:
    """Describe the storage that a persistent id of torch's names; of the id of a module, take its class."""
    kind, *rest = id
    if kind == "module":  # in the older format, beside the source of the class
        return rest[0]
    storage_type, key, _, _, *view = rest
    if not (isinstance(storage_type, str) and isinstance(key, str)):
        raise ValueError("a storage without a name")
    dtype = _STORAGES.get(storage_type.rpartition(".")[2])
    if dtype is None:  # of numbers of a few bits, or of a device's own
        return Made(storage_type)
    return _Storage(key, dtype, view[0][1] if view and view[0] else 0)


def _make(name: str, arguments: tuple[Any, ...]) -> object:
    """Describe the tensor that a call was to rebuild; leave anything else unmade."""
    match name.removeprefix("torch._utils."), arguments:
        case "_rebuild_tensor" | "_rebuild_tensor_v2", (_Storage() as storage, offset, shape, strides, *_):
            return StoredTensor(storage, offset, shape, strides, storage.dtype)
        case "_rebuild_tensor_v3", (_Storage() as storage, offset, shape, strides, _, _, str() as dtype, *_) if (
            dtype in _DTYPES
        ):
            return StoredTensor(storage, offset, shape, strides, _DTYPES[dtype])
        case "_rebuild_qtensor", (_Storage() as storage, offset, shape, strides, tuple() as quantizer, *_):
            return StoredTensor(storage, offset, shape, strides, storage.dtype, quantizer)
        case "_rebuild_parameter" | "_rebuild_parameter_with_state" | "_rebuild_device_tensor_from_cpu_tensor", (
            data,
            *_,
        ):
            return data
        case "torch._tensor._rebuild_from_type_v2", (str() as function, _, tuple() as inner, *_):
            return _make(function, inner)  # of a class of somebody's own
        case "torch.Size", (tuple() as shape,):
            return shape
    return Made(name, arguments)
