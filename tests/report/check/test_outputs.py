"""What a check writes: for a terminal, for a pull request, for a CI server. Names in it stay names."""

from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from sightline.report.check.outputs import junit, markdown, terminal
from sightline.report.check.result import Result, counts_words, visible

EVIL = "<img src=x> | a`b` [l](http://x.y) **b** $x$ @everyone #1 :smile: ::error::x ##[error]y \\ &amp;"
RESULTS = [
    Result("accuracy", "at least 90 % right", "passed", "48 of 50 images are right."),
    Result("classes", f"no class of {EVIL}", "failed", f"{EVIL} is worse."),
    Result("maps", "Grad-CAM at layer4 supported", "cannot be judged", "It was not measured."),
]


def test_the_table_of_a_terminal_has_a_row_a_rule_and_no_command_to_the_runner():
    written = terminal(["::stop-commands::x", EVIL], [Result("maps", "a b", "passed", "x " * 70 + EVIL), *RESULTS])
    heading, lines = written.split("\n")[0], written.split("\n")[2:]
    assert heading.replace("\u2060", "") == f"::stop-commands::x against {EVIL}:"
    assert lines[0].split() == ["rule", "result", "asked", "for", "found"]
    assert sum(line[:1].isalpha() for line in lines) == 5
    assert all("passed" in line for line in lines if line.startswith("accuracy"))
    assert "::" not in written and "##[" not in written


def cells(written):
    """The texts of the table's cells, by a parser of Markdown, and the tags around all of it."""
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(written)
    texts = [token.children for token in tokens if token.type == "inline"]
    kinds = {child.type for children in texts for child in children}
    return ["".join(child.content for child in children) for children in texts], kinds


def test_markdown_is_a_table_in_which_names_stay_text():
    written = markdown([EVIL, "baseline"], RESULTS)
    found, kinds = cells(written)
    assert kinds <= {"text", "text_special", "strong_open", "strong_close"}
    heading, titles, *table = [text.replace("\u2060", "") for text in found]
    assert heading == "❌ failed: Sightline check"
    assert titles == f"{EVIL} against baseline: 1 failed, 1 cannot be judged, 1 passed."
    assert table[:4] == ["rule", "result", "asked for", "found"] and len(table) == 16
    assert table[8:12] == ["classes", "❌\u00a0failed", f"no class of {EVIL}", f"{EVIL} is worse."]
    assert "@e" not in written and "#1" not in written and ":s" not in written


def test_the_heading_is_the_exit_code_in_words():
    assert markdown(["a"], RESULTS[:1]).startswith("### ✅ passed: ")
    assert markdown(["a"], RESULTS[::2]).startswith("### ❔ cannot be judged: ")


# What Jenkins' schema of JUnit's XML allows, of which GitHub's actions and GitLab read a part: element → attributes.
ALLOWED = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "disabled"},
    "testsuite": {"name", "tests", "failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname", "id"},
    "testcase": {"name", "assertions", "time", "classname", "status"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "system-out": set(),
}


def test_junit_has_a_case_a_rule_and_only_what_its_readers_know():
    root = ElementTree.fromstring(junit([EVIL, "baseline"], RESULTS))
    assert all(set(element.attrib) <= ALLOWED[element.tag] for element in root.iter())
    (suite,) = root
    numbers = {"tests": "3", "failures": "1", "errors": "1"}
    assert root.attrib == numbers and suite.attrib.items() >= numbers.items()
    assert suite.get("name") == f"sightline check: {EVIL} against baseline"
    assert [(case.get("name"), [child.tag for child in case]) for case in suite] == [
        ("accuracy", ["system-out"]),
        ("classes", ["failure"]),
        ("maps", ["error"]),
    ]
    assert suite[1][0].get("message") == f"{EVIL} is worse." and suite[1][0].get("type") == "failed"
    assert suite[0][0].text == "Asked for: at least 90 % right. 48 of 50 images are right."


CONTROL = "a\0b\x1b[2Jc\rd\u202ee\u2028f\ud800g\ufffeh\x85i\x7fj\U000e0001"


def test_characters_that_do_something_are_written_as_their_escapes():
    assert visible(CONTROL) == r"a\x00b\x1b[2Jc\rd\u202ee\u2028f\ud800g\ufffeh\x85i\x7fj\U000e0001"
    assert visible("قطة 🐈\u200d⬛ 1\u202f204 %\u00a0\nx") == "قطة 🐈\u200d⬛ 1\u202f204 %\u00a0 x"


@pytest.mark.parametrize("text", [CONTROL, "]]>", '"&<'])
def test_xml_can_be_read_whatever_a_name_holds(text):
    written = junit([text], [Result("accuracy", "", "failed", visible(text))])
    assert ElementTree.fromstring(written)[0][0][0].get("message") == visible(text)


def test_the_worst_is_counted_first():
    assert counts_words(RESULTS) == "1 failed, 1 cannot be judged, 1 passed"
