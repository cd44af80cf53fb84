"""What holds for all tests, however they are started."""

import signal
import subprocess
import sys

from tests.fabricated import ROOT


def test_what_a_test_starts_can_be_interrupted():
    program = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "True\n"


def test_it_can_also_where_a_shell_ignores_ctrl_c_as_for_what_it_runs_with_an_ampersand():
    this = f"{__file__}::{test_what_a_test_starts_can_be_interrupted.__name__}"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # what a process ignores is ignored by those that it starts
    try:
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", this], cwd=ROOT, capture_output=True, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.returncode == 0, done.stdout
