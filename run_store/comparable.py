"""Whether two runs were tested on the same images, and how they compare there."""

import hashlib
import json

from sightline.run_store.comparison import Comparison, in_classes
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


def are_comparable(a: Run, b: Run) -> bool:
    """Tell whether both were tested on the same images: the same pixels, or the same files in any size.

    Raises RunError where one of them cannot be read.
    """
    splits = [run.record.fingerprints.get("test", "") for run in (a, b)]
    if splits[0] == splits[1] != "":
        return True
    return files_and_labels(a.predictions()) == files_and_labels(b.predictions()) != ""


def files_and_labels(predictions: Predictions) -> str:
    """Return a hash of the image files and their classes; "" where there are none.

    It is the same for images of several sizes, and for classes in several orders.
    """
    if "path" not in predictions.scalars.column_names:
        return ""
    names = sorted(predictions.class_names)
    labels = in_classes(predictions, tuple(names)).column("label").tolist()
    text = json.dumps([names, labels, list(map(str, predictions.column("path")))])
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def compare(a: str, ours: Predictions, b: str, theirs: Predictions) -> Comparison:
    """Compare two runs, named `a` and `b`, on the same test split, in the classes of A. Raises RunError."""
    found = Comparison(ours, in_classes(theirs, ours.class_names))
    first, second = ((len(one), one.class_names) for one in (found.a, found.b))
    if first != second:  # the fingerprint of one of them is not that of its images
        raise RunError(f"Runs {a} and {b} do not have the same images and classes.")
    return found
