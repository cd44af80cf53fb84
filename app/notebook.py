"""`sightline.show`: the dashboard from a notebook, or from any program; the report where it is not reached."""

import html
import os
import secrets
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from sightline.app.announced import SECRET_VARIABLE, Announcement, announcements_folder, find_server
from sightline.app.runs.folder import runs_root
from sightline.app.show import ShowConfig, streamlit_arguments
from sightline.explain.output import last_words
from sightline.report.address.typed import AskedError
from sightline.report.of_run import report_of
from sightline.report.page import Report
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

# Pages that this machine serves, on whatever port Jupyter has found, and those of VS Code's window.
LOCAL_PAGES = tuple(f"{scheme}://{host}:*" for scheme in ("http", "https") for host in ("localhost", "127.0.0.1"))
LOCAL_PAGES += ("vscode-webview://*", "vscode-file://vscode-app")
_PATIENCE = 60  # seconds until a server answers
_LOOK_EVERY = 0.05  # seconds
_COLAB = (
    "In Colab the dashboard cannot be reached: Colab's proxy does not carry the connection that it needs. The "
    "report of one run can be seen here: sightline.show(RUN). Or download the folder of the run, and open it on your "
    "own machine: sightline show --runs FOLDER."
)
_ELSEWHERE = (
    "This notebook runs on a hub, and the address is one of the hub's machine: where you may log in there, ssh -L "
    "{port}:127.0.0.1:{port} MACHINE brings it to yours. The report of one run can be seen here: "
    "sightline.show(RUN, server=False)."
)
_HUB = "JUPYTERHUB_SERVICE_PREFIX"  # a variable that a JupyterHub sets; the next one is Kaggle's
_ELSEWHERE_VARIABLES = (_HUB, "KAGGLE_KERNEL_RUN_TYPE")
_started: "dict[str, subprocess.Popen[bytes]]" = {}  # the servers of this program, by their secrets


class ShowError(Exception):
    """A sentence for the user: why there is no dashboard, and what to do."""


@dataclass(frozen=True)
class Dashboard:
    """A dashboard that runs. A notebook shows the page in a frame, other places the link.

    url: of the chosen run. height: of the frame, pixels. process: of the server; None where another program started it.

    >>> from sightline import Dashboard
    >>> Dashboard("http://127.0.0.1:8501/mistakes?run=pets", height=720, may_be_framed=True, process=None)
    The dashboard is at http://127.0.0.1:8501/mistakes?run=pets.
    """

    url: str
    height: int
    may_be_framed: bool
    process: "subprocess.Popen[bytes] | None"

    def stop(self) -> None:
        """End the server, and what was started on its pages. Raises ShowError where another program started it."""
        if self.process is None:
            raise ShowError(f"Another program has started the dashboard at {self.url}; end it there.")
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def wait(self) -> None:
        """Print the link, and wait until Ctrl-C, which also ends the server, or until that has ended."""
        try:
            print(self, flush=True)
            if self.process is not None:
                self.process.wait()
        except KeyboardInterrupt:
            if self.process is not None:
                self.stop()

    def __repr__(self) -> str:
        return f"The dashboard is at {self.url}."

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        if _is_colab():
            return f"<p>{html.escape(_COLAB)}</p>"
        url = html.escape(self.url)
        link = f'<a href="{url}" target="_blank" rel="noopener">{url}</a>'
        if _HUB in os.environ:
            port = self.url.split("/")[2].rpartition(":")[2]
            return f"<p>{link}</p><p>{html.escape(_ELSEWHERE.format(port=port))}</p>"
        # Jupyter's page is at localhost: under that name this is of its site, and may have the cookie of an upload.
        near = url.replace("://127.0.0.1:", "://localhost:", 1)
        shape = f'width="100%" height="{self.height}" style="border: 0"'
        frame = f'<iframe src="{near}" title="Sightline" {shape}></iframe>'
        return f"<p>{link}</p>" + (frame if self.may_be_framed else "")


