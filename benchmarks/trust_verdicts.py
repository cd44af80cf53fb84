"""Do rounds that stop come to the verdicts of the full sample, and do intervals hold what they should?

python -m benchmarks.measured_values --runs FOLDER --values VALUES --exhaustive --methods gradcam,hirescam,layercam
python -m benchmarks.trust_verdicts --runs FOLDER --values VALUES

Nothing is measured here: the values of every image are there, and the rounds ask for them as they ask for
measurements. So they can be repeated with the images in other orders (the truth is the mean over all of them), and
with images drawn with replacement (the truth is the same, now that of the population).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from scipy.stats import bootstrap
from torch import nn
from tqdm import tqdm

from benchmarks.measured_values import file_of, read
from sightline.explain.judging.examination import Examination
from sightline.explain.judging.families import Family, families_for
from sightline.explain.judging.figures import ALL_CONTROLS, Measured
from sightline.explain.judging.intervals import level_of, looks, mean_figure
from sightline.explain.judging.localisation import CELLS
from sightline.explain.judging.sample import Sample, draw_sample
from sightline.explain.judging.verdicts import (
    DECISIVE,
    MINIMUM,
    NOT_SUPPORTED,
    SECOND,
    SUPPORTED,
    indexed,
    judge,
    leads,
    over,
    verdicts,
)
from sightline.explain.quality import rounds
from sightline.run_store.quality import INPUT, Kind, Values
from sightline.run_store.run import Run

DECIDING = (DECISIVE, SECOND)
WAYS = ("in another order", "with replacement")
ROUNDING = 1e-6  # of float32
PLAIN = 0.95  # level of the interval that knows nothing of repeated looks


@dataclass(frozen=True)
class Config:
    """Replay rounds on stored values, and count; prints tables in Markdown."""

    runs: Path
    """folder of the runs, a folder a seed"""
    values: Path
    """folder of their values, all measured of the same number of images"""
    only: tuple[str, ...] = (
        "seed-0/demo-honest",
        "seed-0/demo-shortcut",
        "seed-1/demo-honest",
        "seed-1/demo-shortcut",
        "seed-2/demo-honest",
    )
    repeats: int = 200
    races: int = 40
    """repeats of whole reports, for each run"""
    plain_repeats: int = 40
    """of the bootstrap, which takes long, for each kind of maps of the first run"""


def replay(sample: Sample, values: dict[Kind, Values]) -> Measured:
    """Go through the rounds as if the deciding measures were taken now."""

    def stored(family: Family) -> Family:
        def take(_: Examination, kinds: Sequence[Kind], part: slice) -> dict[Kind, Values]:
            return {
                kind: {name: values[kind][name][part] for name in family.measures if name in values[kind]}
                for kind in kinds
            }

        return replace(family, take=take)

    measured, families = (
        Measured(sample, {}),
        [family for family in families_for(sample) if family.measures[0] in DECIDING],
    )
    with tqdm(disable=True) as progress:
        examination = Examination(nn.Identity(), sample, {}, progress)
        for _ in rounds(examination, measured, list(values), [stored(family) for family in families]):
            pass
    return measured


def passes(measured: Measured) -> float:
    """Forward passes of the deciding measures, roughly."""
    families = [family for family in families_for(measured.sample) if family.measures[0] in DECIDING]
    return sum(family.passes * measured.count(family, kind) for family in families for kind in measured.values)


def images_of(measured: Measured, measure: str) -> dict[Kind, int]:
    return {kind: len(values[measure]) for kind, values in measured.values.items()}


def compare_with_full(name: str, sample: Sample, full: Measured) -> None:
    """Print a run's row of the first table, and the kinds whose verdicts differ."""
    early = replay(sample, full.values)
    of_full, of_early = (
        {(v.method, v.layer): v for v in verdicts(measured.figures(DECIDING))} for measured in (full, early)
    )
    same = [
        sum(getattr(of_early[kind], by) == getattr(of_full[kind], by) for kind in of_full) for by in ("name", "second")
    ]
    counts = Counter(verdict.name for verdict in of_full.values())
    looked = [images_of(early, measure) for measure in DECIDING]
    kinds = [np.mean([images for kind, images in taken.items() if kind in of_full]) for taken in looked]
    controls = [np.mean([images for kind, images in taken.items() if kind not in of_full]) for taken in looked]
    print(
        f"| {name} | {counts[SUPPORTED]} / {len(of_full) - counts[SUPPORTED] - counts[NOT_SUPPORTED]} / "
        f"{counts[NOT_SUPPORTED]} | {same[0]} of {len(of_full)} | {same[1]} of {len(of_full)} | {kinds[0]:.0f}, "
        f"{controls[0]:.0f} | {kinds[1]:.0f}, {controls[1]:.0f} | {1 - passes(early) / passes(full):.0%} |"
    )
    for kind, verdict in of_full.items():
        if (of_early[kind].name, of_early[kind].second) != (verdict.name, verdict.second):
            before = f"{of_early[kind].name} by ROAD, {of_early[kind].second} by blurring"
            print(f"    {kind}: {before} at a stop; {verdict.name}, {verdict.second} of all: {verdict.lead.words}")


