"""A pickle is read, and nothing that it names is imported, made or called."""

import copyreg
import io
import os
import pickle
from collections import OrderedDict, defaultdict
from datetime import date
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest

from sightline.model_zoo import pickled
from sightline.model_zoo.pickled import Made, Name, read_pickle


class Own(dict):
    """A kind of dict, as Lightning's AttributeDict."""


class Slotted:
    __slots__ = ("width",)


class Calls:
    """Is unpickled by a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Touches:
    """Touches a file when it gets its state."""

    def __init__(self, file):
        self.file = file

    def __setstate__(self, state):
        Path(state["file"]).touch()


class TouchesFirst:
    """Touches a file when it is made."""

    def __new__(cls, file):
        Path(file).touch()
        return super().__new__(cls)

    def __init__(self, file):
        self.file = file

    def __getnewargs__(self):
        return (self.file,)


def read(content, protocol=2):
    return read_pickle(io.BytesIO(pickle.dumps(content, protocol)))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_come_back_as_they_were(protocol):
    inner = [1, -70_000, 2**40, -(2**70), 0.5, None, True, False, "é\ud800", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]
    content = {"a": inner, "b": {"c": [], "d": {}, "same": inner}}
    found = read(content, protocol)
    assert found == content and found["a"] is found["b"]["same"]


def test_protocol_2_of_python_2_is_read():
    # pickle.dumps(collections.OrderedDict([("a", 1)]), 2) under Python 2.7
    made = read_pickle(
        io.BytesIO(b"\x80\x02ccollections\nOrderedDict\nq\x00]q\x01]q\x02(U\x01aq\x03K\x01ea\x85q\x04Rq\x05.")
    )
    assert (made.by, made.arguments) == ("collections.OrderedDict", ([["a", 1]],))


@pytest.mark.parametrize("protocol", [2, 4])
def test_objects_are_noted_and_not_made(protocol):
    slotted = Slotted()
    slotted.width = 7
    found = read([date(2026, 1, 2), SimpleNamespace(rate=0.1), slotted, PurePosixPath("a"), date], protocol)
    assert [type(value) for value in found] == [Made] * 4 + [Name]
    assert [value.by for value in found[:3]] == ["datetime.date", "types.SimpleNamespace", f"{__name__}.Slotted"]
    assert found[1].attributes() == {"rate": 0.1} and found[2].attributes() == {"width": 7}
    assert found[4] == "datetime.date"


@pytest.mark.parametrize("kind", [OrderedDict, Own, lambda entries: defaultdict(list, entries)])
def test_kinds_of_dict_keep_their_entries(kind):
    assert dict(read(kind({"a": 1, "b": 2}))) == {"a": 1, "b": 2}


def test_of_a_dict_only_what_a_string_or_a_number_names_is_kept():
    assert read({1: 2, "a": 3, (4, 5): 6, date(2026, 1, 1): 7, False: 8, -1: 9, 0.5: 10, None: 11}) == {"1": 2, "a": 3}


def test_values_that_contain_themselves_are_read():
    loop = {"list": []}
    loop["list"].append(loop)
    found = read(loop)
    assert found["list"][0] is found


HOSTILE = {
    "a function": lambda file: Calls(os.system, f"touch {file}"),
    "a built-in function": lambda file: Calls(eval, f"open({str(file)!r}, 'w')"),
    "a class": lambda file: Calls(open, str(file), "w"),
    "a state": lambda file: Touches(str(file)),
    "a constructor": lambda file: TouchesFirst(str(file)),
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("way", HOSTILE)
def test_nothing_of_a_hostile_pickle_runs(tmp_path, way, protocol):
    file = tmp_path / "touched"
    content = pickle.dumps({"first": HOSTILE[way](file)}, protocol)
    file.unlink(missing_ok=True)
    assert isinstance(read_pickle(io.BytesIO(content))["first"], Made) and not file.exists()
    pickle.loads(content)  # which shows that it is hostile
    assert file.exists()


def test_an_extension_code_names_nothing(tmp_path):
    copyreg.add_extension("os", "system", 250)
    try:
        with pytest.raises(ValueError, match="EXT1"):
            read_pickle(io.BytesIO(b"\x80\x02\x82\xfaX\x02\x00\x00\x00ls\x85R."))
    finally:
        copyreg.remove_extension("os", "system", 250)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"\x80\x02",
        b"\x80\x02K\x01R.",  # a call of nothing
        b"\x80\x02cos\nsystem\nK\x01R.",  # without a tuple of arguments
        b"\x80\x02h\x05.",  # a memo that is empty
        b"\x80\x02X\xff\xff\xff\x7fab.",  # a string of 2 GB
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fab.",  # one of 8 EB
        b"\x80\x02K\x01Q.",  # a persistent id, where there are none
        b"(ios\nsystem\n.",  # of protocol 0, which torch never wrote
        b"P1\n.",
    ],
)
def test_what_is_no_pickle_of_torch_is_an_error(content):
    with pytest.raises(Exception):  # noqa: B017 (of many kinds, all of which a reader of weights takes)
        read_pickle(io.BytesIO(content))


def test_bombs_of_a_few_bytes_go_off_nowhere():
    depth = 100_000
    nested = b"\x80\x02" + b"(" * depth + b"t" * depth + b"."  # tuples in tuples
    assert isinstance(read_pickle(io.BytesIO(nested)), tuple)
    twice = b"\x80\x02)" + b"".join(b"q%ch%c\x86" % (k, k) for k in range(60)) + b"."  # 2^60 ends, as a key
    assert read_pickle(io.BytesIO(b"\x80\x02}" + twice[2:-1] + b"K\x01s.")) == {}
    assert read_pickle(io.BytesIO(b"\x80\x02Nr\xff\xff\xff\xff.")) is None  # a memo of four billion places
    with pytest.raises(ValueError, match="more than 1,000 letters"):  # which each of these steps would double
        read_pickle(io.BytesIO(b"\x80\x04X\xe8\x03\x00\x00" + b"a" * 1000 + b"q\x00" + b"h\x00h\x00\x93" * 9 + b"."))
    many = Made("a", (), ({"b": 1},) * 3)  # a state is two dicts at most, however often it names one
    assert many.attributes() == {"b": 1} == Made("a", (), ({"b": 1}, None, {"c": 2})).attributes()


def test_a_pickle_is_read_up_to_a_number_of_steps(monkeypatch):
    monkeypatch.setattr(pickled, "MOST_STEPS", 100)
    assert len(read([None] * 90)) == 90
    with pytest.raises(ValueError, match="more than 100 steps"):
        read([None] * 110)
