"""README and docs/: their commands and examples work as they stand there, and their links lead somewhere.

People and CI run `make demo`, `make test` and `pip install .`; of the first two it is checked that they exist. The
lines of torchrun stand in a table, not in a block that is run: test_several_processes.py, of training and of explain,
start such processes.
"""

import os
import re
import runpy
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import transforms
from torchvision.models import mnasnet0_5

from sightline import command
from sightline.app.elements.keys import KEYS
from sightline.image_data import ImageSplit
from sightline.image_data.planted_shapes import planted_shapes
from sightline.model_zoo import MODELS, ModelSpec, build_model
from sightline.model_zoo.resnet import ResNet
from sightline.run_store import files
from tests.fabricated import ROOT, free_port

DOCS = ROOT / "docs"
# In the order in which their commands are run: a later one may need what an earlier one has made.
IN_ORDER = (
    "training", "own-models-and-data", "run-directory", "dashboard", "maps-and-methods", "trust", "why", "calibration",
    "report", "check", "hosting", "python",
)  # fmt: skip
PAGES = [ROOT / "README.md", *(DOCS / f"{name}.md" for name in IN_ORDER)]
# The last needs patterns, which a few images at random have not.
LEFT_TO_PEOPLE = {"make demo", "make test", "pip install .", "sightline prove --run runs/photos --patterns 1,2"}
SERVERS = ("sightline show", "streamlit run")
LINK = re.compile(r"\]\((?!http)([^)#\s]*)#?([^)\s]*)\)")


def blocks(language: str) -> list[str]:
    """The contents of all such blocks, in the order of the pages."""
    fence = re.compile(rf"```{language}\n(.*?)```", re.DOTALL)
    return [block for page in PAGES for block in fence.findall(page.read_text())]


def documented_commands() -> list[str]:
    """Each line once: a run is never overwritten."""
    return list(dict.fromkeys(line for block in blocks("sh") for line in block.splitlines()))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A few images in a folder, to which every data set is cut down; ResNet18 a tiny one; timm's weights, random."""
    shapes = planted_shapes("honest", 40, 80)
    for split, name in ((shapes.train, "train"), (shapes.test, "test")):
        for index, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
            file = tmp_path / "photos" / name / split.class_names[label] / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    (tmp_path / "net.py").write_text(
        "from torchvision.models import mnasnet0_5\n\ndef Net():\n    return mnasnet0_5(num_classes=10)\n"
    )
    torch.save(mnasnet0_5(num_classes=10).state_dict(), tmp_path / "net.pt")
    (tmp_path / "list.csv").write_text("train_index\n3\n5\n")
    (tmp_path / "check.toml").write_text("[calibration]\nat_most = 1\n")  # which the runs of a few images pass
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", None)  # with a terminal, `run.show()` waits for Ctrl-C
    monkeypatch.setattr("sightline.image_data.planted_shapes.planted_shapes", lambda variant: shapes)
    monkeypatch.setitem(MODELS, "resnet18", ModelSpec(partial(ResNet, (1, 1, 1, 1), width=4)))
    monkeypatch.setattr("sightline.image_data.cifar10.load_cifar10", lambda folder: shapes)
    return tmp_path


def of_a_user() -> dict[str, Any]:
    """What the examples take as given: a model, images, and a loop of a user."""
    test = planted_shapes("honest", 40, 80).test
    model = build_model("resnet18_narrow", len(test.class_names))
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.25,) * 3)])
    return {
        "model": model,
        "data": WithTransform(test, steps),
        "names": test.class_names,
        "train_an_epoch": lambda model: 1.0,
        "accuracy_of": lambda model: 0.5,
    }


class WithTransform(Dataset):
    """A data set as users write it."""

    def __init__(self, split: ImageSplit, transform: Callable[[Image.Image], Tensor]) -> None:
        self.split, self.transform = split, transform

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.split.images[row])), int(self.split.labels[row])


