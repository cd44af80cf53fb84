"""What several test files need: a tiny data set, and a run that was really trained on it."""

import shutil
import signal
import sys
from functools import partial

import numpy as np
import pytest
from PIL import Image

from sightline.image_data import load_image_data
from sightline.image_data.planted_shapes import planted_shapes
from tests.fabricated import fabricate_run
from tests.image_files import save_folder


def pytest_configure():
    """Let Ctrl-C reach the tests, and what they start, also where a shell ignores it for what it runs with `&`."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_data():
    """128 training and 64 test images of planted shapes, read-only."""
    data = planted_shapes("honest", 128, 64)
    for split in (data.train, data.test):
        for array in (split.images, split.labels, split.masks):
            array.flags.writeable = False
    return data


@pytest.fixture(scope="session")
def tiny_folder(tiny_data, tmp_path_factory):
    """`tiny_data` as PNG files: DIR/train/<class>/*, DIR/test/<class>/*."""
    folder = tmp_path_factory.mktemp("shapes")
    for name, split in (("train", tiny_data.train), ("test", tiny_data.test)):
        for number, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
            file = folder / name / split.class_names[label] / f"{number:03}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    return folder


@pytest.fixture(scope="session")
def fabricated(tmp_path_factory):
    """A run of 12 images of a cat, a dog, an owl, a cat …, with random weights; 0, 5 and 10 are wrong. To be copied."""
    path = tmp_path_factory.mktemp("fabricated") / "run"
    fabricate_run(path, 12, ("cat", "dog", "owl"), with_model=True)
    return path


@pytest.fixture(scope="session")
def sixty(tmp_path_factory):
    """A folder whose only run, `run`, has 60 images of ten classes, every fifth of them wrong. Not to be written to."""
    root = tmp_path_factory.mktemp("sixty")
    fabricate_run(root / "run", 60)
    return root


@pytest.fixture(scope="session")
def session_data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def data_dir(session_data_dir, monkeypatch):
    """Where decoded folders are cached, instead of the user's .data."""
    monkeypatch.setenv("SIGHTLINE_DATA", str(session_data_dir))
    return session_data_dir


@pytest.fixture(scope="session")
def tiny_run(tiny_folder, session_data_dir, tmp_path_factory):
    """A run directory that the real command line trained for two epochs. Not to be changed: see `tiny_run_copy`."""
    from sightline.training.train import main

    run = tmp_path_factory.mktemp("runs") / "tiny"
    options = f"--model resnet18_narrow --epochs 2 --batch-size 32 --learning-rate 0.05 --threads 1 --run {run}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTLINE_DATA", str(session_data_dir))
        patch.setattr(sys, "argv", ["train", "--dataset", f"folder:{tiny_folder}", *options.split()])
        main()
    return run


@pytest.fixture
def tiny_run_copy(tiny_run, tmp_path):
    """A copy of `tiny_run` that a test may damage."""
    return shutil.copytree(tiny_run, tmp_path / "tiny")


@pytest.fixture
def folder(tmp_path):
    """Two classes, three grey images each and split, in DIR/train and DIR/test."""
    return save_folder(tmp_path / "images")


@pytest.fixture
def load(folder, tmp_path):
    """Load `folder`, cached in tmp_path."""
    return partial(load_image_data, f"folder:{folder}", image_size=16, data_dir=tmp_path / "data")


@pytest.fixture
def random_numbers():
    """Random numbers, the same every time."""
    return np.random.default_rng(0)


@pytest.fixture
def call_main(monkeypatch, capsys):
    """Run the command line of a module of explain/ in this process: exit code, and all it says."""

    def call(module, *arguments):
        monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments), "--device", "cpu"])
        code = 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module.signal, "signal", lambda *_: None)  # of the test process, as its memory
            patch.setattr(module, "keep_freed_memory", lambda: None)
            try:
                module.main()
            except SystemExit as exit:
                code = exit.code
        written = "".join(capsys.readouterr())
        return (1, written + code) if isinstance(code, str) else (code, written)

    return call
