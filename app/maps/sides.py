"""The chosen run and the pinned one, A and B, as they are asked for maps of one image."""

from sightline.app.maps import compute
from sightline.app.runs import loaders, run_list
from sightline.report.address.selection import Selection
from sightline.report.drawing.cells import Whose
from sightline.report.drawing.map_settings import MapSettings
from sightline.report.drawing.sides import Side, alone, settings_beside, side_by_side
from sightline.report.drawing.subject import Subject, split_image
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


def sides_of(run: Run, subject: Subject, settings: MapSettings, selection: Selection) -> list[Side]:
    """Return the chosen run and, where one is pinned, that too: at the same layers, where it has them.

    settings: as `resolve` returns them for the chosen run.
    """
    second = run_list.find_run(selection.beside)
    if second is None or second.name == run.name:
        return [alone(run, subject, settings)]
    reason, other, theirs = "", subject, settings
    try:
        other = _seen_by(run, second, subject)
        theirs = settings_beside(second, settings, selection, compute.map_layers)
    except RunError as error:
        reason = str(error)
    first = Side(run, subject, settings, settings.layers, whose(run, is_second=False))
    return side_by_side(first, Side(second, other, theirs, theirs.layers, whose(second, is_second=True), reason))


def whose(run: Run, *, is_second: bool) -> Whose:
    """Return what marks the rows of a run."""
    return Whose(run_list.title(run), run_list.colour(run), is_second)


def why_not_beside(run: Run, second: Run) -> str:
    """Say why a pinned run cannot be shown beside, behind its name; nothing where it can."""
    if loaders.status(second).state != "complete" or loaders.has_curves_only(second):
        return "has no predictions that could be shown beside."
    return "" if run_list.are_comparable(second, run) else "was tested on other images."


def _seen_by(run: Run, second: Run, subject: Subject) -> Subject:
    """Return the image with what the second run takes it for. Raises RunError, whose sentence says why it cannot."""
    why = why_not_beside(run, second)
    if why:
        raise RunError(f"It {why}")
    if subject.image is None:
        raise RunError("It is shown beside on images of the test split only.")
    return split_image(loaders.predictions(second), subject.image, loaders.images(second)[subject.image])
