"""What `pip install` installs, in an environment of its own that has nothing but what the wheel asks for."""

import asyncio
import os
import shutil
import stat
import subprocess
import sys
import urllib.request
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

from tests.fabricated import PATIENCE, ROOT, answering, free_port

PACKAGES = sorted(link.name for link in (ROOT / "sightline").iterdir() if link.is_symlink())
SOURCES = {"pyproject.toml", "requirements.txt", "README.md", "LICENSE", "sightline", *PACKAGES}
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, since building leaves its own files beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")

    def left_out(parent, names):
        return set(names) - SOURCES if Path(parent) == ROOT else {"__pycache__"}

    shutil.copytree(ROOT, folder / "source", symlinks=True, ignore=left_out)
    options = ("--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", folder)
    subprocess.run([*PIP, "wheel", *options, folder / "source"], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A virtual environment without pip: the wheel, and links to its requirements and theirs."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder)
    python = folder / "bin" / "python"
    subprocess.run([*PIP, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (installed,) = site.glob("*.dist-info")
    needed = required(PathDistribution(installed))
    for entry, target in {entry: one.locate_file(entry) for one in needed for entry in entries(one)}.items():
        (site / entry).parent.mkdir(exist_ok=True)
        (site / entry).symlink_to(target)
    return folder


def required(start):
    """The distributions that `start` needs, with those that they need, out of the environment of this test."""
    found, waiting = {}, [(start, frozenset())]
    while waiting:
        needing, extras = waiting.pop()
        for text in needing.requires or ():
            needed = Requirement(text)
            asked = [{"extra": extra} for extra in extras | {""}]
            if needed.marker and not any(map(needed.marker.evaluate, asked)):
                continue
            key = needed.name, frozenset(needed.extras)
            if key not in found:
                found[key] = distribution(needed.name)
                waiting.append((found[key], key[1]))
    return found.values()


def entries(installed):
    """What it has in site-packages: its files and folders there; of a folder that others share, what is in it."""
    paths = {Path(*file.parts) for file in installed.files if file.parts[0] not in ("..", "__pycache__")}
    tops = {path.parts[0] for path in paths}
    own = {top for top in tops if top.endswith(".dist-info") or installed.locate_file(f"{top}/__init__.py").exists()}
    return {Path(*path.parts[: 1 if path.parts[0] in own else 2]) for path in paths}


@pytest.fixture(scope="module")
def run_there(environment, tmp_path_factory):
    """Run a command of the environment in a folder far from the sources: what it says."""
    folder = tmp_path_factory.mktemp("elsewhere")
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables["SIGHTLINE_DATA"] = str(folder / "data")

    def run_there(name, *arguments):
        command = [environment / "bin" / name, *arguments]
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_there


@pytest.fixture(scope="module")
def trained(run_there, tiny_folder, tmp_path_factory):
    """A run of the installed command."""
    path = tmp_path_factory.mktemp("runs") / "of-the-wheel"
    options = f"--model resnet18_narrow --epochs 1 --batch-size 64 --threads 1 --run {path}".split()
    run_there("sightline", "train", "--dataset", f"folder:{tiny_folder}", *options)
    return path


def test_the_wheel_holds_one_package_of_real_folders_with_all_its_files(wheel):
    with zipfile.ZipFile(wheel) as content:
        names = {name for name in content.namelist() if not name.split("/")[0].endswith(".dist-info")}
        assert not any(stat.S_ISLNK(member.external_attr >> 16) for member in content.infolist())
    modules = {f"sightline/{file.relative_to(ROOT)}" for name in PACKAGES for file in (ROOT / name).rglob("*.py")}
    modules |= {f"sightline/{file.name}" for file in (ROOT / "sightline").glob("*.py")}
    drawn = [
        file for name in ("app", "report") for end in ("css", "js", "html") for file in (ROOT / name).rglob(f"*.{end}")
    ]
    parts = {f"sightline/{file.relative_to(ROOT)}" for file in drawn}
    assert names == modules | parts | {"sightline/app/.streamlit/config.toml"}


def test_the_installed_package_is_that_of_the_wheel_and_loads_nothing_heavy(environment, run_there):
    heavy = "{'torch', 'streamlit', 'pandas'} & sys.modules.keys()"
    said = run_there("python", "-c", f"import sys, sightline, sightline.command; print({heavy}, sightline.__file__)")
    assert said.startswith(f"set() {environment}")
    with pytest.raises(AssertionError, match="No module named 'pytest'"):  # nor does it see more than it needs
        run_there("python", "-c", "import pytest")


def test_the_installed_command_trains_evaluates_and_computes_maps(run_there, trained):
    assert (trained / "predictions.parquet").exists()
    assert "of 64 test images right" in run_there("sightline", "evaluate", "--run", trained)
    run_there("sightline", "precompute", "--run", trained)
    assert any((trained / "maps").iterdir())


def test_the_installed_command_shows_the_run(environment, trained, tmp_path):
    port, said = free_port(), tmp_path / "said"
    options = ["show", "--no-browser", "--port", str(port), "--runs", str(trained.parent)]
    with said.open("w") as log, answering([environment / "bin" / "sightline", *options], port, tmp_path, log):
        assert get(port, "/_stcore/health") == b"ok"
        assert b"<html" in get(port, "/")
        with ThreadPoolExecutor(1) as thread:  # the browser tests' event loop is still open in this one
            messages = thread.submit(asyncio.run, answers(f"ws://127.0.0.1:{port}/_stcore/stream")).result()
    drawn = [message.delta.new_element for message in messages if message.WhichOneof("type") == "delta"]
    assert not [element.exception for element in drawn if element.WhichOneof("type") == "exception"]
    assert messages[-1].script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
    assert trained.name in str(drawn)
    assert "Traceback" not in said.read_text()


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
        return answer.read()


async def answers(stream):
    """All that the server sends to the browser of a visitor of its first page."""
    first, messages = BackMsg(), []
    first.rerun_script.query_string = ""
    async with asyncio.timeout(PATIENCE), connect(stream, subprotocols=["streamlit"], max_size=None) as connection:
        await connection.send(first.SerializeToString())
        while not messages or messages[-1].WhichOneof("type") != "script_finished":
            messages.append(ForwardMsg.FromString(await connection.recv(decode=False)))
    return messages
