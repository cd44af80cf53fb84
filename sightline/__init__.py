"""Where does an image classifier fail, where was it looking, and may that picture be believed?

What stands here is the public Python API. A name is imported when it is first used: most of them load torch, which
takes seconds, and a program that reads runs needs none of it.

>>> import sightline
>>> sightline.__all__  # doctest: +NORMALIZE_WHITESPACE
['Dashboard', 'Recording', 'Report', 'Run', 'build_model', 'create', 'layer_attributions', 'load_image_data',
 'map_layers', 'pixel_attributions', 'record', 'report_of', 'run_summary', 'show',
 'suggest_layers']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sightline.app.notebook import Dashboard, show
    from sightline.explain.attribution.engine import layer_attributions
    from sightline.explain.attribution.grids import map_layers, suggest_layers
    from sightline.explain.attribution.pixels import pixel_attributions
    from sightline.image_data import load_image_data
    from sightline.model_zoo import build_model
    from sightline.report.of_run import report_of
    from sightline.report.page import Report
    from sightline.report.run_summary import run_summary
    from sightline.run_store.run import Run
    from sightline.training.foreign.recorded import Recording, create, record

__all__ = [
    "Dashboard",
    "Recording",
    "Report",
    "Run",
    "build_model",
    "create",
    "layer_attributions",
    "load_image_data",
    "map_layers",
    "pixel_attributions",
    "record",
    "report_of",
    "run_summary",
    "show",
    "suggest_layers",
]

# Not in __all__: each of these needs a library that is there only where it is used. By name, what pip has to add.
_EXTRAS = {"KerasCallback": "keras", "LightningCallback": "lightning", "TransformersCallback": "hf"}
_MODULES = {
    "KerasCallback": "training.callbacks.with_keras",
    "LightningCallback": "training.callbacks.with_lightning",
    "Dashboard": "app.notebook",
    "Recording": "training.foreign.recorded",
    "Report": "report.page",
    "Run": "run_store.run",
    "TransformersCallback": "training.callbacks.with_transformers",
    "build_model": "model_zoo",
    "create": "training.foreign.recorded",
    "layer_attributions": "explain.attribution.engine",
    "load_image_data": "image_data",
    "map_layers": "explain.attribution.grids",
    "pixel_attributions": "explain.attribution.pixels",
    "record": "training.foreign.recorded",
    "report_of": "report.of_run",
    "run_summary": "report.run_summary",
    "show": "app.notebook",
    "suggest_layers": "explain.attribution.grids",
}


def __getattr__(name: str) -> Any:
    """Import a name of the API when it is first asked for. Raises AttributeError for any other.

    Raises ImportError where the library of a callback is missing.
    """
    if name not in _MODULES:
        raise AttributeError(
            f"module 'sightline' has no attribute {name!r}; choose from: {', '.join(sorted({*__all__, *_MODULES}))}."
        )
    try:
        return getattr(import_module(f"sightline.{_MODULES[name]}"), name)
    except ImportError as error:
        if name not in _EXTRAS:
            raise
        remedy = f"pip install 'sightline-vision[{_EXTRAS[name]}]'"
        raise ImportError(f"{name} needs a library that cannot be imported ({error}): {remedy}.") from error


def __dir__() -> list[str]:
    """Name what `sightline` holds, also what is not imported yet."""
    return sorted({*globals(), *__all__})
