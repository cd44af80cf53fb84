"""Which methods reveal a shortcut? Maps of honest and shortcut demo runs, judged by where the tag is known to be.

python -m benchmarks.shortcut_methods [--runs FOLDER] [--seeds 0 1 2 3 4] [--picture FILE.png]

A run's figure is `tag_minus_decoy` of the predicted class's maps, mean over images, as in its quality.csv. The unit of
the test is the run: p is the share of all ways to call five of the ten runs "shortcut" whose difference of means is at
least the one found (Fisher–Pitman permutation test, one-sided, exact; of five and five runs, 1/252 at the least).
"""

import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import torch
import tyro

from sightline.explain.attribution.engine import upsample
from sightline.explain.attribution.methods import LAYER_METHODS, PIXEL_METHODS
from sightline.explain.judging.controls import CONTROLS
from sightline.explain.judging.localisation import tag_minus_decoy
from sightline.explain.judging.measuring import LIMITS, Kind, attributions
from sightline.explain.judging.sample import draw_sample
from sightline.explain.quality import MEASURED_METHODS, kinds_that_share_passes
from sightline.image_data.planted_shapes import VARIANTS
from sightline.image_data.splits import DECOY, TAG
from sightline.run_store.run import Run, list_runs
from sightline.training.demo import DemoConfig, train_demo

SIGNIFICANT = 0.01
COLOURS = ("#0b6a8f", "#c2551f")
WIDTH = 460  # pixels of a panel
TITLES = {name: method.title for name, method in (LAYER_METHODS | PIXEL_METHODS).items()} | {
    name: f"control: {name}" for name in CONTROLS
}


@dataclass(frozen=True)
class Config:
    """Train pairs of demo runs, and say which methods and layers tell them apart; prints a table in Markdown."""

    runs: Path | None = None
    """folder for the runs, a folder a seed; what is trained there already is kept. Default: a temporary one"""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """of the trainings; with fewer than five, no difference can be significant"""
    images: int = 500
    picture: Path | None = None
    """the table as a chart, .png or .svg"""


def measured(run: Run, images: int) -> dict[Kind, float]:
    """`tag_minus_decoy` of all kinds of maps, mean over the images."""
    model, whole = run.load_model(), draw_sample(run, images)
    found: dict[Kind, float] = {}
    for kinds in kinds_that_share_passes(MEASURED_METHODS, run.record.layers):
        sample = whole.first(LIMITS["pixel"].images) if kinds[0][0] in PIXEL_METHODS else whole
        inputs = sample.images(slice(None), torch.device("cpu"))
        maps = attributions(model, inputs, sample.classes[:, :1], kinds, sample.rows.tolist())
        masks = torch.from_numpy(np.array(sample.masks))
        for kind, values in maps.items():
            large = upsample(values, (inputs.shape[2], inputs.shape[3]))[:, 0]
            found[kind] = tag_minus_decoy(large, masks & TAG != 0, masks & DECOY != 0).nanmean().item()
    return found


def permutation_p(honest: np.ndarray, shortcut: np.ndarray) -> float:
    """Share of the ways to choose as many runs whose mean is as far above the others' as that of `shortcut`."""
    runs = np.concatenate([shortcut, honest])
    sums = [runs[list(chosen)].sum() for chosen in combinations(range(len(runs)), len(shortcut))]
    return float(np.mean(np.array(sums) >= shortcut.sum() - 1e-12))


def tabulated(table: pd.DataFrame) -> pd.DataFrame:
    """A row a kind: the runs' figures by variant, and p."""
    rows = []
    for (layer, method), of_kind in table.groupby(["layer", "method"], sort=False):
        honest, shortcut = (of_kind[of_kind.variant == variant].value.to_numpy() for variant in VARIANTS)
        rows.append((layer, method, honest, shortcut, permutation_p(honest, shortcut)))
    return pd.DataFrame(rows, columns=["layer", "method", *VARIANTS, "p"]).sort_values("layer", kind="stable")


def in_words(values: np.ndarray) -> str:
    return f"{values.mean():+.3f} | {values.min():+.3f} to {values.max():+.3f}"


def picture(table: pd.DataFrame, summary: pd.DataFrame) -> alt.FacetChart:
    """A dot a run, a line a method, a panel a layer; what reveals the shortcut says so."""
    judged = table.merge(summary[["layer", "method", "p"]]).assign(method=lambda rows: rows.method.map(TITLES))
    y = alt.Y("method:N", title=None, sort=None, axis=alt.Axis(grid=True, labelLimit=220))
    dots = (
        alt.Chart(judged)
        .mark_circle(size=60, opacity=0.8)
        .encode(
            x=alt.X(
                "value:Q",
                title="share of the map on the tag, less that on the decoy",
                axis=alt.Axis(labelFlush=False),
                scale=alt.Scale(padding=10),
            ),
            y=y,
            color=alt.Color(
                "variant:N", title="demo runs", scale=alt.Scale(domain=VARIANTS, range=COLOURS), sort=VARIANTS
            ),
        )
    )
    verdicts = (
        alt.Chart(judged)
        .transform_filter(f"datum.seed == {table.seed.iloc[0]} && datum.variant == '{VARIANTS[0]}'")
        .transform_calculate(verdict=f"datum.p <= {SIGNIFICANT} ? 'revealed' : 'not revealed'")
        .mark_text(align="left")
        .encode(
            x=alt.value(WIDTH + 10),
            y=y,
            text="verdict:N",
            color=alt.condition(f"datum.p <= {SIGNIFICANT}", alt.value(COLOURS[1]), alt.value("#6a737b")),
        )
    )
    panels = (dots + verdicts).properties(width=WIDTH, height={"step": 20})
    row = alt.Row(
        "layer:N",
        title=None,
        sort=list(summary.layer.unique()),
        header=alt.Header(labelAngle=0, labelAlign="left", labelFontWeight="bold"),
    )
    return panels.facet(row=row, spacing=12).resolve_scale(y="independent").configure_legend(orient="top")


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.shortcut_methods")
    rows = []
    with tempfile.TemporaryDirectory() if config.runs is None else nullcontext(config.runs) as folder:
        for seed in config.seeds:
            runs = Path(folder) / f"seed-{seed}"
            train_demo(DemoConfig(runs, seed))
            for variant in VARIANTS:
                run = next(run for run in list_runs(runs) if run.state == "complete" and variant in run.record.dataset)
                print(f"seed {seed}, {variant}: {run.predictions().accuracy:.1%} accurate", flush=True)
                rows += [(*kind, variant, seed, value) for kind, value in measured(run, config.images).items()]
    table = pd.DataFrame(rows, columns=["method", "layer", "variant", "seed", "value"])
    summary = tabulated(table)
    print("\n| layer | method | honest | least to most | shortcut | least to most | p | revealed |")
    print("|---|---|---|---|---|---|---|---|")
    for line in summary.itertuples():
        figures = f"{in_words(line.honest)} | {in_words(line.shortcut)} | {line.p:.3f}"
        print(f"| {line.layer} | {TITLES[line.method]} | {figures} | {'yes' if line.p <= SIGNIFICANT else 'no'} |")
    if config.picture is not None:
        picture(table, summary).save(config.picture, scale_factor=1.5)


if __name__ == "__main__":
    main()
