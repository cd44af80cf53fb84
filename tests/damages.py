"""Ways to damage a run folder: what a crash, an editor, a half-finished copy, or somebody hostile leaves behind."""

import csv
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from sightline.run_store import files
from sightline.run_store.patterns import Attended, Pattern

MAP = "maps/gradcam/layer4/predicted.npy"
EPOCH = 1  # whose weights are kept
NAMES = (
    *files.WRITTEN,
    files.epoch_weights(EPOCH),
    files.NOTE,
    files.TAGS,
    files.LOCK,
    MAP,
    MAP.replace(".npy", ".scale.npy"),
)
OF_TRAINING = (files.CULPRIT_MAPS, files.TRAINING_FEATURES, files.TRAINING_THUMBNAILS)
ARRAYS = (files.IMAGES, files.MASKS, files.FEATURES, *OF_TRAINING, *NAMES[-2:])
TABLES = (files.METRICS, files.QUALITY, files.WITHOUT)


@dataclass(frozen=True)
class Damage:
    """One damage; `what` says it when a test fails."""

    what: str
    do: Callable[[Path], object]

    def __repr__(self) -> str:
        return self.what


def _replace(file: Path, content: bytes) -> None:
    if file.is_symlink() or not file.is_dir():
        file.unlink(missing_ok=True)  # also a pipe, which would be waited for
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def undamaged(file: Path) -> Path:
    """Return the file, unless another damage has made it what no test should read: a device, or a terabyte."""
    if not file.is_file() or file.stat().st_size > 2**24:
        raise OSError(f"{file} is damaged already")
    return file


# Bytes: torn, flipped, filled in, taken from another file.


@st.composite
def bytes_of_a_file(draw: st.DrawFn) -> Damage:
    name, other = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
    kind = draw(st.sampled_from(("cut", "flip", "zeros", "insert", "other file", "noise", "empty", "doubled")))
    share, noise = draw(st.floats(0, 1)), draw(st.binary(min_size=1, max_size=40))

    def do(run: Path) -> None:
        content = bytearray(undamaged(run / name).read_bytes() if (run / name).is_file() else b"")
        place = int(share * len(content))
        if kind == "cut":
            del content[place:]
        elif kind == "flip":
            for step, bits in enumerate(noise):
                if content:
                    content[(place + step * step * 7) % len(content)] ^= bits
        elif kind == "zeros":
            content[place:] = bytes(len(content) - place)
        elif kind == "insert":
            content[place:place] = noise
        elif kind == "other file":
            content = bytearray(undamaged(run / other).read_bytes() if (run / other).is_file() else b"")
        else:
            content = {"noise": bytearray(noise), "empty": bytearray(), "doubled": content * 2}[kind]
        _replace(run / name, bytes(content))

    return Damage(f"{kind} in {name} at {share:.3f} with {noise!r} or {other}", do)


# What is no file at all, and files of a size.


@st.composite
def something_else_in_its_place(draw: st.DrawFn) -> Damage:
    name = draw(st.sampled_from(NAMES))
    kinds: dict[str, Callable[[Path], object]] = {
        "nothing": lambda file: None,
        "a folder": os.mkdir,
        "a pipe": os.mkfifo,
        "a link to an endless device": lambda file: file.symlink_to("/dev/zero"),
        "a link out of the run": lambda file: file.symlink_to("/etc/passwd"),
        "a link to itself": lambda file: file.symlink_to(file),
        "a terabyte of nothing": lambda file: os.truncate(os.open(file, os.O_CREAT | os.O_WRONLY), 2**40),
    }
    kind = draw(st.sampled_from(sorted(kinds)))

    def do(run: Path) -> None:
        file = run / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        kinds[kind](file)

    return Damage(f"{kind} in place of {name}", do)


# Values that are well written and wrong.

_numbers = st.one_of(
    st.integers(-3, 3), st.integers(), st.sampled_from([2**31, 2**53, 2**63, 10**30, -(10**400)]),
    st.floats(), st.sampled_from([1e308, -0.0, float("nan"), float("inf")]), st.booleans(), st.none(),
)  # fmt: skip
_texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["\0", "\ud800", "a" * 6000, "\u202egnp", "<img src=x>", "![x](http://x)", ":red[x]", "../../etc", "=1+1",
         "e\u0301" * 50, "\n\n", "timm:vit_giant_patch14_224", "torchvision:vit_h_14", "running", "input",
         "graph", "none"]
    ),
)  # fmt: skip
_json = st.recursive(
    st.one_of(_numbers, _texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_texts, inner, max_size=3)),
    max_leaves=6,
)
_FIELDS = (
    "model", "layers", "dataset", "fingerprints", "image_counts", "class_names", "mean", "std", "input_size",
    "parameters", "recipe", "seed", "threads", "device", "created", "full_size_from", "git_commit", "packages",
    "state", "reason", "schema_version", "network", "without_network", "resize",
)  # fmt: skip


_PATTERN_FIELDS = (*(field.name for field in fields(Pattern)), *(field.name for field in fields(Attended)))
_FIELDS_OF = {
    files.RECORD: _FIELDS,
    files.NOTE: ("name", "text", "hidden"),
    files.PATTERNS: ("layer", "method", "groups", "weights", "patterns", *_PATTERN_FIELDS),
}


