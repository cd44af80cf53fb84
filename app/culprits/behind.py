"""The training images behind one test image, where the run does not keep them: asked of the network."""

from typing import TYPE_CHECKING

from sightline.app.maps import compute
from sightline.app.runs import loaders
from sightline.app.runs.kept import computed_once, kept
from sightline.report.drawing.behind import Behind
from sightline.report.drawing.maps import explaining
from sightline.run_store.commands import command
from sightline.run_store.culprits import training_features
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

if TYPE_CHECKING:
    from sightline.explain.why.training_features import TrainingFeatures

MOST_VALUES = 2**28  # of the features of all training images, a class of which is compared in 4 bytes each, twice


@kept("culprits", computed_once(max_entries=256))
def asked_behind(run: Run, image: int) -> Behind:
    """Look for the training images behind a test image of a run that knows its training images. Loads torch.

    Raises RunError.
    """
    from sightline.explain.why.influence import culprits_of

    found = loaders.culprits(run)
    if found is None:
        raise RunError(f"Run {run.name} keeps no training images.")
    images, values = training_features(run, found).shape
    if images * values > MOST_VALUES:
        raise RunError(
            f"Run {run.name} has {images:,} training images of {values:,} features, too many to be compared on a page; "
            f"look behind this one with: {command('influence', '--run', run.path, '--images', str(image))}"
        )
    with explaining(run):
        seen = culprits_of(run, compute.network(run), found, image, _known_features(run))
    return Behind(seen.exact, seen.train_index, seen.similarity, seen.maps)


@kept("culprits", computed_once(max_entries=2))
def _known_features(run: Run) -> "TrainingFeatures":
    from sightline.explain.why.influence import known_features

    found = loaders.culprits(run)
    assert found is not None  # `asked_behind` has seen it
    return known_features(run, found)
