"""Say what is known of an architecture before it is built."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

MOST_SHOWN = 80  # letters of a name in a message


class ModelError(Exception):
    """A sentence for the user: what was wrong, what is allowed, what to do."""


@dataclass(frozen=True)
class ModelSpec:
    """A way to build a network, and the layers to look into, named as in `named_modules()`."""

    build: Callable[[int], nn.Module]  # a number of classes → a network; where the file fixes the number, that one's
    layers: tuple[str, ...] = ("layer1", "layer2", "layer3", "layer4")  # shallow to deep; empty: to be suggested
    input_size: int = 32  # side of the square input, pixels
    size_is_known: bool = True  # False where nothing says the side, and a usual one stands in its place
    mean: tuple[float, ...] | None = None  # a value for red, green and blue, of pixels of 0–1, where they are known
    std: tuple[float, ...] | None = None
    resize_rule: str | None = None  # "crop" or "squash", where the published weights, or the file, fix it
    crop_share: float | None = None  # of the shorter side, how much they are shown: 0.875 of 256 → 224
    interpolation: str | None = None  # "bilinear" or "bicubic", where they fix it
    class_names: tuple[str, ...] = ()  # in the order of the outputs: those of a file, or of the published weights
    weights: Path | None = None  # the file that belongs to it; None: to be given, unless it is `trained`
    trained: bool = False  # whether `build` may return trained weights, as somebody's own function does
    by_name: bool = True  # whether its name is enough to build it again, anywhere
    notes: tuple[str, ...] = ()  # what cannot be done as the file has it, sentences


def built(name: str, size: int, build: Callable[[int], nn.Module], num_classes: int) -> nn.Module:
    """Call `build`, of a library. Raises ModelError, with the library's reason, where it refuses the size."""
    try:
        return build(num_classes)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:  # how the libraries refuse a size
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ModelError(
            f"{name} cannot be built for images of {size}×{size} pixels ({reason}); give another --image-size."
        ) from error
    except (ArithmeticError, AttributeError, LookupError) as error:  # and settings of no sense, in a file
        reason = printable(f"{type(error).__name__}: {error}")
        raise ModelError(f"{name} cannot be built with the settings that it has ({reason}).") from error


def find_head(model: nn.Module, num_classes: int) -> str | None:
    """Find the head: the last layer, linear or a convolution, with `num_classes` outputs. None where there is none.

    Its input is the penultimate features. A layer is known by the shape of its weight, since those of an exported
    network have no other kind: C×K of a linear one, C×K×h×w of a convolution. Of two classes it may have one output.

    >>> find_head(nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)), num_classes=3)
    '3'
    """
    weights = {name: getattr(module, "weight", None) for name, module in model.named_modules()}
    for outputs in (num_classes, 1) if num_classes == 2 else (num_classes,):
        heads = [
            name
            for name, weight in weights.items()
            if isinstance(weight, Tensor) and weight.ndim in (2, 4) and weight.shape[0] == outputs
        ]
        if heads:
            return heads[-1]
    return None


def printable(name: str) -> str:
    """Return a name that somebody, or a file, has given as a message may have it: one line, short, all of it seen.

    >>> printable("resnet19"), len(printable("x" * 8000))
    ('resnet19', 80)
    """
    cut = name if len(name) <= MOST_SHOWN else f"{name[: MOST_SHOWN - 1]}…"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in cut)


def some(names: Iterable[str], limit: int = 3) -> str:
    """Write the first few of `names`, as they may be printed.

    >>> some(["a", "b", "c", "d"])
    'a, b, c, …'
    """
    listed = list(names)
    return ", ".join(map(printable, listed[:limit])) + (", …" if len(listed) > limit else "")
