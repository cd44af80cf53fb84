"""The result of a check as a table for a terminal, Markdown for a pull request, and JUnit's XML for a CI server."""

import textwrap
from collections.abc import Sequence
from xml.etree import ElementTree

from sightline.explain.output import in_columns
from sightline.report.check.result import Outcome, Result, counts_words, exit_code, visible
from sightline.report.words.text import escape_markdown

WIDTH = 72  # characters of what was found, in a line of the terminal
_JOINER = "\u2060"  # a word joiner, which shows nothing
_MARKS: dict[Outcome, str] = {"passed": "✅", "failed": "❌", "cannot be judged": "❔"}
_HEADS = ("✅ passed", "❌ failed", "❔ cannot be judged")  # by exit code
_ELEMENTS: dict[Outcome, str] = {"passed": "system-out", "failed": "failure", "cannot be judged": "error"}


def terminal(titles: Sequence[str], results: Sequence[Result]) -> str:
    """Write a heading, a row a rule, and how many passed. titles: as of `markdown`.

    No text of a run in it is a command to the runner of GitHub's workflows.
    """
    rows = [("rule", "result", "asked for", "found")]
    for result in results:
        cells = (result.rule, result.outcome, result.asked)
        wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in ((result.asked, 30), (result.found, WIDTH))]
        for place in range(max(map(len, wrapped))):
            asked, found = (lines[place] if place < len(lines) else "" for lines in wrapped)
            rows.append((*(cells[:2] if place == 0 else ("", "")), asked, found))
    heading = " against ".join(map(visible, titles))
    return _no_commands(f"{heading}:\n\n{in_columns(rows)}\n\n{counts_words(results)}.")


def _no_commands(text: str) -> str:
    """Part what GitHub's runner takes for a command: “::” at the beginning of a line, “##[” anywhere."""
    return text.replace("::", f":{_JOINER}:").replace("##[", f"##{_JOINER}[")


def markdown(titles: Sequence[str], results: Sequence[Result]) -> str:
    """Write a heading and a table. titles: of the run, and of the baseline where there is one."""
    names = " against ".join(f"**{_literal(visible(title))}**" for title in titles)
    lines = [
        f"### {_HEADS[exit_code(results)]}: Sightline check",
        "",
        f"{names}: {counts_words(results)}.",
        "",
        "| rule | result | asked for | found |",
        "|---|---|---|---|",
    ]
    for one in results:
        cells = (one.rule, f"{_MARKS[one.outcome]}\u00a0{one.outcome}", _literal(one.asked), _literal(one.found))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _literal(text: str) -> str:
    """Escape text for a cell of a table on GitHub, where @name would call a person and #1 link to an issue."""
    escaped = escape_markdown(text)
    return escaped.replace("@", f"@{_JOINER}").replace("#", f"#{_JOINER}")


def junit(titles: Sequence[str], results: Sequence[Result]) -> bytes:
    """Write a test case a rule, as GitHub's actions, GitLab and Jenkins read it: what cannot be judged is an error."""
    outcomes = [result.outcome for result in results]
    numbers = {
        "tests": len(results),
        "failures": outcomes.count("failed"),
        "errors": outcomes.count("cannot be judged"),
    }
    counted = {name: str(number) for name, number in numbers.items()}
    suites = ElementTree.Element("testsuites", counted)
    name = visible(f"sightline check: {' against '.join(titles)}")
    suite = ElementTree.SubElement(suites, "testsuite", {"name": name, **counted, "skipped": "0", "time": "0"})
    for one in results:
        attributes = {"classname": "sightline.check", "name": one.rule, "time": "0"}
        case = ElementTree.SubElement(suite, "testcase", attributes)
        found = ElementTree.SubElement(case, _ELEMENTS[one.outcome])
        found.text = f"Asked for: {one.asked}. {one.found}"
        if one.outcome != "passed":
            found.attrib |= {"message": one.found, "type": one.outcome}
    ElementTree.indent(suites)
    return bytes(ElementTree.tostring(suites, "utf-8", xml_declaration=True)) + b"\n"
