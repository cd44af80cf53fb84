"""Each rule of a check, by figures that are computed by hand."""

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sightline.report.check.result import Result, exit_code
from sightline.report.check.rules import AccuracyRule, CalibrationRule, ClassesRule, MapsRule, PatternsRule
from sightline.run_store import files
from sightline.run_store.quality import write_quality
from sightline.run_store.run import Run
from tests.fabricated import fabricate_run
from tests.report.check.checks import FOUR, RANDOM, THREE, TWELVE_TO_TWO, judged, measured, pair
from tests.written_patterns import FIRST, HARD, write


@pytest.fixture(scope="module")
def twelve_to_two(tmp_path_factory):
    """A run that alone is wrong on 12 images, and a baseline that alone is wrong on 2; 48 and 58 of 60 are right."""
    return pair(tmp_path_factory.mktemp("twelve"), slice(0, 12), slice(12, 14))


@pytest.mark.parametrize(("at_least", "outcome"), [(0.0, "cannot be judged"), (0.8, "passed"), (0.801, "failed")])
def test_the_accuracy_may_be_the_bound_and_not_less(twelve_to_two, at_least, outcome):
    result = judged(AccuracyRule(at_least), twelve_to_two[0])
    assert result.outcome == outcome
    assert at_least == 0 or result.found.startswith("48 of 60 test images are right, 80.00 % (68.22–88.17 %).")


@pytest.mark.parametrize(("points", "outcome"), [(0.0, "failed"), (0.16, "failed"), (10 / 60, "passed"), (1, "passed")])
def test_the_accuracy_may_lie_below_the_baseline_by_so_much(twelve_to_two, points, outcome):
    result = judged(AccuracyRule(at_most_below=points), *twelve_to_two)
    assert result.outcome == outcome and f"{TWELVE_TO_TWO:.3f}" == "0.013"
    assert result.found.endswith(
        "The baseline has 58 right: 12 that this run has wrong, while this run has 2 right that the baseline has wrong "
        "(McNemar's exact test, p = 0.013; −16.67 points)."
    )


def test_an_accuracy_that_is_lower_by_chance_passes_and_says_so(tmp_path):
    result = judged(AccuracyRule(at_most_below=0), *pair(tmp_path, slice(0, 5), slice(0)))
    assert result.outcome == "passed"  # 5 to 0: p = 2 / 2**5
    assert "p = 0.062" in result.found and result.found.endswith("That may be chance.")


def test_a_better_run_passes_and_a_bound_that_it_misses_fails_it_all_the_same(twelve_to_two):
    run, baseline = twelve_to_two
    assert judged(AccuracyRule(at_most_below=0), baseline, run).outcome == "passed"
    assert judged(AccuracyRule(at_least=0.99), baseline, run).outcome == "failed"


@pytest.mark.parametrize(("class_names", "outcome"), [(THREE, "failed"), (FOUR, "passed")])
def test_a_class_is_worse_where_holms_correction_leaves_it_so(tmp_path, class_names, outcome):
    """12 to 2 cats: 3 × 0.0129 = 0.039 is below 5 %, and 4 × 0.0129 = 0.052 is not."""
    step = len(class_names)
    ours, theirs = slice(0, 12 * step, step), slice(12 * step, 14 * step, step)
    result = judged(ClassesRule(), *pair(tmp_path, ours, theirs, class_names, images=20 * step))
    assert result.outcome == outcome and f"p = {step * TWELVE_TO_TWO:.3f}" in result.found
    assert "cat, 8 of 20 images right and 18 in the baseline (−50.00 points" in result.found
    assert ("1 class is worse" in result.found) == (outcome == "failed")


