"""What a program gives of a model in memory: its images, and what it says of both."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
from torch import nn

from sightline.explain.command_line import UsageError
from sightline.explain.progress import progress_bar, tell, warn
from sightline.image_data import ImageSplit, load_test_split, read_class_names, with_classes
from sightline.image_data.objects.split import split_of
from sightline.image_data.preprocessing import Channels, Preprocessing
from sightline.image_data.resize import CROP, NAMED
from sightline.image_data.transforms import preprocessing_of
from sightline.model_zoo.adapted import unwrapped
from sightline.model_zoo.device import choose_device
from sightline.model_zoo.published import shown_by_timm
from sightline.model_zoo.saved_folder import output_names
from sightline.model_zoo.spec import some
from sightline.run_store.metrics import Epoch
from sightline.run_store.record import IN_MEMORY
from sightline.training.foreign.class_order import in_order_of_outputs
from sightline.training.foreign.model_run import ForeignModel, Ready, check_numbers, make_ready, published
from sightline.training.logs.read_log import read_log

Location = str | os.PathLike[str]


class Options(TypedDict, total=False):
    """What may be said of a model and its images; what is not said is taken from their transforms."""

    classes: Sequence[str] | Location
    """The names of the model's classes in the order of its outputs, or a file with them; default: those of the data."""
    transform: Any
    """The evaluation's transform of torchvision or timm, or the image processor of transformers."""
    mean: Sequence[float]
    """Mean of the pixels the model was trained on, 0–1: of red, green and blue, or of grey."""
    std: Sequence[float]
    """Their standard deviation, above 0."""
    size: int
    """Side of the model's input, pixels."""
    resize: Literal["crop", "squash", "margin"]
    """How an image of another shape becomes a square: its middle, the whole squashed, or 7/8 of its middle."""
    layers: Sequence[str]
    """Those to explain, of `named_modules()`; default: up to four are suggested."""
    log: Location
    """A log of the training, for the curves: of Lightning, Keras, timm, transformers, TensorBoard or W&B."""
    claimed_accuracy: float
    """What the model should reach on these images, 0–1: a difference is said loudly."""
    device: str
    """auto, cpu or cuda."""


def make_ready_in_memory(model: nn.Module, data: Any, options: Options) -> tuple[Ready, ImageSplit]:
    """Read the images, and try the model on them."""
    refuse_unknown(options)
    _refuse_no_module(model)
    inner = unwrapped(model)
    default = _default(inner)
    test = _in_order(read_images(data, options, default), inner, options)
    known = (test.preprocessing or Preprocessing()).over(default)
    if known.mean is None or known.std is None:
        raise UsageError(
            "How pixels become the input of the model is not known: give transform=, the one of its evaluation, or "
            "mean= and std= of pixels from 0 to 1."
        )
    foreign = ForeignModel(
        name=type(inner).__name__,
        model=model,
        mean=known.mean,
        std=known.std,
        resize=known.resize or CROP,
        layers=tuple(options.get("layers", ())),
        claimed_accuracy=options.get("claimed_accuracy"),
    )
    said = {name: str(value) for name, value in options.items() if name in ("log", "claimed_accuracy")}
    settings = {"weights": IN_MEMORY} | said
    return make_ready(foreign, test, called(data), settings, choose_device(options.get("device", "auto"))), test


def _in_order(test: ImageSplit, model: nn.Module, options: Options) -> ImageSplit:
    """Return the images with the codes of the outputs, where the user does not name these and the model does itself.

    Raises UsageError where the data set calls its classes otherwise.
    """
    config: Any = getattr(model, "config", None)  # of transformers
    own = output_names(getattr(config, "id2label", None), getattr(config, "num_labels", 0))
    if options.get("classes") is not None or not own:
        return test
    ordered = in_order_of_outputs(test, [(own, "the model")], len(own))
    if ordered is None:
        raise UsageError(
            f"The model tells {len(own):,} classes apart ({some(own)}), and the data set has "
            f"{len(test.class_names):,} ({some(test.class_names)}): name all classes of the model, in its order and as "
            "the data set does, with classes=."
        )
    return ordered


