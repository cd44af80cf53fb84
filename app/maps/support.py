"""Whether maps of a kind are supported on a run, for the views. Torch-free."""

from collections.abc import Mapping, Sequence

from sightline.app.runs import loaders
from sightline.report.words.support import Support, supports_of
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


def supports(run: Run, method: str, layers: Sequence[str]) -> Mapping[str, Support]:
    """Return by layer whether the maps of a method are supported on the run."""
    try:
        return supports_of(loaders.verdicts(run), method, layers)
    except RunError as error:  # which Trust says too
        return supports_of([], method, layers, str(error))
