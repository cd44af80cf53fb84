"""Which methods reveal a shortcut, and does the rule support them? Maps of honest and shortcut demo runs.

python -m benchmarks.shortcut_methods [--runs FOLDER] [--values FOLDER] [--seeds 0 1 2 3 4] [--picture FILE.png]

Where the tag is, is known: a run's figure is `tag_minus_decoy` of the predicted class's maps, mean over images, as in
its quality.csv, and a kind of map finds the tag where the figure's whole interval lies above zero. The verdicts are
those that Trust takes. The unit of the test is the run: p is the share of all ways to call five of the ten runs
"shortcut" whose difference of means is at least the one found (Fisher–Pitman permutation test, one-sided, exact; of
five and five runs, 1/252 at the least).
"""

import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import torch
import tyro

from benchmarks.calibration import demo_runs
from benchmarks.measured_values import file_of, measure_more, read
from sightline.explain.attribution.methods import METHODS
from sightline.explain.judging.figures import ALL_CONTROLS, Measured, kinds_of
from sightline.explain.judging.sample import draw_sample
from sightline.explain.judging.verdicts import DECISIVE, NOT_SUPPORTED, SECOND, SUPPORTED, UNDECIDED, verdicts
from sightline.explain.quality import MEASURED_METHODS
from sightline.image_data.planted_shapes import VARIANTS
from sightline.run_store.run import Run

TAG_FIGURE = "tag_minus_decoy"
SIGNIFICANT = 0.01
COLOURS = ("#0b6a8f", "#c2551f")
WIDTH = 460  # pixels of a panel
TITLES = {name: method.title for name, method in METHODS.items()} | {
    name: f"control: {name.replace('_', ' ')}" for name in ALL_CONTROLS
}


@dataclass(frozen=True)
class Config:
    """Train pairs of demo runs, and say which methods and layers tell them apart; prints a table in Markdown."""

    runs: Path | None = None
    """folder for the runs, a folder a seed; what is trained there already is kept. Default: a temporary one"""
    values: Path | None = None
    """folder for the values of single images; what is measured there already is kept. Default: a temporary one"""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """of the trainings; with fewer than five, no difference can be significant"""
    images: int = 500
    picture: Path | None = None
    """the table as a chart, .png or .svg"""


def judged(run: Run, images: int, values: Path) -> Iterator[tuple[str, str, float, bool, str, str]]:
    """Yield of every kind of map: method, layer, figure, whether it finds the tag, verdict, and that by blurring."""
    measured = Measured(draw_sample(run, images), read(file_of(values, run)))
    kinds = kinds_of(MEASURED_METHODS, run.record.layers)
    measures = (DECISIVE, SECOND, TAG_FIGURE)
    measure_more(run, measured, kinds, measures, file_of(values, run))
    rows = measured.figures(measures)
    said = {(verdict.method, verdict.layer): (verdict.name, verdict.second) for verdict in verdicts(rows)}
    for row in rows:
        if row.measure == TAG_FIGURE:
            yield row.method, row.layer, row.value, row.low > 0, *said.get((row.method, row.layer), ("", ""))


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


def counted(names: pd.Series) -> str:
    """How many runs support a kind, leave it undecided, do not support it."""
    return "/".join(str((names == name).sum()) for name in (SUPPORTED, UNDECIDED, NOT_SUPPORTED))


def print_verdicts(table: pd.DataFrame) -> None:
    """Print of each kind in how many runs it is supported, by both measures, and in how many it finds the tag."""
    print("\n| layer | method | honest: ROAD | blurring | finds the tag | shortcut: ROAD | blurring | finds the tag |")
    print("|---|---|---|---|---|---|---|---|")
    for (layer, method), of_kind in table[table.verdict != ""].groupby(["layer", "method"], sort=False):
        columns = []
        for variant in VARIANTS:
            runs = of_kind[of_kind.variant == variant]
            columns += [counted(runs.verdict), counted(runs.second), str(runs.finds.sum())]
        print(f"| {layer} | {TITLES[method]} | {' | '.join(columns)} |")
    for variant in VARIANTS:
        runs = table[(table.variant == variant) & (table.verdict != "")]
        print(f"\n{variant}: ", end="")
        for name in (SUPPORTED, UNDECIDED, NOT_SUPPORTED):
            said = runs[runs.verdict == name]
            print(f"{len(said)} {name}, of which {said.finds.sum()} find the tag; ", end="")
    print()


def picture(table: pd.DataFrame, summary: pd.DataFrame) -> alt.FacetChart:
    """A dot a run, a line a method, a panel a layer; beside it, what reveals the shortcut, and how often it passes."""
    cheating = table[table.variant == VARIANTS[1]]
    supported = cheating.assign(supported=cheating.verdict == SUPPORTED).groupby(["layer", "method"]).supported.sum()
    summary = summary.assign(
        label=[
            f"{'revealed' if line.p <= SIGNIFICANT else 'not revealed'}"
            + ("" if line.method in ALL_CONTROLS else f", supported in {supported[line.layer, line.method]}")
            for line in summary.itertuples()
        ]
    )
    judged = table.merge(summary[["layer", "method", "p", "label"]]).assign(method=lambda rows: rows.method.map(TITLES))
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
        .mark_text(align="left")
        .encode(
            x=alt.value(WIDTH + 10),
            y=y,
            text="label:N",
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
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() if config.runs is None else nullcontext(config.runs) as folder:
        values = config.values or Path(folder) / "values"
        values.mkdir(parents=True, exist_ok=True)
        for seed, run in demo_runs(Path(folder), config.seeds):
            variant = next(name for name in VARIANTS if name in run.record.dataset)
            print(f"seed {seed}, {variant}: {run.predictions().accuracy:.1%} accurate", flush=True)
            rows += [(variant, seed, *line) for line in judged(run, config.images, values)]
    columns = ["variant", "seed", "method", "layer", "value", "finds", "verdict", "second"]
    table = pd.DataFrame(rows, columns=columns)
    summary = tabulated(table)
    print("\n| layer | method | honest | least to most | shortcut | least to most | p | revealed |")
    print("|---|---|---|---|---|---|---|---|")
    for line in summary.itertuples():
        figures = f"{in_words(line.honest)} | {in_words(line.shortcut)} | {line.p:.3f}"
        print(f"| {line.layer} | {TITLES[line.method]} | {figures} | {'yes' if line.p <= SIGNIFICANT else 'no'} |")
    print_verdicts(table)
    if config.picture is not None:
        picture(table, summary).save(config.picture, scale_factor=1.5)


if __name__ == "__main__":
    main()
