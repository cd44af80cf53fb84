"""Read a pickle without importing, making or calling anything that it names.

A pickle is a program for a machine with a stack; the standard library's `pickletools` parses it, and the machine here
runs it with every class and function left out. What comes of it are lists, tuples, dicts, numbers and strings, and for
each object a `Made`, which says by what and from what it was to be made.

A file may nest a value a million deep, or in itself, and name it a million times. So nothing here hashes, compares,
copies or prints a value: each step takes the time of what it takes off the stack.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

MOST_STEPS = 2_000_000  # each may make an object. A large model with its optimizer's state takes about 200,000.
MOST_NAME = 1_000  # letters; a name is put together again each time

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], object]] = {
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,  # as any set: it would hash what is in it
}
_SETS = ("builtins.set", "__builtin__.set", "builtins.frozenset", "__builtin__.frozenset")
_VALUES = frozenset(  # steps that put on the stack the number or text that they carry
    step.name for step in pickletools.opcodes if step.arg and step.stack_after not in ([], [pickletools.anyobject])
)


class Name(str):
    """The full name of a class or function, "torch.FloatStorage", which is never looked up."""


@dataclass(eq=False, repr=False)
class Made(dict[str, object]):
    """An object that was not made: what it was to be made by and from; its entries, where it is a kind of dict."""

    by: str
    arguments: tuple[object, ...] = ()
    state: object = None  # what its attributes were to be set from

    def attributes(self) -> dict[str, object]:
        """Return its attributes by name; none where its class was to make them from something else than a dict."""
        states = self.state[:2] if isinstance(self.state, tuple) else (self.state,)  # two of an object with slots
        return {name: value for state in states if isinstance(state, dict) for name, value in state.items()}


def read_pickle(
    stream: BinaryIO,
    persistent: Callable[[Any], object] | None = None,
    make: Callable[[str, tuple[Any, ...]], object] = Made,
) -> object:
    """Read the pickle that begins where `stream` stands, and leave `stream` behind its end.

    persistent: what a persistent id (torch: a storage) is taken for; None where there may be none. make: what a call,
    of a function or class by its full name, is taken for. Of dicts only what a string names is kept, and what a whole
    number does, which becomes a string.
    Raises many kinds of Exception for what is no pickle, or one of more than MOST_STEPS.

    >>> import datetime, io, pickle
    >>> found = read_pickle(io.BytesIO(pickle.dumps({"day": datetime.date(2026, 1, 1), "epoch": 3})))
    >>> found["epoch"], found["day"].by
    (3, 'datetime.date')
    """
    machine = _Machine(persistent, make)
    for count, (step, argument, _) in enumerate(pickletools.genops(stream)):
        if count == MOST_STEPS:
            raise ValueError(f"a pickle of more than {MOST_STEPS:,} steps")
        machine.run(step.name, argument)
    return machine.stack.pop()


class _Machine:
    def __init__(
        self, persistent: Callable[[Any], object] | None, make: Callable[[str, tuple[Any, ...]], object]
    ) -> None:
        self.persistent, self.make = persistent, make
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}

    def run(self, step: str, argument: Any) -> None:
        """Do one step, by its name in `pickletools`. Raises Exception for one that torch never writes."""
        if step in _VALUES:
            self.stack.append(argument)
        elif step in _CONSTANTS:
            self.stack.append(_CONSTANTS[step])
        elif step in _EMPTY:
            self.stack.append(_EMPTY[step]())
        elif not (self._collect(step) or self._remember(step, argument) or self._object(step, argument)):
            raise ValueError(f"a pickle with {step}")

    def _collect(self, step: str) -> bool:
        """Move what lies on the stack into tuples, lists and dicts; False for another kind of step."""
        match step:
            case "MARK":
                self.marks.append(len(self.stack))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self.stack.append(tuple(self._take(int(step[-1]))))
            case "TUPLE":
                self.stack.append(tuple(self._since_mark()))
            case "FROZENSET":
                self.stack.append(self._since_mark())
            case "APPEND":
                self._extend(self._take(1))
            case "APPENDS" | "ADDITEMS":
                self._extend(self._since_mark())
            case "SETITEM":
                self._update(self._take(2))
            case "SETITEMS":
                self._update(self._since_mark())
            case "POP":
                self._take(1)
            case "POP_MARK":
                self._since_mark()
            case _:
                return False
        return True

    def _remember(self, step: str, argument: Any) -> bool:
        """Put the top of the stack into the memo, or back; False for another kind of step."""
        match step:
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "BINGET" | "LONG_BINGET":
                self.stack.append(self.memo[argument])
            case "PROTO" | "FRAME" | "STOP":
                pass  # which say how the bytes are laid out
            case _:
                return False
        return True

    def _object(self, step: str, argument: Any) -> bool:
        """Note what was to be imported, called or given a state; False for another kind of step."""
        match step:
            case "GLOBAL":
                self.stack.append(Name(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                module, name = self._take(2)
                if len(module) + len(name) > MOST_NAME:
                    raise ValueError(f"a name of more than {MOST_NAME:,} letters")
                self.stack.append(Name(f"{module}.{name}"))
            case "REDUCE" | "NEWOBJ":
                self._call(*self._take(2))
            case "NEWOBJ_EX":
                self._call(*self._take(3)[:2])
            case "BUILD":
                (state,) = self._take(1)
                if isinstance(self.stack[-1], Made):
                    self.stack[-1].state = state
            case "BINPERSID" if self.persistent:
                self.stack.append(self.persistent(*self._take(1)))
            case _:
                return False
        return True

    def _call(self, function: object, arguments: object) -> None:
        if not isinstance(arguments, tuple):
            raise ValueError("a call without a tuple of arguments")
        name = function if isinstance(function, Name) else "an object"
        of_a_list = len(arguments) == 1 and isinstance(arguments[0], list)
        self.stack.append(arguments[0] if of_a_list and name in _SETS else self.make(name, arguments))

    def _extend(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def _update(self, flat: list[Any]) -> None:
        if isinstance(self.stack[-1], dict):
            pairs = zip(flat[::2], flat[1::2], strict=True)
            self.stack[-1].update((str(key), value) for key, value in pairs if _is_key(key))

    def _take(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("a pickle that takes what it has not put")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken


def _is_key(key: object) -> bool:
    return isinstance(key, str) or (type(key) is int and 0 <= key < MOST_STEPS)