def series_of(values: dict[Kind, Values]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield what there are intervals of: what it is, of which kind, and the values."""
    for kind, found in values.items():
        name = " ".join(kind)
        for measure in (*DECIDING, "gridpg", "class_sensitivity"):
            if measure != "class_sensitivity" or kind[0] not in ALL_CONTROLS:
                yield measure, name, found[measure]
        for measure in DECIDING if kind[0] not in ALL_CONTROLS else ():
            for control in ALL_CONTROLS:
                yield f"lead by {measure}", f"{name} over {control}", found[measure] - values[control, INPUT][measure]


def held(values: np.ndarray, unit: int, plain: bool, truth: float) -> bool:
    """Whether the intervals of all looks hold the truth. plain: bootstrap intervals that know of one look only."""
    for images in looks(len(values) * unit):
        seen = values[: images // unit]
        if plain:
            found = bootstrap((seen,), np.mean, n_resamples=2000, confidence_level=PLAIN, method="percentile")
            low, high = found.confidence_interval
        else:
            figure = mean_figure(seen, level_of(images))
            low, high = figure.low, figure.high
        if not low <= truth <= high:
            return False
    return True


def share_held(values: np.ndarray, unit: int, way: str, repeats: int, seed: int, plain: bool = False) -> float:
    """In what share of repeats the intervals hold the mean of all."""
    rng = np.random.default_rng(seed)
    truth, n = float(np.nanmean(values)), len(values)
    return float(np.mean([held(values[draw(rng, n, way)], unit, plain, truth) for _ in range(repeats)]))


def draw(rng: np.random.Generator, n: int, way: str) -> np.ndarray:
    return rng.permutation(n) if way == WAYS[0] else rng.integers(n, size=n)


def race(sample: Sample, full: Measured, way: str, repeats: int, seed: int) -> pd.DataFrame:
    """Let whole reports stop as they do: a row a lead, with whether its last interval holds and the verdict is wrong.

    Wrong is "supported" where some control is as good as the kind on all images, and "not supported" where none is.
    """
    rng = np.random.default_rng(seed)
    rows, index = [], indexed(full.figures(DECIDING))
    truths = {
        (kind, measure, lead.control): lead.value
        for measure in DECIDING
        for kind, found in leads(index, measure)
        for lead in found
    }
    lengths = {measure: len(next(iter(full.values.values()))[measure]) for measure in DECIDING}
    for repeat in range(repeats):
        drawn = {measure: draw(rng, n, way) for measure, n in lengths.items()}
        shuffled = {
            kind: {measure: found[measure][order] for measure, order in drawn.items()}
            for kind, found in full.values.items()
        }
        stopped = indexed(replay(sample, shuffled).figures(DECIDING))
        for measure in DECIDING:
            for kind, found in leads(stopped, measure):
                name, true = judge(found)[0], {lead.control: truths[kind, measure, lead.control] for lead in found}
                is_wrong = name == (NOT_SUPPORTED if min(true.values()) > MINIMUM else SUPPORTED)
                for control, truth in true.items():
                    row = stopped[*kind, over(measure, control)]
                    rows.append(((seed, repeat), kind, measure, row.low <= truth <= row.high, is_wrong, row.n))
    return pd.DataFrame(rows, columns=["report", "kind", "measure", "holds", "is_wrong", "n"])


def print_coverage(reports: dict[str, Measured], repeats: int) -> None:
    print("\n| what | intervals | drawn | least | median | mean |\n|---|---|---|---|---|---|")
    for way in WAYS:
        shares: dict[str, list[float]] = {}
        for measured in reports.values():
            for seed, (what, _, values) in enumerate(series_of(measured.values)):
                unit = CELLS if what == "gridpg" else 1
                if np.nanstd(values) > ROUNDING:  # the GridPG of a map that knows no class is a quarter, always
                    shares.setdefault(what, []).append(share_held(values, unit, way, repeats, seed))
        for what, found in shares.items():
            figures = (f"{number:.1%}" for number in (min(found), np.median(found), np.mean(found)))
            print(f"| {what} | {len(found)} | {way} | {' | '.join(figures)} |", flush=True)


def print_plain(measured: Measured, repeats: int) -> None:
    """Print what bootstrap intervals at 95 %, looked at five times, would hold of ROAD."""
    for way in WAYS:
        kinds = [kind for kind in measured.values if kind[0] not in ALL_CONTROLS]
        shares = [
            share_held(measured.values[kind][DECISIVE], 1, way, repeats, seed, plain) * repeats
            for plain in (True, False)
            for seed, kind in enumerate(kinds)
        ]
        of_plain, of_ours = (sum(part) / len(kinds) / repeats for part in (shares[: len(kinds)], shares[len(kinds) :]))
        print(f"\nROAD, {way}: plain bootstrap intervals hold at all looks in {of_plain:.1%}, these in {of_ours:.1%}")


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.trust_verdicts")
    samples, reports = {}, {}
    for name in config.only:
        run = Run(config.runs / name)
        values = read(file_of(config.values, run))
        samples[name] = draw_sample(run, min(len(found[DECISIVE]) for found in values.values()))
        reports[name] = Measured(samples[name], values, exhaustive=True)
    kinds_looked = "images by ROAD: maps, controls | by blurring"
    print(f"| run | supported / undecided / not | same by ROAD | by blurring | {kinds_looked} | passes saved |")
    print("|---|---|---|---|---|---|---|")
    for name, measured in reports.items():
        compare_with_full(name, samples[name], measured)
    print_coverage(reports, config.repeats)
    print("\n| leads at the stop | drawn | held | least of a kind | reports with a wrong verdict | images |")
    print("|---|---|---|---|---|---|")
    for way in WAYS:
        raced = pd.concat(
            [
                race(samples[name], measured, way, config.races, seed)
                for seed, (name, measured) in enumerate(reports.items())
            ]
        )
        for measure, found in raced.groupby("measure"):
            by_kind = found.groupby("kind").holds.mean()
            wrong = found.groupby("report").is_wrong.any()
            figures = f"{found.holds.mean():.1%} | {by_kind.min():.1%} | {wrong.sum()} of {len(wrong)}"
            print(f"| {measure} | {way} | {figures} | {found.n.mean():.0f} |")
    print_plain(next(iter(reports.values())), config.plain_repeats)


if __name__ == "__main__":
    main()
