"""Look up architectures of torchvision and timm: `torchvision:NAME`, `timm:NAME`. No weights are ever downloaded."""

from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from functools import partial
from typing import Any

from torch import nn

from sightline.model_zoo.preprocessing import shown
from sightline.model_zoo.spec import ModelError, ModelSpec, built, printable

# Published with `transform_input`, which turns ImageNet's mean and std into these; and with auxiliary heads, which
# serve the training only.
_TRANSFORM_INPUT = ("googlenet", "inception_v3")
_HALVES = (0.5, 0.5, 0.5)
_NEAR = 0.6  # from here on two names are like each other, 0–1


def torchvision_spec(name: str, input_size: int | None = None) -> ModelSpec:
    """Look up an architecture of torchvision, with the preprocessing and the classes of its best published weights.

    `input_size`, in pixels, goes before the published one.

    Raises ModelError, with the names nearest to it, for an unknown one.
    """
    from torchvision import models

    names = models.list_models(module=models)
    if name not in names:
        raise _unknown("torchvision", name, names, "from torchvision import models; print(*models.list_models(models))")
    weights = models.get_model_weights(name).DEFAULT
    published = weights.transforms()
    size = input_size or published.crop_size[0]
    options: dict[str, Any] = {}
    if name.startswith("vit_"):
        options = {"image_size": size}
    elif name == "maxvit_t":
        options = {"input_size": (size, size)}
    elif name in _TRANSFORM_INPUT:
        options = {"aux_logits": False, "init_weights": False}
    mean, std = (_HALVES, _HALVES) if name in _TRANSFORM_INPUT else (published.mean, published.std)
    network = partial(models.get_model, name, weights=None, **options)
    share = min(1.0, published.crop_size[0] / published.resize_size[0])
    return ModelSpec(
        _builder(f"torchvision:{name}", size, network),
        (),
        size,
        class_names=tuple(weights.meta["categories"]),
        **shown(tuple(mean), tuple(std), "crop", share, published.interpolation.value),
    )


def timm_spec(name: str, input_size: int | None = None) -> ModelSpec:
    """Look up an architecture of timm, with the preprocessing in its `pretrained_cfg`.

    `input_size`, in pixels, goes before the published one.
    `name` may carry a tag (`resnet50.a1_in1k`), which names the published weights that these are taken from.
    Raises ModelError, with the names nearest to it, for an unknown one.
    """
    import timm
    from timm.models import PretrainedCfg, get_pretrained_cfg

    architecture = name.partition(".")[0]
    if not timm.is_model(name):  # neither is a source such as hf-hub:…, which would be downloaded
        raise _unknown("timm", architecture, timm.list_models(), "import timm; print(*timm.list_models())")
    try:
        config = get_pretrained_cfg(name) or PretrainedCfg()
    except RuntimeError as error:
        tagged = ", ".join(tag for tag in timm.list_pretrained() if tag.startswith(f"{architecture}."))
        raise ModelError(
            f"timm's {architecture} has no weights {printable(name)!r}; choose from: {tagged}, or leave the tag out."
        ) from error
    size = input_size or config.input_size[-1]
    options: dict[str, Any] = {"img_size": size} if config.fixed_input_size else {}
    network = partial(timm.create_model, name, pretrained=False, **options)
    return ModelSpec(_builder(f"timm:{name}", size, network), (), size, **shown_by_timm(config.to_dict()))


def shown_by_timm(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `shown` as a `pretrained_cfg` of timm has them."""
    mean, std = (tuple(map(float, config[name])) for name in ("mean", "std"))
    rule = config.get("crop_mode") or "center"
    rule = {"center": "crop"}.get(rule, rule)
    return shown(mean, std, rule, min(1.0, float(config["crop_pct"])), config["interpolation"])


def imagenet_resnet18(num_classes: int) -> nn.Module:
    """Build torchvision's ResNet18, whose stem is made for images of 224 pixels."""
    from torchvision.models import resnet18

    return resnet18(num_classes=num_classes)


def _builder(name: str, size: int, network: Callable[..., nn.Module]) -> Callable[[int], nn.Module]:
    return partial(built, name, size, lambda num_classes: network(num_classes=num_classes))


def _unknown(library: str, name: str, names: list[str], command: str) -> ModelError:
    """Return the error for a name that is none of `names`, which `command`, a program, prints."""
    near = _nearest(name, names)
    nearest = f"the nearest are {', '.join(near)}" if near else "no name is near it"
    return ModelError(
        f"{library} has no image classifier {printable(name)!r}; {nearest}. "
        f'All {len(names):,} names: python -c "{command}"'
    )


def _nearest(name: str, names: list[str]) -> list[str]:
    """Return up to five of `names` that are, or begin, much like `name`.

    >>> _nearest("deit_tini", ["deit_tiny_patch16_224", "vgg16"])
    ['deit_tiny_patch16_224']
    """
    matcher = SequenceMatcher(b=name)  # which it remembers more of than of what it is compared with
    likeness = {}
    for other in names:
        whole, start = (_likeness(matcher, part) for part in (other, other[: len(name)]))
        likeness[other] = (max(whole, start), whole)
    return sorted((other for other in names if likeness[other] > (_NEAR,)), key=likeness.__getitem__, reverse=True)[:5]


def _likeness(matcher: "SequenceMatcher[str]", other: str) -> float:
    """Return how like the matcher's text `other` is, 0–1; 0 also where that is known to be too little to matter."""
    matcher.set_seq1(other)
    bounds = (matcher.real_quick_ratio, matcher.quick_ratio)  # which cost less: a name may be of any length
    return matcher.ratio() if all(bound() > _NEAR for bound in bounds) else 0.0
