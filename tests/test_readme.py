"""The commands of the README work as they stand there; `make demo` and `make test` are run by people and CI."""

import os
import re
import runpy
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

from sightline.image_data.planted_shapes import planted_shapes
from sightline.model_zoo import MODELS, ModelSpec
from sightline.model_zoo.resnet import ResNet
from tests.fabricated import ROOT

LEFT_TO_PEOPLE = {"make demo", "make test"}


def readme_commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A few images in a folder, to which every data set is cut down; ResNet18 a tiny one; timm's weights, random."""
    shapes = planted_shapes("honest", 40, 20)
    for split, name in ((shapes.train, "train"), (shapes.test, "test")):
        for index, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
            file = tmp_path / "photos" / name / split.class_names[label] / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    save_file(timm.create_model("resnet18", num_classes=10).state_dict(), tmp_path / "resnet18.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sightline.image_data.planted_shapes.planted_shapes", lambda variant: shapes)
    monkeypatch.setitem(MODELS, "resnet18", ModelSpec(partial(ResNet, (1, 1, 1, 1), width=4)))
    monkeypatch.setattr("sightline.image_data.cifar10.load_cifar10", lambda folder: shapes)
    return tmp_path


def run_module(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    python, flag, module, *arguments = shlex.split(command)
    assert (python, flag) == ("python", "-m")
    monkeypatch.setattr(sys, "argv", [module, *arguments, *(["--threads", "1"] if module == "training.train" else [])])
    monkeypatch.delitem(sys.modules, module, raising=False)
    runpy.run_module(module, run_name="__main__")


def serves(command: str, folder: Path) -> bool:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = shlex.split(command.replace("app/main.py", str(ROOT / "app" / "main.py")))
    settings = {"STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_HEADLESS": "true"}
    server = subprocess.Popen([sys.executable, "-m", *arguments], cwd=folder, env=os.environ | settings)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as answer:
                    return answer.status == 200
            except OSError:
                time.sleep(0.2)
        return False
    finally:
        server.terminate()
        server.wait()


def test_every_command_of_the_readme_works(workplace, monkeypatch):
    commands = readme_commands()
    assert set(commands) > LEFT_TO_PEOPLE
    for command in commands:
        if command in LEFT_TO_PEOPLE:
            continue
        if command.startswith("streamlit"):
            assert serves(command, workplace), command
        else:
            run_module(command, monkeypatch)
    for name in ("photos", "cifar10", "shapes"):
        assert np.load(workplace / "runs" / name / "images.npy").shape == (20, 32, 32, 3)


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for command in LEFT_TO_PEOPLE:
        assert re.search(rf"^{command.removeprefix('make ')}:", makefile, re.MULTILINE), command


def test_every_file_the_readme_links_to_exists():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text())
    assert "app/screenshot.png" in links
    assert [link for link in links if not (ROOT / link).exists()] == []
