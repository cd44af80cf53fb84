"""Turn a graph into a network: find out what each call of a module takes, and what it returns."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from torch import Tensor, nn

from sightline.model_zoo.graph.network import Call, Layer, Part, Step, Value
from sightline.model_zoo.graph.operators import RETURNED, find_operator, with_all_arguments
from sightline.model_zoo.graph.program import DTYPES, MEMORY_FORMATS, Program
from sightline.model_zoo.spec import ModelError

MOST_WORD = 200  # letters, of a text among the arguments
MOST_DEPTH = 100  # of calls inside each other
ROOT = (0,)

Chain = tuple[int, ...]  # the numbers of a call and of those around it, the outermost first


def build_network(program: Program, tensors: Mapping[str, Tensor]) -> Part:
    """Return the network of a graph with these tensors, each under one of its names, frozen and in eval mode.

    It shares memory with them. Raises ModelError where the graph makes no sense, or a tensor is missing.
    """
    try:
        parts = _parts(program)
        owners = _register(program, parts, tensors)
        _Compiler(program, parts, owners).compile()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ModelError("Its graph is damaged.") from error
    return parts[""].eval().requires_grad_(False)


def _parts(program: Program) -> dict[str, Part]:
    """Make the modules, by all of their names."""
    own: dict[str, set[str]] = {}
    for kind, *names in program.tensors:
        for owner, _, leaf in (name.rpartition(".") for name in names if kind == "parameter"):
            own.setdefault(owner, set()).add(leaf)
    parts: dict[str, Part] = {}
    for name, first in program.modules:
        of_layer = "weight" in own.get(name, ()) and own[name] <= {"weight", "bias"}
        parts[name] = parts[first] if name != first else Layer() if of_layer else Part()
        around, _, leaf = name.rpartition(".")
        if name and leaf not in parts[around]._modules:
            parts[around].add_module(leaf, parts[name])
    # One that is inside itself, or in so many others that its names are without number, has names that are not listed.
    paths = islice(parts[""].named_modules(remove_duplicate=False), len(program.modules) + 1)
    if {name for name, _ in paths} != parts.keys():
        raise ValueError("names are missing")
    return parts


def _register(
    program: Program, parts: Mapping[str, Part], tensors: Mapping[str, Tensor]
) -> list[tuple[dict[str, Any], str]]:
    """Give the modules their tensors; return for each of the program's where it is, and its name there."""
    owners = []
    for kind, *names in program.tensors:
        given = [name for name in names if name in tensors]
        if not given:
            raise ModelError(f"Its graph asks for weights {names[0]!r}, which are missing.")
        tensor = tensors[given[0]]
        value = nn.Parameter(tensor, requires_grad=False) if kind == "parameter" else tensor
        places = [(parts[owner], leaf) for owner, _, leaf in (name.rpartition(".") for name in names)]
        for part, leaf in places:
            if isinstance(value, nn.Parameter):
                part.register_parameter(leaf, value)
            else:
                part.register_buffer(leaf, value, persistent=kind == "buffer")
        part, leaf = places[0]
        owners.append((part._parameters if kind == "parameter" else part._buffers, leaf))
    return owners


