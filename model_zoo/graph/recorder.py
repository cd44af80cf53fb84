"""Collect the steps of a `Program`, one after the other, with the calls of modules around them."""

from collections.abc import Iterable
from typing import Any

Number = dict[str, int]  # {"value": number}: an argument of a `Program`


class Recorder:
    """The steps and calls so far."""

    def __init__(self, tensors: int) -> None:
        """Begin. tensors: how many values there are before the images."""
        self.steps: list[list[Any]] = []
        self.calls: list[list[Any]] = [["", 0]]
        self._first = tensors + 1
        self._known: dict[tuple[str, ...], int] = {(): 0}
        self._call = 0

    def enter(self, stack: Iterable[tuple[str, str]]) -> None:
        """Let what follows be inside these calls: a key, which no other call of the module has, and the module's name.

        The outermost comes first; what PyTorch calls the root has no name.
        """
        path: tuple[str, ...] = ()
        for key, name in stack:
            if name:
                around, path = path, (*path, key)
                if path not in self._known:
                    self._known[path] = len(self.calls)
                    self.calls.append([name, self._known[around]])
        self._call = self._known[path]

    def add(self, operator: str, arguments: list[Any], named: dict[str, Any]) -> Number:
        """Add a step to the call that was entered last; return what stands for its result."""
        self.steps.append([self._call, operator, arguments, named])
        return {"value": self._first + len(self.steps) - 1}
