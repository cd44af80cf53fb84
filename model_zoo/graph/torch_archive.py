"""Read a file of `torch.export.save`, anybody's, without `torch.export.load`, which runs what such a file tells it to.

That one unpickles (sample inputs, some weights and constants, custom objects), hands text to SymPy, which evaluates it,
and looks up names from `torch` on. Here the steps, the shapes of weights and their bytes are read, and nothing else.
"""

import io
import json
import math
import re
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import torch
from torch import Tensor

from sightline.model_zoo.graph.program import DTYPES, Program
from sightline.model_zoo.graph.recorder import Number, Recorder
from sightline.model_zoo.spec import ModelError, printable

MOST_MODEL = 64 * 2**20  # bytes of the steps: PyTorch writes a kilobyte for each
SCHEMA = 8  # of PyTorch 2.5 and later
ROOM = 2  # times its size, how much may be read of a file: two tensors may share their bytes
_PAYLOAD = re.compile(r"(weight|tensor)_\d+")
_DTYPES = dict(
    enumerate(
        ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "", "complex64", "complex128"), 1
    )
) | {12: "bool", 13: "bfloat16"}  # torch._export.serde.schema.ScalarType
_MEMORY_FORMATS = {1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format"}
_STRIDED = 7
_NUMBERS = ("as_int", "as_float", "as_bool", "as_string", "as_ints", "as_floats", "as_bools")
_KEYWORD = 2
_NO_STACK = "_empty_nn_module_stack"
_ASSERTIONS = ("_assert", "sym_constrain")  # operators that return nothing: what they check holds for this size
# Operators around a graph; how far before it stands whether what they do is turned on.
_WRAPPERS = {
    "torch.ops.higher_order.wrap_with_set_grad_enabled": 1,
    "torch.ops.higher_order.wrap_with_autocast": 2,
}
# The inputs of a graph that are tensors of the network: what a `Program` calls their kind, and where their name is.
_TENSORS = {
    "parameter": ("parameter", "parameter_name"),
    "buffer": ("buffer", "buffer_name"),
    "tensor_constant": ("constant", "tensor_constant_name"),
}
_WORDS = {"Infinity": float("inf"), "-Infinity": float("-inf"), "NaN": float("nan")}  # JSON has none
_GIVE = "give the model itself, with sightline.record in Python"
_OTHERS = {  # a member that tells what an archive is, if it is not ours
    "constants.pkl": f"TorchScript: {_GIVE}",
    "data.pkl": f"one of torch.save, which holds no steps: {_GIVE}",
    "serialized_exported_program.json": "one of an older PyTorch: load it with that, and save it with a newer one",
    "model.weights.h5": "a Keras model: give its predictions, with --predictions FILE",
}
# How a step is told to behave as in training: the operator, and the place and the name of the argument that says so.
_IN_TRAINING = {
    "dropout.default": (2, "train"),
    "batch_norm.default": (5, "training"),
    "feature_dropout.default": (2, "train"),
    "alpha_dropout.default": (2, "train"),
}


def read_torch_archive(stream: BinaryIO) -> tuple[Program, dict[str, Tensor]]:
    """Return the steps in a file of `torch.export.save`, and its tensors by name.

    Raises ModelError where it is none, or holds what a network of ours cannot have; many kinds where it is damaged.
    """
    with zipfile.ZipFile(stream) as archive:
        members = _Members(archive, stream.seek(0, io.SEEK_END))
        content = members.json("models/model.json", MOST_MODEL)
        version = content["schema_version"]["major"]
        if version != SCHEMA:
            raise ModelError(
                f"It was saved by PyTorch {printable(str(content.get('torch_version')))}, in a format that this "
                f"program does not read: save it again with PyTorch {torch.__version__.partition('+')[0]}."
            )
        kept = {**members.tensors("weights"), **members.tensors("constants")}
    return _program(content["graph_module"], kept), {name: tensor for name, (_, tensor) in kept.items()}


class _Members:
    """The files in an archive that are looked at, which PyTorch packs as they are: so none is larger than it seems."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self._archive, self._left = archive, ROOM * size
        infos = archive.infolist()
        self._found = {name: info for info in infos for name in (info.filename, info.filename.partition("/")[2])}

    def json(self, name: str, most: int) -> Any:
        return json.loads(self._read(name, most))

    def tensors(self, kind: str) -> dict[str, tuple[str, Tensor]]:
        """Return the "weights" or the "constants" by name, each after what tells the same tensor of another name."""
        config = self.json(f"data/{kind}/model_{kind}_config.json", MOST_MODEL)["config"]
        found = {}
        for name, payload in config.items():
            path = payload["path_name"]
            if payload["use_pickle"] or not _PAYLOAD.fullmatch(path) or payload["tensor_meta"] is None:
                raise ModelError(f"It holds {printable(name)!r} as an object of Python, which only code could open.")
            content = self._read(f"data/{kind}/{path}", self._left)
            found[name] = f"{path} {payload['tensor_meta']}", _tensor(content, payload["tensor_meta"])
        return found

    def _read(self, name: str, most: int) -> bytes:
        if name not in self._found:
            known = next((what for member, what in _OTHERS.items() if member in self._found), "")
            raise ModelError(f"It is no file of torch.export.save, but {known or 'another archive'}.")
        info = self._found[name]
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise ModelError("It is packed in another way than PyTorch packs it: save it again with torch.export.save.")
        self._left -= info.file_size
        if info.file_size > most or self._left < 0:
            raise ModelError(f"Its {name} is larger than such a file can be.")
        return self._archive.read(info)


def _tensor(content: bytes, meta: Mapping[str, Any]) -> Tensor:
    """Return the tensor of which an archive holds the bytes. Raises ModelError where they are not enough."""
    dtype = DTYPES[_DTYPES[meta["dtype"]]]
    sizes, strides = ([each["as_int"] for each in meta[name]] for name in ("sizes", "strides"))
    offset = meta["storage_offset"]["as_int"]
    numbers = [offset, *sizes, *strides]
    values = torch.frombuffer(bytearray(content), dtype=dtype) if content else torch.empty(0, dtype=dtype)
    is_whole = all(type(number) is int and number >= 0 for number in numbers) and len(sizes) == len(strides)
    if not is_whole or meta["layout"] != _STRIDED:
        raise ModelError("It holds a tensor of a kind that a network of ours cannot have.")
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if 0 not in sizes and (last >= len(values) or math.prod(sizes) > len(values)):
        raise ModelError("It holds fewer bytes of a tensor than it says.")
    return values.as_strided(sizes, strides, offset) if 0 not in sizes else torch.empty(sizes, dtype=dtype)


def _program(module: Mapping[str, Any], kept: Mapping[str, tuple[str, Tensor]]) -> Program:
    """Return the steps of a graph module of PyTorch's schema, whose tensors are `kept`."""
    tensors: dict[str, list[str]] = {}  # by what tells that two are one
    places: dict[str, str] = {}  # of the inputs of the graph
    images = []
    for spec in module["signature"]["input_specs"]:
        ((kind, value),) = spec.items()
        if kind == "user_input":
            images += [value["arg"]["as_tensor"]["name"]] if "as_tensor" in value["arg"] else []
        elif kind in _TENSORS:
            ours, place = _TENSORS[kind]
            ours, target = "temporary" if value.get("persistent") is False else ours, value[place]
            same = kept[target][0] if target in kept else target
            tensors.setdefault(f"{ours} {same}", [ours]).append(target)
            places[value["arg"]["name"]] = f"{ours} {same}"
        elif kind != "constant_input":
            raise ModelError(f"It takes {printable(kind)!r}, and Sightline can only give it images.")
    if len(images) != 1:
        raise ModelError(f"It takes {len(images)} tensors, and Sightline can only give it images.")
    numbers = {same: number for number, same in enumerate(tensors)}
    given: dict[str, Any] = {name: {"value": numbers[same]} for name, same in places.items()}
    recorder = Recorder(len(tensors))
    answers = _Reader(recorder).walk(module["graph"], given | {images[0]: {"value": len(tensors)}})
    is_answer = ["user_output" in spec for spec in module["signature"]["output_specs"]]
    outputs = [answer["value"] for answer, ours in zip(answers, is_answer, strict=True) if ours and answer is not None]
    image = _image(module["graph"]["tensor_values"][images[0]])
    names = [name for _, *names in tensors.values() for name in names]
    modules = _modules([*(name.rpartition(".")[0] for name in names), *(name for name, _ in recorder.calls)])
    return Program(
        image, modules, list(tensors.values()), recorder.calls, recorder.steps, outputs, any_size=False, marked=False
    )


def _image(meta: Mapping[str, Any]) -> list[int]:
    """Return channels, height and width of the images with which the network was exported."""
    batch, *sides = meta["sizes"]
    image = [side.get("as_int") or side["as_expr"]["hint"]["as_int"] for side in sides]
    if len(image) != 3:
        raise ModelError(f"It takes a tensor of {len(meta['sizes'])} dimensions, and Sightline gives it N×C×H×W.")
    if "as_int" in batch:
        raise ModelError(
            f"It takes exactly {printable(str(batch['as_int']))} images at once: export it for any number, with "
            'dynamic_shapes=({0: torch.export.Dim("images")},).'
        )
    return image


def _modules(names: list[str]) -> list[list[str]]:
    """Return all modules that these names are in, each after the one around it."""
    found = {"": None}
    for name in names:
        parts = name.split(".") if name else []
        found |= {".".join(parts[: length + 1]): None for length in range(len(parts))}
    return [[name, name] for name in found]


class _Reader:
    """Records the steps of a graph, and of the graphs inside it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def walk(self, graph: Mapping[str, Any], values: dict[str, Any]) -> list[Any]:
        """Record the steps of a graph; values: arguments that stand for its inputs. Returns those of its outputs."""
        for node in graph["nodes"]:
            stack = node["metadata"].get("nn_module_stack", _NO_STACK)
            if not stack.startswith(_NO_STACK):
                self._recorder.enter(tuple(item.split(",")[:2]) for item in stack.split(";"))
            self._step(node, values)
        return [_argument(output, values) for output in graph["outputs"]]

    def _step(self, node: Mapping[str, Any], values: dict[str, Any]) -> None:
        target, inputs = node["target"], node["inputs"]
        if target in _WRAPPERS:
            self._inside(target, [one["arg"] for one in inputs], node["outputs"], values)
            return
        operator = target.removeprefix("torch.ops.aten.").replace("_operator.", "python.")
        if operator.startswith(_ASSERTIONS):
            return
        by_place = operator.startswith("python.")
        arguments = [_argument(one["arg"], values) for one in inputs if by_place or one.get("kind") != _KEYWORD]
        named = {
            one["name"]: _argument(one["arg"], values) for one in inputs if not by_place and one.get("kind") == _KEYWORD
        }
        place, name = _IN_TRAINING.get(operator, (0, ""))
        if name and (arguments[place] if len(arguments) > place else named.get(name)) is True:
            raise ModelError("It was exported as it is trained: call model.eval() first, and export it again.")
        result = self._recorder.add(
            operator, arguments, {name: value for name, value in named.items() if value is not None}
        )
        self._name(node["outputs"], result, values)

    def _name(self, outputs: list[Any], result: Number, values: dict[str, Any]) -> None:
        """Remember what a step returns, one value or several, by the names that it has in the graph."""
        if len(outputs) == 1 and not outputs[0].keys() & {"as_tensors", "as_sym_ints"}:
            values[_name_of(outputs[0])] = result
            return
        parts = outputs[0]["as_tensors"] if len(outputs) == 1 else outputs
        for place, part in enumerate(parts):
            if "as_none" not in part:
                name = part["name"] if "name" in part else _name_of(part)
                values[name] = self._recorder.add("python.getitem", [result, place], {})

    def _inside(self, target: str, arguments: list[Any], outputs: list[Any], values: dict[str, Any]) -> None:
        """Record the graph inside a wrapper: one without gradients, or with automatic half precision off."""
        place = next(place for place, argument in enumerate(arguments) if "as_graph" in argument)
        enabled = arguments[place - _WRAPPERS[target]]["as_bool"]
        if enabled and target.endswith("autocast"):
            raise ModelError("It turns automatic half precision on, which Sightline does not do.")
        inner = arguments[place]["as_graph"]["graph"]
        given = [_argument(argument, values) for argument in arguments[place + 1 :]]
        answers = self.walk(inner, dict(zip(map(_name_of, inner["inputs"]), given, strict=True)))
        if not enabled and not target.endswith("autocast"):
            answers = [self._recorder.add("detach.default", [answer], {}) for answer in answers]
        names = outputs[0]["as_tensors"] if len(outputs) == 1 and "as_tensors" in outputs[0] else outputs
        for part, answer in zip(names, answers, strict=True):
            values[part["name"] if "name" in part else _name_of(part)] = answer


def _name_of(argument: Mapping[str, Any]) -> str:
    ((kind, value),) = argument.items()
    name: str = value["as_name"] if kind.startswith("as_sym") else value["name"]
    return name


def _argument(argument: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """Return the JSON value of a `Program` for one of PyTorch's schema, a union with one kind."""
    ((kind, value),) = argument.items()
    if kind in ("as_tensors", "as_optional_tensors", "as_sym_ints", "as_sym_floats", "as_sym_bools"):
        return [_argument(one if kind != "as_tensors" else {"as_tensor": one}, values) for one in value]
    if kind in ("as_optional_tensor", "as_sym_int", "as_sym_float", "as_sym_bool"):
        return _argument(value, values)
    if kind in ("as_tensor", "as_name"):
        return values[value["name"] if kind == "as_tensor" else value]
    if kind in _NUMBERS:
        return _WORDS.get(value, value) if kind == "as_float" else value
    if kind == "as_none" or (kind == "as_layout" and value == _STRIDED):
        return None
    if kind == "as_device":
        return {"device": True}
    if kind == "as_scalar_type":
        return {"dtype": _DTYPES[value]}
    if kind == "as_memory_format":
        return {"memory_format": _MEMORY_FORMATS[value]}
    raise ModelError(f"A step of it takes an argument of a kind that Sightline does not give: {printable(kind)}.")