def test_a_class_may_be_worse_by_so_much_and_others_may_not_count(tmp_path):
    runs = pair(tmp_path, slice(0, 36, 3), slice(36, 42, 3))
    assert judged(ClassesRule(0.49), *runs).outcome == "failed"
    assert judged(ClassesRule(0.5), *runs).outcome == "passed"
    assert judged(ClassesRule(only=("dog", "owl")), *runs).outcome == "passed"
    assert judged(ClassesRule(only=("dog", "cat")), *runs).outcome == "failed"
    found = judged(ClassesRule(only=("cow",)), *runs)
    assert (found.outcome, found.found) == ("cannot be judged", "The run has no class 'cow'; it has: cat, dog, owl.")
    alone = judged(ClassesRule(), runs[0])
    assert alone.outcome == "cannot be judged" and "--against" in alone.found


def test_a_class_without_test_images_cannot_be_judged(tmp_path):
    runs = pair(tmp_path, slice(0), slice(0), FOUR, images=3)
    result = judged(ClassesRule(only=("fox",)), *runs)
    assert (result.outcome, result.found) == ("cannot be judged", "There is no test image of class 'fox'.")


def with_patterns(run, *kinds):
    """The first pattern holds images 0 to 27, each further one a single image of the even half."""
    sizes = [28, *[1] * (len(kinds) - 1)]
    codes = np.full(60, -1)
    codes[:28] = 1
    codes[28 : 28 + 2 * (len(kinds) - 1) : 2] = np.arange(2, len(kinds) + 1)
    found = [
        replace(kind, number=number, images=size, tested=1, mistakes=1)
        for number, (kind, size) in enumerate(zip(kinds, sizes, strict=True), 1)
    ]
    write(run, *found, of_images=codes[:58].tolist())
    return Run(run.path)


@pytest.mark.parametrize(("patterns", "outcome"), [(1, "failed"), (3, "failed"), (4, "passed")])
def test_a_pattern_is_new_where_the_run_errs_more_in_it_than_the_baseline(tmp_path, patterns, outcome):
    """12 to 2 of its images in the half that made it: by Holm, 0.0129 may be one of three, and not of four."""
    run, baseline = pair(tmp_path, slice(0, 24, 2), slice(24, 28, 2), with_model=True)
    result = judged(PatternsRule(), with_patterns(run, *[FIRST] * patterns), baseline)
    assert result.outcome == outcome and result.asked == "at most 0 new patterns"
    if outcome == "failed":
        assert result.found.startswith(f"1 of {patterns} pattern{'s' * (patterns > 1)} is new")
        assert "14 images, of which only this run has 12 wrong, and only the baseline 2" in result.found
    assert judged(PatternsRule(at_most=1), run, baseline).outcome == "passed"


def test_mistakes_of_the_half_that_chose_the_pattern_do_not_prove_it_again(tmp_path):
    run, baseline = pair(tmp_path, slice(1, 24, 2), slice(0), with_model=True)
    result = judged(PatternsRule(), with_patterns(run, FIRST), baseline)
    assert (result.outcome, result.found[:20]) == ("passed", "0 of 1 pattern are n")


def test_a_pattern_in_which_the_baseline_errs_more_is_not_new(tmp_path):
    run, baseline = pair(tmp_path, slice(24, 28, 2), slice(0, 24, 2), with_model=True)
    assert judged(PatternsRule(), with_patterns(run, FIRST), baseline).outcome == "passed"


def test_without_a_baseline_patterns_are_counted_but_hard_classes_are_not(tmp_path):
    run, _ = pair(tmp_path, slice(0, 12), slice(0), with_model=True)
    run = with_patterns(run, FIRST, HARD)
    result = judged(PatternsRule(), run)
    assert result.outcome == "failed" and result.asked == "at most 0 patterns"
    assert result.found == (
        "1 pattern among 25 groups of images: pattern 1 (taken for dog), 75 % (20–99 %) wrong, 10 % of other images."
    )
    assert judged(PatternsRule(at_most=1), run).outcome == "passed"


