"""The command `sightline`: its first word chooses, and the rest is that command's own."""

import sys

import pytest

from sightline import command


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command line; returns the exit code and all it says."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["sightline", *words])
        with pytest.raises(SystemExit) as ended:
            command.main()
        return ended.value.code, " ".join("".join(capsys.readouterr()).split())

    return call


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_has_its_own_help(call, name):
    code, said = call(name, "--help")
    assert code == 0 and said.startswith(f"usage: sightline {name} ")


def test_the_help_says_what_each_command_does(call):
    code, said = call("--help")
    assert code == 0 and all(f"{name}: {one.about}" in said for name, one in command.COMMANDS.items())


@pytest.mark.parametrize("words", [(), ("trian",)])
def test_no_such_command_is_wrong_usage_and_names_the_choices(call, words):
    code, said = call(*words)
    assert code == 2 and "train" in said and "quality" in said
