"""Data sets of Hugging Face that lie in a folder: parquet, images with metadata, saved to disk, or webdataset."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sightline.image_data.objects.labels import names_of, numbered
from sightline.image_data.split_names import choose
from sightline.image_data.splits import DataError

_LABELS = ("label", "labels", "fine_label", "target", "class", "cls", "y")
_BUILDERS = {".parquet": "parquet", ".tar": "webdataset"}  # all other folders hold images


class HubSplit:
    """A split: images as they are stored, which none but our decoder opens, their labels and the names of these."""

    def __init__(self, folder: Path, data: Any, columns: tuple[str, str], classes: tuple[str, ...]) -> None:
        self._root, self._data, self._columns, self.classes = os.path.realpath(folder), data, columns, classes

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, row: int) -> tuple[dict[str, Any], Any]:
        """Return an item. Raises DataError for an image that is a file outside the folder, or on another machine."""
        item = self._data[row]
        image, label = (item[column] for column in self._columns)
        path = None if image is None or image["bytes"] is not None else image["path"]
        if path is not None and not _is_below(path, self._root):
            raise DataError(f"its image is {path}, which does not lie in the folder of the data set")
        return image, label


def hub_splits(folder: Path, cache: Path, roles: Sequence[str], split: str | None) -> dict[str, HubSplit]:
    """Return the splits of a folder by role, "train" or "test". What the library prepares is kept in `cache`.

    Nothing is downloaded, and no code in the folder is run. split: as in `split_names.choose`. Raises DataError with a
    sentence.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; hf:DIR names one that holds a data set of Hugging Face.")
    try:
        import datasets
    except ImportError as error:
        raise DataError("hf:DIR needs the library of Hugging Face: pip install 'sightline-vision[hf]'.") from error
    try:
        with _offline_and_quiet(datasets):
            found = _opened(datasets, folder, cache)
            columns = _columns(folder, next(iter(found.values())))
            as_stored = datasets.Image(decode=False)
            stored = {  # without other columns, which would be opened with every item, wherever they point
                name: split.with_format(None).select_columns(list(columns)).cast_column(columns[0], as_stored)
                for name, split in found.items()
            }
            labels = {name: split[columns[1]][:] for name, split in stored.items()}
    except DataError:
        raise
    except Exception as error:  # of a library that reads files of strangers
        words = (str(error).strip().splitlines() or [""])[0][:200]
        raise DataError(
            f"{folder} could not be read as a data set of Hugging Face ({type(error).__name__}: {words})."
        ) from error
    classes = names_of(next(iter(found.values()))) or _found_names(labels)
    chosen = choose(str(folder), sorted(name for name in stored if name), roles, split)
    return {role: HubSplit(folder, stored[name], columns, classes) for role, name in chosen.items()}


@contextmanager
def _offline_and_quiet(datasets: Any) -> Iterator[None]:
    """Keep the library from counting on its server what is opened here, and from drawing bars."""
    was_offline, has_bars = datasets.config.HF_HUB_OFFLINE, datasets.is_progress_bar_enabled()
    datasets.config.HF_HUB_OFFLINE = True
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = was_offline
        if has_bars:
            datasets.enable_progress_bars()


def _opened(datasets: Any, folder: Path, cache: Path) -> dict[str, Any]:
    """Return the splits by name, "" where there are none."""
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        saved = datasets.load_from_disk(str(folder))
        found = dict(saved) if isinstance(saved, Mapping) else {"": saved}
        files = [file["filename"] for split in found.values() for file in split.cache_files]
        if outside := [file for file in files if not _is_below(file, os.path.realpath(folder))]:
            raise DataError(f"{folder} takes data from {outside[0]}, which does not lie in it.")
        return found
    endings = {os.path.splitext(name)[1].lower() for _, _, names in os.walk(folder) for name in names}
    builder = next((name for ending, name in _BUILDERS.items() if ending in endings), "imagefolder")
    return dict(datasets.load_dataset(builder, data_dir=str(folder), cache_dir=str(cache)))


def _is_below(path: str, root: str) -> bool:
    return os.path.realpath(path).startswith(f"{root}{os.sep}")


def _columns(folder: Path, split: Any) -> tuple[str, str]:
    """Return the names of the columns of images and labels."""
    kinds = {name: type(feature).__name__ for name, feature in split.features.items()}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    labels = [name for name in _LABELS if name in kinds and (name in labels or not labels)] or labels
    if not images or not labels:
        there = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        raise DataError(
            f"{folder} has the columns {there}; it needs one of type Image, and one of type ClassLabel or called label."
        )
    return images[0], labels[0]


def _found_names(labels: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the classes that the labels of all splits are, so that these have the same."""
    values = np.concatenate([np.asarray(each) for each in labels.values()])
    if values.dtype.kind in "iu":
        return numbered(values)
    return tuple(sorted(set(map(str, values))))
