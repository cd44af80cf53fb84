"""Where the report comes from: what the runs were made of, and the address and the command that show it again."""

import importlib.metadata
import ntpath
import os
from collections.abc import Mapping
from datetime import UTC, datetime

from sightline.report.address.run_order import COLUMNS, SETTINGS
from sightline.report.asked import Asked
from sightline.report.sections.section import Facts
from sightline.report.words.run_figures import sources, texts, values
from sightline.report.words.text import count
from sightline.run_store.hashes import weights_hash
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_ABOUT = ("date", "time", "epochs", "parameters", "model")  # of COLUMNS


def origin(asked: Asked) -> Facts:
    """Return tables of the runs, a column each, and what made the report. Raises RunError."""
    about, settings = ([of_run(shown.run) for shown in asked.runs] for of_run in (_about, _settings))
    return {
        "about": _rows(about),
        "settings": _rows(settings),
        "address": asked.address,
        "command": asked.command,
        "version": _version(),
        "now": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _version() -> str:
    try:
        return importlib.metadata.version("sightline-vision")
    except importlib.metadata.PackageNotFoundError:
        return "from a checkout"  # that nobody installed


def _rows(columns: list[Mapping[str, str]]) -> list[tuple[str, list[str]]]:
    """Return what each run has under each name; rows that say nothing of any run are left out."""
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [(name, [column.get(name) or "–" for column in columns]) for name in names]
    return [(name, found) for name, found in rows if {*found} != {"–"}]


def _about(run: Run) -> Mapping[str, str]:
    record = run.record
    figures = dict(zip(_ABOUT, texts(values(record, run.metrics(), None), _ABOUT), strict=True))
    try:
        weights = weights_hash(run) if run.has_network and run.epoch is None else ""  # of the last ones
        note = run.note().text
    except RunError as error:
        weights, note = str(error), ""
    return {
        "run": run.name,
        "note": note,
        "data": without_folders(record.dataset),
        "images": ", ".join(f"{count(number)} {split}" for split, number in record.image_counts.items()),
        "classes": count(len(record.class_names)) if record.class_names else "",
        **{COLUMNS[name]: figures[name] for name in ("model", "parameters", "epochs", "date", "time")},
        "weights (SHA-256)": weights,
        "made of": sources(record),
        "device": f"{record.device}, {count(record.threads)} thread{'' if record.threads == 1 else 's'}",
        "versions": ", ".join(f"{name} {version}" for name, version in record.packages.items()),
        "commit": record.git_commit,
    }


def _settings(run: Run) -> Mapping[str, str]:
    found = values(run.record, [], None)
    names = [name for name in SETTINGS if found.get(name) is not None]
    return dict(zip([SETTINGS[name] for name in names], texts(found, names), strict=True))


def without_folders(dataset: str) -> str:
    """Write the name of a data set; of a whole path its last part, since where it lay is nobody else's business.

    >>> without_folders("folder:/home/me/pets"), without_folders("planted-shapes:honest")
    ('folder:pets', 'planted-shapes:honest')
    """
    kind, colon, place = ("", "", dataset) if _is_whole(dataset) else dataset.partition(":")
    if _is_whole(place) or place.startswith("~"):
        place = ntpath.basename(place.rstrip("/\\"))
    return f"{kind}{colon}{place}"


def _is_whole(path: str) -> bool:
    return os.path.isabs(path) or ntpath.isabs(path)  # each has its own
