"""Which training images say so: those behind the most confident mistakes, and of the first of each what is alike."""

from dataclasses import dataclass

import numpy as np

from sightline.report.asked import Asked
from sightline.report.drawing.behind import Behind, stored_behind
from sightline.report.drawing.means import painted
from sightline.report.drawing.pictures import data_url
from sightline.report.drawing.subject import Subject, split_image
from sightline.report.sections.section import Facts
from sightline.report.words.culprits import MARK, exactness, meaning, suspicion
from sightline.run_store.culprits import Culprits, read_culprits, training_thumbnails
from sightline.run_store.patterns import read_patterns
from sightline.run_store.record import RunError
from sightline.run_store.thumbnails import thumbnail

MOST = 4  # mistakes


@dataclass(frozen=True)
class TrainingImage:
    """A training image. picture: "" where none is kept. mark, doubt: "" of a label that is not suspicious."""

    row: int
    picture: str
    label: str
    similarity: float
    mark: str
    doubt: str


@dataclass(frozen=True)
class Mistake:
    """A mistake and what stands behind it, most similar first. maps: what is alike in it and in the first, or "".

    meaning: Markdown.
    """

    subject: Subject
    picture: str
    meaning: str
    training: tuple[TrainingImage, ...]
    maps: tuple[str, str]


def culprits(asked: Asked) -> Facts | None:
    """Return the mistakes; None where nobody looked for training images. Raises RunError."""
    found = read_culprits(asked.run) if asked.run.has_network else None
    if found is None:
        return None
    images, whose = _chosen(asked, found)
    return {
        "mistakes": [_mistake(asked, found, image) for image in images],
        "whose": whose,
        "how": exactness(found.exact),
    }


def _chosen(asked: Asked, found: Culprits) -> tuple[list[int], str]:
    """Choose the most confident known mistakes of the set, else of the strongest pattern, else of all; say whose."""
    predictions = asked.predictions
    is_known = predictions.wrong & np.isin(np.arange(len(predictions)), found.index)
    for rows, whose in ((asked.rows, "this set"), (_of_strongest(asked), "the strongest pattern")):
        is_in = np.zeros(len(predictions), bool)
        is_in[rows] = True
        if (is_in & is_known).any():
            return predictions.in_order(is_in & is_known, "most confident first")[:MOST].tolist(), whose
    return predictions.in_order(is_known, "most confident first")[:MOST].tolist(), "all test images"


def _of_strongest(asked: Asked) -> np.ndarray:
    """Return the images of the strongest pattern, if there is one that can be read: its own section says why not."""
    try:
        patterns = read_patterns(asked.run)
    except RunError:
        patterns = None
    return patterns.rows(1) if patterns and patterns.patterns else np.empty(0, np.int64)


def _mistake(asked: Asked, found: Culprits, image: int) -> Mistake:
    pixels = asked.run.images()[image]
    behind, subject = stored_behind(asked.run, found, image), split_image(asked.predictions, image, pixels)
    assert behind is not None  # `_chosen` takes none else
    pictures, names, training = training_thumbnails(asked.run, found), asked.predictions.class_names, found.training
    shown = []
    for row, similarity in zip(behind.train_index.tolist(), behind.similarity.tolist(), strict=True):
        kept, doubt = int(training.thumbnail[row]), suspicion(names, training, row)
        picture = data_url(thumbnail(pictures[kept])) if kept >= 0 else ""
        label = names[training.label[row]]
        shown.append(TrainingImage(row, picture, label, similarity, MARK if doubt else "", doubt))
    maps = _maps(behind) if shown[0].picture else ("", "")
    return Mistake(subject, data_url(thumbnail(pixels)), meaning(subject), tuple(shown), maps)


def _maps(behind: Behind) -> tuple[str, str]:
    """Return the pair of maps of the most similar, on one scale as in the dashboard."""
    if behind.maps is None:
        return "", ""
    largest = float(max(behind.maps[0].max(), 0))
    of_test, of_training = (painted(values, largest) for values in behind.maps[0])
    return of_test, of_training
