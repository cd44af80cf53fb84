"""From what the address asks for to what a map is drawn from, on one run."""

from collections.abc import Sequence

from sightline.app.address.selection import Selection
from sightline.app.maps import compute
from sightline.app.maps.settings import SIGNS, MapSettings, colours_for
from sightline.app.runs import loaders
from sightline.explain.attribution.methods import METHODS, PIXEL_METHODS
from sightline.run_store.quality import INPUT
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

MOST_LAYERS = 8


def resolve(run: Run, selection: Selection) -> tuple[MapSettings, list[str]]:
    """Fill in the defaults of this run, and return sentences on what was ignored. Raises RunError.

    The layers are the run's own where none was chosen. Targets that an image does not have are still in:
    see `settings_for`.
    """
    sign = selection.sign if METHODS[selection.method].signed else SIGNS[0]
    layers, ignored = ((INPUT,), []) if selection.method in PIXEL_METHODS else _layers(run, selection.layers)
    settings = MapSettings(
        method=selection.method,
        layers=layers,
        targets=selection.targets,
        scale=selection.scale,
        sign=sign,
        cells=selection.cells,
        colours=colours_for(sign, selection.colours),
        opacity=selection.opacity,
    )
    return settings, ignored


def _layers(run: Run, wanted: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    own = loaders.record(run).layers
    known: Sequence[str] = own
    if not set(wanted) <= set(known):
        try:
            known = tuple(compute.map_layers(run))
        except RunError:  # where the model cannot be read, the grid says so
            return own, []
    unknown = [name for name in wanted if name not in known]
    chosen = tuple(name for name in known if name in wanted)
    ignored = []
    if unknown:
        names = ", ".join(f"“{name}”" for name in unknown[:4]) + (", …" if len(unknown) > 4 else "")
        ignored.append(f"Ignored in the address: {names} (no layer of this network with a map).")
    if len(chosen) > MOST_LAYERS:
        ignored.append(
            f"At most {MOST_LAYERS} layers are shown side by side: the first {MOST_LAYERS} of {len(chosen)}."
        )
    return chosen[:MOST_LAYERS] or own[:MOST_LAYERS], ignored
