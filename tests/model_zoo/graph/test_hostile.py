"""No file of a network runs anything, whoever made it: each way in is tried, and ends in a sentence."""

import copy
import io
import json
import os
import pickle
import zipfile
from contextlib import suppress

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from sightline.model_zoo import ModelError
from sightline.model_zoo.graph import export_graph, open_graph
from sightline.model_zoo.graph.network import Part
from sightline.model_zoo.graph.operators import find_operator
from sightline.model_zoo.graph.reading import GRAPH
from tests.model_zoo.graph.archives import (
    CONSTANTS,
    MODEL,
    SAMPLES,
    SIDE,
    WEIGHTS,
    archive,
    members,
    packed,
    small_network,
)

WAYS = int(os.environ.get("SIGHTLINE_DAMAGES", 150))


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A path that nothing may make; and the folder around it is the current one, which stays empty."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "canary"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def files():
    return members(archive())


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.fixture(scope="module")
def graph(network):
    """The steps of our own file, and the tensors beside it."""
    content = export_graph(network, torch.rand(1, 3, SIDE, SIDE))
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"][GRAPH]), content


def refused(content, weights=None):
    with pytest.raises(ModelError) as found:
        open_graph(io.BytesIO(content), weights)
    assert "\n" not in str(found.value) and 10 < len(str(found.value)) < 300
    return str(found.value)


def is_run_by_torch(content, canary):
    """Whether `torch.export.load` makes the canary, which it then is rid of."""
    with suppress(Exception):
        torch.export.load(io.BytesIO(content))
    if canary.exists():
        canary.rmdir()
        return True
    return False


def changed(files, name, change):
    content = json.loads(files[name])
    change(content)
    return {**files, name: content}