def _refuse_no_module(model: Any) -> None:
    """Raise UsageError for what is no network, such as its class, or its weights alone."""
    if isinstance(model, nn.Module):
        return
    if isinstance(model, type):
        name = model.__name__
        raise UsageError(f"The model is the class {name}; make one, {name}(…), and load its weights.")
    raise UsageError(f"The model is of the type {type(model).__name__}; give a torch.nn.Module with its weights.")


def refuse_unknown(options: Options) -> None:
    """Raise UsageError for an option that there is not, since they come as keywords, or a number out of range."""
    check_numbers(None, options.get("claimed_accuracy"))
    unknown = sorted(options.keys() - Options.__annotations__.keys())
    if unknown:
        raise UsageError(f"There is no option {unknown[0]!r}; choose from: {', '.join(Options.__annotations__)}.")
    if options.get("resize") not in (None, *NAMED):
        raise UsageError(f"resize may be {', '.join(NAMED)}, not {options['resize']!r}.")
    if not isinstance(options.get("size", 0), int):
        raise UsageError(f"size= takes the side of the images in pixels, a whole number, not {options['size']!r}.")


def read_images(data: Any, options: Options, default: Preprocessing) -> ImageSplit:
    """Return the images with all that is known of their preprocessing."""
    named, names = options.get("resize"), _names(options.get("classes"))
    mean, std = (_channels(name, options.get(name)) for name in ("mean", "std"))
    given = Preprocessing(mean, std, options.get("size"), NAMED[named] if named else None)
    with progress_bar("reading") as progress:
        if isinstance(data, (str, os.PathLike)):
            given = given.over(preprocessing_of(options.get("transform")))
            test, notes = load_test_split(
                str(data), image_size=given.size, default_size=default.size, resize=given.resize,
                default_resize=default.resize, mean=given.mean, std=given.std, run_code=True, progress=progress,
            )  # fmt: skip
            test = replace(test, preprocessing=given.over(test.preprocessing or Preprocessing()))
            test = with_classes(test, names, "classes=") if names else test
        else:
            test, notes = split_of(
                data, names, transform=options.get("transform"), mean=given.mean, std=given.std, size=given.size,
                resize=given.resize, default=default, progress=progress,
            )  # fmt: skip
    warn(notes)
    return test


def _names(classes: Any) -> Sequence[str] | None:
    """Return the names of the classes: given, or in a file. Raises UsageError for what are no names."""
    if classes is None:
        return None
    if isinstance(classes, (str, os.PathLike)):
        return read_class_names(Path(classes))
    names = [str(name) if isinstance(name, (int, np.integer)) else name for name in classes]
    if isinstance(classes, Mapping) or not all(isinstance(name, str) for name in names):
        raise UsageError("classes= takes a list of names, in the order of the model's outputs, or a file with them.")
    return names


def _channels(name: str, values: Any) -> Channels | None:
    """Return three values of what may be one, of grey, or three. Raises UsageError for anything else."""
    if values is None:
        return None
    try:
        found = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        found = np.array([])
    if found.shape not in ((1,), (3,)):
        raise UsageError(f"{name}= takes a number for each of red, green and blue, or one for grey.")
    if not (found.min() >= 0 and found.max() <= 1) or name == "std" and found.min() == 0:
        raise UsageError(f"{name}= is of pixels from 0 to 1{', and above 0' * (name == 'std')}: {values} is not.")
    red, green, blue = np.broadcast_to(found, 3).tolist()
    return red, green, blue


def _default(model: nn.Module) -> Preprocessing:
    """Return what a network of timm says of the images that its weights were trained on; nothing of any other."""
    config = getattr(model, "pretrained_cfg", None)
    needed = {"mean", "std", "input_size", "crop_pct", "interpolation"}
    if not isinstance(config, Mapping) or not needed <= config.keys():
        return Preprocessing()
    shown = shown_by_timm(config)
    warn(shown["notes"])
    return replace(published(shown), size=config["input_size"][-1])


def called(data: Any) -> str:
    """Return what the record calls a data set."""
    while not isinstance(data, str) and hasattr(data, "dataset"):  # a loader, or a subset
        data = data.dataset
    return data if isinstance(data, str) else type(data).__name__


def epochs_of_log(options: Options) -> list[Epoch]:
    """Return the epochs of the log, where there is one."""
    if "log" not in options:
        return []
    epochs, notes = read_log(Path(options["log"]))
    tell(notes)
    return epochs
