"""Check a run by rules, for programs that build and test on their own: docs/check.md.

sightline check --run runs/NAME [--against runs/BASELINE] [--rules check.toml]
    [--markdown check.md] [--junit check.xml] [--report check.html]
"""

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from sightline.explain.command_line import UsageError, ending_in_a_sentence, sentence
from sightline.report.asked import Asked, ask
from sightline.report.check.judging import judge
from sightline.report.check.outputs import junit, markdown, terminal
from sightline.report.check.result import UNKNOWN, exit_code
from sightline.report.check.rules import default_rules
from sightline.report.check.rules_file import read_rules
from sightline.report.page import make_report
from sightline.run_store.commands import command
from sightline.run_store.files import staged
from sightline.run_store.run import Run


@dataclass(frozen=True)
class CheckConfig:
    """Check a run by rules: exit code 0 where all passed, 1 where one failed, 2 where one cannot be judged."""

    run: Path
    """the run directory"""
    against: Path | None = None
    """the baseline: a run, tested on the same images, that it is held against"""
    rules: Path | None = None
    """a file in TOML with a table a rule, see docs/check.md; default: every rule with its defaults"""
    markdown: Path | None = None
    """a file to write: the table for a pull request"""
    junit: Path | None = None
    """a file to write: JUnit's XML for a CI server"""
    report: Path | None = None
    """a file to write: the report, which begins with the table"""

    @property
    def outputs(self) -> dict[str, Path]:
        """The files to write, by option; behind a link, the file it leads to."""
        named = {"markdown": self.markdown, "junit": self.junit, "report": self.report}
        return {name: Path(os.path.realpath(file)) for name, file in named.items() if file}


def main() -> None:
    """Run the command `sightline check`."""
    config = tyro.cli(CheckConfig, prog="sightline check")
    with ending_in_a_sentence(interrupted="nothing was written.", error_code=UNKNOWN):
        _refuse_outputs(config)
        rules = read_rules(config.rules) if config.rules else default_rules(config.against is not None)
        baseline = Run(config.against) if config.against else None
        asked = ask(Run(config.run), baseline, command=command("check", *sys.argv[1:]))
        asked = replace(asked, checked=tuple(judge(rules, asked)))
        print(terminal([shown.title for shown in asked.runs], asked.checked))
        code = exit_code(asked.checked)
        try:
            _write({file: _content(name, asked) for name, file in config.outputs.items()})
        except Exception as error:  # a failed rule outranks it
            sys.stdout.flush()
            why = f"{error.strerror}." if isinstance(error, OSError) and error.strerror else sentence(error)
            print(f"Error: no file was written: {why}", file=sys.stderr)
            sys.exit(code or UNKNOWN)
        if code:
            sys.exit(code)


def _refuse_outputs(config: CheckConfig) -> None:
    """Raise UsageError, before anything is computed, for files that cannot be written."""
    taken = {os.path.realpath(config.rules): "rules"} if config.rules else {}
    for name, file in config.outputs.items():
        if other := taken.get(str(file)):
            raise UsageError(f"--{other} and --{name} name the same file, {file}; give each its own.")
        if os.path.lexists(named := getattr(config, name)) and not os.path.isfile(named):
            raise UsageError(f"--{name} must name a file, and {named} is none.")
        if name == "report" and file.suffix.lower() not in (".html", ".htm"):
            raise UsageError(f"--report {named} does not end in .html, so no browser opens it.")
        if not file.parent.is_dir():
            raise UsageError(f"The folder of --{name}, {file.parent}, is not there; make it first.")
        if not os.access(file.parent, os.W_OK):
            raise UsageError(f"The folder of --{name}, {file.parent}, may not be written to; name another one.")
        taken[str(file)] = name


def _content(name: str, asked: Asked) -> bytes:
    titles = [shown.title for shown in asked.runs]
    if name == "report":
        return make_report(asked).html.encode()
    return junit(titles, asked.checked) if name == "junit" else markdown(titles, asked.checked).encode()


def _write(contents: Mapping[Path, bytes]) -> None:
    """Write all files or, where one of them cannot be written, none. Raises OSError."""
    with ExitStack() as stack:
        ready = {file: stack.enter_context(staged(file, content)) for file, content in contents.items()}
        for file, temporary in ready.items():
            os.replace(temporary, file)


if __name__ == "__main__":
    main()