def show(
    run_or_folder: Run | str | os.PathLike[str] | None = None,
    *,
    server: bool | None = None,
    port: int | None = None,
    height: int = 720,
) -> Dashboard | Report:
    """Open the dashboard on a run, or on a folder of runs: by default on $SIGHTLINE_RUNS, else ./runs.

    server: True for the dashboard, False for the report of the run, which needs none; None for the report where this is
    a notebook whose browser reaches no server here (in Colab, on Kaggle, on a JupyterHub), else for the dashboard.

    A server that shows the folder already is used again; otherwise one is started, on this machine only, on `port` or
    the first that is free from 8501 on. It ends with this program. In a notebook the result is shown as the page in a
    frame, `height` pixels high; a script prints the link, and, where it was started in a terminal, this returns when
    Ctrl-C has ended the server. No browser is opened. Raises ShowError with a sentence.

    >>> import sightline
    >>> dashboard = sightline.show("runs/pets", port=8765)
    The dashboard is at http://127.0.0.1:8765/mistakes?run=pets.
    >>> dashboard.stop()
    >>> sightline.show("runs/pets", server=False)
    The report of pets: save it with .save('report.html').
    """
    folder, run = _folder_and_run(run_or_folder)
    if server is False or (server is None and run and _is_elsewhere()):
        return _report(run_or_folder, folder, height)
    try:
        found = find_server(folder, port) or _start(folder, port)
    except OSError as error:
        raise ShowError(f"The dashboard cannot be started ({error}).") from error
    dashboard = Dashboard(found.url + _page(run), height, bool(found.framed_by), _started.get(found.secret))
    if _is_script() and sys.stdin is not None and sys.stdin.isatty():
        dashboard.wait()
    elif _is_script():  # which nobody could interrupt, as a job of the night
        print(dashboard, flush=True)
    return dashboard


def _report(asked: Run | str | os.PathLike[str] | None, folder: Path, height: int) -> Report:
    """Make the report of a run. Raises ShowError where it has none, or a folder of runs was asked for."""
    run = asked if isinstance(asked, Run) or asked is None else Run(Path(asked))
    if run is None or not run.exists:
        raise ShowError(f"A report is of one run, and {folder} is a folder of runs; name one of them.")
    try:
        return report_of(run, height=height)
    except (RunError, AskedError) as error:
        raise ShowError(str(error)) from error


def _folder_and_run(asked: Run | str | os.PathLike[str] | None) -> tuple[Path, Run | None]:
    """Return the folder that the server is to show, and the run in it, by its name there."""
    if asked is None:
        return runs_root(), None
    run = asked if isinstance(asked, Run) else Run(Path(asked))
    path, usual = Path(os.path.abspath(run.path)), Path(os.path.abspath(runs_root()))
    if not path.is_dir():
        raise ShowError(f"There is no folder {run.path}; give a run, a folder of runs, or nothing for {runs_root()}.")
    if not run.exists:
        return path, None
    within = run.name.count("/") if path.as_posix().endswith(f"/{run.name}") else 0  # of a list of runs
    folder = usual if usual in path.parents else path.parents[within]
    return folder, Run(path, path.relative_to(folder).as_posix())


def _page(run: Run | None) -> str:
    """Return the part of the address that chooses the run, and of a complete one the view of its mistakes."""
    if run is None:
        return ""
    return f"/{'mistakes' if run.state == 'complete' else ''}?{urlencode({'run': run.name})}"


def _start(folder: Path, port: int | None) -> Announcement:
    """Start a server, and return what it says of itself once it answers. Raises ShowError and OSError."""
    announcements_folder()  # without it the server would not be found
    framed_by = LOCAL_PAGES if hasattr(_shell(), "kernel") else ()
    config = ShowConfig(runs=folder.absolute(), port=port, browser=False, framed_by=framed_by)
    command = [sys.executable, "-m", *streamlit_arguments(config), "--until-input-ends"]
    secret = secrets.token_hex(16)
    # Safe: what lies in this folder must not take the place of a library.
    environment = os.environ | {"PYTHONSAFEPATH": "1", SECRET_VARIABLE: secret}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            start_new_session=True,  # Jupyter interrupts a cell by a signal to all processes of the kernel's session
        )
        deadline = time.monotonic() + _PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            if server := find_server(folder, port, secret):
                _started[secret] = process
                return server
            time.sleep(_LOOK_EVERY)
        process.kill()
        said.seek(0)
        words = last_words(process.wait(), said.read().decode(errors="replace").strip().splitlines())
    raise ShowError(f"The dashboard did not start: {words.rstrip('.')}.{'' if port is None else ' Try another port.'}")


def _is_elsewhere() -> bool:
    """Tell whether this is a notebook whose browser reaches no server of this machine."""
    is_notebook = hasattr(_shell(), "kernel")
    return is_notebook and (_is_colab() or any(name in os.environ for name in _ELSEWHERE_VARIABLES))


def _is_colab() -> bool:
    return "google.colab" in sys.modules


def _shell() -> object | None:
    """Return the shell of IPython that this runs in, which has a `kernel` where a notebook is in front of it."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def _is_script() -> bool:
    """Tell whether this program goes on by itself: nobody types the next line."""
    return _shell() is None and not hasattr(sys, "ps1") and not sys.flags.interactive
