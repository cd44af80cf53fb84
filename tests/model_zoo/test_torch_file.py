"""Files of torch.save, in both formats: what torch reads of them, and what becomes of damaged and hostile ones."""

import io
import os
import pickle
import random
import zipfile
from collections import OrderedDict
from pathlib import PurePosixPath

import pytest
import torch
from torch import nn
from torch.serialization import MAGIC_NUMBER, PROTOCOL_VERSION

from sightline.model_zoo.checkpoint import read_weights
from sightline.model_zoo.spec import ModelError
from sightline.model_zoo.torch_file import StoredTensor, TorchFile, UnreadableError

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
NUMBERS = torch.arange(24).reshape(4, 6)


def saved(content, zipped=True, **options):
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped, **options)
    return stream.getvalue()


def read(content):
    """Every tensor of a file's dict, read."""
    file = TorchFile(io.BytesIO(content))
    return {name: file.tensor(value) for name, value in file.content.items() if isinstance(value, StoredTensor)}


STORAGES = {"0": NUMBERS.float().numpy().tobytes()}


def with_pickle(content, storages=STORAGES):
    """An archive of torch's with this pickle in it, and by default one storage of 24 floats."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("w/data.pkl", content)
        for key, data in storages.items():
            archive.writestr(f"w/data/{key}", data)
    return stream.getvalue()


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.id if isinstance(value, Persistent) else None


class Persistent:
    def __init__(self, id):
        self.id = id


FLOATS = Persistent(("storage", torch.FloatStorage, "0", "cpu", 24))


def pickled(content):
    stream = io.BytesIO()
    Pickler(stream, 2).dump(content)
    return stream.getvalue()


def legacy(content):
    """A file in the older format with this pickle in it, and one storage of 24 floats."""
    system = {"protocol_version": PROTOCOL_VERSION, "little_endian": True, "type_sizes": {}}
    parts = [pickle.dumps(part, 2) for part in (MAGIC_NUMBER, PROTOCOL_VERSION, system)]
    storage = (24).to_bytes(8, "little") + NUMBERS.float().numpy().tobytes()
    return b"".join([*parts, content, pickle.dumps(["0"], 2), storage])


def tensor(*description, storage=FLOATS):
    return {"weight": Call(torch._utils._rebuild_tensor_v2, storage, *description, False, OrderedDict())}


DTYPES = [
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.bool, torch.complex64, torch.complex128),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64),
    *(torch.float8_e4m3fn, torch.float8_e5m2),
]


@FORMATS
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_kind_of_number_is_read_as_torch_reads_it(zipped, dtype):
    values = NUMBERS.to(dtype)
    found = read(saved({"weight": values}, zipped))["weight"]
    assert found.dtype == dtype and torch.equal(found.view(torch.uint8), values.view(torch.uint8))


@FORMATS
def test_every_layout_is_read_as_torch_reads_it(zipped):
    odd = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    content = {"row": NUMBERS[1], "columns": NUMBERS.T[1::2], "odd": odd, "one": torch.tensor(1.5)}
    content |= {"none": torch.empty(3, 0, 2), "learnt": nn.Parameter(torch.rand(3)), "same": NUMBERS[1]}
    content = saved(content, zipped)
    found, expected = read(content), torch.load(io.BytesIO(content), weights_only=True)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert torch.equal(found[name], values) and found[name].stride() == values.stride()


@FORMATS
@pytest.mark.filterwarnings("ignore")  # torch's quantised tensors are deprecated, but such files are around
def test_quantised_tensors_are_the_numbers_that_they_stand_for(zipped):
    values = torch.linspace(-1, 1, 24).reshape(4, 6)
    scales, zeros = torch.tensor([0.01, 0.02, 0.03, 0.04], dtype=torch.float64), torch.tensor([0, 5, -3, 7])
    content = {
        "tensor": torch.quantize_per_tensor(values, 0.013, 3, torch.quint8),
        "wide": torch.quantize_per_tensor(values, 0.0001, -5, torch.qint32),
        "channel": torch.quantize_per_channel(values, scales, zeros, 0, torch.qint8),
    }
    found = read(saved(content, zipped))
    for name, quantised in content.items():
        torch.testing.assert_close(found[name], quantised.dequantize())


def test_one_storage_of_quantised_numbers_does_not_become_gigabytes(tmp_path):
    numbers = torch.quantize_per_tensor(torch.zeros(20_000), 1.0, 0, torch.qint8)
    torch.save({f"{place}.weight": numbers.view(20_000) for place in range(100)}, tmp_path / "weights.pt")
    with pytest.raises(ModelError, match="cannot be read"):
        read_weights(tmp_path / "weights.pt")


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_every_protocol_is_read(protocol):
    assert torch.equal(read(saved({"weight": NUMBERS}, pickle_protocol=protocol))["weight"], NUMBERS)


def test_only_tensors_that_are_asked_for_are_read(monkeypatch):
    asked = []
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda self, name: asked.append(name) or self.open(name).read())
    file = TorchFile(io.BytesIO(saved({"weight": torch.ones(3), "optimizer": torch.ones(1000)})))
    file.tensor(file.content["weight"])
    assert [name.partition("/")[2] for name in asked] == ["byteorder", "data.pkl", "data/0"]


BEYOND = {
    "more than there is": (0, (25,), (1,)),
    "from behind the end": (1, (24,), (1,)),
    "steps beyond the end": (0, (4, 6), (6, 2)),
    "a negative step": (10, (4,), (-1,)),
    "a negative start": (-1, (4,), (1,)),
    "a negative side": (0, (-4,), (1,)),
    "many of one": (0, (2**20, 2**20), (0, 0)),
    "many of few": (0, (5, 5), (1, 1)),
    "an overflow": (0, (2**62, 4), (2**62, 1)),
    "an overflow to nothing": (2**64, (1,), (1,)),
    "no side, but huge ones": (0, (0, 2**62, 2**62), (1, 1, 1)),
    "more steps than sides": (0, (4,), (1, 1)),
    "no numbers": (0, ("4",), (1,)),
    "no whole numbers": (0.5, (4,), (1,)),
    "no tuple": (0, 4, 1),
    "more sides than any": (0, (1,) * 10_000, (1,) * 10_000),
}


@pytest.mark.parametrize("file", [with_pickle, legacy])
@pytest.mark.parametrize("description", BEYOND)
def test_no_tensor_reaches_beyond_its_storage(tmp_path, file, description):
    (tmp_path / "w.pt").write_bytes(file(pickled(tensor(*BEYOND[description]))))
    with pytest.raises(ModelError, match="cannot be read: it is damaged"):
        read_weights(tmp_path / "w.pt")
    (tmp_path / "w.pt").write_bytes(file(pickled(tensor(0, (4, 6), (6, 1)))))
    assert torch.equal(read_weights(tmp_path / "w.pt").weights["weight"], NUMBERS.float())


@pytest.mark.parametrize("file", [with_pickle, legacy])
@pytest.mark.parametrize(
    "id",
    [
        "storage",
        7,
        (),
        ("storage",),
        ("storage", torch.FloatStorage, "1", "cpu", 24),  # which is not there
        ("storage", torch.FloatStorage, "../data.pkl", "cpu", 24),
        ("storage", torch.FloatStorage, ("0",), "cpu", 24),
        ("storage", os.system, "0", "cpu", 24),
        ("storage", "FloatStorage", "0", "cpu", 24, ("view", -8, 24)),
        ("storage", torch.FloatStorage, "0", "cpu", 24, ("view", 20, 24)),
        ("module", os.system, "file", "source"),
        ("file", "/etc/passwd"),
    ],
    ids=str,
)
def test_a_storage_is_one_of_the_file(tmp_path, file, id):
    (tmp_path / "w.pt").write_bytes(file(pickled(tensor(0, (24,), (1,), storage=Persistent(id)))))
    with pytest.raises(ModelError):
        read_weights(tmp_path / "w.pt")


@FORMATS
def test_nothing_of_a_hostile_file_runs(tmp_path, zipped):
    mark, file = tmp_path / "mark", tmp_path / "w.pt"
    harm = Call(os.system, f"touch {mark}")
    file.write_bytes(saved({"state_dict": {"weight": torch.ones(2)}, "args": harm}, zipped))
    assert read_weights(file).weights["weight"].tolist() == [1, 1] and not mark.exists()
    file.write_bytes(saved({"state_dict": harm}, zipped))
    with pytest.raises(ModelError, match="no state dict"):
        read_weights(file)
    assert not mark.exists()
    torch.load(file, weights_only=False)  # which shows that it is hostile
    assert mark.exists()


def test_an_archive_never_unfolds_to_more_than_its_size(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", pickled(tensor(0, (2**20,), (1,))))
        archive.writestr("w/data/0", bytes(2**22))
    with pytest.raises(UnreadableError, match="unfolds to more than its size"):
        TorchFile(io.BytesIO(stream.getvalue()))


def ends_well(content, file):
    """Either tensors, every number of which can be read, or a ModelError; returns whether tensors."""
    file.write_bytes(content)
    try:
        weights = read_weights(file).weights
    except ModelError as error:
        assert str(error).isprintable() and len(str(error)) < 600
        return False
    for values in weights.values():
        values.clone()
    return True


@pytest.fixture
def checkpoint():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    return {"state_dict": model.state_dict(), "epoch": 3, "whole": model[2], "when": PurePosixPath("now")}


@FORMATS
def test_a_file_that_was_cut_is_a_sentence(tmp_path, checkpoint, zipped):
    content = saved(checkpoint, zipped)
    assert ends_well(content, tmp_path / "w.pt")
    for end in range(0, len(content) - 1, 64):
        assert not ends_well(content[:end], tmp_path / "w.pt")


@FORMATS
def test_bytes_that_were_changed_end_in_tensors_or_a_sentence(tmp_path, checkpoint, zipped):
    content, numbers = saved(checkpoint, zipped), random.Random(0)
    for _ in range(200):
        damaged = bytearray(content)
        for _ in range(numbers.choice([1, 1, 3, 10])):
            damaged[numbers.randrange(len(damaged))] = numbers.randrange(256)
        ends_well(bytes(damaged), tmp_path / "w.pt")


def test_changed_bytes_of_the_pickle_behind_the_checksum_do_too(tmp_path, checkpoint):
    with zipfile.ZipFile(io.BytesIO(saved(checkpoint))) as archive:
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    content = members["data.pkl"]
    storages = {name.removeprefix("data/"): data for name, data in members.items() if name.startswith("data/")}
    numbers, read = random.Random(0), 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[numbers.randrange(len(damaged))] = numbers.randrange(256)
        read += ends_well(with_pickle(bytes(damaged), storages), tmp_path / "w.pt")
    assert 20 < read < 280  # else this tries too little


def test_changed_bytes_of_a_pickle_of_python_s_own_do_too(tmp_path, checkpoint):
    content, numbers, read = pickle.dumps(checkpoint, 4), random.Random(0), 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[numbers.randrange(len(damaged))] = numbers.randrange(256)
        read += ends_well(bytes(damaged), tmp_path / "w.pt")
    assert 20 < read < 280


@pytest.mark.parametrize(
    "inner", [b"", b"PK", pickle.dumps(7), saved(NUMBERS), saved(NUMBERS, zipped=False), "text", None]
)
def test_a_storage_in_a_pickle_is_one(tmp_path, inner):
    loaded = Call(torch.storage._load_from_bytes, *([] if inner is None else [inner]))
    (tmp_path / "w.pt").write_bytes(pickle.dumps(tensor(0, (24,), (1,), storage=loaded)))
    with pytest.raises(ModelError):
        read_weights(tmp_path / "w.pt")


def test_nothing_of_a_hostile_pickle_of_python_s_own_runs(tmp_path):
    mark, file = tmp_path / "mark", tmp_path / "w.pkl"
    harm = Call(os.system, f"touch {mark}")
    inner = saved({"weight": harm})
    for content in (harm, {"state_dict": harm}, {"weight": Call(torch.storage._load_from_bytes, inner)}):
        file.write_bytes(pickle.dumps(content))
        with pytest.raises(ModelError):
            read_weights(file)
    assert not mark.exists()
