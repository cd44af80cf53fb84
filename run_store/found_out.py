"""What was found out of each test image since it was predicted, as more columns of the predictions."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import pyarrow as pa

from sightline.run_store.epochs import learning_columns
from sightline.run_store.history import History
from sightline.run_store.patterns import Patterns, patterns_column, read_patterns
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.tags import free_name, read_tags, tag_column


def with_found_out(
    run: Run,
    predictions: Predictions,
    patterns: Callable[[Run], Patterns | None] = read_patterns,
    history: Callable[[Run], History | None] = Run.history,
    tags: Callable[[Run], Mapping[int, str]] = read_tags,
) -> Predictions:
    """Return the predictions with its pattern, what was learned when, and the tag of each image.

    patterns, history, tags: the readers, which a caller may have that keep what they read. What is damaged or stale is
    left out, and costs nobody the predictions: its own view says what it is.
    """
    columns: dict[str, pa.Array] = {}
    with suppress(RunError):
        if (found := patterns(run)) and found.patterns:
            columns["pattern"] = pa.array(patterns_column(found), pa.string())
    with suppress(RunError):
        if learned := history(run):
            columns |= learning_columns(learned, predictions.column("label"))
    with suppress(RunError):
        if given := tags(run):
            columns[free_name(predictions.scalars.column_names)] = tag_column(given, len(predictions))
    return predictions.with_columns(columns)
