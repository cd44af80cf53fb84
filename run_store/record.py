"""run.json: what a run says about itself, checked when it is read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from sightline.image_data.objects.labels import MOST_CLASSES
from sightline.image_data.resize import CROP, Interpolation, Resize, Rule
from sightline.run_store.files import FileError

SCHEMA_VERSION = 2
READ_VERSIONS = (1, SCHEMA_VERSION)  # of version 1 are runs whose network is built by its name
# What a page can show, and MOST_CLASSES, whose codes are int16; of most, far more than anybody has.
MOST_SIDE = 1024  # pixels, of an image
MOST_LAYERS = 1000
MOST_FEATURES = 2**17  # values, of an image
MOST_ENTRIES = 1000  # of a recipe, or of another table by name
MOST_NAMES = 2**20  # characters, of all classes: 32 each of the most that there may be
MOST_TEXT = 5000  # characters, of a path, a name or a reason
MOST_NUMBER = 2**63  # of a whole number: what a seed may be

IN_MEMORY = "in memory"  # the weights in the recipe of a run that nothing but its program can make again

RecordedState = Literal["running", "complete", "failed"]
NetworkForm = Literal["architecture", "graph", "none"]


class RunError(Exception):
    """A sentence for the user: what is wrong with the run and what to do."""


@dataclass(frozen=True)
class RunRecord:
    """The content of run.json: all that is needed to rebuild the model and to say where it came from.

    A run of predictions alone has no layers, mean and std; a run of curves alone has no images and no classes
    either.
    """

    model: str  # what it is called: a name that model_zoo.model_spec knows, where that builds it; "" where nobody said
    layers: tuple[str, ...]  # layers for attribution, shallow to deep
    dataset: str
    fingerprints: Mapping[str, str]  # split → SHA-256 of its content
    image_counts: Mapping[str, int]  # split → number of images
    class_names: tuple[str, ...]
    mean: tuple[float, ...]  # of what the model was trained on, a value for red, green and blue, 0–1
    std: tuple[float, ...]
    input_size: int  # side of the model's square input, pixels
    parameters: int
    recipe: Mapping[str, Any]
    seed: int
    threads: int
    device: str
    created: str  # ISO 8601, UTC
    network: NetworkForm = "architecture"  # built by its name, opened from files.NETWORK, or not there
    without_network: str = ""  # where it is not there: why, a sentence
    resize: Resize = CROP  # how an image of another size becomes the model's input
    full_size_from: int = 1  # first epoch whose images, train and test, have input_size; before it they are smaller
    git_commit: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    state: RecordedState = "running"
    reason: str = ""  # why it failed
    schema_version: int = SCHEMA_VERSION

    @property
    def foreign(self) -> bool:
        """Whether it was trained elsewhere: nothing here can go on with its training."""
        return "weights" in self.recipe or self.network != "architecture" or self.curves_only

    @property
    def can_be_evaluated(self) -> bool:
        """Whether its predictions can be written again: it has its network, and no program has to make its images."""
        from sightline.image_data import DataError
        from sightline.image_data.sources import runs_code

        try:
            is_program = self.recipe.get("weights") == IN_MEMORY or runs_code(self.dataset)
        except DataError:  # the command says that it does not know a data set of this name
            is_program = False
        return self.network != "none" and not is_program

    @property
    def curves_only(self) -> bool:
        """Whether there are no images: all that there is are figures of epochs."""
        return not self.image_counts

    @property
    def planned_epochs(self) -> int | None:
        """How many epochs its training has in the end: more than asked for where it left images out; None: unknown."""
        planned = self.recipe.get("planned_epochs", self.recipe.get("epochs"))
        return planned if isinstance(planned, int) else None

    def to_json(self) -> str:
        """Write the record as it stands in run.json."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def parse_record(text: bytes) -> RunRecord:
    """Read the file's content; unknown keys are ignored.

    Raises FileError for what is no run.json of this schema version.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError("is not valid JSON") from error
    if b"\\u" in text:
        content = _without_surrogates(content)
    if not isinstance(content, dict) or "schema_version" not in content:
        raise FileError("is not a Sightline run record")
    if content["schema_version"] not in READ_VERSIONS:
        raise FileError(
            f"has schema version {str(content['schema_version'])[:20]}, this program reads up to {SCHEMA_VERSION}; "
            "open the run with the version of Sightline that wrote it"
        )
    known = {entry.name: content[entry.name] for entry in fields(RunRecord) if entry.name in content}
    try:
        _check(known)
        return RunRecord(**known)
    except TypeError as error:
        raise FileError(f"lacks a field or holds a wrong value ({error})") from error


def _without_surrogates(value: Any) -> Any:
    """Replace halves of characters, which JSON's escapes can write and no page can show."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(item) for name, item in value.items()}
    return value


