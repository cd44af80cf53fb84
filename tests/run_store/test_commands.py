"""Commands for copying: whatever a run is called, a shell reads one word."""

import shutil
import subprocess

import pytest

from sightline.run_store.commands import command
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

NAMES = [
    "runs/plain-1", "runs/my run", "runs/a;touch hacked", "runs/$(touch hacked)", "runs/`touch hacked`", "runs/a'b\"c",
    "runs/a\nb", "runs/\u202egnp.exe", "runs/tab\tbell\x07", "runs/猫", "runs/\\n", "runs/'\x1b[2J\\", "~/x", "*",
]  # fmt: skip


@pytest.mark.parametrize("name", [*NAMES, "runs/no\udce9utf8"], ids=ascii)
def test_a_shell_reads_the_name_back_and_runs_nothing_of_it(name, tmp_path):
    shown = command("evaluate", "--run", name)
    program = f'sightline() {{ printf "%s\\0" "$@"; }}; {shown}'
    answer = subprocess.run(
        ["bash", "-c", program], capture_output=True, cwd=tmp_path, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert answer.stdout.decode(errors="surrogateescape").split("\0")[:-1] == ["evaluate", "--run", name]
    assert not list(tmp_path.iterdir()) and shown.isprintable()


def test_the_commands_that_a_run_names_are_quoted(fabricated, tmp_path):
    run = Run(shutil.copytree(fabricated, tmp_path / "a;b"))
    (run.path / "predictions.parquet").write_bytes(b"")
    with pytest.raises(RunError, match=f"sightline evaluate --run '{tmp_path}/a;b'"):
        run.predictions()
