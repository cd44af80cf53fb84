"""How texts and pictures become HTML: everything of a run passes here, and stays text."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from sightline.report.asked import Shown
from sightline.report.drawing.element import Element
from sightline.report.words.text import count, counted, p_words, percent

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    """Return the templates. What they are given is escaped, unless it is Markup."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"count": count, "counted": counted, "p_words": p_words, "percent": percent, "said": said}
    made.globals |= {"drawn": drawn, "named": named}
    return made


def said(markdown: str) -> Markup:
    """Write a sentence in Markdown as HTML: emphasis, and nothing that would load or run anything.

    >>> said(r"**6** of 10 are \\*cats\\* <b>")
    Markup('<strong>6</strong> of 10 are *cats* &lt;b&gt;')
    """
    return Markup(_markdown().renderInline(markdown))


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("zero", {"html": False}).enable(["emphasis", "escape", "backticks"])


def named(shown: Shown) -> Markup:
    """Write the title of a run behind the dot of its colour, by which two runs are told apart everywhere."""
    dot = '<svg class="dot" viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="5" fill="{}"/></svg>'
    return Markup(dot + "<bdi>{}</bdi>").format(shown.colour, shown.title)


def drawn(element: Element, data: Any, label: str = "") -> Markup:
    """Write an element that page.js draws in the reader's browser. data: JSON has its types."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")  # ends no script
    place = Markup('<div class="element" data-element="{}" data-label="{}">').format(element.name, label)
    return place + Markup(f'<script type="application/json">{text}</script></div>')
