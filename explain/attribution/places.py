"""Find the layers whose cells are places of the picture, by what they do to a picture that is changed in one place.

A shape does not tell: heads × tokens, windows × tokens, the patches of an unfolded map and a matrix of attention have
four dimensions too, and some have the proportions of the picture by chance.
"""

import math
from collections.abc import Iterable
from contextlib import ExitStack
from functools import cache
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from sightline.explain.attribution.folding import fits, fold

# All are ratios of changes, and were set on one or two small networks of each family of timm, with random weights.
CLEARLY = 1.5  # so much more than others must cells change to show that they belong to the changed quarter
ABOUT_EQUAL = 1.1  # below, cells that clearly change elsewhere show that they are no places
ALONE = 5.0  # so much more than all others must cells change to belong to one quarter only
TOO_LITTLE, TOO_LITTLE_OF_FEW = 0.9, 0.5  # what is too little for places; not 1, where attention weighs all cells alike
# Cells a side: in a few, a large kernel of random weights sees nearly all; in the fewest, a 3×3 kernel does.
FEW, FEWEST = 6, 3
LEAST = 1e-30  # of squares: what counts as no change

Grid = tuple[int, int, int]  # channels, rows and columns
Places = dict[str, Grid]  # of layers, in the order in which they finish
_KNOWN: "WeakKeyDictionary[nn.Module, dict[torch.Size, Places]]" = WeakKeyDictionary()


def places_of(model: nn.Module, images: Tensor, layers: Iterable[str]) -> Places:
    """Return what `record_places` found last, or finds now where one of `layers` is not in it."""
    known = _KNOWN.get(model, {}).get(images.shape[1:], {})
    return known if known.keys() >= set(layers) else record_places(model, images)


def record_places(model: nn.Module, images: Tensor) -> Places:
    """Find every layer whose cells are places, with its grid.

    images: as in `map_layers`; only their size counts. Called inside `exclusive`.

    The model sees noise, and four times the same noise with one quarter of it drawn anew: of places, those in the
    quarter change most. Attention and large receptive fields would spread the change over all cells within a few
    layers. Therefore, where cells clearly belong to one quarter each, wherever they lie, they go on with the change of
    that quarter only, and the next layer is judged by what is done between the two.
    """
    size, found = (images.shape[2], images.shape[3]), dict[str, tuple[Grid, bool]]()  # and whether that is certain
    latest: tuple[Tensor, tuple[Grid, bool] | None] | None = None  # what went on, and what was found there

    def look(name: str, output: object) -> Tensor | None:
        nonlocal latest
        found.pop(name, None)  # of a module that is called several times, the last output counts
        if latest and output is latest[0]:  # an identity, or a block around the layer
            if latest[1]:
                found[name] = latest[1]
            return None
        if not isinstance(output, Tensor) or not output.is_floating_point() or len(output) != len(probe):
            return None
        grid = fold(output, size)
        if grid is None:
            return None
        changes = _changes(grid)
        are_places = _are_places(output, grid, changes, size)
        if are_places is not False:
            found[name] = (grid.shape[1], grid.shape[2], grid.shape[3]), are_places is True
        own = None if changes is None else _own_cells(changes, grid.shape[1], are_places)
        if own is None:
            return None
        latest = _confined(output, own, size), found.get(name)
        return latest[0]

    probe = _probe(images)
    with ExitStack() as hooks, torch.no_grad():
        for name, module in model.named_modules():
            if name:
                hook = module.register_forward_hook(lambda _, __, output, name=name: look(name, output))
                hooks.callback(hook.remove)
        model(probe)
    certain = {grid[1:] for grid, is_certain in found.values() if is_certain}
    places = {name: grid for name, (grid, is_certain) in found.items() if is_certain or grid[1:] in certain}
    _KNOWN.setdefault(model, {})[images.shape[1:]] = places
    return places


def _probe(images: Tensor) -> Tensor:
    """Return noise, and the same noise with one quarter drawn anew: 5×C×H×W."""
    before, after = torch.randn(2, *images.shape[1:], generator=torch.Generator().manual_seed(0)).to(images)
    quarters = _quarters(images.shape[2], images.shape[3], images.device)
    return torch.cat([before[None], torch.where(quarters[:, None], after, before)])


@cache
def _quarters(rows: int, columns: int, device: torch.device) -> Tensor:
    """Return bool 4×h×w: the cells whose centres lie in each quarter; a middle row or column lies in none."""
    down = 2 * torch.arange(rows, device=device) + 1 - rows
    across = 2 * torch.arange(columns, device=device) + 1 - columns
    return torch.stack([(down * y > 0)[:, None] & (across * x > 0) for y in (-1, 1) for x in (-1, 1)])


