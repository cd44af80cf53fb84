"""Open run directories for reading.

Whatever a crash, a copy or an editor left behind, reading ends in data or a RunError.
"""

import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sightline.run_store import files
from sightline.run_store.arrays import StoredArray, stored_array
from sightline.run_store.commands import command, richer_commands
from sightline.run_store.epochs import predictions_after, refuse_epoch, weights_file
from sightline.run_store.files import FileError
from sightline.run_store.history import History, parse_history
from sightline.run_store.listing import RunFinder, newest_first
from sightline.run_store.metrics import Epoch, parse_metrics
from sightline.run_store.network import read_tensors, rebuild, reopen
from sightline.run_store.note import RunNote, parse_note
from sightline.run_store.predictions import Predictions
from sightline.run_store.predictions_file import read_predictions
from sightline.run_store.record import MOST_FEATURES, MOST_SIDE, RunError, RunRecord, parse_record
from sightline.run_store.thumbnails import read_originals

if TYPE_CHECKING:
    from torch import Tensor, nn

    import sightline


State = Literal["running", "interrupted", "complete", "failed", "damaged"]


@dataclass(frozen=True)
class Run:
    """A run directory. Cheap to make: files are read when asked for, and a reader raises RunError with a sentence.

    The record is read once: to see how a run goes on, make another Run.

    >>> from pathlib import Path
    >>> from sightline import Run
    >>> run = Run(Path("runs/pets"))
    >>> run.state, run.record.class_names
    ('complete', ('cat', 'dog', 'owl'))
    >>> run.images().shape, run.predictions().column("predicted")[:3].tolist()
    ((12, 32, 32, 3), [1, 1, 2])
    """

    path: Path
    name: str = field(default="", compare=False)
    """What the run is called in a list of runs: by default as its folder."""
    epoch: int | None = None
    """The epoch of the history after which the run is looked at; None: as it ended."""
    kept: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What its readers found, for as long as this object stands for one look at the folder."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))  # which may be a text
        object.__setattr__(self, "name", self.name or self.path.name)

    @property
    def exists(self) -> bool:
        """Whether a run was begun here: it has a record, damaged or not."""
        return os.path.isfile(self.path / files.RECORD)

    def stamp(self, reading: files.Reading) -> files.Stamp:
        """Return the key under which what is read may be kept: a later Run has another once a file has changed."""
        return tuple(self.file_stamp(name) for name in files.depends_on(reading, self.epoch))

    def file_stamp(self, name: str) -> files.FileStamp:
        """Return the stamp of a file of the run, which is looked at once. name: its path in the run, with "/"."""
        if name not in self.kept:
            self.kept[name] = files.file_stamp(self.path / name)
        found: files.FileStamp = self.kept[name]
        return found

    @cached_property
    def record(self) -> RunRecord:
        """What run.json says, read once. Raises RunError."""
        with self.reading(files.RECORD, "Restore it, or train the run again."):
            return parse_record(self.read(files.RECORD))

    @property
    def created(self) -> str:
        """When the run was made, ISO 8601; "" of one whose record cannot be read."""
        try:
            return self.record.created
        except RunError:
            return ""

    @property
    def state(self) -> State:
        """What became of the run: complete exactly when its predictions are there and valid, running while locked.

        One that has curves only is complete once it says so.
        """
        try:
            recorded = self.record.state
            if os.path.exists(self.path / files.PREDICTIONS):
                self._last_predictions()
                return "complete"
        except RunError:
            return "damaged"
        if files.is_locked(self.path):
            return "running"
        if recorded == "complete":
            return "complete" if self.record.curves_only else "damaged"
        return "failed" if recorded == "failed" else "interrupted"

    def metrics(self) -> list[Epoch]:
        """Return the epochs that have ended. A torn last line is left out."""
        if not os.path.exists(self.path / files.METRICS):
            return []
        with self.reading(files.METRICS, "Restore it, or remove it: then the run has no curves."):
            return parse_metrics(self.read(files.METRICS))

    def note(self) -> RunNote:
        """Return what people say about the run; empty where they said nothing."""
        if not os.path.exists(self.path / files.NOTE):
            return RunNote()
        with self.reading(files.NOTE, "Mend or remove it."):
            return parse_note(self.read(files.NOTE))

    def predictions(self) -> Predictions:
        """Return the predictions; after an epoch what its history says of them. Raises RunError, also for a misfit."""
        last = self._last_predictions()
        return last if self.epoch is None else predictions_after(self.name, last, self.history(), self.epoch)

    def _last_predictions(self) -> Predictions:
        with self._opened(files.PREDICTIONS, self._rewrite_hint) as stream:
            return read_predictions(stream, self.record.class_names, len(self.images()))

    def history(self) -> History | None:
        """Return what each test image was taken for after each epoch; None where nobody kept it. Raises RunError."""
        if not os.path.exists(self.path / files.HISTORY):
            return None
        with self._opened(files.HISTORY, "Remove it: the run then has no history.") as stream:
            return parse_history(stream, len(self.images()), len(self.record.class_names))

    def images(self) -> StoredArray:
        """Return the test split, uint8 N×H×W×3, read when indexed; thumbnails where larger originals are files."""
        images = self._stored_array(files.IMAGES, np.uint8, 4)
        height, width, channels = images.shape[1:]
        if channels != 3 or not height == width <= MOST_SIDE:
            raise self._damaged(files.IMAGES, f"does not hold square RGB images of at most {MOST_SIDE} pixels a side")
        return images

    def masks(self) -> StoredArray | None:
        """Return the masks, uint8 N×H×W (bit 1 object, 2 tag, 4 decoy), or None where the data set has none."""
        if not os.path.exists(self.path / files.MASKS):
            return None
        masks = self._stored_array(files.MASKS, np.uint8, 3)
        if masks.shape != self.images().shape[:3]:
            raise self._damaged(files.MASKS, f"does not match {files.IMAGES}")
        return masks

    def features(self) -> StoredArray:
        """Return the penultimate features of the test split, float16 N×D: rows whose directions count, not lengths.

        Raises RunError, also for a run that was made without a network and has none.
        """
        refuse_epoch(self.name, self.epoch, "the features of its images")
        if not os.path.exists(self.path / files.FEATURES):
            self.require_network()
        features = self._stored_array(files.FEATURES, np.float16, 2)
        if len(features) != len(self.images()):
            raise self._damaged(files.FEATURES, f"does not match {files.IMAGES}")
        if features.shape[1] > MOST_FEATURES:
            raise self._damaged(files.FEATURES, f"has more than {MOST_FEATURES:,} values an image")
        return features

    def model_images(self, rows: Sequence[int]) -> np.ndarray:
        """Return what the model saw, uint8 N×H×W×3; decoded from the originals where the run has only thumbnails."""
        kept = self.images()[list(rows)]
        if kept.shape[1] == self.record.input_size:
            return kept
        predictions = self._last_predictions()
        if "path" not in predictions.scalars.column_names:
            raise RunError(
                f"Run {self.name} keeps thumbnails only and names no originals, so there is nothing to explain."
            )
        paths = [str(path) for path in predictions.column("path")[list(rows)]]
        try:
            return read_originals(paths, kept, self.record.input_size, self.record.resize)
        except FileError as error:
            what = f"Run {self.name} keeps thumbnails only, and a map needs the original"
            raise RunError(f"{what}: {error}. Put the images back in place.") from error

    def load_model(self) -> "nn.Module":
        """Return the network with the weights of `epoch`, else the last, on the CPU, in eval mode, frozen.

        Raises RunError, with the run's own sentence, where there is none, or no weights of that epoch.
        """
        self.require_network()
        weights_name = weights_file(self.path, self.name, self.epoch, self.history)
        with self._opened(weights_name, "Train the run again.") as stream:
            if self.record.network == "architecture":
                return rebuild(self.name, self.record, stream)
            weights = read_tensors(stream)
        with self._opened(files.NETWORK, "Make the run again.") as stream:
            return reopen(self.record, stream, weights)

    def to_input(self, images: np.ndarray) -> "Tensor":
        """Turn uint8 N×H×W×3 into the model's input, float32 N×3×H×W, normalised as in training."""
        from sightline.model_zoo import normalize

        return normalize(np.array(images), self.record.mean, self.record.std)

    def show(
        self, *, server: bool | None = None, port: int | None = None, height: int = 720
    ) -> "sightline.Dashboard | sightline.Report":
        """Open the dashboard on this run, or show its report, as `sightline.show` does with these options."""
        import sightline  # the public face, which knows the app and the report; this package does not

        return sightline.show(self, server=server, port=port, height=height)

    def report(
        self, beside: "Run | str | os.PathLike[str] | None" = None, set: str = "", images: int = 24
    ) -> "sightline.Report":
        """Make the report of this run, perhaps beside another, as `sightline.report_of` does with these options.

        A notebook shows it; `.save("report.html")` writes it.
        """
        import sightline

        return sightline.report_of(self, beside, set=set, images=images)

    def _repr_html_(self) -> str:
        """Return what a notebook shows of this run: a few lines, without a script. It raises nothing."""
        import sightline

        html: str = sightline.run_summary(self).to_html()
        return html

    @property
    def has_network(self) -> bool:
        """Whether there is a network to compute with; where the record cannot be read, whoever asks for it says so."""
        try:
            return self.record.network != "none"
        except RunError:
            return True

    def require_network(self) -> None:
        """Raise RunError, with the run's own sentence, where there is no network to compute with."""
        self._require_more_than_curves()
        if not self.has_network:
            raise RunError(f"Run {self.name} has no network. {self.record.without_network}".strip())

    def _require_more_than_curves(self) -> None:
        if self.record.curves_only:
            raise RunError(
                f"Run {self.name} has curves only. To see its mistakes too, make another run of its predictions, "
                "{}; to see where it looked, of its model, {}.".format(*richer_commands(self.record.recipe.get("log")))
            )

    @property
    def _rewrite_hint(self) -> str:
        with suppress(RunError):  # of a damaged record, which whoever asks for it names
            if not self.record.can_be_evaluated:
                return "Make the run again."
        return f"Write them again with: {command('evaluate', '--run', self.path)}"

    def _require(self, name: str, remedy: str) -> None:
        if not os.path.isfile(self.path / name):
            self._require_more_than_curves()
            if self.record.state == "complete":
                raise RunError(f"Run {self.name} has lost its {name}. {remedy}")
            raise RunError(f"Run {self.name} has no {name} yet; it is written when the training ends.")

    def read(self, name: str) -> bytes:
        """Return the content of a file. Raises FileError, or OSError: to be called inside `reading`."""
        with closing(files.open_file(self.path, name)) as stream:
            return stream.read()

    @contextmanager
    def _opened(self, name: str, remedy: str) -> Iterator[BufferedReader]:
        """Open a file that has to be there, for `reading`."""
        self._require(name, remedy)
        with self.reading(name, remedy), closing(files.open_file(self.path, name)) as stream:
            yield stream

    def _stored_array(self, name: str, dtype: type, dimensions: int) -> StoredArray:
        self._require(name, self._rewrite_hint)
        with self.reading(name, self._rewrite_hint):
            array = stored_array(self.path, name)
        if array.dtype != dtype or array.ndim != dimensions:
            raise self._damaged(name, f"does not hold {np.dtype(dtype).name} values in {dimensions} dimensions")
        return array

    @contextmanager
    def reading(self, name: str, remedy: str) -> Iterator[None]:
        """Turn whatever reading a file ends in into a RunError: damaged files make libraries raise anything."""
        try:
            yield
        except RunError:
            raise
        except FileError as error:
            raise RunError(f"Run {self.name}: {name} {error}. {remedy}") from error
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise RunError(f"Run {self.name}: {name} is missing or cannot be read ({reason}). {remedy}") from error
        except Exception as error:
            raise RunError(f"Run {self.name}: {name} is damaged ({type(error).__name__}). {remedy}") from error

    def _damaged(self, name: str, what: str) -> RunError:
        return RunError(f"Run {self.name}: {name} {what}. {self._rewrite_hint}")


def list_runs(root: Path) -> list[Run]:
    """Return the runs under `root`, named by their path from there, sorted by `newest_first`; no root, no runs."""
    return newest_first(Run(Path(folder.path), folder.name) for folder in RunFinder(root).look())
