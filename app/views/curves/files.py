"""Learning curves to take along: the data as CSV, the charts as PNG or SVG. No Streamlit here."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sightline.app.views.curves.picture import picture
from sightline.report.drawing.learning_curves import Metrics, is_known
from sightline.run_store.formulas import no_formula
from sightline.run_store.metrics import METRICS_COLUMNS

VEGA_LITE = "6.4"  # of those that vl-convert brings, the newest of the schema's generation
SCALE = 2  # pixels of a PNG to a point


def curves_csv(metrics: Metrics) -> bytes:
    """Write run, then METRICS_COLUMNS, a row an epoch; what is not known is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("run", *METRICS_COLUMNS))
    writer.writerows(
        (no_formula(name), *("" if math.isnan(value) else value for value in epoch))
        for name, epochs in metrics.items()
        for epoch in epochs
    )
    return stream.getvalue().encode()


def curves_png(specification: dict[str, Any]) -> bytes:
    """Draw Vega-Lite as PNG."""
    import vl_convert

    return vl_convert.vegalite_to_png(specification, vl_version=VEGA_LITE, scale=SCALE)


def curves_svg(specification: dict[str, Any]) -> bytes:
    """Draw Vega-Lite as SVG."""
    import vl_convert

    return vl_convert.vegalite_to_svg(specification, vl_version=VEGA_LITE).encode()


def curves_picture(
    metrics: Metrics, quantities: Sequence[str], colours: Mapping[str, str], **options: Any
) -> dict[str, Any]:
    """Write the charts with their legends, of the quantities that any run has; options: of `chart`."""
    known = [name for name in quantities if any(is_known(epochs, name) for epochs in metrics.values())]
    return picture(metrics, known, colours, **options)