def _check(known: dict[str, Any]) -> None:
    """Raise TypeError, naming the field, where a value is not what RunRecord says; turn lists into tuples."""
    for name in ("model", "dataset", "device", "created", "git_commit", "state", "reason", "without_network"):
        _require(name, _is_text(known.get(name, "")))
    for name in ("input_size", "parameters", "seed", "threads", "full_size_from"):
        _require(name, _is_whole(known.get(name, 0)))
    for name, is_one in (("fingerprints", _is_text), ("image_counts", _is_whole), ("packages", _is_text)):
        _require(name, isinstance(known.get(name, {}), dict) and all(map(is_one, known.get(name, {}).values())))
    recipe = known.get("recipe", {})
    _require("recipe", isinstance(recipe, dict) and all(len(str(value)) <= MOST_TEXT for value in recipe.values()))
    for name in ("fingerprints", "image_counts", "packages", "recipe"):
        _bound(f"entries in {name}", len(known.get(name, {})), MOST_ENTRIES)
    for name, is_one in (("layers", _is_text), ("class_names", _is_text), ("mean", _is_share), ("std", _is_share)):
        values = known.get(name, [None])
        _require(name, isinstance(values, list) and all(map(is_one, values)))
        known[name] = tuple(values)
    _require("network", known.get("network", "architecture") in get_args(NetworkForm))
    has_network = known.get("network") != "none"
    _require("layers", len(known["layers"]) > 0 or not has_network)
    _require("class_names", len(known["class_names"]) == len(set(known["class_names"])))
    _require("class_names", len(known["class_names"]) > 0 or not has_network)
    _bound("layers", len(known["layers"]), MOST_LAYERS)
    _bound("class_names", len(known["class_names"]), MOST_CLASSES)
    _bound("characters in class_names", sum(map(len, known["class_names"])), MOST_NAMES)
    channels = (3,) if has_network else (0, 3)
    _require("mean", len(known["mean"]) in channels)
    _require("std", len(known["std"]) == len(known["mean"]) and min(known["std"], default=1) > 0)
    _require("input_size", known.get("input_size", 1) > 0 or not has_network)
    _bound("pixels of input_size", known.get("input_size", 1), MOST_SIDE)
    _require("full_size_from", known.get("full_size_from", 1) > 0)
    _require("state", known.get("state", "running") in get_args(RecordedState))
    known["resize"] = _resize(known.get("resize", {}))


def _resize(value: object) -> Resize:
    """Return the rule that an object of its fields describes. Raises TypeError."""
    try:
        resize = Resize(**value) if isinstance(value, dict) else None
    except (TypeError, ValueError):
        resize = None
    if resize is None or resize.rule not in get_args(Rule) or resize.interpolation not in get_args(Interpolation):
        raise TypeError("resize")
    return resize


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_TEXT


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and abs(value) < MOST_NUMBER


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= 1


def _require(name: str, is_right: bool) -> None:
    if not is_right:
        raise TypeError(name)


def _bound(what: str, number: int, most: int) -> None:
    if number > most:
        raise FileError(f"has {number:,} {what}, and there may be {most:,}")
