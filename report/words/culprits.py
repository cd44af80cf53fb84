"""What is said of the training images behind a test image, wherever they are shown."""

from collections.abc import Sequence

from sightline.report.drawing.subject import Subject
from sightline.report.words.text import escape_markdown, percent
from sightline.run_store.culprits import TrainingImages

MARK = "label?"  # of a label that is suspicious
EXACT = "Exact: the network ends in pooling and one linear layer."
FIRST_ORDER = "First order: this network's head is not pooling and one linear layer."


def exactness(is_exact: bool) -> str:
    """Say how far the similarities may be taken at their word."""
    return EXACT if is_exact else FIRST_ORDER


def meaning(subject: Subject) -> str:
    """Say what the training images and the pair of maps show, in Markdown."""
    predicted = escape_markdown(subject.name(subject.predicted))
    than = "" if subject.rival is None else f" rather than {escape_markdown(subject.name(subject.rival))}"
    return (
        f"Of the training images labelled {predicted}, these are most like this one in what speaks for "
        f"{predicted}{than}. The cells of either map add up to the similarity."
    )


def suspicion(class_names: Sequence[str], training: TrainingImages, row: int) -> str:
    """Say why a label is suspicious, in plain text; nothing where it is not."""
    if not training.suspicious[row]:
        return ""
    return (
        f"The label {class_names[training.label[row]]} is suspicious, by confident learning (Northcutt 2021) likely "
        f"wrong: the model takes the image for {class_names[training.predicted[row]]}, "
        f"{percent(float(training.confidence[row]), 0)}."
    )
