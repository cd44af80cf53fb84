"""Take a network out of a folder that transformers or timm saved: `hf:DIR`, `timm:DIR`. Only its files are read."""

import json
from functools import partial
from os.path import isdir
from pathlib import Path
from typing import Any

from torch import nn

from sightline.model_zoo.preprocessing import try_processor
from sightline.model_zoo.published import shown_by_timm
from sightline.model_zoo.spec import ModelError, ModelSpec, built, printable

CONFIG = "config.json"
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
ENDS = (".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json")  # of a file of weights, or of several
WEIGHTS = [f"{name}{end}" for end in ENDS for name in ("model", "pytorch_model")]
DEFAULT_SIZE = 224  # pixels, where the folder says nothing
HOW_TO_SAVE = {
    "hf": 'model.save_pretrained("DIR") and image_processor.save_pretrained("DIR")',
    "timm": 'timm.models.save_for_hf(model, "DIR")',
}


def saved_spec(library: str, name: str, input_size: int | None = None) -> ModelSpec:
    """Look up the folder `name` that `library`, "hf" or "timm", saved: its network, preprocessing and classes.

    input_size, in pixels, goes before the folder's. The folder fixes the number of classes. Raises ModelError where
    there is no such folder, it is of no image classifier or damaged, or transformers is not installed.
    """
    folder = Path(name)
    if not isdir(folder):
        raise ModelError(
            f"No folder {printable(name)!r}. Nothing is downloaded: where the model is, save it with "
            f"{HOW_TO_SAVE[library]}, and give {library}:DIR."
        )
    config = _read_config(folder, library)
    of_timm = "architecture" in config or config["model_type"] == "timm_wrapper"  # by which transformers calls timm
    read = _timm_fields if of_timm else _transformers_fields
    try:
        fields = read(folder, config, f"{library}:{folder}", input_size)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # of keys of no sense
        first = printable(str(error).strip().split("\n")[0])
        raise ModelError(f"{folder / CONFIG} is damaged, or of another version ({first}).") from error
    weights = next((folder / file for file in WEIGHTS if (folder / file).is_file()), None)
    return ModelSpec(layers=(), weights=weights, by_name=False, **fields)


def _read_config(folder: Path, library: str) -> dict[str, Any]:
    file = folder / CONFIG
    if not file.is_file():
        how = HOW_TO_SAVE[library]
        if (folder / "adapter_config.json").is_file():
            how = 'model.merge_and_unload().save_pretrained("DIR"), since an adapter alone is no network'
        raise ModelError(f"{folder} has no {CONFIG}; save the model with {how}.")
    try:
        config = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file} cannot be read ({type(error).__name__}).") from error
    if not isinstance(config, dict) or not {"architecture", "model_type"} & config.keys():
        raise ModelError(f"{file} is not a configuration that transformers or timm saved.")
    return config


def _timm_fields(folder: Path, config: dict[str, Any], name: str, input_size: int | None) -> dict[str, Any]:
    """Read what `timm.models.save_for_hf` wrote, or what lies in a repository of timm's."""
    import timm
    from timm.models import PretrainedCfg

    architecture = str(config["architecture"])
    if not timm.is_model(architecture):
        raise ModelError(f"{folder} is of {printable(architecture)!r}, an architecture that this timm does not know.")
    published = PretrainedCfg().to_dict() | config.get("pretrained_cfg", config)
    arguments = config.get("model_args", {})
    sides = arguments.get("img_size", published["input_size"])
    size = input_size or int(sides if isinstance(sides, int) else sides[-1])
    # Also in the folder's arguments nothing may name a file or an address to load from.
    safe = {"pretrained": False, "pretrained_cfg": None, "pretrained_cfg_overlay": None, "checkpoint_path": None}
    classes = int(config.get("num_classes", published["num_classes"]))
    arguments |= safe | {"num_classes": classes}
    if "img_size" in arguments or published.get("fixed_input_size"):
        arguments["img_size"] = size
    network = partial(timm.create_model, architecture, **arguments)
    names = config.get("label_names", published.get("label_names"))
    return {
        "build": partial(built, name, size, lambda num_classes: network()),
        "input_size": size,
        "class_names": output_names(names, classes),
        **shown_by_timm(published),
    }


def _transformers_fields(folder: Path, config: dict[str, Any], name: str, input_size: int | None) -> dict[str, Any]:
    """Read what `save_pretrained` wrote. No code that the folder brings is run."""
    try:
        from transformers import AutoConfig, AutoModelForImageClassification
    except ImportError as error:
        raise ModelError(f"{name} needs transformers: pip install 'sightline-vision[hf]'.") from error
    try:
        known = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"This transformers does not know the model type {printable(str(config['model_type']))!r} of {folder}, and "
            "code that a folder brings is not run: load it in a file of your own, and give FILE.py:NAME."
        ) from error
    if type(known) not in AutoModelForImageClassification._model_mapping:
        raise ModelError(f"{folder} is of {printable(str(config['model_type']))!r}, which is no image classifier.")
    side, swaps, shown = _processor(folder)
    size = input_size or side or _whole(getattr(known, "image_size", None)) or DEFAULT_SIZE
    if hasattr(known, "image_size"):
        known.image_size = size
    known._attn_implementation = None  # a folder may name code on the hub, which would be run
    network = partial(AutoModelForImageClassification.from_config, known, trust_remote_code=False)

    def build(num_classes: int) -> nn.Module:
        model: nn.Module = network().float()
        if swaps:
            model.register_forward_pre_hook(_swap_red_and_blue)
        return model

    return {
        "build": partial(built, name, size, build),
        "input_size": size,
        "class_names": output_names(known.id2label, known.num_labels),
        **shown,
    }


def _processor(folder: Path) -> tuple[int | None, bool, dict[str, Any]]:
    """Try the folder's image processor, see `try_processor`; where it cannot be, nothing is known but a note."""
    from transformers import AutoImageProcessor

    if not any((folder / file).is_file() for file in PROCESSORS):
        return None, False, {"notes": (f"{folder} has no {PROCESSORS[0]}, which would say how images are prepared.",)}
    try:
        return try_processor(AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False))
    except Exception as error:  # of a class of any kind, with settings of any kind
        reason = printable(str(error).strip().split("\n")[0])
        return None, False, {"notes": (f"The image processor in {folder} cannot be followed: {reason}.",)}


def _swap_red_and_blue(model: nn.Module, images: tuple[Any, ...]) -> tuple[Any, ...]:
    return (images[0].flip(1), *images[1:])


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def output_names(found: object, classes: int) -> tuple[str, ...]:
    """Return the names of all classes, in a list or by their code; () where they are not there, or only numbers."""
    if isinstance(found, dict):
        found = [found.get(code, found.get(str(code))) for code in range(classes)]
    if (
        not isinstance(found, (list, tuple))
        or len(found) != classes
        or not all(isinstance(name, str) for name in found)
    ):
        return ()
    unnamed = all(name == f"LABEL_{code}" for code, name in enumerate(found))
    return () if unnamed or len(set(found)) != classes else tuple(found)
