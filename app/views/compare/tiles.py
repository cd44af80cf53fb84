"""The tiles of Compare, which say what A and B predict."""

from collections.abc import Sequence
from typing import Any

from sightline.app.runs import run_list
from sightline.report.drawing.compared_bars import Legend
from sightline.run_store.comparison import Comparison
from sightline.run_store.run import Run


def legend_of(a: Run, b: Run) -> Legend:
    """Return how both runs are told apart."""
    return [(run_list.title(run), run_list.colour(run)) for run in (a, b)]


def with_both(items: Sequence[dict[str, Any]], comparison: Comparison, legend: Legend) -> list[dict[str, Any]]:
    """Return items of A's gallery, which also say what B predicts."""
    classes, codes = comparison.b.class_names, comparison.b.column("predicted")
    found = []
    for item in items:
        names = item["predicted"], classes[codes[item["index"]]]
        guesses = tuple(
            {"name": name, "wrong": name != item["true"], "colour": colour}
            for name, (_, colour) in zip(names, legend, strict=True)
        )
        said = ", ".join(f"{title} predicts {name}" for name, (title, _) in zip(names, legend, strict=True))
        alt = f"Image {item['index']}: true {item['true']}, {said}"
        found.append(item | {"alt": alt, "guesses": guesses, "confidence": ""})
    return found
