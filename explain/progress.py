"""What commands say while they work: warnings, and a bar that shows how far they are."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from sightline.image_data import Progress


def warn(sentences: Iterable[str]) -> None:
    """Print each sentence to stderr, as a warning."""
    for sentence in sentences:
        print(f"Warning: {sentence}", file=sys.stderr)


def tell(sentences: Iterable[str]) -> None:
    """Print each sentence: what was understood how, which is no warning."""
    for sentence in sentences:
        print(sentence)


@contextmanager
def progress_bar(doing: str) -> Iterator[Progress]:
    """Yield a Progress that draws a bar, named `doing`; there is none before its first call, and none in the end."""
    with tqdm(desc=doing, unit="image", delay=1e-3, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
