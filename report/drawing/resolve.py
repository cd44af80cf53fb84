"""From what the address asks for to what a map is drawn from, on one run."""

from collections.abc import Callable, Collection, Mapping, Sequence

from sightline.explain.attribution.methods import LAYER_METHODS, METHODS, PIXEL_METHODS
from sightline.report.address.selection import Selection
from sightline.report.drawing.map_settings import SIGNS, MapSettings, colours_for
from sightline.report.drawing.maps import map_layers
from sightline.run_store.maps import stored_kinds
from sightline.run_store.quality import INPUT
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

MOST_LAYERS = 8

LayersOf = Callable[[Run], Collection[str]]


def resolve(run: Run, selection: Selection, layers_of: LayersOf = map_layers) -> tuple[MapSettings, list[str]]:
    """Fill in the defaults of this run, and return sentences on what was ignored. Raises RunError.

    The layers are the run's own where none was chosen. Targets that an image does not have are still in:
    see `settings_for`. layers_of: names every layer of the network that has a map; asked for layers that the record
    does not name.
    """
    if run.has_network:
        method = selection.method
        layers, ignored = ((INPUT,), []) if method in PIXEL_METHODS else _layers(run, selection.layers, layers_of)
    else:
        method, layers, ignored = _stored(run, selection)
    sign = selection.sign if METHODS[method].signed else SIGNS[0]
    settings = MapSettings(
        method=method,
        layers=layers,
        targets=selection.targets,
        scale=selection.scale,
        sign=sign,
        cells=selection.cells,
        colours=colours_for(sign, selection.colours),
        opacity=selection.opacity,
    )
    return settings, ignored


def stored_methods(run: Run) -> Mapping[str, tuple[str, ...]]:
    """Return method → layers of the maps that lie in a run: all that one without a network has. Raises RunError."""
    stored = stored_kinds(run)
    return {method: stored[method] for method in LAYER_METHODS if method in stored}


def _stored(run: Run, selection: Selection) -> tuple[str, tuple[str, ...], list[str]]:
    """Return a method and layers whose maps lie in a run without a network, and sentences. Raises RunError."""
    stored = stored_methods(run)
    if not stored:
        raise RunError(f"Run {run.name} has no network, and no maps were computed ahead of time.")
    method = selection.method if selection.method in stored else next(iter(stored))
    return method, *_chosen(selection.layers, stored[method], stored[method])


def _layers(run: Run, wanted: Sequence[str], layers_of: LayersOf) -> tuple[tuple[str, ...], list[str]]:
    own = run.record.layers
    known: Sequence[str] = own
    if not set(wanted) <= set(known):
        try:
            known = tuple(layers_of(run))
        except RunError:  # where the model cannot be read, the grid says so
            return own, []
    return _chosen(wanted, known, own)


def _chosen(wanted: Sequence[str], known: Sequence[str], own: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the wanted layers that are known, else the run's own; and sentences on the others."""
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
    return chosen[:MOST_LAYERS] or tuple(own[:MOST_LAYERS]), ignored
