"""Find the images that somebody else's predictions are of."""

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.image_data import DataError, ImageSplit, Progress, content_fingerprint, decode_image, with_classes
from sightline.image_data.folder.decoding_pool import DecodingPool
from sightline.image_data.folder.file_images import FileImages
from sightline.image_data.folder.passed_over import summarise
from sightline.image_data.images import Images
from sightline.image_data.resize import CROP, Resize
from sightline.image_data.sources import IMAGE_SIZES
from sightline.training.foreign.predictions import ForeignPredictions
from sightline.training.foreign.scores import refuse
from sightline.training.foreign.table import listed

MOST_SIDE = 224  # pixels, unless another size is asked for: nobody looks closer
LEAST_IMAGES = 3  # of a class, on average: of fewer, any labels could be those of another order
IN_MEMORY_BYTES = 2**28  # of decoded images; of more, each is decoded again when it is written


def joined(
    foreign: ForeignPredictions, split: ImageSplit, dataset: str
) -> tuple[ForeignPredictions, ImageSplit, list[str]]:
    """Return the predictions in the order of the images of a data set, both with the same classes; and notes.

    Rows are found by the ends of their paths that tell the images apart, where both have paths, else by their order.
    The labels are those of the data set, with which the table's may not disagree. dataset: its name, for messages.

    Raises:
        DataError: there is no row for an image, no image for a row, another label, or other classes.
    """
    rows, notes = _rows_of_images(foreign, split, dataset)
    foreign, split, more = _same_classes(foreign, split, np.argsort(rows), dataset)
    return replace(foreign.rows(rows), labels=split.labels), split, notes + more


def _rows_of_images(
    foreign: ForeignPredictions, split: ImageSplit, dataset: str
) -> tuple[NDArray[np.int64], list[str]]:
    """Return the row of each image."""
    if foreign.paths is None or split.paths is None:
        if len(foreign) != len(split):
            raise DataError(
                f"{foreign.file} has {len(foreign):,} rows and {dataset} {len(split):,} images; give one row for each "
                "image, in the same order, or with a column path."
            )
        return np.arange(len(split)), [
            f"The rows of {foreign.file} are taken to be in the order of the images of {dataset}."
        ]
    images, rows = ([_parts(path) for path in paths] for paths in (split.paths, foreign.paths))
    longest = max(map(len, images))
    depths = (depth for depth in range(1, longest) if _are_unique(images, depth) and _are_unique(rows, depth))
    depth = next(depths, longest)
    places = {parts[-depth:]: row for row, parts in enumerate(rows)}
    known = {parts[-depth:] for parts in images}
    unknown = np.array([parts[-depth:] not in known for parts in rows])
    row, ends = foreign.paths[int(unknown.argmax())], "/".join(images[0][-depth:])
    refuse(foreign.file, unknown, f"a path that is of no image of {dataset}, or of several ({row}); they end as {ends}")
    missing = [path for path, parts in zip(split.paths, images, strict=True) if parts[-depth:] not in places]
    if missing:
        how_many = f"{len(missing):,} of {len(split):,} images of {dataset}"
        raise DataError(f"{foreign.file} has no row for {how_many}: {summarise(missing)}.")
    return np.array([places[parts[-depth:]] for parts in images]), []


def _same_classes(
    foreign: ForeignPredictions, split: ImageSplit, images: NDArray[np.int64], dataset: str
) -> tuple[ForeignPredictions, ImageSplit, list[str]]:
    """Return both with the same classes: the data set's, unless the table has more. images: N, that of each row."""
    file, names, found = foreign.file, foreign.class_names, split.class_names
    if names is None:
        foreign, notes = _named(foreign, split.labels[images], found, dataset)
        return foreign, split, notes
    if {*names} <= {*found}:
        foreign = foreign.of_classes(found, np.array([found.index(name) for name in names]))
    else:
        split = with_classes(split, names, str(file))
    if foreign.labels is not None:
        others = foreign.labels != split.labels[images]
        row = int(others.argmax())
        theirs, ours = (split.class_names[code] for code in (foreign.labels[row], split.labels[images[row]]))
        words = (
            f"a label that is another one in {dataset} ({theirs}, and {ours} there); mend it, or leave the column out"
        )
        refuse(file, others, words)
    return foreign, split, []


def _named(
    foreign: ForeignPredictions, labels: NDArray[np.int64], class_names: tuple[str, ...], dataset: str
) -> tuple[ForeignPredictions, list[str]]:
    """Name the classes of a table of codes as those of the data set: in its order, unless the labels say another.

    labels: N codes of the data set.
    """
    classes, known = foreign.classes, len(class_names)
    if classes > known or foreign.logits is not None and classes < known:
        raise DataError(
            f"{foreign.file} has {classes:,} classes and {dataset} {known:,} ({listed(class_names)}); name those of "
            "the model, in its order, with --classes FILE."
        )
    named = replace(foreign, class_names=class_names)
    if foreign.labels is None:
        in_order = f"The codes are taken to be of the classes of {dataset}, in its order: {listed(class_names)}."
        return named, [in_order]
    if np.array_equal(foreign.labels, labels):
        return named, []
    order = _order_of_labels(foreign.file, foreign.labels, labels, class_names, dataset)
    meant = [f"{code} is {class_names[place]}" for code, place in enumerate(order)]
    note = f"The codes are in another order than the classes of {dataset}; by the labels, {listed(meant)}."
    return named.of_classes(class_names, order), [note]


