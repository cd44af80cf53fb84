"""run.json: what a run says about itself, checked when it is read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from sightline.run_store import files

SCHEMA_VERSION = 1

RecordedState = Literal["running", "complete", "failed"]


class RunError(Exception):
    """A sentence for the user: what is wrong with the run and what to do."""


@dataclass(frozen=True)
class RunRecord:
    """The content of run.json: all that is needed to rebuild the model and to say where it came from."""

    model: str  # a name that model_zoo.model_spec knows
    layers: tuple[str, ...]  # layers for attribution, shallow to deep
    dataset: str
    fingerprints: Mapping[str, str]  # split → SHA-256 of its content
    image_counts: Mapping[str, int]  # split → number of images
    class_names: tuple[str, ...]
    mean: tuple[float, ...]  # of what the model was trained on, a value a channel, 0–1
    std: tuple[float, ...]
    input_size: int  # side of the model's square input, pixels
    parameters: int
    recipe: Mapping[str, Any]
    seed: int
    threads: int
    device: str
    created: str  # ISO 8601, UTC
    full_size_from: int = 1  # first epoch whose images, train and test, have input_size; before it they are smaller
    git_commit: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    state: RecordedState = "running"
    reason: str = ""  # why it failed
    schema_version: int = SCHEMA_VERSION

    @property
    def evaluated_only(self) -> bool:
        """Whether `sightline evaluate` made it of a model that was trained elsewhere: there are no epochs."""
        return "weights" in self.recipe

    def to_json(self) -> str:
        """Write the record as it stands in run.json."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def parse_record(text: str) -> RunRecord:
    """Read the file's text; unknown keys are ignored.

    Raises RunError for what is no run.json of this schema version.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{files.RECORD} is not valid JSON") from error
    if not isinstance(content, dict) or "schema_version" not in content:
        raise RunError(f"{files.RECORD} is not a Sightline run record")
    if content["schema_version"] != SCHEMA_VERSION:
        raise RunError(
            f"{files.RECORD} has schema version {content['schema_version']!r}, this program reads {SCHEMA_VERSION}; "
            "open the run with the version of Sightline that wrote it, or train it again"
        )
    known = {entry.name: content[entry.name] for entry in fields(RunRecord) if entry.name in content}
    try:
        _check(known)
        return RunRecord(**known)
    except TypeError as error:
        raise RunError(f"{files.RECORD} lacks a field or holds a wrong value ({error})") from error


def _check(known: dict[str, Any]) -> None:
    """Raise TypeError, naming the field, where a value is not what RunRecord says; turn lists into tuples."""
    for name in ("model", "dataset", "device", "created", "git_commit", "state", "reason"):
        _require(name, isinstance(known.get(name, ""), str))
    for name in ("input_size", "parameters", "seed", "threads", "full_size_from"):
        _require(name, isinstance(known.get(name, 0), int))
    for name, kind in (("fingerprints", str), ("image_counts", int), ("packages", str), ("recipe", object)):
        values = known.get(name, {})
        _require(name, isinstance(values, dict) and all(isinstance(value, kind) for value in values.values()))
    for name, kinds in (("layers", str), ("class_names", str), ("mean", (int, float)), ("std", (int, float))):
        values = known.get(name, [None])
        _require(name, isinstance(values, list) and all(isinstance(value, kinds) for value in values))
        known[name] = tuple(values)
    _require("layers", len(known["layers"]) > 0)
    _require("class_names", 0 < len(known["class_names"]) == len(set(known["class_names"])))
    _require("mean", len(known["mean"]) == 3 and all(0 <= value <= 1 for value in known["mean"]))
    _require("std", len(known["std"]) == 3 and all(0 < value <= 1 for value in known["std"]))
    _require("input_size", known.get("input_size", 1) > 0)
    _require("full_size_from", known.get("full_size_from", 1) > 0)
    _require("state", known.get("state", "running") in get_args(RecordedState))


def _require(name: str, is_right: bool) -> None:
    if not is_right:
        raise TypeError(name)
