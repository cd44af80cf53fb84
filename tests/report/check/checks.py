"""What the tests of checks share: runs whose mistakes are chosen, and how a rule judges them."""

from sightline.report.asked import ask
from sightline.report.check.judging import judge
from sightline.run_store.quality import QualityRow
from sightline.run_store.run import Run
from tests.fabricated import fabricate_run

THREE, FOUR = ("cat", "dog", "owl"), ("cat", "dog", "owl", "fox")
TWELVE_TO_TWO = 2 * (1 + 14 + 91) / 2**14  # McNemar's exact p-value, by hand: 0.0129


def pair(folder, ours, theirs, class_names=THREE, images=60, **options):
    """A run and its baseline, which are wrong on these images."""
    for name, wrong in (("run", ours), ("baseline", theirs)):
        fabricate_run(folder / name, images, class_names, wrong=wrong, **options)
    return Run(folder / "run"), Run(folder / "baseline")


def judged(rule, run, baseline=None):
    """The result of one rule."""
    (result,) = judge({"rule": rule}, ask(run, baseline))
    return result


def measured(value, method="gradcam", layer="layer4", control=False, n=12, **options):
    """A figure of ROAD whose interval is 0.02 wide."""
    return QualityRow(method, layer, "road_gap", value, value - 0.01, value + 0.01, n, control, 12, (), (), **options)


RANDOM = measured(0.0, "random", "input", control=True)
