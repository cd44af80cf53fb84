"""Times in words: of what is not known exactly, and of what a progress bar says."""

import pytest

from sightline.report.words.text import about, time_left


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a few seconds"), (28, "about 30 seconds"), (30, "about 30 seconds"), (49, "about 50 seconds"),
        (60, "about a minute"), (100, "about 2 minutes"), (3500, "about 58 minutes"), (5400, "about 1.5 hours"),
    ],
)  # fmt: skip
def test_a_time_is_said_as_people_say_it(seconds, words):
    assert about(seconds) == words


@pytest.mark.parametrize(
    ("clock", "words"),
    [
        ("00:09", "about 10 seconds left"),
        ("02:50", "about 3 minutes left"),
        ("2:00:30", "about 2 hours left"),
        ("?", ""),
    ],
)
def test_what_a_progress_bar_says_is_left_is_said_in_words(clock, words):
    assert time_left(clock) == words