def saved(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


# Pickles


def test_pickled_sample_inputs_are_not_looked_at(files, canary):
    hostile = packed({**files, SAMPLES: saved(Canary(canary))})
    assert is_run_by_torch(hostile, canary)
    open_graph(io.BytesIO(hostile), None)


@pytest.mark.parametrize(
    ("name", "tensor", "file"),
    [
        (WEIGHTS, "conv.weight", "archive/data/weights/weight_0"),
        (CONSTANTS, "constant", "archive/data/constants/tensor_0"),
    ],
)
def test_pickled_weights_and_constants_are_refused(files, canary, name, tensor, file):
    def pickle_it(content):
        content["config"][tensor].update(use_pickle=True, path_name=file.rpartition("/")[2])

    hostile = packed({**changed(files, name, pickle_it), file: saved(Canary(canary))})
    assert is_run_by_torch(hostile, canary)
    assert "an object of Python" in refused(hostile)


@pytest.mark.parametrize("path", ["custom_obj_0", "opaque_obj_0", "../../canary", "/etc/passwd", "weight_0/../canary"])
def test_objects_and_odd_paths_are_refused(files, canary, path):
    def add(content):
        content["config"]["odd"] = {"path_name": path, "is_param": False, "use_pickle": False, "tensor_meta": None}

    hostile = {**changed(files, CONSTANTS, add), f"archive/data/constants/{path}": pickle.dumps(Canary(canary))}
    assert "an object of Python" in refused(packed(hostile))


def test_an_object_among_the_inputs_is_refused(files, canary):
    def add(content):
        spec = {"custom_obj": {"arg": {"name": "odd", "class_fqn": "os.system"}, "custom_obj_name": "odd"}}
        content["graph_module"]["signature"]["input_specs"].append(spec)

    assert "takes 'custom_obj'" in refused(packed(changed(files, MODEL, add)))


# Names


NAMES = [
    *("os.system", "builtins.eval", "eval", "torch.load", "torch.hub.load", "torch.ops.load_library", "math.sqrt"),
    *("torch.ops.aten.os.system", "torch.ops.aten.relu", "torch.ops.aten.relu.default.__class__", "torch.ops.aten"),
    *("torch.ops.aten.__class__.default", "torch.ops.aten._dir.append", "torch.ops.aten.relu.__init__"),
    *("torch.ops.aten.from_file.default", "torch.ops.aten.set_.source_Storage", "torch.ops.aten.empty.memory_format"),
    *("torch.ops.aten.fbgemm_linear_int8_weight.default", "torch.ops.aten.relu.out", "torch.ops.prim.device.default"),
    *("torch.ops.higher_order.cond", "_operator.attrgetter", "_operator.methodcaller", "_operator.__import__"),
    *("_weight_norm.default", "_weight_norm_interface.default", "grid_sampler_3d.default"),
    *("#custom.op", "", ".", "python.getattr", "relu.default\n", "torch.ops.aten.ｒelu.default"),
]


@pytest.mark.parametrize("name", NAMES)
def test_an_operator_that_is_not_on_the_list_is_refused(files, graph, network, canary, name):
    def call_it(content):
        content["graph_module"]["graph"]["nodes"][0]["target"] = name

    assert "none of the operators" in refused(packed(changed(files, MODEL, call_it)))
    program = json.loads(json.dumps(graph[0]))
    program["steps"][0][1] = name
    assert "none of the operators" in refused(ours(program), network.state_dict())


def test_an_operator_that_makes_a_file_is_refused_with_all_that_it_needs(graph, network, canary):
    torch.ops.aten.from_file.default(str(canary), True, 4)
    assert canary.is_file()  # so it is one to fear
    canary.unlink()
    program = json.loads(json.dumps(graph[0]))
    program["steps"].insert(0, [0, "from_file.default", [str(canary), True, 4], {}])
    assert "'from_file.default', which is none of the operators" in refused(ours(program), network.state_dict())


@pytest.mark.parametrize(
    "name", ["__class__", "forward", "_modules", "a..b", ".", "", "to", "\0", "x" * 10**5, "a.b.c"]
)
def test_odd_names_of_modules_and_tensors_change_nothing_or_are_refused(graph, network, canary, name):
    for change in (
        lambda program: program["modules"].append([name, name]),
        lambda program: program["modules"].append(["more", name]),
        lambda program: program["tensors"].append(["buffer", name]),
        lambda program: program["tensors"][0].append(name),
        lambda program: program["calls"].append([name, 0]),
    ):
        program = json.loads(json.dumps(graph[0]))
        change(program)
        try:
            opened = open_graph(io.BytesIO(ours(program)), network.state_dict() | {name: torch.ones(2)})
        except ModelError:
            continue
        assert type(opened) is Part and opened.forward.__func__ is Part.forward
        opened(torch.rand(1, 3, SIDE, SIDE))


# Texts that PyTorch evaluates


def test_expressions_are_not_evaluated(files, canary):
    text = f"__import__('os').mkdir({str(canary)!r})"

    def put(content):
        graph = content["graph_module"]["graph"]
        graph["sym_int_values"] = {
            name: {"as_expr": {"expr_str": text, "hint": None}} for name in graph["sym_int_values"]
        }
        for meta in graph["tensor_values"].values():
            for size in meta["sizes"] + meta["strides"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = text
        content["range_constraints"] = {text: {"min_val": 0, "max_val": None}}
        content["guards_code"] = [text]
        for node in graph["nodes"]:
            node["metadata"] |= {"torch_fn": text, "source_fn_stack": f"x,{text}", "custom": text, "from_node": text}

    hostile = packed(changed(files, MODEL, put))
    assert is_run_by_torch(hostile, canary)
    open_graph(io.BytesIO(hostile), None)


# Sizes


def ours(program, **tensors):
    """A file as ours, of these steps."""
    text = program if isinstance(program, str) else json.dumps(program)
    constants = {name: torch.ones(4) for name in ("bare", "constant")}
    return save(constants | tensors, metadata={GRAPH: text})


@pytest.mark.parametrize("sides", [[2**40], [2**20, 2**20], [-1], [2**63]])
def test_a_step_that_fills_the_memory_is_not_done(graph, network, sides):
    program = json.loads(json.dumps(graph[0]))
    program["steps"].append([0, "zeros.default", [sides], {}])
    refused(ours(program), network.state_dict())


def test_a_stretched_tensor_is_not_copied(files):
    def stretch(content):
        content["config"]["fc.bias"]["tensor_meta"].update(sizes=[{"as_int": 2**40}], strides=[{"as_int": 0}])

    assert "fewer bytes" in refused(packed(changed(files, WEIGHTS, stretch)))


@pytest.mark.parametrize("change", [{"storage_offset": {"as_int": 10**6}}, {"strides": [{"as_int": 10**6}]}])
def test_a_tensor_beyond_its_bytes_is_not_read(files, change):
    def reach(content):
        content["config"]["fc.bias"]["tensor_meta"].update(change)

    assert "fewer bytes" in refused(packed(changed(files, WEIGHTS, reach)))


def test_a_zip_bomb_is_not_unpacked(files):
    bomb = packed({**files, MODEL: bytes(200 * 2**20)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**20
    assert "packed in another way" in refused(bomb)


def test_members_that_share_their_bytes_are_not_read_again_and_again(files):
    def share(content):
        (meta,) = [dict(content["config"]["conv.weight"])]
        content["config"] |= {f"more{number}": meta for number in range(10**4)}

    assert "larger than such a file can be" in refused(packed(changed(files, WEIGHTS, share)))


DEEP = "[" * 10**5 + "]" * 10**5


def test_texts_that_are_deep_or_long_are_refused(files, graph):
    refused(packed({**files, MODEL: DEEP.encode()}))
    refused(ours(DEEP))
    refused(
        ours(
            json.dumps(graph[0]).replace(
                '"steps": [', f'"steps": [[0, "relu.default", {DEEP[:4000] + DEEP[-4000:]}, {{}}], '
            )
        )
    )
    assert "characters" in refused(ours(json.dumps(graph[0]) + " " * 2**23))
    refused((2**62).to_bytes(8, "little") + bytes(100))
    refused((2**20).to_bytes(8, "little") + b"{")


def test_calls_that_are_deep_or_go_in_a_circle_are_refused(graph, network):
    for calls in (
        [["", 0], *(["conv", number] for number in range(10**4))],
        [["", 0], ["conv", 1]],
        [["", 0], ["conv", -1]],
        [["", 0], ["conv", 7]],
    ):
        program = {**graph[0], "calls": calls, "steps": [[len(calls) - 1, "relu.default", [{"value": 11}], {}]]}
        assert "damaged" in refused(ours(program), network.state_dict())


def test_modules_inside_themselves_and_in_a_thousand_others_are_refused(graph, network):
    doubled = [[f"{'a.' * depth}{leaf}", f"{'a.' * depth}a"] for depth in range(40) for leaf in "ab"]
    for more in ([["more", ""]], [["a", "a"], ["b", "b"], ["a.x", "b"], ["b.y", "a"]], doubled):
        program = {**graph[0], "modules": [*graph[0]["modules"], *more]}
        assert "damaged" in refused(ours(program), network.state_dict())


# Operators that trust their arguments


X, ONES = {"value": 0}, {"value": 1}
LSTM = [X, [{"value": 2}] * 2, [ONES] * 4, True, 1, 0.0, False, False, False]
TRUSTING = [
    ("_reshape_alias.default", [X, [4000], [10**6]], {}),
    ("zeros.default", [[2]], {"dtype": 999}),
    ("zeros.default", [[2]], {"dtype": {"images": [997, 1]}}),
    ("to.dtype", [X, 77], {}),
    ("clone.default", [X], {"memory_format": 99}),
    ("native_batch_norm.default", [X, ONES, ONES, ONES, ONES, False, 0.1, 1e-5], {}),
    ("_native_batch_norm_legit_no_training.default", [X, ONES, ONES, ONES, ONES, 0.1, 1e-5], {}),
    ("grid_sampler_2d.default", [X, {"value": 3}, 77, 77, False], {}),
    ("scaled_dot_product_attention.default", [X, X, {"value": 4}], {}),
    ("lstm.input", LSTM, {}),
]


@pytest.mark.parametrize(("name", "arguments", "named"), TRUSTING, ids=[f"{way[0]} {way[2]}" for way in TRUSTING])
def test_no_operator_reads_beyond_a_tensor_or_crashes(name, arguments, named):
    tensors = {
        "x": torch.ones(2, 4, 3, 3), "one": torch.ones(1), "state": torch.ones(1, 2, 4),
        "grid": torch.full((2, 2, 2, 2), float("inf")), "few": torch.ones(2, 4, 2, 3),
    }  # fmt: skip
    program = {
        "image": [3, SIDE, SIDE], "modules": [["", ""]], "tensors": [["buffer", each] for each in tensors],
        "calls": [["", 0]], "steps": [[0, name, arguments, named]], "outputs": [6], "marked": True, "version": 1,
    }  # fmt: skip
    refused(ours(program), tensors)


def test_the_smallest_number_is_not_divided_by_minus_one():
    divide, by = find_operator("div.Tensor_mode"), torch.tensor([-1] * 9)
    with pytest.raises(ValueError, match="no number"):
        divide(torch.tensor([-(2**63)] * 9), by, rounding_mode="trunc")
    assert divide(torch.tensor([-7] * 9), by, rounding_mode="trunc").tolist() == [7] * 9


# Anything


_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
        st.sampled_from([{"value": 0}, {"value": 10**9}, {"device": True}, {"images": [0, 1]}, {"dtype": "float16"}]),
        st.sampled_from(["", "0", "conv.weight", "relu_.default", "zeros.default", "python.getitem", "archive", 2**70]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=2)),
    max_leaves=5,
)  # fmt: skip


@st.composite
def spoilt(draw, text):
    """A JSON text with a few of its values replaced, removed or doubled."""
    content = json.loads(text)
    for _ in range(draw(st.integers(1, 3))):
        inner, where = content, None
        for _ in range(draw(st.integers(1, 9))):
            if not isinstance(inner, list | dict) or not inner:
                break
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            where = inner, draw(st.sampled_from(keys))
            inner = inner[where[1]]
        if where is None:
            continue
        around, key = where
        kind = draw(st.sampled_from(("replace", "replace", "remove", "double", "exchange")))
        if kind == "replace":
            around[key] = copy.deepcopy(draw(_values))
        elif kind == "remove":
            del around[key]
        elif kind == "double" and isinstance(around, list):
            around.insert(key, around[key])
        elif kind == "exchange" and isinstance(around, list):
            other = draw(st.integers(0, len(around) - 1))
            around[key], around[other] = around[other], around[key]
    return content


FUZZ = settings(
    max_examples=WAYS,
    derandomize="SIGHTLINE_DAMAGES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def opens_or_is_refused(content, weights):
    try:
        open_graph(io.BytesIO(content), weights)
    except ModelError as error:
        assert "\n" not in str(error)


@FUZZ
@given(st.data())
def test_a_spoilt_graph_is_opened_or_refused(graph, network, data):
    opens_or_is_refused(ours(data.draw(spoilt(json.dumps(graph[0])))), network.state_dict())


@FUZZ
@given(st.data())
def test_a_spoilt_archive_is_opened_or_refused(files, data):
    name = data.draw(st.sampled_from((MODEL, MODEL, WEIGHTS, CONSTANTS)))
    opens_or_is_refused(packed({**files, name: data.draw(spoilt(files[name]))}), None)


@FUZZ
@given(st.booleans(), st.floats(0, 1), st.binary(min_size=1, max_size=20), st.booleans())
def test_torn_and_flipped_files_are_opened_or_refused(files, graph, network, is_archive, share, noise, cut):
    content = bytearray(packed(files) if is_archive else graph[1])
    place = int(share * (len(content) - 1))
    if cut:
        del content[place:]
    else:
        for step, bits in enumerate(noise):
            content[(place + step * step * 7) % len(content)] ^= bits
    opens_or_is_refused(bytes(content), None if is_archive else network.state_dict())