def run_here(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `sightline COMMAND …` or `python -m MODULE …` in this process."""
    words = shlex.split(line)
    if words[0] == "sightline":
        monkeypatch.setattr(sys, "argv", with_one_thread(words))
        command.main()
    else:
        assert words[:2] == ["python", "-m"], line
        monkeypatch.setattr(sys, "argv", with_one_thread(words[2:]))
        runpy.run_module(words[2], run_name="__main__")


def with_one_thread(words: list[str]) -> list[str]:
    is_training = words[:2] == ["sightline", "train"] or words[0] == "training.train"
    return [*words, "--threads", "1"] if is_training else words


def serves(line: str, folder: Path) -> bool:
    """Start a server as the line says, on a free port; whether it answers under its path."""
    words = shlex.split(line)
    settings = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    arguments, port = words[len(settings) :], free_port()
    if arguments[0] == "sightline":
        arguments = ["sightline.command", *arguments[1:], "--no-browser", "--port", str(port)]
    else:
        arguments = [word.replace("app/main.py", str(ROOT / "app" / "main.py")) for word in arguments]
        settings |= {"STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_HEADLESS": "true"}
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | settings
    address = f"http://127.0.0.1:{port}/{settings.get('STREAMLIT_SERVER_BASE_URL_PATH', '')}".rstrip("/")
    server = subprocess.Popen([sys.executable, "-m", *arguments], cwd=folder, env=environment)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1) as answer:
                    return answer.status == 200
            except OSError:
                time.sleep(0.2)
        return False
    finally:
        server.terminate()
        server.wait()


def test_every_command_and_every_example_works(workplace, monkeypatch, capsys):
    lines = documented_commands()
    assert set(lines) > LEFT_TO_PEOPLE
    for line in lines:
        if any(server in line for server in SERVERS):
            assert serves(line, workplace), line
        elif line not in LEFT_TO_PEOPLE:
            run_here(line, monkeypatch)
    runs = workplace / "runs"
    for name in ("photos", "without", "cifar10", "shapes", "shortcut", "net"):
        assert len(np.load(runs / name / files.IMAGES)) == 80
    assert (runs / "photos" / files.QUALITY).exists()
    assert {path.name for path in (runs / "photos" / files.MAPS).iterdir()} == {"gradcam", "hirescam"}
    capsys.readouterr()
    for block in dict.fromkeys(blocks("python")):
        exec(compile(block, "docs/python.md", "exec"), {"__name__": "__main__"} | of_a_user())
    assert "resnet18_narrow complete" in capsys.readouterr().out


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_readme_shows_every_page_of_the_docs():
    assert {page.name for page in DOCS.glob("*.md")} == {page.name for page in PAGES[1:]}
    linked = {target for target, _ in LINK.findall(PAGES[0].read_text())}
    assert {f"docs/{page.name}" for page in PAGES[1:]} <= linked


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "RESULTS.md"], ids=lambda page: page.stem
)
def test_every_link_leads_somewhere(page):
    for target, anchor in LINK.findall(page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def test_every_picture_is_shown_and_small():
    shown = " ".join(page.read_text() for page in PAGES)
    pictures = list((DOCS / "pictures").iterdir())
    assert pictures
    for picture in pictures:
        assert f"pictures/{picture.name})" in shown
        assert picture.stat().st_size <= 150_000


def test_every_file_of_a_run_is_documented():
    text = (DOCS / "run-directory.md").read_text()
    names = (*files.WRITTEN, files.NOTE, files.TAGS, files.LOCK, f"{files.MAPS}/", f"{files.EVENTS}/")
    assert [name for name in names if f"`{name}" not in text] == []


def test_every_command_is_documented():
    documented = documented_commands()
    for name in command.COMMANDS:
        assert any(f"sightline {name}" in line for line in documented), name


def test_the_page_on_the_dashboard_lists_the_keys_that_the_help_shows():
    written = (DOCS / "dashboard.md").read_text()
    assert [line for line in written.splitlines() if line in {f"| {' | '.join(key)} |" for key in KEYS}] == [
        f"| {' | '.join(key)} |" for key in KEYS
    ]
