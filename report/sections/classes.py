"""Which classes are right, and which are taken for which."""

from sightline.report.asked import Asked
from sightline.report.drawing.class_rows import MANY_PAIRS, PAIRS, class_rows
from sightline.report.drawing.matrix import MATRIX, MOST_DRAWN, confusion_cells, matrix
from sightline.report.sections.section import Facts
from sightline.report.words.classes import scope_words
from sightline.report.words.standing_out import interval_words
from sightline.run_store.comparison import wilson


def classes(asked: Asked) -> Facts:
    """Return the matrix, the pairs and the classes of A, of the images that pass the filters; of many classes pairs."""
    predictions, columns = asked.predictions, asked.selection.columns
    names, confusion = predictions.class_names, predictions.confusion_of(columns)
    is_drawn = len(names) <= MOST_DRAWN
    pairs = confusion.most_confused(PAIRS if is_drawn else MANY_PAIRS)
    of = confusion.per_class("label")
    rows = class_rows(confusion, names) if is_drawn else []
    return {
        "element": MATRIX,
        "matrix": matrix(confusion_cells(confusion), names, title="Confusion", leads=False) if is_drawn else None,
        "classes": len(names),
        "scope": scope_words(predictions, asked.selection),
        "pairs": [
            (names[label], names[guess], images, images / pairs[0][2], images / of[label])
            for label, guess, images in pairs
        ],
        "rows": [(row, wilson(row.right, row.images), interval_words(row.right, row.images)) for row in rows],
    }
