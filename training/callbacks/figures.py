"""The figures of an epoch, as other libraries name them."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

from sightline.run_store.files import FileError
from sightline.training.logs.columns import choose
from sightline.training.logs.epochs import epochs_of
from sightline.training.logs.rows import Rows


def epoch_figures(named: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of `Recording.log` among those of an epoch, which are told by the words in their names.

    named: numbers, or tensors of one. Where it is not clear which of them is a figure, none is taken, with a warning.

    >>> epoch_figures({"loss": 0.7, "val_acc": 0.9, "val_f1": 0.8})
    {'train_loss': 0.7, 'test_accuracy': 0.9}
    """
    found = Rows()
    found.add({name: float(value) for name, value in named.items()} | {"epoch": 1})
    try:
        columns = choose(dict.fromkeys(found.rows[0], 1), lambda *_: True)
        epochs, _ = epochs_of(found.rows, columns)  # none where there is no figure
    except FileError as error:
        warnings.warn(f"No figures of this epoch are recorded: what is logged {error}.", stacklevel=2)
        return {}
    said = (figure for epoch in epochs for figure in epoch._asdict().items())
    return {name: value for name, value in said if name != "epoch" and not math.isnan(value)}
