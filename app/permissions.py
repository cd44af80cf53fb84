"""What visitors may do on this server: look only, or also train and measure, and on which data sets.

The launcher imports this before the server answers: keep it light.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sightline.app.runs.folder import runs_root

READ_ONLY_VARIABLE = "SIGHTLINE_READ_ONLY"  # set, and not 0: visitors only look
DATASETS_VARIABLE = "SIGHTLINE_DATASETS"  # folders, divided as in PATH
MOST_EPOCHS = 1000  # of a training that is started on a page
MOST_KEPT = 20  # epochs whose weights it keeps


class NotPermitted(Exception):
    """A sentence for a visitor: what this server does not do, and who can do it."""


def is_read_only() -> bool:
    """Tell whether visitors only look."""
    return os.environ.get(READ_ONLY_VARIABLE, "") not in ("", "0")


def check_writable() -> None:
    """Raise NotPermitted where visitors only look: called by what writes, whatever the page has offered."""
    if is_read_only():
        raise NotPermitted("This server only shows runs: nothing is trained, measured or changed on its pages.")


def dataset_folders() -> list[Path]:
    """Return the folders below which data sets may lie: the server's own where none are named."""
    named = os.environ.get(DATASETS_VARIABLE, "").split(os.pathsep)
    return [Path(folder) for folder in named if folder] or [Path.cwd()]


def check_training(recipe: Mapping[str, Any]) -> None:
    """Raise NotPermitted for a training that no page may start: of too many epochs, or of files from elsewhere.

    recipe: by name, as in run.json, and so perhaps of a stranger. Raises DataError for an unknown data set.
    """
    planned = [recipe.get(name, 1) for name in ("epochs", "planned_epochs")]
    if not all(isinstance(epochs, int) and 1 <= epochs <= MOST_EPOCHS for epochs in planned):
        raise NotPermitted(
            f"A training that is started here has 1 to {MOST_EPOCHS:,} epochs, since it keeps others waiting; "
            "more of them: sightline train --epochs N."
        )
    kept = recipe.get("keep_epochs", 0)
    if not isinstance(kept, int) or not 0 <= kept <= MOST_KEPT:
        raise NotPermitted(
            f"A training that is started here keeps the weights of at most {MOST_KEPT} epochs, since they take room; "
            "more of them: sightline train --keep-epochs N."
        )
    dataset, weights = recipe.get("dataset"), recipe.get("pretrained")
    if dataset is not None:
        check_images(str(dataset))
    if weights is not None:
        _check_place(Path(str(weights)))


def check_images(dataset: str) -> None:
    """Raise NotPermitted for a data set that no page may read: a program, or files from elsewhere.

    dataset: as in run.json, and so perhaps of a stranger. Raises DataError for an unknown one.
    """
    from sightline.image_data.sources import dataset_path, runs_code

    if runs_code(dataset):
        raise NotPermitted(
            "No page reads a data set that is a program of its own (FILE.py:NAME), which would be run here; start it "
            "yourself, in a terminal, with --dataset FILE.py:NAME."
        )
    images = dataset_path(dataset)
    if images is None:
        return
    _check_place(images)
    runs = [runs_root()]
    named = [folder for folder in dataset_folders() if _is_below(folder, runs)]
    if _is_below(images, runs) and not _is_below(images, named):
        raise NotPermitted(  # links in it are not looked at: there may be a million images
            "A page reads no images below the folder of runs: a run may be a stranger's, and bring links to other "
            "images with it. Move them to another folder."
        )


def _check_place(path: Path) -> None:
    if not _is_below(path, dataset_folders()):
        below = ", ".join(map(str, dataset_folders()))
        raise NotPermitted(
            f"Images and weights are read below {below} only; other folders are named when the server is started: "
            "sightline show --datasets DIR."
        )


def _is_below(path: Path, folders: list[Path]) -> bool:
    """Tell whether a path lies in one of the folders, wherever links in it lead."""
    try:
        found = path.resolve()
        return any(found.is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, RuntimeError, ValueError):  # links in a circle, or a character that no path has
        return False
