"""run.json: what is refused, and how the sentence names it."""

import json

import pytest

from sightline.run_store.record import RunError, parse_record
from sightline.run_store.run import Run
from tests.app_pages import edit_record


@pytest.mark.parametrize(
    "changes",
    [
        {"model": 3}, {"layers": []}, {"layers": "layer1"}, {"class_names": [1, 2]}, {"class_names": ["a", "a"]},
        {"mean": [0.5, 0.5]}, {"mean": [0.5, 0.5, None]}, {"mean": [0, 0, 10**400]}, {"std": [0.1, 0.0, 0.1]},
        {"std": [float("nan")] * 3}, {"input_size": 0}, {"input_size": "32"}, {"full_size_from": 0},
        {"state": "paused"}, {"recipe": []}, {"fingerprints": {"test": 1}},
        {"image_counts": {"test": "many"}}, {"created": None}, {"packages": 1},
    ],
)  # fmt: skip
def test_a_record_with_a_wrong_value_names_the_field(tiny_run_copy, changes):
    edit_record(tiny_run_copy, **changes)
    with pytest.raises(RunError, match=next(iter(changes))):
        _ = Run(tiny_run_copy).record
    assert Run(tiny_run_copy).state == "damaged"


def test_a_record_without_a_field_names_it_and_foreign_fields_are_passed_over(tiny_run):
    content = json.loads((tiny_run / "run.json").read_text())
    assert parse_record(json.dumps(content | {"colour": "blue"})) == Run(tiny_run).record
    del content["dataset"]
    with pytest.raises(RunError, match="dataset"):
        parse_record(json.dumps(content))


def test_another_schema_version_is_refused_with_what_to_do(tiny_run_copy):
    edit_record(tiny_run_copy, schema_version=2)
    with pytest.raises(RunError, match="schema version 2, this program reads 1; open the run with the version"):
        _ = Run(tiny_run_copy).record
