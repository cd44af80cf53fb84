"""docs/check.md says what the code does, and the steps of docs/check-workflow.yml work, as GitHub runs them."""

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from xml.etree import ElementTree

import pytest
import yaml

from sightline.report.check.rules import RULES
from sightline.report.check.rules_file import read_rules
from tests.fabricated import ROOT
from tests.report.check.checks import pair

PAGE = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load((ROOT / "docs" / "check-workflow.yml").read_text(encoding="utf-8"))
STEPS = WORKFLOW["jobs"]["check"]["steps"]
SHELLS = {"bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail")}  # what GitHub makes of `shell: bash`


def test_the_table_of_the_page_is_that_of_the_code():
    documented = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert documented == [
        f"| `{name}` | `{key.name}` | `{json.dumps(key.default)}` | {key.metadata['values'].words} | "
        f"{key.metadata['about']} |"
        for name, rule in RULES.items()
        for key in fields(rule)
    ]


def test_the_example_of_the_page_is_a_rules_file(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "check.toml").write_text(example)
    assert list(read_rules(tmp_path / "check.toml")) == ["accuracy", "classes", "calibration", "maps"]


def test_every_rule_has_its_paragraph():
    assert [name for name in re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)] == list(RULES)


def test_every_action_is_pinned_to_its_major_version():
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used)


@pytest.fixture
def workplace(tmp_path):
    """A checkout with two runs, and stand-ins for pip and gh, which write down how they are called."""
    programs = tmp_path / "programs"
    programs.mkdir()
    recorder = '#!/bin/sh\necho "$(basename "$0") $*" >> "$CALLS"\n'
    command = f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m sightline.command "$@"\n'
    for name, text in (("pip", recorder), ("gh", recorder), ("sightline", command)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    checkout = tmp_path / "checkout"
    for run, name in zip(pair(tmp_path, slice(0, 12), slice(12, 14)), ("candidate", "baseline"), strict=True):
        (checkout / "runs").mkdir(parents=True, exist_ok=True)
        run.path.rename(checkout / "runs" / name)
    return checkout


def run_workflow(checkout):
    """Run the steps as GitHub does: after a failure only those that ask for it. Returns their exit codes by name."""
    folder, codes = checkout.parent, {}
    environment = os.environ | {
        "PATH": f"{folder / 'programs'}:{os.environ['PATH']}",
        "CALLS": str(folder / "calls"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "NUMBER": "7",
    }
    for step in STEPS:
        if "run" not in step or (any(codes.values()) and "!cancelled()" not in step.get("if", "")):
            continue
        script = folder / "step.sh"
        script.write_text(step["run"])
        shell = SHELLS[step.get("shell", WORKFLOW["defaults"]["run"]["shell"])]
        codes[step["name"]] = subprocess.run([*shell, script], cwd=checkout, env=environment).returncode
    return codes


@pytest.mark.parametrize(
    ("rules", "code", "tag"),
    [
        ("[accuracy]\nat_least = 0.8\nat_most_below = 0.2", 0, "system-out"),
        ("[accuracy]", 1, "failure"),
        ("[maps]", 2, "error"),
    ],
)
def test_the_workflow_shows_and_keeps_what_the_check_found(workplace, rules, code, tag):
    (workplace / "check.toml").write_text(rules)
    assert list(run_workflow(workplace).values()) == [0, code, 0, 0]
    table = (workplace / "check.md").read_text()
    assert table.startswith("### ") and (workplace.parent / "summary.md").read_text() == table
    assert (workplace.parent / "calls").read_text().splitlines() == [
        "pip install sightline-vision",
        "gh pr comment 7 --edit-last --create-if-none --body-file check.md",
    ]
    kept = STEPS[-1]["with"]["path"].split()
    assert STEPS[-1]["if"] == "${{ !cancelled() }}" and all((workplace / name).stat().st_size for name in kept)
    assert ElementTree.parse(workplace / "check.xml").getroot()[0][0][0].tag == tag


def test_the_workflow_says_a_mistake_in_the_rules_and_shows_nothing(workplace):
    (workplace / "check.toml").write_text("[speed]")
    assert list(run_workflow(workplace).values()) == [0, 2, 0, 0]
    assert not (workplace.parent / "summary.md").exists() and not (workplace / "check.md").exists()