def _are_places(output: Tensor, grid: Tensor, changes: Tensor | None, size: tuple[int, int]) -> bool | None:
    """Tell whether the cells of the grid that is folded from the probe's output, 5×K×h×w, are places.

    None where the shape says so and nothing contradicts: they are if a layer of the same resolution shows it.
    """
    rows, columns = grid.shape[2:]
    fitting, side = fits(rows, columns, size), min(rows, columns)
    if changes is None or side <= FEWEST:  # of a single cell, the place is the whole picture
        return fitting or rows * columns == 1
    if _are_clear(changes, grid.shape[1]):
        return True
    (ratio, opposite), too_little = _ratios(changes), TOO_LITTLE_OF_FEW if side <= FEW else TOO_LITTLE
    is_little = ratio * _doubt(grid[0].numel() // 4) < too_little
    # Along rows or columns (a kernel of 1×11, a recurrence) a change may spread, to thrice of what the rest changes.
    least = ALONE if opposite >= CLEARLY else CLEARLY
    is_elsewhere = ratio < ABOUT_EQUAL and _sharpness(changes) >= least * _doubt(grid.shape[1])
    if not fitting or is_little or is_elsewhere or _has_tokens_elsewhere(output, size):
        return False
    return None


def _has_tokens_elsewhere(output: Tensor, size: tuple[int, int]) -> bool:
    """Tell whether one dimension of the probe's output counts tokens, or windows, of which those that change tell so.

    Of N×heads×tokens×K, for one, whose grid tokens×K has the proportions of the picture by chance.
    """
    for dimension in range(1, output.ndim):
        grid = fold(output.movedim(dimension, 1).flatten(2), size)
        changes = None if grid is None else _changes(grid)
        if grid is not None and changes is not None and _are_clear(changes, grid.shape[1]):
            return True
    return False


def _changes(grid: Tensor) -> Tensor | None:
    """Return how much each cell changes with each quarter, as a multiple of its mean over the quarters: 4×h×w.

    None where nothing changes, which tells nothing: a layer whose scale is zero before any training, or a dead ReLU.
    """
    energy = (grid[1:] - grid[:1]).float().square()
    if not 0 < energy.max() < math.inf:
        return None
    weights = 1 / energy.mean(dim=(0, 2, 3)).clamp(min=LEAST)  # or a few loud channels would drown the others
    of_cells = torch.einsum("rkyx,k->ryx", energy, weights)
    means = of_cells.mean(dim=0)
    return torch.where(means > LEAST, of_cells / means.clamp(min=LEAST), 1)


def _ratios(changes: Tensor) -> tuple[float, float]:
    """Return how much the cells of a changed quarter change, as a multiple of any other's, and of the opposite one's.

    Each for the quarter of which it is least.
    """
    quarters = _quarters(changes.shape[1], changes.shape[2], changes.device).flatten(1).float()
    means = changes.flatten(1) @ (quarters / quarters.sum(dim=1, keepdim=True)).T
    others = means.masked_fill(torch.eye(4, dtype=torch.bool, device=means.device), 0).amax(dim=1)
    of_any, of_opposite = (means.diagonal() / most.clamp(min=LEAST) for most in (others, means.fliplr().diagonal()))
    return of_any.min().item(), of_opposite.min().item()


def _doubt(count: int) -> float:
    """Return the factor that a mean of `count` squares is known to: two standard errors of about √(2/n)."""
    return 1 + 2 * math.sqrt(2 / max(count, 1))


def _are_clear(changes: Tensor, channels: int) -> bool:
    """Tell whether each quarter clearly changes its own cells most: of a grid of places, as of few other things."""
    rows, columns = changes.shape[1:]
    return min(rows, columns) > 1 and _ratios(changes)[0] >= CLEARLY * _doubt(channels * rows * columns // 4)


def _sharpness(changes: Tensor) -> float:
    """Return how much the quarter of all cells that change most does, wherever they lie, as a multiple of the rest."""
    ordered = changes.flatten(1).sort(dim=1, descending=True).values
    most = ordered.shape[1] // 4
    return (ordered[:, :most].mean(dim=1) / ordered[:, most:].mean(dim=1).clamp(min=LEAST)).min().item()


def _own_cells(changes: Tensor, channels: int, are_places: bool | None) -> Tensor | None:
    """Return the cells that belong to each quarter, bool 4×h×w; None where that is not clear."""
    rows, columns = changes.shape[1:]
    if are_places is False:
        owners = torch.arange(4, device=changes.device)[:, None, None]
        return changes.argmax(dim=0) == owners if _sharpness(changes) >= CLEARLY * _doubt(channels) else None
    return _quarters(rows, columns, changes.device) if are_places or min(rows, columns) <= FEW else None


def _confined(output: Tensor, own: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the probe's output with each quarter's change in its own cells only, and in no class token."""
    confined = torch.empty_like(output).copy_(output[:1].expand_as(output))
    changed, grid = fold(output, size), fold(confined, size)  # the second is a view
    assert changed is not None and grid is not None
    grid[1:] = torch.where(own[:, None], changed[1:], grid[1:])
    return confined
