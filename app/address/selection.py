"""What is selected: one typed object, read from and written to the URL. The URL is the only place where it is kept."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, get_args
from urllib.parse import unquote

import streamlit as st

from sightline.app.elements.learning_curves import QUANTITIES
from sightline.app.maps.paint import CELLS, COLOURS, SCALES, SIGNS
from sightline.explain.attribution.methods import LAYER_METHODS, METHODS
from sightline.explain.judging.measures import MEASURES
from sightline.run_store.comparison import Change
from sightline.run_store.predictions import ORDERS, Condition, Filter, Outcome, Range

DEFAULT_ORDER = next(iter(ORDERS))
TARGETS = (
    "predicted",
    "true",
    "runner-up",
    "difference",
)  # a map's target is one of these, or CLASS_TARGET + a class name
CLASS_TARGET = "class:"
_KEYS = (
    "run", "beside", "compared", "runs", "chart", "smoothing", "axis", "true", "predicted", "show", "range", "value",
    "order", "image", "map", "method", "layer", "target", "scale", "sign", "cells", "colours", "opacity",
    "hide", "classes", "measure",
)  # fmt: skip

Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class RunFacts:
    """What the URL's values are checked against, from a run's record."""

    class_names: tuple[str, ...]
    images: int  # in the test split


@dataclass(frozen=True)
class Selection:
    """Classes, runs and layers by name; None and () mean: the view's default."""

    run: str | None = None
    beside: str | None = None  # the run it is compared with
    compared: Change = "broken"  # since that one
    shown: tuple[str, ...] = ()  # the runs in Curves
    quantities: tuple[str, ...] = ("loss", "accuracy")  # its charts
    smoothing: int = 0  # weight of the past, percent
    logarithmic: bool = False
    label: str | None = None
    predicted: str | None = None
    outcome: Outcome = "wrong"
    columns: tuple[tuple[str, Condition], ...] = ()  # what else the set asks of the predictions, ranges first
    order: str = DEFAULT_ORDER
    image: int | None = None  # index in the test split; None: the first of the set
    with_map: bool = False  # whether Mistakes shows where the model looked
    method: str = next(iter(LAYER_METHODS))
    layers: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    scale: str = SCALES[0]
    sign: str = SIGNS[0]
    cells: str = CELLS[0]
    colours: str | None = None
    opacity: int = 60  # of a map over its image, percent
    hide: str | None = None  # the layer whose hottest tenth is hidden
    all_classes: bool = False  # whether the deepest layer's maps of all classes are shown
    measure: str | None = None  # by which Trust compares maps

    @classmethod
    def from_query(
        cls, query: Query, facts: Mapping[str, RunFacts | None], default_run: str | None = None
    ) -> tuple["Selection", list[str]]:
        """The selection in `query`, and for each value that does not exist, what was ignored.

        facts: run name → its facts, or None where its record cannot be read (then classes and indices pass unchecked).
        """
        reader = _Reader(query)
        run = reader.one("run", facts) or default_run
        known = facts.get(run) if run is not None else None
        classes = known.class_names if known else None
        targets = (*TARGETS, *(CLASS_TARGET + name for name in classes)) if classes else None
        selection = cls(
            run=run,
            beside=reader.one("beside", facts),
            compared=cast(
                Change,
                (reader.one("compared", {_slug(name) for name in get_args(Change)}) or "broken").replace("-", " "),
            ),
            shown=reader.many("runs", facts),
            quantities=reader.many("chart", QUANTITIES) or cls.quantities,
            smoothing=reader.number("smoothing", 0, 100) or 0,
            logarithmic=reader.one("axis", ("log",)) is not None,
            label=reader.one("true", classes),
            predicted=reader.one("predicted", classes),
            outcome=cast(Outcome, reader.one("show", get_args(Outcome)) or "wrong"),
            columns=reader.conditions(),
            order=(reader.one("order", {_slug(order) for order in ORDERS}) or _slug(DEFAULT_ORDER)).replace("-", " "),
            image=reader.number("image", 0, known.images if known else None),
            with_map=reader.one("map", ("shown",)) is not None,
            method=reader.one("method", METHODS) or cls.method,
            layers=reader.many("layer", None),  # the view asks the network which it has
            targets=reader.many("target", targets),
            scale=reader.one("scale", SCALES) or SCALES[0],
            sign=reader.one("sign", SIGNS) or SIGNS[0],
            cells=reader.one("cells", CELLS) or CELLS[0],
            colours=reader.one("colours", [name for names in COLOURS.values() for name in names]),
            opacity=opacity if (opacity := reader.number("opacity", 0, 101)) is not None else 60,
            hide=reader.one("hide", None),
            all_classes=reader.one("classes", ("all",)) is not None,
            measure=reader.one("measure", MEASURES),
        )
        return selection, reader.ignored

    def to_query(self) -> dict[str, str | list[str]]:
        """Values that equal the default stay out."""
        default = Selection()
        values: dict[str, Any] = {
            "run": self.run,
            "beside": self.beside,
            "compared": _slug(self.compared) if self.compared != default.compared else None,
            "runs": list(self.shown),
            "chart": list(self.quantities) if self.quantities != default.quantities else None,
            "smoothing": str(self.smoothing) if self.smoothing else None,
            "axis": "log" if self.logarithmic else None,
            "true": self.label,
            "predicted": self.predicted,
            "show": self.outcome if self.outcome != default.outcome else None,
            "range": [f"{_quote(name)}:{_ends(asked)}" for name, asked in self.columns if isinstance(asked, Range)],
            "value": [f"{_quote(name)}:{asked}" for name, asked in self.columns if isinstance(asked, str)],
            "order": _slug(self.order) if self.order != default.order else None,
            "image": str(self.image) if self.image is not None else None,
            "map": "shown" if self.with_map else None,
            "method": self.method if self.method != default.method else None,
            "layer": list(self.layers),
            "target": list(self.targets),
            "scale": self.scale if self.scale != default.scale else None,
            "sign": self.sign if self.sign != default.sign else None,
            "cells": self.cells if self.cells != default.cells else None,
            "colours": self.colours,
            "opacity": str(self.opacity) if self.opacity != default.opacity else None,
            "hide": self.hide,
            "classes": "all" if self.all_classes else None,
            "measure": self.measure,
        }
        return {key: value for key, value in values.items() if value not in (None, [])}

    def filter(self, class_names: Sequence[str]) -> Filter:
        """The same filter in class codes."""
        label, predicted = (None if name is None else class_names.index(name) for name in (self.label, self.predicted))
        return Filter(self.outcome, label, predicted, self.columns)

    def ask(self, name: str, condition: Condition | None) -> tuple[tuple[str, Condition], ...]:
        """`columns` with this asked of the column `name`, or nothing."""
        others = {other: asked for other, asked in self.columns if other != name}
        return _in_order(others if condition is None else others | {name: condition})

    def change(self, **changes: Any) -> "Selection":
        """A copy with other values. Another filter or order starts at its first image."""
        changed = replace(self, **changes)
        same_set = ("run", "beside", "compared", "label", "predicted", "outcome", "columns", "order")
        if any(getattr(self, name) != getattr(changed, name) for name in same_set):
            changed = replace(changed, image=changes.get("image"))
        return changed