@st.composite
def value_in_json(draw: st.DrawFn) -> Damage:
    name = draw(st.sampled_from((files.RECORD, files.RECORD, files.NOTE, files.PATTERNS)))
    field = draw(st.sampled_from(_FIELDS_OF[name]))
    value = draw(_json)
    inside = draw(st.booleans())

    def do(run: Path) -> None:
        whole = content = json.loads(undamaged(run / name).read_text())
        if name == files.PATTERNS and field in _PATTERN_FIELDS:
            content = whole["patterns"][0]
            content = content if field in content else content["attended"]
        old = content.get(field)
        if inside and isinstance(old, list):
            content[field] = [value, *old[1:]]
        elif inside and isinstance(old, dict):
            content[field] = {key: value for key in old} | {"odd": value}
        else:
            content[field] = value
        (run / name).write_text(json.dumps(whole))

    return Damage(f"{name}: {field} = {value!r}{' inside' if inside else ''}", do)


@st.composite
def cell_of_a_table(draw: st.DrawFn) -> Damage:
    name, row, column = draw(st.sampled_from(TABLES)), draw(st.integers(0, 5)), draw(st.integers(0, 12))
    text = draw(st.one_of(_numbers.map(str), _texts, st.sampled_from(["1e400", "-1", "99 1", "true", "\r", '"'])))

    def do(run: Path) -> None:
        lines = list(csv.reader(undamaged(run / name).open(newline="")))
        line = lines[row % len(lines)]
        line[column % len(line)] = text
        with open(run / name, "w", newline="", errors="replace") as stream:
            csv.writer(stream, lineterminator="\n").writerows(lines)

    return Damage(f"{name}: {text!r} in line {row}, column {column}", do)


_arrow = st.one_of(
    *(
        st.lists(st.none() | values, min_size=12, max_size=12).map(partial(pa.array, type=kind))
        for kind, values in (
            (pa.int8(), st.integers(-(2**7), 2**7 - 1)), (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
            (pa.uint64(), st.integers(0, 2**64 - 1)), (pa.float64(), st.floats()), (pa.float32(), st.floats(width=32)),
            (pa.float16(), st.floats(width=16)), (pa.bool_(), st.booleans()), (pa.string(), st.text(max_size=8)),
            (pa.large_string(), st.text(max_size=8)), (pa.binary(), st.binary(max_size=8)),
            (pa.time64("us"), st.integers(0, 86_399_999_999)), (pa.duration("ns"), st.integers(-(2**63), 2**63 - 1)),
            (pa.timestamp("us", "UTC"), st.integers(-(2**62), 2**62)), (pa.date32(), st.integers(-(10**8), 10**8)),
            (pa.decimal128(38, 3), st.decimals(-(10**9), 10**9, places=3)),
            (pa.list_(pa.float32()), st.lists(st.floats(width=32), max_size=4)),
            (pa.struct([("a", pa.int8())]), st.fixed_dictionaries({"a": st.integers(0, 9)})), (pa.null(), st.none()),
        )
    ),
    st.lists(st.text(max_size=3), min_size=12, max_size=12).map(lambda found: pa.array(found).dictionary_encode()),
)  # fmt: skip
_COLUMNS = (
    "index", "label", "predicted", "confidence", "margin", "loss", "entropy", "probabilities", "path", "camera", "",
    "odd.name", "a" * 300, "\0", "Label", ":red[x]",
)  # fmt: skip


@st.composite
def column_of_the_predictions(draw: st.DrawFn) -> Damage:
    name, values, kind = (
        draw(st.sampled_from(_COLUMNS)),
        draw(_arrow),
        draw(st.sampled_from(("set", "add", "drop", "cut"))),
    )

    def do(run: Path) -> None:
        table = pq.read_table(undamaged(run / files.PREDICTIONS))
        place = table.column_names.index(name) if name in table.column_names else -1
        if kind == "cut":
            table = table.slice(0, len(table) - 1)
        elif kind == "drop" and place >= 0:
            table = table.drop_columns([name])
        elif kind == "set" and place >= 0:
            table = table.set_column(place, name, values)
        else:
            table = table.append_column(name, values)
        pq.write_table(table, run / files.PREDICTIONS)

    return Damage(f"{kind} {name!r} in the predictions: {values.type} {values.to_string()!r}", do)


@st.composite
def other_array(draw: st.DrawFn) -> Damage:
    name = draw(st.sampled_from(ARRAYS))
    shape = draw(st.lists(st.sampled_from([0, 1, 2, 3, 12, 32, 2000]), min_size=0, max_size=4))
    kind = draw(st.sampled_from(["u1", "i1", "f2", "f4", "f8", "?", "U3", "M8[s]", "V5", "same"]))
    value = draw(st.sampled_from([0, 1, -1, float("nan"), float("inf")]))

    def do(run: Path) -> None:
        file = run / name
        old = np.load(undamaged(file))
        size = old.shape if kind == "same" or np.prod(shape, dtype=float) > 10**6 else tuple(shape)
        dtype = old.dtype if kind == "same" else np.dtype(kind)
        array = np.zeros(size, dtype, order=draw_order)
        if dtype.kind in "fiu" and array.size:
            with np.errstate(invalid="ignore"):
                array.flat[:: max(1, array.size // 5)] = np.array(value).astype(dtype)
        np.save(file, array)

    draw_order = draw(st.sampled_from("CF"))
    return Damage(f"{name}: {kind} {shape} {draw_order} with {value}", do)


def damages() -> st.SearchStrategy[list[Damage]]:
    """One damage, or two at once."""
    one = st.one_of(
        bytes_of_a_file(), something_else_in_its_place(), value_in_json(), cell_of_a_table(),
        column_of_the_predictions(), other_array(),
    )  # fmt: skip
    return st.lists(one, min_size=1, max_size=2)