def test_patterns_that_nobody_looked_for_cannot_be_judged_unless_there_is_no_mistake(tmp_path):
    run, faultless = pair(tmp_path, slice(0, 12), slice(0), with_model=True)
    result = judged(PatternsRule(), run)
    assert result.outcome == "cannot be judged" and f"sightline patterns --run {run.path}" in result.found
    assert judged(PatternsRule(), faultless).outcome == "passed"


def all_as_sure(run, confidence):
    """Say that the model is as sure of every image."""
    table = pq.read_table(run / files.PREDICTIONS)
    place = table.column_names.index("confidence")
    values = pa.array(np.full(len(table), confidence, np.float32))
    pq.write_table(table.set_column(place, "confidence", values), run / files.PREDICTIONS)
    return Run(run)


@pytest.mark.parametrize(
    ("images", "at_most", "outcome"),
    [(20, 0.2, "passed"), (20, 0.1, "cannot be judged"), (1000, 0.2, "passed"), (1000, 0.1, "failed")],
)
def test_a_calibration_error_beyond_the_bound_fails_unless_chance_makes_it(tmp_path, images, at_most, outcome):
    """62 %, and 80 % are right: 0.18. Chance makes up to 1.96 · √(0.62 · 0.38 / n): 0.213 of 20, 0.030 of 1000."""
    fabricate_run(tmp_path / "run", images, wrong=slice(0, None, 5))
    result = judged(CalibrationRule(at_most), all_as_sure(tmp_path / "run", 0.62))
    assert result.outcome == outcome
    assert " images is 0.180 (" in result.found


def test_confidences_that_are_not_known_cannot_be_judged(tmp_path):
    fabricate_run(tmp_path / "run", 20)
    result = judged(CalibrationRule(), all_as_sure(tmp_path / "run", np.nan))
    assert result.outcome == "cannot be judged" and "of no image" in result.found


@pytest.mark.parametrize(
    ("figure", "outcome"),
    [
        (measured(0.3), "passed"),  # beyond that of random numbers by 0.3, with the whole interval
        (measured(-0.3), "failed"),
        (measured(0.02), "cannot be judged"),
        (replace(measured(0.3), final=False), "cannot be judged"),
        (measured(0.3, layer="layer3"), "cannot be judged"),
    ],
)
def test_maps_pass_where_they_are_supported(fabricated, tmp_path, figure, outcome):
    run = Run(shutil.copytree(fabricated, tmp_path / "run"))
    write_quality(run, [RANDOM, figure])
    result = judged(MapsRule(), run)
    assert result.outcome == outcome and result.asked == "Grad-CAM at layer4 supported"
    assert judged(MapsRule(layer=figure.layer), run).outcome == ("passed" if figure.layer == "layer3" else outcome)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (MapsRule(), "Grad-CAM at layer4 was not measured: sightline quality --run"),
        (MapsRule("occlusion"), "Occlusion was not measured: "),
        (MapsRule(layer="layer9"), "no layer 'layer9' for this method; it has: layer1, layer2, layer3, layer4."),
        (MapsRule("occlusion", "layer4"), "no layer 'layer4' for this method; it has: input."),
    ],
)
def test_maps_that_nobody_measured_cannot_be_judged(fabricated, rule, said):
    result = judged(rule, Run(fabricated))
    assert result.outcome == "cannot be judged" and said in result.found


def test_a_damaged_file_costs_its_own_rule_alone(fabricated, tmp_path):
    run = Run(shutil.copytree(fabricated, tmp_path / "run"))
    (run.path / files.QUALITY).write_text("nonsense\n1")
    result = judged(MapsRule(), run)
    assert result.outcome == "cannot be judged" and files.QUALITY in result.found
    assert judged(AccuracyRule(at_least=0.5), run).outcome == "passed"


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [(("passed",), 0), (("passed", "cannot be judged"), 2), (("cannot be judged", "failed", "passed"), 1)],
)
def test_a_failed_rule_outranks_one_that_cannot_be_judged(outcomes, code):
    assert exit_code([Result("rule", "", outcome, "") for outcome in outcomes]) == code
