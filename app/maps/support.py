"""Whether maps of a kind are supported on a run, for the views. Torch-free."""

from collections.abc import Mapping, Sequence

from sightline.app.runs import loaders
from sightline.report.words.support import NOT_MEASURED, Support, support_of
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


def supports(run: Run, method: str, layers: Sequence[str]) -> Mapping[str, Support]:
    """Return by layer whether the maps of a method are supported on the run."""
    try:
        found = {verdict.layer: verdict for verdict in loaders.verdicts(run) if verdict.method == method}
    except RunError as error:  # which Trust says too
        return dict.fromkeys(layers, Support(NOT_MEASURED, str(error)))
    nothing = Support(NOT_MEASURED, "Maps of this kind were not measured on this run: Trust says how to.")
    return {layer: support_of(found[layer]) if layer in found else nothing for layer in layers}
