"""The report of a run: one HTML file that needs no network and no Sightline."""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from sightline.report.asked import Asked
from sightline.report.drawing.bars import BARS
from sightline.report.drawing.calibration_chart import CALIBRATION_CHART
from sightline.report.drawing.curve_charts import CURVE_CHARTS
from sightline.report.drawing.element import SHARED_STYLE
from sightline.report.drawing.matrix import MATRIX
from sightline.report.markup import TEMPLATES, environment
from sightline.report.sections.calibration import calibration
from sightline.report.sections.check import check
from sightline.report.sections.classes import classes
from sightline.report.sections.comparison import comparison
from sightline.report.sections.culprits import culprits
from sightline.report.sections.curves import curves
from sightline.report.sections.images import images
from sightline.report.sections.origin import origin
from sightline.report.sections.patterns import patterns
from sightline.report.sections.proof import proof
from sightline.report.sections.section import Section
from sightline.report.sections.summary import summary
from sightline.report.sections.trust import trust
from sightline.run_store.files import write_atomically
from sightline.run_store.record import RunError

SECTIONS: tuple[Section, ...] = (
    Section("check", "Check", check),
    Section("summary", "Summary", summary),
    Section("comparison", "Comparison", comparison),
    Section("curves", "Training", curves),
    Section("classes", "Classes", classes),
    Section("calibration", "Calibration", calibration),
    Section("images", "Images", images),
    Section("trust", "Trust", trust, of_last_weights=True),
    Section("patterns", "Patterns", patterns, of_last_weights=True),
    Section("culprits", "Training images", culprits, of_last_weights=True),
    Section("proof", "Proof", proof, of_last_weights=True),
    Section("origin", "Origin", origin),
)
_INSTEAD = "The whole report is shown once this notebook is trusted: Trust Notebook, in Jupyter's command palette."
ELEMENTS = (CURVE_CHARTS, MATRIX, CALIBRATION_CHART, BARS)


@dataclass(frozen=True)
class Report:
    """A report. html: the whole file. In a notebook it is shown in a frame that reaches nothing.

    height: of that frame, pixels. summary: plain text, for where frames are not allowed.

    >>> from sightline import Report
    >>> Report("pets", "<!doctype html> …")
    The report of pets: save it with .save('report.html').
    """

    title: str
    html: str
    height: int = 720
    summary: str = ""

    def save(self, path: str | Path) -> Path:
        """Write the file, whole or not at all, and return where. Raises OSError."""
        write_atomically(Path(path), self.html.encode())
        return Path(path)

    def __repr__(self) -> str:
        return f"The report of {self.title}: save it with .save('report.html')."

    def _repr_html_(self) -> str:
        """Return the frame that a notebook shows. What it holds is shown where the frame is not: browsers leave it out.

        Quotation marks are single: the file has few of them, and each of the others would take six characters.
        """
        content, name = _in_single_quotes(self.html), _in_single_quotes(f"Report of {self.title}")
        shape = f"width='100%' height='{self.height}' style='border: 0'"
        instead = html.escape(f"{self.summary or self.title}. {_INSTEAD}")
        frame = f"<iframe sandbox='allow-scripts' srcdoc='{content}' title='{name}' {shape}>{instead}</iframe>"
        return _as_text(frame)


def _as_text(written: str) -> str:
    """Return what can be written in UTF-8: a folder may have a name that is no text."""
    return written.encode("utf-8", "replace").decode()


def _in_single_quotes(text: str) -> str:
    """Write a text as the value of an attribute."""
    return html.escape(text, quote=False).replace("'", "&#39;")


def make_report(asked: Asked) -> Report:
    """Read the runs, and write their report. Raises RunError where the record of one cannot be read."""
    title = " and ".join(shown.title for shown in asked.runs)
    parts = _parts(asked)
    style, script = _style(), _script()
    page = environment().get_template("page.html")
    written = page.render(
        title=title,
        asked=asked,
        parts=parts,
        style=Markup(style),
        script=Markup(script),
        policy=policy(style, script),
    )
    return Report(title, _as_text(written))


@dataclass(frozen=True)
class _Part:
    """A section as it stands in the page."""

    name: str
    title: str
    content: Markup


def _parts(asked: Asked) -> list[_Part]:
    """Write the sections; in place of one that cannot be read stands why, unless another one has said it already."""
    parts, said = [], set()
    for section in SECTIONS:
        if section.of_last_weights and asked.run.epoch is not None:
            continue
        try:
            if (facts := section.read(asked)) is None:
                continue
            content = Markup(environment().get_template(f"{section.name}.html").render(asked=asked, **facts))
        except RunError as error:
            if str(error) in said:
                continue
            said.add(str(error))
            content = Markup('<p class="why">{}</p>').format(str(error))
        parts.append(_Part(section.name, section.title, content))
    return parts


def _style() -> str:
    """Return what the dashboard's style has too, the page's own, and that of its sections."""
    return SHARED_STYLE.read_text(encoding="utf-8") + _joined(["page", *(section.name for section in SECTIONS)], ".css")


def _script() -> str:
    """Return one script: the elements of the dashboard, what draws them, and what sections do."""
    elements = ",\n".join(
        f"{_literal(one.name)}: {{ html: {_literal(one.html)}, css: {_literal(one.css)}, draw: (() => {{\n"
        f"{one.js.replace('export default function', 'function drawElement', 1)}\nreturn drawElement }})() }}"
        for one in ELEMENTS
    )
    own = _joined(["page", *(section.name for section in SECTIONS)], ".js")
    return f'"use strict";\nconst ELEMENTS = {{\n{elements}\n}}\n{own}'


def _joined(names: Sequence[str], ending: str) -> str:
    files = [TEMPLATES / f"{name}{ending}" for name in names]
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.is_file())


def _literal(text: str) -> str:
    """Write a text of ours as a literal of JavaScript."""
    return json.dumps(text).replace("<", "\\u003c")


def policy(style: str, script: str) -> str:
    """Write the content security policy: our style and script, pictures that the file holds, and nothing else.

    >>> policy("", "").split("; ")[:2]
    ["default-src 'none'", 'img-src data:']
    """
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
