"""run.json: what is refused, and how the sentence names it."""

import json
from dataclasses import replace

import pytest

from sightline.image_data.resize import CROP, NAMED, Resize
from sightline.run_store.files import FileError
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
        {"input_size": 1025}, {"class_names": [f"class {number}" for number in range(2**15)]}, {"seed": 2**63},
        {"layers": ["layer"] * 1001}, {"class_names": ["a" * 5001]}, {"recipe": {"note": ["a"] * 2000}},
    ],
)  # fmt: skip
def test_a_record_with_a_wrong_value_names_the_field(tiny_run_copy, changes):
    edit_record(tiny_run_copy, **changes)
    with pytest.raises(RunError, match=next(iter(changes))):
        _ = Run(tiny_run_copy).record
    assert Run(tiny_run_copy).state == "damaged"


def test_a_record_without_a_field_names_it_and_foreign_fields_are_passed_over(tiny_run):
    content = json.loads((tiny_run / "run.json").read_text())
    assert parse_record(json.dumps(content | {"colour": "blue"}).encode()) == Run(tiny_run).record
    del content["dataset"]
    with pytest.raises(FileError, match="dataset"):
        parse_record(json.dumps(content).encode())


def test_half_a_character_is_replaced_wherever_it_stands(tiny_run_copy):
    names = ["\\ud83d\\ude00 whole", "\\ud83d half"]
    text = json.dumps(
        json.loads((tiny_run_copy / "run.json").read_text()) | {"class_names": names, "recipe": {"a": names}}
    )
    (tiny_run_copy / "run.json").write_text(text.replace("\\\\u", "\\u"))
    record = Run(tiny_run_copy).record
    assert record.class_names == ("\U0001f600 whole", "\ufffd half") and record.recipe["a"] == [*record.class_names]
    f"{record}".encode()


def test_another_schema_version_is_refused_with_what_to_do(tiny_run_copy):
    edit_record(tiny_run_copy, schema_version=3)
    with pytest.raises(RunError, match="schema version 3, this program reads up to 2; open the run with the version"):
        _ = Run(tiny_run_copy).record


@pytest.mark.parametrize("name", ["recipe", "packages", "fingerprints", "image_counts"])
def test_a_table_of_very_many_entries_is_refused(fabricated, name):
    content = json.loads((fabricated / "run.json").read_text())
    content[name] |= {str(number): 1 if name == "image_counts" else "x" for number in range(1001)}
    with pytest.raises(FileError, match=rf"has 1,00\d entries in {name}, and there may be 1,000"):
        parse_record(json.dumps(content).encode())


def test_names_of_classes_that_fill_the_memory_are_refused(fabricated):
    content = json.loads((fabricated / "run.json").read_text())
    content["class_names"] = [str(number) + "x" * 4000 for number in range(300)]
    with pytest.raises(FileError, match="has 1,200,790 characters in class_names, and there may be 1,048,576"):
        parse_record(json.dumps(content).encode())


def test_a_run_of_version_1_says_how_its_network_is_built_and_how_its_images_were_cut(tiny_run_copy):
    record = json.loads((tiny_run_copy / "run.json").read_text())
    del record["network"], record["without_network"], record["resize"]
    (tiny_run_copy / "run.json").write_text(json.dumps(record | {"schema_version": 1}))
    assert (Run(tiny_run_copy).record.network, Run(tiny_run_copy).record.resize) == ("architecture", CROP)


def test_a_resize_rule_is_kept(tiny_run_copy):
    record = replace(Run(tiny_run_copy).record, resize=NAMED["margin"])
    assert parse_record(record.to_json().encode()).resize == Resize("crop", 0.875, "bicubic")


@pytest.mark.parametrize("resize", ["crop", {"rule": "stretch"}, {"share": 0}, {"share": "1"}, {"side": 3}])
def test_a_resize_rule_that_is_none_is_refused(tiny_run_copy, resize):
    edit_record(tiny_run_copy, resize=resize)
    with pytest.raises(RunError, match="resize"):
        _ = Run(tiny_run_copy).record


def test_a_record_without_a_network_needs_no_layers_no_mean_and_no_classes(tiny_run_copy):
    edit_record(
        tiny_run_copy, network="none", layers=[], mean=[], std=[], class_names=[], image_counts={}, input_size=0
    )
    assert Run(tiny_run_copy).record.curves_only
    edit_record(tiny_run_copy, network="graph")
    with pytest.raises(RunError, match="layers"):
        _ = Run(tiny_run_copy).record
