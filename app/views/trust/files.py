"""The figures to take along. No Streamlit here."""

from collections.abc import Sequence
from dataclasses import replace

from sightline.run_store.formulas import no_formula
from sightline.run_store.hashes import weights_hash
from sightline.run_store.quality import QualityRow, quality_csv
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


def figures_csv(run: Run, rows: Sequence[QualityRow]) -> bytes:
    """Write the run's quality.csv again, with names that no spreadsheet runs: those of layers are other people's.

    Where the weights are gone, their hash is left empty.
    """
    safe = [
        replace(row, method=no_formula(row.method), layer=no_formula(row.layer), measure=no_formula(row.measure))
        for row in rows
    ]
    try:
        weights = weights_hash(run)
    except RunError:
        weights = ""
    return quality_csv(safe, weights)
