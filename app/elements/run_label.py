"""What a run is called, behind the dot of its colour: wherever two runs are told apart, it looks the same."""

from html import escape

from sightline.app.runs import run_list
from sightline.report.words.text import escape_markdown
from sightline.run_store.run import Run


def run_label(run: Run) -> str:
    """Write the dot and the title of the run in Markdown, for texts and for labels of widgets."""
    return label(run_list.title(run), run_list.colour(run))


def label(title: str, colour: str) -> str:
    """Write what `run_label` does, of a run whose title and colour are known."""
    return f"{dot(colour)}\N{NO-BREAK SPACE}{escape_markdown(title)}"


def label_html(title: str, colour: str) -> str:
    """Write the same in HTML; page.css gives `.run-dot` its shape."""
    return f"{dot_html(colour)}{escape(title)}"


def dot(colour: str) -> str:
    """Write the dot of a run in Markdown. colour: as of `run_list.colour`, #rrggbb."""
    return f':color[●]{{foreground="{colour}"}}'


def dot_html(colour: str) -> str:
    """Write the dot of a run in HTML, where no screen reader speaks of it."""
    return f'<i class="run-dot" style="background:{colour}" aria-hidden="true"></i>'
