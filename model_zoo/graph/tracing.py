"""Read what `torch.export` has recorded of a network's forward as the steps of a `Program`."""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from sightline.model_zoo.graph.operators import PYTHON, find_operator
from sightline.model_zoo.graph.program import DTYPES, MEMORY_FORMATS, Program
from sightline.model_zoo.graph.recorder import Recorder
from sightline.model_zoo.spec import ModelError, printable

_ASSERTIONS = ("_assert", "sym_constrain")  # operators that return nothing: what they check holds for this size
_NAMES: dict[Any, tuple[str, str]] = {
    **{dtype: ("dtype", name) for name, dtype in DTYPES.items()},
    **{layout: ("memory_format", name) for name, layout in MEMORY_FORMATS.items()},
}
_PYTHON = {function: f"python.{name}" for name, function in PYTHON.items()}


def program_of(exported: ExportedProgram, model: nn.Module, image: list[int]) -> tuple[Program, dict[str, Tensor]]:
    """Return the steps of a model's exported forward, and the tensors that belong to them beside the weights.

    image: channels, height and width. Raises ModelError where the model does what no such graph can say.
    """
    specs = exported.graph_signature.input_specs
    tensors = _tensors_of(model)
    tensors += [["constant", str(spec.target)] for spec in specs if spec.kind is InputKind.CONSTANT_TENSOR]
    numbers = {name: number for number, (_, *names) in enumerate(tensors) for name in names}
    recorder = Recorder(len(tensors))
    given = [
        {"value": len(tensors) if spec.kind is InputKind.USER_INPUT else numbers[str(spec.target)]} for spec in specs
    ]
    answers = _Tracer(exported.graph_module, recorder).walk(exported.graph, given)
    own = [names[0] for kind, *names in tensors if kind in ("temporary", "constant")]
    constants = {
        name: exported.constants[name].detach().cpu().contiguous() for name in own if name in exported.constants
    }
    modules = _modules_of(model)
    outputs = [one["value"] for one in answers]
    program = Program(image, modules, tensors, recorder.calls, recorder.steps, outputs, any_size=False, marked=True)
    return program, constants


def _modules_of(model: nn.Module) -> list[list[str]]:
    first: dict[nn.Module, str] = {}
    return [[name, first.setdefault(module, name)] for name, module in model.named_modules(remove_duplicate=False)]


def _tensors_of(model: nn.Module) -> list[list[str]]:
    """List the kind and the names of every parameter and buffer, once for each tensor."""
    kept = model.state_dict(keep_vars=True)
    found: dict[Tensor, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        found.setdefault(parameter, ["parameter"]).append(name)
    for name, buffer in model.named_buffers(remove_duplicate=False):
        found.setdefault(buffer, ["buffer" if name in kept else "temporary"]).append(name)
    return list(found.values())


class _Tracer:
    """Records the steps of a graph of torch.fx, and of the graphs inside it."""

    def __init__(self, graphs: fx.GraphModule, recorder: Recorder) -> None:
        self._graphs, self._recorder = graphs, recorder

    def walk(self, graph: fx.Graph, given: list[Any]) -> list[Any]:
        """Add the steps of a graph; given: the arguments that stand for its inputs. Returns those for its outputs."""
        values: dict[fx.Node, Any] = {}
        inputs = iter(given)
        for node in graph.nodes:
            if node.op == "placeholder":
                values[node] = next(inputs)
            elif node.op == "call_function":
                if stack := node.meta.get("nn_module_stack"):  # none: PyTorch has added the step
                    self._recorder.enter((key, name) for key, (name, _) in stack.items())
                values[node] = self._step(node, values)
            elif node.op == "output":
                outputs: list[Any] = self._argument(node.args[0], values)
                return outputs
        return []

    def _step(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        target: Any = node.target
        name = getattr(target, "__name__", str(target))
        if name == "wrap_with_set_grad_enabled":
            enabled, inner, *rest = node.args
            outputs = self._inside(inner, rest, values)
            return outputs if enabled else [self._recorder.add("detach.default", [one], {}) for one in outputs]
        if name == "wrap_with_autocast":
            _, _, enabled, _, inner, *rest = node.args
            if enabled:
                raise ModelError("It turns automatic half precision on.")
            return self._inside(inner, rest, values)
        arguments = [self._argument(argument, values) for argument in node.args]
        if name == "getitem" and isinstance(arguments[0], list):
            return arguments[0][arguments[1]]
        operator = _operator_name(target)
        if operator.startswith(_ASSERTIONS):
            return None
        find_operator(operator)
        named = {name: self._argument(argument, values) for name, argument in node.kwargs.items()}
        return self._recorder.add(
            operator, arguments, {name: value for name, value in named.items() if value is not None}
        )

    def _inside(self, inner: Any, arguments: Any, values: dict[fx.Node, Any]) -> list[Any]:
        graph = self._graphs.get_submodule(str(inner.target))
        assert isinstance(graph, fx.GraphModule)
        return self.walk(graph.graph, [self._argument(argument, values) for argument in arguments])

    def _argument(self, argument: Any, values: dict[fx.Node, Any]) -> Any:
        """Return the JSON value of an argument, see `Program`."""
        if isinstance(argument, fx.Node):
            return values[argument]
        if isinstance(argument, list | tuple):
            return [self._argument(one, values) for one in argument]
        if isinstance(argument, torch.device):
            return {"device": True}
        if argument is None or argument is torch.strided:
            return None
        if isinstance(argument, bool | int | float | str):
            return argument
        kind, name = _NAMES.get(argument, ("", ""))
        if not kind:
            raise ModelError(f"It computes with {printable(str(argument))!r}.")
        return {kind: name}


def _operator_name(target: Any) -> str:
    """Return what `find_operator` calls it; of other operators their own name."""
    if isinstance(target, OpOverload) and target.namespace == "aten":
        return f"{target._opname}.{target._overloadname or 'default'}"
    return _PYTHON.get(target, str(target))