class _Compiler:
    """Goes through the steps in order, and opens and closes the calls around them."""

    def __init__(self, program: Program, parts: Mapping[str, Part], owners: list[tuple[dict[str, Any], str]]) -> None:
        self._program, self._owners = program, owners
        self._calls = [Call(parts[name]) for name, _ in program.calls]
        self._chains = _chains(program)
        self._inputs: list[dict[int, None]] = [{} for _ in self._calls]
        self._outputs: list[dict[int, None]] = [{} for _ in self._calls]
        self._tensors: list[dict[int, tuple[dict[str, Any], str]]] = [{} for _ in self._calls]
        self._born: list[Chain] = [ROOT] * (len(owners) + 1)  # inside which calls each value was made
        self._marks: dict[int, int] = {}  # the tensor that a call returns, of the calls whose last step says so
        self._current = ROOT

    def compile(self) -> None:
        """Fill in the calls, and give each module its own."""
        opened = {0}
        for number, (call, operator, arguments, named) in enumerate(self._program.steps, len(self._born)):
            chain = self._chains[call]
            for depth in range(1, len(chain)):
                if self._current[: depth + 1] != chain[: depth + 1] and chain[depth] in opened:
                    raise ValueError("a call goes on after it has ended")
                if chain[depth] not in opened:
                    opened.add(chain[depth])
                    self._marks.pop(chain[depth - 1], None)
                    self._calls[chain[depth - 1]].steps.append(self._calls[chain[depth]])
            self._current = chain
            self._add(number, call, operator, arguments, named)
        for number in self._program.outputs:
            self._take(number, ROOT)
        self._finish(opened)

    def _add(self, number: int, call: int, operator: str, arguments: list[Any], named: dict[str, Any]) -> None:
        function, chain = find_operator(operator), self._chains[call]
        read = [self._read(argument, chain) for argument in with_all_arguments(operator, arguments, named)]
        self._calls[call].steps.append(
            Step(function, read, {name: self._read(value, chain) for name, value in named.items()}, number)
        )
        self._born.append(chain)
        self._marks.pop(call, None)
        if operator == RETURNED:
            self._marks[call] = number

    def _read(self, argument: Any, chain: Chain) -> Any:
        """Return what stands for an argument of a step inside these calls."""
        if isinstance(argument, list):
            read = [self._read(one, chain) for one in argument]
            return read if any(isinstance(one, Value | list) for one in read) else tuple(read)
        if isinstance(argument, str) and len(argument) <= MOST_WORD or argument is None:
            return argument
        if not isinstance(argument, dict):
            if isinstance(argument, bool | int | float):
                return argument
            raise TypeError("no argument")
        ((kind, value),) = argument.items()
        if kind == "value" and type(value) is int:
            self._take(value, chain)
            return Value(value)
        if kind == "images" and [type(each) for each in value] == [int, int]:
            self._calls[chain[-1]].counts[str(value)] = (value[0], value[1])
            return Value(str(value))
        if kind == "device":
            return Value("device")
        return DTYPES[value] if kind == "dtype" else {"memory_format": MEMORY_FORMATS}[kind][value]

    def _take(self, number: int, chain: Chain) -> None:
        """Bring a value to where it is used: out of the calls that made it, into those that use it."""
        if not 0 <= number < len(self._born):
            raise IndexError("no such value")
        if number < len(self._owners):
            self._tensors[chain[-1]][number] = self._owners[number]
            return
        born = self._born[number]
        shared = next((depth for depth, (a, b) in enumerate(zip(born, chain, strict=False)) if a != b), None)
        shared = min(len(born), len(chain)) if shared is None else shared
        for call in born[shared:]:
            self._outputs[call][number] = None
        for call in chain[shared:]:
            self._inputs[call][number] = None

    def _finish(self, opened: set[int]) -> None:
        """Settle what goes into each call and what it returns, and give the modules their calls."""
        self._inputs[0], self._outputs[0] = {len(self._owners): None}, dict.fromkeys(self._program.outputs)
        for number in sorted(opened):
            call, mark = self._calls[number], self._marks.get(number)
            is_marked = self._program.marked and number > 0
            if is_marked and mark is not None:
                self._outputs[number][mark] = None
            call.inputs, call.outputs = list(self._inputs[number]), list(self._outputs[number])
            call.tensors = [(tensor, *place) for tensor, place in self._tensors[number].items()]
            call.is_one_tensor = call.outputs == [mark] if is_marked else len(call.outputs) == 1
            call.returned = _without_mark(call) if call.outputs == [mark] else call.outputs
        for number in sorted(opened):
            _forget(self._calls[number], len(self._owners))
            self._calls[number].module._graph_calls.append(self._calls[number])


def _without_mark(call: Call) -> list[int]:
    """Take off the last step, which only says what the call returns; return that."""
    mark = call.steps.pop()
    assert isinstance(mark, Step)
    return [mark.arguments[0].key]


def _chains(program: Program) -> list[Chain]:
    chains: list[Chain] = []
    for number, (_, around) in enumerate(program.calls):
        if not (0 <= around < number or number == 0):
            raise ValueError("a call inside a later one")
        chains.append((*chains[around], number) if number else ROOT)
        if len(chains[-1]) > MOST_DEPTH:
            raise ValueError("too many calls inside each other")
    return chains


def _forget(call: Call, first: int) -> None:
    """Let each step say which values nothing needs after it: memory holds no more than while the module ran."""
    needed = set(call.returned)
    for step in reversed(call.steps):
        uses = set(step.inputs) if isinstance(step, Call) else {*_numbers(step.arguments), *_numbers(step.named)}
        made = set() if isinstance(step, Call) else {step.result}
        step.unused = [number for number in uses | made if number >= first and number not in needed]
        needed |= uses


def _numbers(argument: Any) -> Iterator[int]:
    """Yield the numbers of the values in an argument."""
    if isinstance(argument, Value) and isinstance(argument.key, int):
        yield argument.key
    elif isinstance(argument, list | dict):
        for one in argument.values() if isinstance(argument, dict) else argument:
            yield from _numbers(one)
