"""Runs that nobody trained, and servers that show them: for the tests and the benchmarks."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from sightline.image_data.decode import decode_image
from sightline.run_store.predictions_file import predictions_table
from sightline.run_store.record import RunRecord
from sightline.run_store.thumbnails import thumbnail
from sightline.run_store.writer import RunWriter

ROOT = Path(__file__).resolve().parent.parent
LAUNCHER = ROOT / "app" / "main.py"
CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LAYERS = ("layer1", "layer2", "layer3", "layer4")
CHROMIUM_OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
LINES = ".st-key-curves_charts path.line"
MARKDOWN = "[data-testid=stMarkdownContainer] p"
EVERY_FIFTH = slice(None, None, 5)
PATIENCE = 60  # seconds until a server answers


def fabricate_run(
    path: Path,
    images: int,
    class_names: tuple[str, ...] = CLASSES,
    *,
    side: int = 32,
    input_size: int = 32,
    paths: tuple[str, ...] | None = None,
    features: int = 4,
    model: str = "resnet18_narrow",
    with_model: bool = False,
    wrong: slice = EVERY_FIFTH,
) -> None:
    """A complete run that nobody trained: random pixels and weights, the same every time.

    wrong: which predictions are. Such a one is of the class after the true one: the first or the sixth where there are
    ten, of which every fifth is. side: of the stored images, 8 for a million of them, whose pixels would be 3 GB;
    features: an image's, all 0.
    """
    digits = np.random.default_rng(0)
    record = RunRecord(
        model=model, layers=LAYERS, dataset="fabricated", fingerprints={"test": "none"},
        image_counts={"test": images}, class_names=class_names, mean=(0.5,) * 3, std=(0.25,) * 3,
        input_size=input_size, parameters=700_000, recipe={"epochs": 20}, seed=0, threads=1, device="cpu",
        created="2026-01-01T00:00:00Z",
    )  # fmt: skip
    with RunWriter.create(path, record) as writer:
        for epoch in range(1, 21):
            figures = (epoch, 2 / epoch, 1 - 0.8 / epoch, 3 / epoch, 0.8 - 0.7 / epoch, 0.1, 30.0)
            names = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate", "seconds")
            writer.append_metrics(dict(zip(names, figures, strict=True)))
        writer.save_images(digits.integers(0, 256, (images, side, side, 3), dtype=np.uint8), None)
        if with_model:
            import torch

            from sightline.model_zoo import build_model

            with torch.random.fork_rng():
                torch.manual_seed(0)
                writer.save_model(build_model(record.model, len(class_names)))
        labels = np.arange(images) % len(class_names)
        logits = digits.normal(0, 1, (images, len(class_names))).astype(np.float32)
        logits[np.arange(images), labels] += 9
        logits[wrong] = np.roll(logits[wrong], 1, axis=1)
        writer.complete(predictions_table(logits, labels, paths), np.zeros((images, features), np.float16))


def speak_against(run: Path, *codes: int) -> None:
    """Make the head's weights of these classes negative: nothing positive is left for them at the last layer."""
    from safetensors.torch import load_file, save_file

    weights = load_file(run / "model.safetensors")
    for code in codes:
        weights["fc.weight"][code] = -weights["fc.weight"][code].abs()
    save_file(weights, run / "model.safetensors")


def keep_thumbnails(run: Path, originals: Sequence[str], input_size: int) -> None:
    """Replace the images of a run by the thumbnails of these files, as a run keeps them of large images."""
    np.save(run / "images.npy", np.stack([thumbnail(decode_image(file, input_size)) for file in originals]))


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


@contextmanager
def serve(script: Path, runs: Path, *words: str) -> Iterator[str]:
    """`streamlit run … -- WORDS` on a free port, as soon as it answers: its address; stopped in the end."""
    with start_server(script, runs, *words) as (address, _):
        yield address


@contextmanager
def start_server(script: Path, runs: Path, *words: str) -> Iterator[tuple[str, int]]:
    """`serve`, with the number of the process."""
    port = free_port()
    options = ["--server.headless=true", "--browser.gatherUsageStats=false", "--server.address=127.0.0.1"]
    command = [sys.executable, "-m", "streamlit", "run", script, *options, f"--server.port={port}"]
    command += ["--", *words] if words else []
    with answering(command, port, script.parent.parent, subprocess.DEVNULL, SIGHTLINE_RUNS=str(runs)) as process:
        yield f"http://127.0.0.1:{port}", process.pid


@contextmanager
def answering(
    command: Sequence[str | Path], port: int, folder: Path, log: IO[str] | int, **variables: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server in `folder` while it is needed, from its first answer on `port` on; what it says goes into `log`."""
    process = subprocess.Popen(command, cwd=folder, env=os.environ | variables, stdout=log, stderr=log)
    try:
        _await_port(port, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The server ended with exit status {process.returncode}.")
        with socket.socket() as opened:
            if opened.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise TimeoutError(f"The server did not answer within {PATIENCE} seconds.")
