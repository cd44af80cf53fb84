"""The columns of the table of runs, and the orders that it can have. The address knows them too: no Streamlit here."""

import math
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

from sightline.run_store.training_options import OPTIONS

# By a short name, which stands in the address.
COLUMNS = {
    "run": "run",
    "state": "state",
    "accuracy": "test accuracy",
    "best": "best",
    "gap": "train − test",
    "epochs": "epochs",
    "date": "date",
    "time": "time",
    "parameters": "parameters",
    "model": "model",
    "data": "data",
}
# Of a recipe: what has a column, or changes no weight.
_NO_SETTINGS = ("maps", "tensorboard", "keep_epochs", "dataset", "model", "epochs")
SETTINGS = {
    name: name.replace("_", " ")
    for name in (*OPTIONS, "without", "left_out", "processes")  # as run.json has them
    if name not in _NO_SETTINGS
}
# Of texts the first letters come first, of all others what is largest or newest.
_TEXTS = ("run", "state", "model", "data", *SETTINGS)
RUN_ORDERS = frozenset(sign + column for column in (*COLUMNS, *SETTINGS) for sign in ("", "-"))

Item = TypeVar("Item")


def next_order(order: str | None, column: str) -> str | None:
    """Return the order after a click on the head of a column: as is usual for it, turned round, then as at first.

    >>> [next_order(order, "accuracy") for order in (None, "-accuracy", "accuracy", "run")]
    ['-accuracy', 'accuracy', None, '-accuracy']
    """
    usual, turned = (column, f"-{column}") if column in _TEXTS else (f"-{column}", column)
    return {usual: turned, turned: None}.get(order or "", usual)


def in_order(items: Iterable[Item], order: str, value: Callable[[Item, str], Any]) -> list[Item]:
    """Sort by a column, downwards where the order begins with “-”; what has no value stands last in either.

    value: of an item in a column, a number or a text; None: it has none. Of texts, numbers in them count as such.
    """
    column, falls = order.removeprefix("-"), order.startswith("-")
    valued = [(value(item, column), item) for item in items]
    known = [(_key(found), item) for found, item in valued if found is not None]
    known.sort(key=lambda pair: pair[0], reverse=falls)
    return [item for _, item in known] + [item for found, item in valued if found is None]


def _key(value: Any) -> tuple[Any, ...]:
    """Return what is compared: a number comes before any text, of which “run 2” comes before “run 10”.

    >>> sorted(["run 10", "Run 2", 3, "0.5"], key=_key)
    ['0.5', 3, 'Run 2', 'run 10']
    """
    return ((0, float(value), ""),) if isinstance(value, float) else _key_of_text(str(value))


@lru_cache(8192)  # names of thousands of runs, at every click
def _key_of_text(text: str) -> tuple[Any, ...]:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return ((0, number, ""),)
    parts = re.split(r"(\d+)", text.casefold())
    return tuple((1, float(part), "") if place % 2 else (2, 0.0, part) for place, part in enumerate(parts))
