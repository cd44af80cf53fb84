"""Tell whether a map points to the right place: GridPG, and the share of a map that lies inside a mask."""

import numpy as np
import torch
from torch import Tensor

CELLS = 4  # of a mosaic, 2×2, row by row
CONFIDENT_SHARE = 0.5  # of the correctly classified images of a class; see `choose_mosaics`


def positive_share(maps: Tensor, places: Tensor) -> Tensor:
    """Return what share of a map's positive values lies inside `places`: float N×H×W and bool N×H×W → float N, 0–1.

    A map without anything positive points nowhere: its share is 0. One that is not finite has none: NaN.

    >>> positive_share(torch.tensor([[[3.0, 1], [-8, 0]]]), torch.tensor([[[True, False], [True, False]]]))
    tensor([0.7500])
    """
    positive = maps.clamp(min=0)
    total = positive.sum(dim=(1, 2))
    inside = (positive * places).sum(dim=(1, 2))
    return (inside / total).where(total != 0, torch.zeros_like(total)).where(total.isfinite(), torch.nan)


def tag_minus_decoy(maps: Tensor, tag: Tensor, decoy: Tensor) -> Tensor:
    """Return the `positive_share` of the tag minus that of the decoy, −1 to 1: a map that lights up any patch has 0."""
    return positive_share(maps, tag) - positive_share(maps, decoy)


def gridpg(maps: Tensor) -> Tensor:
    """Measure GridPG (Rao et al. 2022, arXiv 2205.10435): float M×4×2H×2W → float M, 0–1; chance is 0.25.

    maps[m, k] is the signed map of mosaic m for the class of its cell k, the cells row by row. The value of a mosaic
    is the mean over its four classes of the share of positive attribution that lies in the right cell: a map that
    knows no class has exactly 0.25, since its four shares add up to 1.

    >>> gridpg(torch.ones(1, 4, 6, 6))  # knows no class
    tensor([0.2500])
    >>> gridpg(mosaic_cells(torch.Size((6, 6)))[None].float())  # always in its own cell
    tensor([1.])
    """
    cells = mosaic_cells(maps.shape[2:]).to(maps.device)
    shares = [positive_share(maps[:, k], cells[k].expand(len(maps), -1, -1)) for k in range(CELLS)]
    return torch.stack(shares, dim=1).mean(dim=1)


def mosaic_cells(size: torch.Size) -> Tensor:
    """Mark the cells of a mosaic of 2H×2W pixels: bool 4×2H×2W."""
    middle_row, middle_column = size[0] // 2, size[1] // 2
    cells = torch.zeros(CELLS, *size, dtype=torch.bool)
    for k in range(CELLS):
        rows = slice(middle_row) if k < 2 else slice(middle_row, None)
        columns = slice(middle_column) if k % 2 == 0 else slice(middle_column, None)
        cells[k, rows, columns] = True
    return cells


def assemble(images: Tensor) -> Tensor:
    """Lay four images side by side, row by row: float M×4×C×H×W → mosaics M×C×2H×2W.

    >>> assemble(torch.tensor([1.0, 2, 3, 4]).reshape(1, 4, 1, 1, 1))
    tensor([[[[1., 2.],
              [3., 4.]]]])
    """
    rows = images.unflatten(1, (2, 2)).permute(0, 3, 1, 4, 2, 5)  # M, C, row, H, column, W
    return rows.flatten(4, 5).flatten(2, 3).contiguous()


def choose_mosaics(labels: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, count: int) -> np.ndarray:
    """Choose the images of `count` mosaics, four classes each, all confidently right: their rows, int M×4.

    labels, predicted: int N. confidence: float N. Rao et al. take images above a confidence of 0.99, which a model
    trained with label smoothing never reaches; here those count that are in the more confident half of the correctly
    classified images of their class. Fewer than four such classes: no mosaics (0×4). The choice is always the same, and
    of a smaller `count` the first ones.
    """
    pools = [_confident(np.flatnonzero((labels == code) & (predicted == code)), confidence) for code in set(labels)]
    pools = [pool for pool in pools if len(pool)]
    if len(pools) < CELLS:
        return np.empty((0, CELLS), np.int64)
    rng = np.random.default_rng(0)
    chosen = ([rng.choice(pools[code]) for code in rng.choice(len(pools), CELLS, replace=False)] for _ in range(count))
    return np.array(list(chosen), np.int64).reshape(count, CELLS)


def _confident(rows: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Return the more confident half of `rows`, at least one of any."""
    most_confident_first = rows[np.argsort(-confidence[rows], kind="stable")]
    return most_confident_first[: int(np.ceil(CONFIDENT_SHARE * len(rows)))]
