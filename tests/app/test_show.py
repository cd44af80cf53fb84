"""`sightline show`: its options become those of Streamlit and of the launcher."""

from pathlib import Path

import pytest
import tyro

from sightline.app.show import ShowConfig, streamlit_arguments
from tests.fabricated import LAUNCHER


def words(line):
    return streamlit_arguments(tyro.cli(ShowConfig, args=line.split()))


def test_without_options_nothing_is_asked_of_the_launcher():
    assert words("") == ["streamlit", "run", str(LAUNCHER)]
    assert words("--port 80 --no-browser")[3:] == ["--server.port=80", "--server.headless=true"]


@pytest.mark.parametrize("port", ["0", "65536", "-1", "many", "80.5"])
def test_what_is_no_port_is_refused_with_what_is(port, capsys):
    with pytest.raises(SystemExit) as ended:
        words(f"--port {port}")
    said = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 2 and f"'{port}' is no whole number from 1 to 65535." in said


def test_what_concerns_visitors_reaches_the_launcher_however_often_it_is_given():
    line = "--runs r --read-only --datasets a --datasets b --host x.org --host *.y.org --framed-by http://z:1"
    assert words(line)[3:] == [
        "--", "--runs=r", "--read-only", "--datasets=a", "--datasets=b", "--host=x.org", "--host=*.y.org",
        "--framed-by=http://z:1",
    ]  # fmt: skip
    assert streamlit_arguments(ShowConfig(datasets=(Path("-a"),)))[3:] == ["--", "--datasets=-a"]
