"""The dashboard through AppTest, and runs that a test changes by hand."""

import json
import time
import tomllib
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from streamlit import config
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from sightline.app.runs import processes
from tests.fabricated import ROOT

DASHBOARD = ROOT / "app" / "dashboard.py"
RUNNER = tomllib.loads((ROOT / "app" / ".streamlit" / "config.toml").read_text())["runner"]


# For every AppTest, Streamlit reads what all installed packages say of themselves, in search of components: 0.3 s.
manifest_scanner.scan_component_manifests = lru_cache(1)(manifest_scanner.scan_component_manifests)


def open_page(view="curves", state=None, **query):
    """A new session at this address. state: of the session before its first answer."""
    for (
        name,
        value,
    ) in RUNNER.items():  # as the server has them: no collection after every run
        config.set_option(f"runner.{name}", value)
    app = AppTest.from_file(str(DASHBOARD), default_timeout=60)
    if view != "curves":
        app._page_hash = calc_hash(view)  # switch_page goes by the file's name, which is page.py for all
    for key, value in (state or {}).items():
        app.session_state[key] = value
    for key, value in query.items():
        app.query_params[key] = value
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception[0].message
    return app


def curves_of(app):
    """What the browser gets to draw of curves: `runs` and `charts`; None where there are none."""
    found = [element.proto for element in app.get("bidi_component") if "curve_charts" in element.proto.component_name]
    return json.loads(found[0].bytes) if found else None


def charts_of(app):
    held = curves_of(app)
    return held["charts"] if held else []


def table_of(app):
    """The table of runs as the browser gets it; an empty one where the page has none."""
    for element in app.get("bidi_component"):
        if "run_rows" in element.proto.component_name:
            return json.loads(element.proto.json or element.proto.mixed.json)
    return {"rows": [], "columns": []}


def rows_of(app):
    """Its rows: name → row as the browser gets it, with its `figures` by column."""
    data = table_of(app)
    columns = [column["id"] for column in data["columns"]]
    return {row["name"]: row | {"figures": dict(zip(columns[2:], row["cells"], strict=True))} for row in data["rows"]}


def text_of_rows(app):
    """All that the table of runs says."""
    rows = rows_of(app).values()
    return "\n".join("\n".join([row["title"], row["words"], *row["notes"], *row["cells"]]) for row in rows)


def await_end(key):
    """Wait until the process of this key has ended."""
    while processes.is_running(key):
        time.sleep(0.01)


def end_processes(what):
    """End and forget all that does this."""
    processes.stop_all()
    for folder in processes.folders(what):
        await_end((what, folder))
        processes.forget((what, folder))


def edit_record(run, **changes):
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | changes))


def edit_predicted(run, codes):
    """codes: image → what the run takes it for from now on."""
    file = run / "predictions.parquet"
    table = pq.read_table(file)
    predicted = np.array(table["predicted"].to_pylist())
    predicted[list(codes)] = list(codes.values())
    column = table.column_names.index("predicted")
    pq.write_table(table.set_column(column, "predicted", pa.array(predicted, pa.int16())), file)