class _Reader:
    """Takes values out of a query and notes those that do not exist."""

    def __init__(self, query: Query):
        self.query = query
        self.ignored: list[str] = []

    def many(self, key: str, allowed: Any) -> tuple[str, ...]:
        """Every value of `key` that is allowed (None: any is), each once."""
        values = dict.fromkeys(self.query.get(key, ()))
        self.ignored += [
            f"{key} “{_shorten(value)}” (not found)" for value in values if allowed is not None and value not in allowed
        ]
        return tuple(value for value in values if allowed is None or value in allowed)

    def one(self, key: str, allowed: Any) -> str | None:
        values = self.many(key, allowed)
        return values[-1] if values else None

    def number(self, key: str, low: int, end: int | None) -> int | None:
        text = self.one(key, None)
        if text is None:
            return None
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
        if number is None or number < low or (end is not None and number >= end):
            limit = f"not a number from {low}" + (f" to {end - 1}" if end else "")
            self.ignored.append(f"{key} “{_shorten(text)}” ({limit})")
            return None
        return number

    def conditions(self) -> tuple[tuple[str, Condition], ...]:
        """What `range` and `value` ask; whether the run has such columns is for its predictions to say."""
        found: dict[str, Condition] = {}
        for text in self.many("range", None):
            name, _, ends = text.partition(":")
            low, dots, high = ends.partition("..")
            try:
                asked = Range(float(low or -math.inf), float(high or math.inf))
            except ValueError:
                asked = Range(math.nan)
            if dots and asked.low <= asked.high:
                found[unquote(name)] = asked
            else:
                self.ignored.append(f"range “{_shorten(text)}” (not a column and numbers, as in loss:0.5..2)")
        for text in self.many("value", None):
            name, colon, word = text.partition(":")
            if colon:
                found[unquote(name)] = word
            else:
                self.ignored.append(f"value “{_shorten(text)}” (not a column and a word, as in camera:left)")
        return _in_order(found)


def _in_order(columns: Mapping[str, Condition]) -> tuple[tuple[str, Condition], ...]:
    return tuple(sorted(columns.items(), key=lambda pair: (isinstance(pair[1], str), pair[0])))


def _ends(asked: Range) -> str:
    return "..".join(f"{end:.12g}" if math.isfinite(end) else "" for end in (asked.low, asked.high))


def _quote(name: str) -> str:
    """The name of a column without a colon, which ends it in the address."""
    return name.replace("%", "%25").replace(":", "%3A")


def _slug(order: str) -> str:
    return order.replace(" ", "-")


def _shorten(text: str, length: int = 40) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def read_selection() -> tuple[Selection, list[str]]:
    """The selection in the address bar, checked against the runs that there are; and what was ignored."""
    from sightline.app.runs import run_list

    query = {key: st.query_params.get_all(key) for key in st.query_params}
    facts = run_list.run_facts()
    is_named = any(name in facts for name in query.get("run", ()))  # the default needs a look at every run
    return Selection.from_query(query, facts, None if is_named else run_list.default_run())


def current_selection() -> Selection:
    return read_selection()[0]


def write_selection(selection: Selection) -> None:
    """Put it into the address bar, as one step of the browser's history. Parameters of others stay."""
    wanted = selection.to_query()
    if all(key in _KEYS for key in st.query_params):
        st.query_params.from_dict(wanted)
        return
    st.query_params.update(wanted)
    for key in _KEYS:
        if key in st.query_params and key not in wanted:
            del st.query_params[key]


def change_selection(**changes: Any) -> None:
    """For callbacks of widgets: change what is named, keep the rest."""
    write_selection(current_selection().change(**changes))
