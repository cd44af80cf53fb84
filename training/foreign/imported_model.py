"""Make a run of a model that was trained elsewhere, from what the command line names."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from sightline.explain.command_line import UsageError
from sightline.explain.progress import progress_bar, tell, warn
from sightline.image_data import ImageSplit, load_test_split, read_class_names, training_classes, with_classes
from sightline.image_data.preprocessing import Channels, Preprocessing
from sightline.image_data.resize import CROP, NAMED
from sightline.model_zoo import ModelSpec, count_classes, load_weights, model_spec, read_weights
from sightline.model_zoo.checkpoint import WeightsFile
from sightline.model_zoo.device import choose_device
from sightline.model_zoo.spec import some
from sightline.run_store import files
from sightline.run_store.commands import command
from sightline.run_store.record import RunRecord
from sightline.run_store.writer import RunWriter, check_place
from sightline.training.foreign.class_order import in_order_of_outputs
from sightline.training.foreign.model_run import ForeignModel, check_numbers, make_ready, published, write_run
from sightline.training.logs.read_log import read_log
from sightline.training.new_run import default_run


@dataclass(frozen=True)
class ImportConfig:
    """The settings for making a run of a model that was trained elsewhere."""

    model: str
    """A name that `model_spec` knows."""
    dataset: str
    """A name that `load_test_split` knows."""
    weights: Path | None = None
    """Its weights: .safetensors, a state dict saved by torch, or a checkpoint that holds one; None: those that lie
    beside the model, or are in it."""
    run: Path | None = None
    """The directory to make; None: runs/<UTC time>_<dataset>_<model>."""
    classes: Path | None = None
    """The names of the model's classes, in its order, as `read_class_names` takes them: of these the data set may lack
    some. None: those of the test folder, or of the training folder where the model has as many as that."""
    split: str | None = None
    """The name of the split to judge it on; None: the first test-like one."""
    resize: Literal["crop", "squash", "margin"] | None = None
    """How an image of another shape becomes a square, a key of `NAMED`; None: as the data set says,
    else the published weights."""
    image_size: int | None = None
    """Side to which images of any size are brought, pixels, 8–1024; None: the model's own."""
    mean: Channels | None = None
    """Mean of the pixels the model was trained on, 0–1; None: that of the published weights."""
    std: Channels | None = None
    """Their standard deviation, above 0 up to 1; given where `mean` is."""
    strict: bool = False
    """Refuse a folder where an image would be left out."""
    layers: str | None = None
    """The layers to explain, separated by commas; None: up to four that suit the model."""
    log: Path | None = None
    """A log of its training, as `read_log` takes it."""
    claimed_accuracy: float | None = None
    """What it should reach on the split, 0–1; None: what the file of weights says, if it does."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one."""

    def check(self) -> None:
        """Raise UsageError for a value out of range, or one of `mean` and `std` without the other."""
        check_numbers(self.image_size, self.claimed_accuracy)
        if (self.mean is None) != (self.std is None):
            raise UsageError("--mean and --std go together: give both.")
        if self.mean and self.std and not (all(0 <= m <= 1 for m in self.mean) and all(0 < s <= 1 for s in self.std)):
            raise UsageError("--mean must lie between 0 and 1, and --std above 0 up to 1: of pixels scaled to 0-1.")


def import_model(config: ImportConfig) -> tuple[Path, pa.Table]:
    """Make the run that `config` describes; return its directory and its predictions.

    All is loaded, and the model tried on images, before the directory is made: what does not fit leaves nothing.
    Raises UsageError, DataError, ExplainError, ModelError or RunError with a sentence.
    """
    config.check()
    if config.run is not None:
        check_place(config.run)
    spec = model_spec(config.model, config.image_size)
    device = choose_device(config.device)
    weights = config.weights or spec.weights
    if weights is None and not spec.trained:
        raise UsageError(f"{config.model} needs --weights FILE; to train it, use sightline train.")
    file = read_weights(weights) if weights else None  # a wrong file is found before many images are decoded
    epochs, of_log = read_log(config.log) if config.log else ([], [])
    warn(spec.notes)
    tell(of_log)
    test = _load_test(config, spec)
    warn(_guessed_size(spec, config.model, test))
    spec = model_spec(config.model, test.images.shape[1])  # some data sets fix the size
    known = _preprocessing(config, spec, test)
    model = spec.build(len(test.class_names))
    outputs = count_classes(model, file, len(test.class_names)) if file else None
    found, test = len(test.class_names), _in_order_of_outputs(config, spec, file, test, outputs)
    classes = len(test.class_names)
    if classes != found:
        model = spec.build(classes)
    of_weights = load_weights(model, file, classes, str(config.classes or config.dataset)) if file else ""
    claimed = config.claimed_accuracy
    foreign = ForeignModel(
        name=config.model,
        model=model,
        **known,
        layers=tuple(name.strip() for name in config.layers.split(",")) if config.layers else spec.layers,
        by_name=spec.by_name,
        claimed_accuracy=file.claimed_accuracy if file and claimed is None else claimed,
    )
    ready = make_ready(foreign, test, config.dataset, asdict(config), device)
    run = config.run or default_run(config.dataset, config.model)
    with RunWriter.create(run, ready.record) as writer:
        print(" ".join(filter(None, [_summary(run, ready.record), of_weights, *ready.notes])))
        finish = f"finish the run with: {command('evaluate', '--run', writer.path)}"
        remedy = finish if ready.record.can_be_evaluated else "remove it, and make it again."
        return run, write_run(writer, ready, test, epochs, remedy)


