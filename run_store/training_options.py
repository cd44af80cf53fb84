"""The command line of a training that a recorded recipe stands for."""

from collections.abc import Mapping
from typing import Any

# The options of training.train that a recorded recipe may set: the record may be a stranger's. Not --without, which may
# be any file: a run that goes on has its list itself.
OPTIONS = (
    "dataset", "model", "epochs", "recipe", "seed", "device", "batch_size", "learning_rate", "warmup", "momentum",
    "weight_decay", "label_smoothing", "crop_padding", "flip", "alternating_flip", "cutout", "mix", "progressive",
    "precision", "compile", "threads", "image_size", "strict", "pretrained", "held_out", "keep_epochs", "tensorboard",
    "maps",
)  # fmt: skip


def training_options(recipe: Mapping[str, Any]) -> list[str]:
    """Return the options of training.train of a recipe, as in run.json, without --run and --resume.

    A value is written together with its option: whatever it begins with, it is no option of its own.

    >>> training_options({"model": "--run", "flip": False, "mix": None, "no_such": 1})
    ['--model=--run', '--no-flip']
    """
    words: list[str] = []
    for name in OPTIONS:
        option, value = name.replace("_", "-"), recipe.get(name)
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None:
            words.append(f"--{option}={value}")
    return words
