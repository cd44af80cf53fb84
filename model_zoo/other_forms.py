"""Recognise the files in which other programs keep models, and say for each which way in there is."""

import zipfile
from contextlib import suppress
from os.path import isdir, isfile
from pathlib import Path

from sightline.model_zoo.torch_file import LEGACY, PICKLES

PREDICTIONS = "write its predictions for your images to a CSV file, and give --predictions FILE.csv"
CODE = "give the code that builds it, --model FILE.py:NAME"
_SCRIPT = (
    "a TorchScript archive",
    f"{CODE}, and its weights alone: torch.save(torch.jit.load(FILE).state_dict(), 'weights.pt')",
)
_PICKLE = (
    "a pickle, as scikit-learn and joblib write them",
    f"save a network's weights with torch.save(model.state_dict(), 'weights.pt'); of another model, {PREDICTIONS}",
)
_KERAS = ("a Keras or TensorFlow model", PREDICTIONS)
# By their endings; folders by a file in them, zip archives by a member, other files by how they begin.
_ENDINGS = {
    **dict.fromkeys((".keras", ".h5", ".hdf5", ".pb"), _KERAS),
    **dict.fromkeys((".tflite", ".lite"), ("a TensorFlow Lite model", PREDICTIONS)),
    **dict.fromkeys((".mlmodel", ".mlpackage", ".mlmodelc"), ("a Core ML model", PREDICTIONS)),
    **dict.fromkeys((".pdparams", ".pdmodel"), ("a PaddlePaddle model", PREDICTIONS)),
    **dict.fromkeys((".msgpack", ".orbax"), ("a Flax model", PREDICTIONS)),
    **dict.fromkeys((".engine", ".trt", ".plan"), ("a TensorRT engine", PREDICTIONS)),
    **dict.fromkeys((".joblib", ".sav"), _PICKLE),
    ".onnx": ("an ONNX model", f"{CODE}, if you have it; else {PREDICTIONS}"),
    ".pte": ("an ExecuTorch program", f"{CODE}, if you have it; else {PREDICTIONS}"),
}
_IN_FOLDERS = {
    "saved_model.pb": _KERAS,
    "keras_metadata.pb": _KERAS,
    "Manifest.json": _ENDINGS[".mlpackage"],
    ".metadata": (
        "a distributed checkpoint of PyTorch",
        "make one file of it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch DIR weights.pt",
    ),
}
_IN_ARCHIVES = {"constants.pkl": _SCRIPT, "model.weights.h5": _KERAS}
_BEGINNINGS = {
    b"\x89HDF\r\n\x1a\n": _KERAS,
    b"\x1f\x8b": ("a compressed file", "unpack it first"),
    **dict.fromkeys(PICKLES, _PICKLE),
}


def way_in(path: Path) -> str:
    """Say what a file or folder of another program is, and what to do with it; "" where it is none that is known here.

    >>> way_in(Path("net.onnx")).partition(";")[0]
    'net.onnx is an ONNX model, which Sightline does not read'
    """
    found = _ENDINGS.get(path.suffix.lower())
    with suppress(Exception):  # of any kind: a name may be none, an archive damaged
        found = found or (_of_folder(path) if isdir(path) else _of_file(path))
    return f"{path} is {found[0]}, which Sightline does not read; {found[1]}." if found else ""


def _of_folder(path: Path) -> tuple[str, str] | None:
    return next((form for name, form in _IN_FOLDERS.items() if isfile(path / name)), None)


def _of_file(path: Path) -> tuple[str, str] | None:
    if not isfile(path):
        return None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
        return next((form for name, form in _IN_ARCHIVES.items() if name in names), None)
    with open(path, "rb") as stream:
        start = stream.read(len(LEGACY))
    if start == LEGACY:
        return None
    if start[4:8] == b"TFL3":
        return _ENDINGS[".tflite"]
    return next((form for beginning, form in _BEGINNINGS.items() if start.startswith(beginning)), None)
