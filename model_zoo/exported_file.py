"""Take a network out of a file that `torch.export.save` wrote: `FILE.pt2`. Nothing that the file says is run."""

from functools import partial
from os.path import isfile
from pathlib import Path

from torch import nn

from sightline.model_zoo.graph import open_graph
from sightline.model_zoo.graph.network import Part
from sightline.model_zoo.spec import ModelError, ModelSpec, printable


def exported_spec(name: str, input_size: int | None = None) -> ModelSpec:
    """Look up the network in a file of `torch.export.save`, with its weights. The file fixes the size of its images.

    Raises ModelError where there is no such file, it holds no network that can be opened, or is for other images.
    """
    file = Path(name)
    if not isfile(file):
        raise ModelError(f"No file {printable(name)!r}; FILE.pt2 is what torch.export.save wrote.")
    image = _open(file).graph_image
    if len(image) != 3 or image[1] != image[2]:
        raise ModelError(
            f"{file} was exported for images of {'×'.join(map(str, image))}; they must be square, N×3×S×S."
        )
    if input_size not in (None, image[2]):
        raise ModelError(f"{file} was exported for images of {image[1]}×{image[2]} pixels, and takes no others.")
    return ModelSpec(partial(_build, file), (), image[2], trained=True, by_name=False)


def _build(file: Path, num_classes: int) -> nn.Module:
    return _open(file)


def _open(file: Path) -> Part:
    try:
        with open(file, "rb") as stream:
            return open_graph(stream, None)
    except ModelError as error:
        raise ModelError(f"{file} cannot be opened: {error}") from error
