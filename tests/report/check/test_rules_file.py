"""The rules file: what it may say, and which line is wrong where it says something else."""

from dataclasses import fields

import pytest

from sightline.report.check.rules import (
    RULES,
    AccuracyRule,
    ClassesRule,
    MapsRule,
    PatternsRule,
    default_rules,
)
from sightline.report.check.rules_file import MOST_BYTES, RulesError, read_rules


@pytest.fixture
def read(tmp_path):
    def read(text):
        file = tmp_path / "check.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_rules(file)

    return read


def test_a_table_is_a_rule_and_what_it_leaves_out_has_its_default(read):
    assert read('[maps]\nlayer = "layer3"\n[accuracy]\nat_least = 1\n') == {
        "accuracy": AccuracyRule(at_least=1, at_most_below=0.01),
        "maps": MapsRule("gradcam", "layer3"),
    }
    assert read('classes = { only = ["cat"] }\npatterns.at_most = 2\r\n') == {
        "classes": ClassesRule(only=("cat",)),
        "patterns": PatternsRule(2),
    }


def test_without_a_file_every_rule_has_its_defaults_and_those_of_a_baseline_need_one():
    assert list(default_rules(True)) == list(RULES)
    assert list(default_rules(False)) == ["patterns", "calibration", "maps"]


@pytest.mark.parametrize("rule", RULES.values())
def test_every_default_is_a_value_that_its_key_takes(rule):
    assert all(key.metadata["values"].allow(key.default) for key in fields(rule))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[accuracy]\n\n[speed]\n", "line 3: there is no rule 'speed'; choose from: accuracy, classes, patterns,"),
        ("# x\naccuracy = 0.9\n", "line 2: accuracy must be a table; write [accuracy]"),
        ("[[accuracy]]\n", "line 1: accuracy must be a table"),
        (
            "[accuracy]\n# at_last\nat_last = 0.9\n",
            "line 3: accuracy has no key 'at_last'; choose from: at_least,",
        ),
        (
            "[accuracy]\nat_least = 90\n",
            "line 2: accuracy.at_least must be a share from 0 to 1, such as 0.05",
        ),
        ('[accuracy]\nat_least = "0.9"', "line 2: accuracy.at_least must be a share"),
        ("[accuracy]\nat_least = nan", "not nan."),
        ("[accuracy]\nat_least = true", "not True."),
        ("[patterns]\nat_most = 1.0", "line 2: patterns.at_most must be a whole number from 0 on, not 1.0."),
        ("[patterns]\nat_most = -1", "not -1."),
        ("[classes]\nonly = [\n  'cat',\n  3,\n]\n", "line 5: classes.only must be a list of texts in quotes"),
        ("\n[maps]\nmethod = 'cam'\n", "line 3: maps.method must be one of gradcam, hirescam, "),
        ("[maps]\nlayer = 4", "line 2: maps.layer must be a text in quotes, not 4."),
        ("accuracy.at_last = 1", "line 1: accuracy has no key 'at_last'"),
        ("[accuracy]\nat_least = 0.5 0.9", "is no TOML: "),
        ("[accuracy]\n[accuracy]", "(at line 2, "),
        ("[maps]\nlayer = '''\n\n", "is no TOML: "),
        (b"[maps]\n\nlayer = '\xff'", "line 3: this is not text in UTF-8"),
        ("", "names no rule; give a table for each, such as [accuracy], of: accuracy, classes,"),
        ("a = " + "[" * 5000, "is no TOML: "),
        ("#" * (MOST_BYTES + 1), "is larger than 64 KiB."),
        ('["\\u001b[31m"]', "there is no rule '\\\\x1b[31m'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(read, text, said):
    with pytest.raises(RulesError) as raised:
        read(text)
    assert said in str(raised.value) and "check.toml" in str(raised.value)
    assert "\x1b" not in str(raised.value) and "\n" not in str(raised.value)


def test_a_file_that_is_not_there_or_no_file_is_a_sentence(tmp_path):
    with pytest.raises(RulesError, match="cannot be read .No such file or directory"):
        read_rules(tmp_path / "none.toml")
    with pytest.raises(RulesError, match="is no regular file"):
        read_rules(tmp_path)
