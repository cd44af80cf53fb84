"""What a part of a report is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sightline.report.asked import Asked

Facts = Mapping[str, Any]  # what a template shows, by name: texts, numbers, Markup


@dataclass(frozen=True)
class Section:
    """A part of a report. name: of its template, and where a link leads. title: plain text.

    read: returns what is shown, None where there is nothing to show; its RunError stands in the part's place.
    of_last_weights: whether it is of the weights that a run ended with: one that is looked at after an epoch has none.
    """

    name: str
    title: str
    read: Callable[[Asked], Facts | None]
    of_last_weights: bool = False
