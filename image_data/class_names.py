"""The names of a model's classes, in the order of its outputs: from a file, and put in the place of a folder's."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sightline.image_data.folder.passed_over import summarise
from sightline.image_data.splits import DataError, ImageSplit, content_fingerprint


def read_class_names(file: Path) -> tuple[str, ...]:
    """Read a text file with a name a line, or a .json file, and return the names in NFC.

    JSON may be a list of names, an object of code → name (`id2label`) or name → code (`class_to_idx`), or a
    configuration that holds one as `id2label` or `label_names`.

    Raises:
        DataError: it is no such file, or a name is missing, empty or there twice.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not text in UTF-8; save it so, with the name of a class in each line.") from error
    except OSError as error:
        raise DataError(f"The class names in {file} could not be read ({error.strerror}).") from error
    names = _names_in_json(file, text) if file.suffix.lower() == ".json" else text.rstrip().split("\n")
    names = [_normal(name.strip()) for name in names]
    if "" in names:
        raise DataError(f"{file} has no name for class {names.index('')}; give one for each output of the model.")
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        first = names.index(name)
        raise DataError(
            f"{file} calls the classes {first} and {names.index(name, first + 1)} alike, {name}; make them differ."
        )
    return tuple(names)


def _names_in_json(file: Path, text: str) -> list[str]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not valid JSON.") from error
    if isinstance(content, dict):
        content = content.get("id2label") or content.get("label_names") or content
    if isinstance(content, dict):
        is_reversed = all(type(code) is int for code in content.values())
        by_code = {str(code): name for name, code in content.items()} if is_reversed else content
        content = [by_code.get(str(code)) for code in range(len(content))]
    if not isinstance(content, list) or not content or not all(isinstance(name, str) for name in content):
        raise DataError(
            f"{file} does not name classes; give a list of names, or an object with a name for each code from 0 on."
        )
    return content


def with_classes(split: ImageSplit, class_names: Sequence[str], whose: str) -> ImageSplit:
    """Return `split` with the codes that its classes have in `class_names`, of which it may lack some.

    Names are compared in NFC. Classes of a split that are called by their codes, "0", "1", …, have no names yet: they
    take those of `class_names`. whose: what has these classes, for messages.

    Raises:
        DataError: a class is not among them.
    """
    if tuple(class_names) == split.class_names:
        return split
    codes = {_normal(name): code for code, name in enumerate(class_names)}
    if not codes.keys() & {*split.class_names} and all(map(_is_code, split.class_names)):
        codes = {str(code): code for code in range(len(class_names))}
    unknown = [name for name in split.class_names if _normal(name) not in codes]
    if unknown:
        raise DataError(
            f"{whose} has no class {summarise(unknown)}; name classes as there: {summarise(list(class_names))}."
        )
    labels = np.array([codes[_normal(name)] for name in split.class_names])[split.labels]
    fingerprint = content_fingerprint(split.images, labels, class_names)
    return replace(split, labels=labels, class_names=tuple(class_names), fingerprint=fingerprint)


def _is_code(name: str) -> bool:
    return name.isdecimal() and name.isascii() and str(int(name)) == name


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)