def _load_test(config: ImportConfig, spec: ModelSpec) -> ImageSplit:
    with progress_bar("decoding") as progress:
        test, warnings = load_test_split(
            config.dataset,
            image_size=config.image_size,
            default_size=spec.input_size,
            split=config.split,
            resize=_asked_for(config, spec).resize,
            default_resize=published(vars(spec)).resize,
            mean=config.mean,
            std=config.std,
            strict=config.strict,
            run_code=True,
            progress=progress,
        )
    warn(warnings)
    return test


def _guessed_size(spec: ModelSpec, name: str, test: ImageSplit) -> list[str]:
    """Say that nothing says the size of the model's images, where it is taken as usual; it changes its answers."""
    side = test.images.shape[1]
    is_said = test.preprocessing is not None and test.preprocessing.size is not None
    if spec.size_is_known or is_said or side != spec.input_size:  # some data sets have a size of their own
        return []
    return [
        f"Nothing says the size of the images that {name} was trained on, and they are brought to {side}×{side}; give "
        "--image-size where it was another."
    ]


def _asked_for(config: ImportConfig, spec: ModelSpec) -> Preprocessing:
    """Return what the user says. A rule has the interpolation of the published one, and a margin its share."""
    theirs = published(vars(spec)).resize or CROP
    resize = replace(NAMED[config.resize], interpolation=theirs.interpolation) if config.resize else None
    if config.resize == "margin" and theirs.rule == "crop" and theirs.share < 1:
        resize = theirs
    return Preprocessing(config.mean, config.std, config.image_size, resize)


def _preprocessing(config: ImportConfig, spec: ModelSpec, test: ImageSplit) -> dict[str, Any]:
    """Return mean, std and resize: as asked for, as the data set has it, or as published.

    Raises UsageError where nobody says mean and std.
    """
    known = _asked_for(config, spec).over(test.preprocessing or Preprocessing()).over(published(vars(spec)))
    if known.mean is None or known.std is None:
        raise UsageError(
            f"{config.model} has no published mean and std: give those it was trained with, --mean R G B --std R G B "
            f"({files.RECORD} has them for a run of Sightline)."
        )
    if config.mean is None and spec.mean and known.mean == (0, 0, 0):
        warn(
            [
                f"Nobody normalises the images of {config.dataset}, and {config.model} was trained with mean "
                f"{' '.join(f'{value:.4g}' for value in spec.mean)}: they are shown as they are. Where its program "
                "normalises them, give --mean and --std."
            ]
        )
    return {"mean": known.mean, "std": known.std, "resize": known.resize or CROP}


def _in_order_of_outputs(
    config: ImportConfig, spec: ModelSpec, file: WeightsFile | None, test: ImageSplit, outputs: int | None
) -> ImageSplit:
    """Return `test` with the codes that the model's outputs have.

    outputs: how many the weights are for, None: unknown. Raises UsageError where they are more than `test` has classes,
    or are named otherwise, and nobody says which is which: codes cannot be guessed.
    """
    if config.classes is not None:
        return with_classes(test, read_class_names(config.classes), str(config.classes))
    found, has_more = test.class_names, outputs is not None and outputs > len(test.class_names)
    # Those of the file before those of the published weights; of both, only of as many outputs.
    named = (file.class_names if file else (), spec.class_names)
    own = next((names for names in named if names and outputs in (None, len(names))), ())
    if not own and not has_more:
        return test
    lists, trained = [(own, config.model)], training_classes(config.dataset) if has_more else ()
    if len(trained) == outputs:
        lists.append((trained, f"the training split of {config.dataset}"))
    ordered = in_order_of_outputs(test, lists, outputs or len(own))
    if ordered is not None:
        return ordered
    raise UsageError(
        f"{config.model} tells {outputs or len(own):,} classes apart{f' ({some(own)})' if own else ''}, and the split "
        f"of {config.dataset} has {len(found):,} ({some(found)}): name all classes of the model, in its order and as "
        "the data set does, with --classes FILE."
    )


def _summary(run: Path, record: RunRecord) -> str:
    """Say what the run is of, and how its images become the model's input."""
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (record.mean, record.std))
    share = f" {record.resize.share:.3g} of the shorter side" if record.resize.share < 1 else ""
    return (
        f"{run}: {record.model} on {record.dataset}, {record.device}, {record.input_size}×{record.input_size} pixels "
        f"({record.resize.rule}{share}, {record.resize.interpolation}), mean {mean}, std {std}, layers "
        f"{', '.join(record.layers)}."
    )
