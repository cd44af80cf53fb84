"""Training images as tiles of a gallery, with their label, and a mark where that is suspicious."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from sightline.app.elements.thumbnails import thumbnails_url
from sightline.report.words.culprits import MARK, suspicion
from sightline.report.words.text import counted
from sightline.run_store.culprits import Culprits, TrainingImages
from sightline.run_store.run import Run


def culprit_tiles(
    run: Run, training: TrainingImages, rows: Sequence[int], similarity: Sequence[float]
) -> list[dict[str, Any]]:
    """Return the tiles of the training images behind one test image. rows: of the training split, int n."""
    words = [f"similarity {value:.2f}" for value in similarity]
    return _tiles(run, training, rows, [f"{value:.2f}" for value in similarity], words)


def ringleader_tiles(run: Run, found: Culprits, rows: Sequence[int], counts: Sequence[int]) -> list[dict[str, Any]]:
    """Return the tiles of the training images behind most mistakes. counts: behind how many each is."""
    words = [f"behind {counted(value, 'mistake')}" for value in counts]
    return _tiles(run, found.training, rows, [str(value) for value in counts], words)


def _tiles(
    run: Run, training: TrainingImages, rows: Sequence[int], figures: Sequence[str], words: Sequence[str]
) -> list[dict[str, Any]]:
    folder = thumbnails_url(run, st.get_option("server.baseUrlPath"), "culprits")
    names = run.record.class_names
    items = []
    for row, figure, said in zip(map(int, rows), figures, words, strict=True):
        label, picture = names[training.label[row]], int(training.thumbnail[row])
        doubt = suspicion(names, training, row)
        items.append(
            {
                "index": row,
                "url": f"{folder}/{picture}.png" if picture >= 0 else "",
                "true": label,
                "predicted": label,
                "wrong": None,
                "confidence": figure,
                "mark": MARK if doubt else "",
                "alt": f"Training image {row}: labelled {label}, {said}. {doubt}".strip(),
            }
        )
    return items
