"""Labels that are likely wrong, by hand."""

import numpy as np
import torch

from sightline.explain.why.confident_learning import MOST_LIKELY, LabelDoubts


def looked_at(labels, rows):
    doubts = LabelDoubts(np.array(labels), len(rows[0]))
    for start in range(0, len(rows), 2):  # two at a time
        doubts.look(slice(start, start + 2), torch.tensor(rows[start : start + 2]))
    return doubts


def test_thresholds_are_the_mean_confidence_of_each_label():
    # t₀ = (0.9 + 0.5 + 0.1)/3 = 0.5, t₁ = (0.8 + 0.4)/2 = 0.6, t₂ = 0.7.
    doubts = looked_at(
        [0, 0, 0, 1, 1, 2],
        [
            [0.90, 0.05, 0.05],  # sure of its label
            [0.50, 0.40, 0.10],  # its own class counts, no other does
            [0.10, 0.65, 0.25],  # 0.65 ≥ t₁: likely a 1
            [0.15, 0.80, 0.05],
            [0.45, 0.40, 0.15],  # nothing counts: 0.45 < t₀, 0.4 < t₁
            [0.20, 0.10, 0.70],
        ],
    )
    assert doubts.suspicious().tolist() == [False, False, True, False, False, False]
    assert doubts.predicted.tolist() == [0, 0, 1, 1, 0, 2]
    np.testing.assert_allclose(doubts.confidence, [0.9, 0.5, 0.65, 0.8, 0.45, 0.7])


def test_of_several_classes_that_count_the_likeliest_is_taken():
    # t₀ = 0.3, t₁ = 0.35: of the second image both count, and 1 is the likelier.
    doubts = looked_at([0, 0, 1, 1], [[0.2, 0.1, 0.7], [0.4, 0.45, 0.15], [0.3, 0.3, 0.4], [0.1, 0.4, 0.5]])
    assert doubts.suspicious().tolist() == [False, True, True, False]  # of the third, 0.3 ≥ t₀ and 0.3 < t₁


def test_an_image_that_is_taken_for_its_label_is_not_suspicious():
    # t₀ = (0.9 + 0.5)/2 = 0.7, t₁ = (0.3 + 0.5)/2 = 0.4: of the second image 0.45 ≥ t₁ counts, and 0.5 < t₀ does not.
    doubts = looked_at([0, 0, 1, 1], [[0.9, 0.1], [0.5, 0.45], [0.6, 0.3], [0.4, 0.5]])
    assert doubts.suspicious().tolist() == [False] * 4


def test_a_class_without_images_suspects_nobody():
    assert looked_at([0, 0], [[0.5, 0.1, 0.4], [0.1, 0.0, 0.9]]).suspicious().tolist() == [False, False]


def test_of_many_classes_the_likeliest_are_looked_at():
    rows = np.full((3, 1000), 0.5 / 999, np.float32)
    rows[0, 999] = rows[1, 999] = rows[2, 3] = 0.5
    doubts = looked_at([999, 3, 3], rows.tolist())
    assert doubts._likely.shape == (3, MOST_LIKELY)
    assert doubts.suspicious().tolist() == [False, True, False]
