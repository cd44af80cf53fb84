"""What the name of a column of a log says: which figure it holds, and of which images."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sightline.run_store.files import FileError

# A name is cut into words, and these have a meaning. Of a figure, what comes first counts: top1_error is an error.
_MEANINGS = {
    "learning rate": "lr",
    "error": "err error",
    "accuracy": "acc accuracy accuracies top prec",
    "loss": "loss losses nll xent crossentropy logloss",
    "seconds": "seconds secs sec duration",
    "time": "time runtime elapsed",
    "epoch": "epoch epochs",
    "step": "step steps iter iters iteration iterations batch batches it",
    "train": "train training trn",
    "test": "val valid validation test testing eval evaluation dev",
    "empty": "avg average mean metrics metric scalar scalars multiclass categorical sparse binary cls classification "
    "score rate global current trainer s total overall percent pct per",
    "another figure": "best min max std var scale balanced box dfl obj kl reg grad aux momentum decay squared absolute "
    "second samples data timestamp",
}
_MEANING_OF = {word: meaning for meaning, words in _MEANINGS.items() for word in words.split()}
QUANTITIES = tuple(_MEANINGS)[:8]
_SPLITS = ("train", "test")

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_GLUED = re.compile("(train|valid|val|test|eval|dev)(loss|accuracy|acc|error|err|top|prec|lr)")  # valloss
_TWO_WORDS = ((re.compile("learning.?rate", re.I), " lr "), (re.compile("cross.?entropy", re.I), " crossentropy "))
_TOP = ("top", "prec", "acc", "accuracy", "err", "error")  # of these, 1 is the accuracy and 5 another figure
_UNKNOWN, _OF_STEPS = 3, 2  # how far a word that nobody knows, or one of steps, is from a plain name


@dataclass(frozen=True)
class Column:
    """A name that says something. split: "train", "test" or "". distance: from the plainest name, 0 being the best."""

    name: str
    quantity: str
    split: str
    distance: int


@lru_cache(4096)
def understand(name: str) -> Column | None:
    """Return what a name says, None where that is no figure of an epoch.

    >>> understand("val_acc@1"), understand("top5"), understand("lr-SGD").quantity
    (Column(name='val_acc@1', quantity='accuracy', split='test', distance=0), None, 'learning rate')
    """
    words = _words(name)
    before = ["", *words]
    if any(word.isdecimal() and word != "1" for last, word in zip(before, words, strict=False) if last in _TOP):
        return None  # top 5
    meanings = ["empty" if word == "1" and last in _TOP else _MEANING_OF.get(word, "")
                for last, word in zip(before, words, strict=False)]  # fmt: skip
    quantity = next((quantity for quantity in QUANTITIES if quantity in meanings), "")
    if quantity == "time" and "epoch" in meanings:
        quantity = "seconds"
    splits = [split for split in _SPLITS if split in meanings]
    is_time_of_test = quantity in ("seconds", "time") and "test" in splits
    if not quantity or "another figure" in meanings or len(splits) > 1 or is_time_of_test:
        return None
    of_steps = _OF_STEPS if "step" in meanings and quantity != "step" else 0
    return Column(name, quantity, "".join(splits), _UNKNOWN * meanings.count("") + of_steps)


def _words(name: str) -> list[str]:
    for pattern, word in _TWO_WORDS:
        name = pattern.sub(word, name)
    return _GLUED.sub(r"\1 \2", " ".join(_WORD.findall(name)).lower()).split()


def shown(names: Sequence[str], most: int = 6) -> str:
    """Write names of columns or runs, which are other people's text, for a sentence.

    >>> shown(["loss", "a\\nb", "c"], most=2)
    '“loss”, “a?b” and 1 more'
    """
    printable = ("".join(sign if sign.isprintable() else "?" for sign in name[:60]) for name in names[:most])
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(f"“{name}”" for name in printable) + more


def is_split(text: str) -> bool:
    """Tell whether a text names training or test images, and nothing else.

    >>> is_split("validation"), is_split("version_0")
    (True, False)
    """
    words = _words(text)
    return bool(words) and all(_MEANING_OF.get(word) in _SPLITS for word in words)


def choose(values: Mapping[str, int], share_a_line: Callable[[str, str], bool]) -> dict[str, Column]:
    """Choose a column for each figure: of METRICS_COLUMNS, and "step".

    values: how many each name has. share_a_line: of two names. Raises FileError where several could be meant.
    """
    known = [column for column in map(understand, values) if column and values[column.name]]
    candidates: dict[str, list[Column]] = {}
    for column in known:
        if column.quantity in ("loss", "accuracy", "error"):
            kind = "loss" if column.quantity == "loss" else "accuracy"
            figure = f"{column.split or _split_of_plain(kind, column, known, share_a_line)}_{kind}"
        else:
            figure = "seconds" if column.quantity == "time" else column.quantity.replace(" ", "_")
        candidates.setdefault(figure, []).append(column)
    return {figure: _best(figure, columns, values) for figure, columns in candidates.items()}


def _split_of_plain(kind: str, plain: Column, known: list[Column], share_a_line: Callable[[str, str], bool]) -> str:
    """Say of which images a figure is whose name does not: "loss" is the training's, unless "train_loss" is."""
    quantities = ("loss",) if kind == "loss" else ("accuracy", "error")
    named = {column.split for column in known if column.quantity in quantities}
    if "test" in named:
        return "train"
    if any(column.split == "train" for column in known if column.quantity in ("loss", "accuracy", "error")):
        return "test"
    losses = [column.name for column in known if column.quantity == "loss"]
    is_apart = kind == "accuracy" and losses and not any(share_a_line(plain.name, loss) for loss in losses)
    return "test" if is_apart else "train"


def _best(figure: str, columns: list[Column], values: Mapping[str, int]) -> Column:
    """Choose the plainest name; of equally plain ones that with more values, of val and test then test."""

    def order(column: Column) -> tuple[bool, int, int, bool]:
        is_second_choice = column.quantity in ("error", "time")
        return is_second_choice, column.distance, -values[column.name], "test" not in column.name.lower()

    best = min(columns, key=order)
    same = [column.name for column in columns if order(column)[:2] == order(best)[:2]]
    if len(same) > 1 and best.distance >= _UNKNOWN and figure.endswith(("loss", "accuracy")):
        raise FileError(f"has several columns for the {figure.replace('_', ' ')}: {shown(same)}; keep one of them")
    return best
