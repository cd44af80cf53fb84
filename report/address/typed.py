"""The set of images that somebody types or pastes: no value in it is passed over, as the dashboard does."""

from collections.abc import Mapping, Sequence
from typing import get_args
from urllib.parse import parse_qs

from sightline.explain.attribution.methods import LAYER_METHODS, METHODS
from sightline.report.address.parameters import RunFacts
from sightline.report.address.selection import PARAMETERS, Selection
from sightline.report.drawing.map_settings import CLASS_TARGET, TARGETS
from sightline.report.drawing.maps import map_layers
from sightline.run_store.comparison import Change
from sightline.run_store.patterns import read_patterns
from sightline.run_store.predictions import ORDERS, Outcome, Predictions, Range
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.tags import read_tags

_KEYS = frozenset(key for parameter in PARAMETERS.values() for key in parameter.keys)
_OF_RUNS = ("run", "beside", "runs")  # an address names runs too, which are named otherwise here
_NAMED = (
    *("true", "predicted", "show", "order", "range", "value", "image"),
    *("method", "layer", "target", "epoch", "set", "compared"),
)
_MOST_NAMED = 12  # of the words that are allowed


class AskedError(Exception):
    """A sentence for the user: what a report cannot be asked for, and what it can."""


def read_set(query: str, runs: Sequence[Run]) -> Selection:
    """Read a query, or a whole address of the dashboard, of A and perhaps B. Raises AskedError, RunError."""
    run, names = runs[0], [one.name for one in runs]
    texts, view = _texts(query)
    of_runs = dict(zip(("run", "beside"), ([name] for name in names), strict=False))
    record = run.record
    facts = RunFacts(record.class_names, record.image_counts.get("test", 0), lambda: _epochs(run))
    selection, ignored = Selection.from_query({**texts, **of_runs}, names, lambda _: facts)
    ignored += _unknown_layers(selection, runs)
    if ignored:
        hints = " ".join(filter(None, (_hint(key, texts, run) for key in _NAMED)))
        raise AskedError(f"The set of images cannot be found: {', '.join(ignored)}. {hints}".strip())
    named = selection.of_compare or not view and selection.compared is not None  # a part of Compare's address
    selection = selection.change(of_compare={"compare": True, "mistakes": False}.get(view, named))
    if selection.of_compare and len(runs) < 2:
        raise AskedError("A set of Compare is of two runs: name the second one with --beside.")
    return selection


def _texts(query: str) -> tuple[Mapping[str, Sequence[str]], str]:
    """Return the texts of a query, but for those that name runs, and the view of an address; "" of a query alone.

    >>> _texts("http://localhost:8501/mistakes?run=pets&true=cat#top")
    ({'true': ['cat']}, 'mistakes')
    """
    head, mark, rest = query.partition("?")
    is_address = "=" not in head and bool(mark or "/" in head)
    text = rest.partition("#")[0] if is_address else query
    texts = {key: values for key, values in parse_qs(text, keep_blank_values=True).items() if key not in _OF_RUNS}
    unknown = [key for key in texts if key not in _KEYS]
    if unknown and not is_address:  # an address may hold what others put there
        raise AskedError(
            f"“{unknown[0][:40]}” says nothing of a set of images, which is written as in the dashboard's address: "
            f"true=cat&predicted=dog. It may have: {', '.join(_NAMED)}."
        )
    view = head.rstrip("/").rpartition("/")[2] if is_address else ""
    return {key: values for key, values in texts.items() if key in _KEYS}, view


def _unknown_layers(selection: Selection, runs: Sequence[Run]) -> list[str]:
    known = {name for run in runs for name in run.record.layers}
    unknown = [name for name in selection.layers if name not in known]
    if unknown and selection.method in LAYER_METHODS and all(run.has_network for run in runs):
        try:
            known |= {name for run in runs for name in map_layers(run)}
        except RunError:  # the images say that the network cannot be read
            return []
        return [f"layer “{name}” (not found)" for name in unknown if name not in known]
    return []


def refuse_unknown_figures(run: Run, predictions: Predictions, selection: Selection) -> None:
    """Raise AskedError for an order or a column, or a word in one, that there is not; Compare asks for no columns.

    predictions: of the run, with what was found out.
    """
    if selection.order != Selection.order and selection.order not in predictions.orders:
        allowed = ", ".join(order.replace(" ", "-") for order in predictions.orders)
        raise AskedError(
            f"The set of images cannot be found: what order “{selection.order}” goes by is known of no image of the "
            f"run. Under order may stand: {allowed}."
        )
    for name, asked in () if selection.of_compare else selection.columns:
        words = predictions.words.get(name)
        if not predictions.has(name, asked):
            known = ", ".join(predictions.numbers if isinstance(asked, Range) else predictions.words) or "there is none"
            key, what = ("range", "numbers") if isinstance(asked, Range) else ("value", "words")
            raise AskedError(
                f"The set of images cannot be found: {key} “{name}” is no column of {what}: {known}. {_damaged(run)}"
            )
        if words and isinstance(asked, str) and asked not in words.words:
            allowed = _few(words.words)
            raise AskedError(f"The set of images cannot be found: “{asked}” does not stand in {name}: {allowed}.")


def _damaged(run: Run) -> str:
    """Say what else would be a column, if it could be read; "" where nothing is damaged."""
    for read in (read_tags, read_patterns, Run.history):
        try:
            read(run)
        except RunError as error:
            return str(error)
    return ""


def _epochs(run: Run) -> list[int]:
    found = run.history()
    return found.epochs.tolist() if found else []


def _hint(key: str, texts: Mapping[str, Sequence[str]], run: Run) -> str:
    """Say what may stand under a key that was used."""
    allowed = {
        "true": run.record.class_names,
        "predicted": run.record.class_names,
        "show": get_args(Outcome),
        "order": ORDERS,
        "method": METHODS,
        "layer": run.record.layers,
        "target": (*TARGETS, f"{CLASS_TARGET}NAME"),
        "epoch": [str(epoch) for epoch in _epochs(run)] or ["nothing: the run has no history"],
        "set": ("compared",),
        "compared": get_args(Change),
    }
    if key not in texts or key not in allowed:
        return ""
    words = list(allowed[key])
    if key in ("show", "order", "compared"):
        words = [word.replace(" ", "-").lower() for word in words]
    return f"Under {key} may stand: {_few(words)}."


def _few(words: Sequence[str]) -> str:
    return ", ".join(words[:_MOST_NAMED]) + (", …" if len(words) > _MOST_NAMED else "")