def _order_of_labels(
    file: Path, theirs: NDArray[np.int64], ours: NDArray[np.int64], class_names: tuple[str, ...], dataset: str
) -> NDArray[np.int64]:
    """Return what each code of a table stands for in the data set, by the labels that both have of every image.

    Raises DataError where one code is of several classes or the reverse, or more than one class has no image.
    """
    codes, places = pairs = np.unique(np.stack([theirs, ours]), axis=1)
    is_one_to_one = pairs.shape[1] == len({*codes.tolist()}) == len({*places.tolist()})
    if not is_one_to_one or len(ours) < LEAST_IMAGES * len(codes):
        words = f"another label than in {dataset}, which no other order of the classes explains; mend it, or leave the "
        refuse(file, theirs != ours, f"{words}column out")
    order = np.full(len(class_names), -1)
    order[codes] = places
    rest = np.setdiff1d(np.arange(len(order)), places)
    if len(rest) > 1:
        raise DataError(
            f"{file} has its codes in another order than {dataset}, and no image says which of them are "
            f"{listed([class_names[place] for place in rest])}; name all, in this order, with --classes FILE."
        )
    order[order < 0] = rest
    return order


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def _are_unique(paths: Sequence[tuple[str, ...]], depth: int) -> bool:
    return len({parts[-depth:] for parts in paths}) == len(paths)


def images_by_path(
    foreign: ForeignPredictions,
    image_size: int | None = None,
    progress: Progress | None = None,
    resize: Resize = CROP,
) -> tuple[ForeignPredictions, ImageSplit]:
    """Return the images that the table names, below its folder, and the predictions with their labels and classes.

    image_size: the side in pixels that images are brought to, as `resize` says; None: `likely_side` of the first.
    Where the table has no labels, they are the names of the folders that the images lie in.

    Raises:
        DataError: the table has no paths, no labels, a path leads out of its folder, or is of no image.
    """
    files = _files(foreign)
    names, labels = _classes_and_labels(foreign, files)
    images = _decoded(foreign.file, files, image_size or likely_side(files[0]), resize, progress)
    split = ImageSplit(images, labels, names, content_fingerprint(images, labels, names), paths=tuple(files))
    return replace(foreign, class_names=names, labels=labels), split


def likely_side(file: str) -> int:
    """Return the side in pixels at which images such as this one are looked at: no larger than it is, at most 224.

    Raises DataError for what is no image.
    """
    return min(MOST_SIDE, max(IMAGE_SIZES[0], min(decode_image(file).shape[:2])))


def _files(foreign: ForeignPredictions) -> list[str]:
    """Return the absolute paths of the images. Raises DataError where one leads out of the folder or to no file."""
    if foreign.paths is None:
        raise DataError(f"{foreign.file} names no images; add a column path, or give the images with --dataset.")
    root = os.path.abspath(foreign.file.parent)
    files = [os.path.normpath(os.path.join(root, path.replace("\\", "/"))) for path in foreign.paths]
    outside = np.array([not file.startswith(root + os.sep) for file in files])
    refuse(foreign.file, outside, f"a path that leads out of {root}; give the images with --dataset")
    missing = np.array([not os.path.isfile(file) for file in files])
    refuse(
        foreign.file,
        missing,
        f"a path to no file ({files[int(missing.argmax())]}); write them as seen from the folder of the table, or give "
        "the images with --dataset",
    )
    return files


def _classes_and_labels(foreign: ForeignPredictions, files: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names of the classes and the true codes: of the folders of the images, where the table has none."""
    if foreign.labels is not None:
        return foreign.class_names or tuple(map(str, range(foreign.classes))), foreign.labels
    folders = [unicodedata.normalize("NFC", os.path.basename(os.path.dirname(file))) for file in files]
    names = foreign.class_names or tuple(sorted({*folders}))
    is_other = foreign.class_names is None and (
        foreign.classes > len(names) or foreign.logits is not None and foreign.classes != len(names)
    )
    if is_other or not {*folders} <= {*names}:
        raise DataError(
            f"{foreign.file} has no labels, and its images do not lie in folders that are called as its classes; "
            "add a column label, or give the images with --dataset."
        )
    return names, np.array([names.index(folder) for folder in folders])


def _decoded(file: Path, files: Sequence[str], side: int, resize: Resize, progress: Progress | None) -> Images:
    """Return uint8 N×S×S×3. Raises DataError, with the rows whose images cannot be read."""
    found, broken = list[NDArray[np.uint8]](), dict[int, str]()
    fits, done = len(files) * side**2 * 3 <= IN_MEMORY_BYTES, 0
    with DecodingPool(len(files)) as pool:
        for batch in pool.decode(files, side, resize):
            broken |= {done + position: failure.reason for position, failure in batch.failures.items()}
            done += len(batch.images) + len(batch.failures)
            if fits:
                found.append(batch.images)
            if progress:
                progress(done, len(files))
    wrong = np.isin(np.arange(len(files)), list(broken))
    refuse(file, wrong, f"an image that cannot be read ({next(iter(broken.values()), '')})")
    return np.concatenate(found) if fits else FileImages(files, side, resize)
