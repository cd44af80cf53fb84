"""Long work on a model, done in turns: another thread that asks for the model waits for one of them, not for all."""

import time
from collections.abc import Callable

from torch import nn

from sightline.explain.attribution.recording import exclusive
from sightline.image_data import Progress

TURN = 0.1  # seconds that a turn should take, unless a single part takes longer
_PAUSE = 1e-3  # seconds between two turns: a lock that is taken again at once is never given to who waits for it


class Turns:
    """A model, and how to work on it: `each` does it in turns, each of them inside `exclusive`.

    works: how often `each` will be called, of which `progress` gets the share. What progress raises ends the work.
    """

    def __init__(self, model: nn.Module, works: int = 1, progress: Progress | None = None) -> None:
        self.model = model
        self._works, self._ended, self._progress = works, 0, progress

    def each(self, count: int, work: Callable[[slice], Callable[[], object] | None], most: int = 1) -> None:
        """Call `work` with slices of `count` parts until all are done; at most `most` parts a slice.

        What it returns is called after the turn, when others may use the model: a backward pass needs no module.
        """
        done, size = 0, 1
        while done < count:
            self._tell(done, count)
            part = slice(done, min(done + size, count))
            with exclusive(self.model):
                start = time.perf_counter()
                finish = work(part)
            if finish is not None:
                finish()
            seconds = time.perf_counter() - start
            done, size = part.stop, max(1, min(2 * size, most, int(size * TURN / max(seconds, 1e-9))))
            time.sleep(_PAUSE)
        self._tell(count, count)
        self._ended += 1

    def _tell(self, done: int, count: int) -> None:
        if self._progress is not None:
            self._progress(self._ended * count + done, self._works * count)
