import numpy as np
import pyarrow.parquet as pq
import pytest

from sightline.app.elements.current_set import PAGE_SIZE, current_set
from sightline.report.address.selection import Selection
from sightline.report.words.text import duration
from sightline.run_store.predictions_file import predictions_table, read_predictions


@pytest.fixture
def predictions(tmp_path):
    """60 images of two classes, of which the odd ones are wrong, the later the more confident."""
    labels = np.zeros(60, int)
    logits = np.stack([1.0 - np.arange(60) % 2 * 2, np.zeros(60)], axis=1) * np.linspace(1, 2, 60)[:, None]
    pq.write_table(predictions_table(logits.astype(np.float32), labels), tmp_path / "predictions.parquet")
    return read_predictions(tmp_path / "predictions.parquet", ("cat", "dog"), 60)


def test_the_first_page_starts_with_the_most_confident_mistake(predictions):
    current = current_set(predictions, Selection())
    assert current.rows.tolist() == list(range(59, 0, -2))
    assert (current.page, current.pages, current.image) == (1, 2, 59)
    assert current.page_rows.tolist() == list(range(59, 59 - 2 * PAGE_SIZE, -2))


def test_an_image_opens_the_page_it_stands_on(predictions):
    current = current_set(predictions, Selection(image=1))
    assert (current.page, current.position) == (2, 29)
    assert (current.neighbour(-1), current.neighbour(1)) == (3, None)


def test_an_image_that_the_predictions_do_not_have_counts_as_none(predictions):
    assert current_set(predictions, Selection(image=60)).image == 59


def test_an_image_outside_the_set_stands_beside_its_first_page(predictions):
    current = current_set(predictions, Selection(image=2))
    assert (current.image, current.position, current.page, current.neighbour(1)) == (2, None, 1, 59)


def test_pages_are_turned_by_their_images(predictions):
    pages = [current_set(predictions, Selection(outcome="all", order="test order", image=i), 25) for i in (0, 30, 59)]
    assert [(page.page, page.pages, len(page.page_rows)) for page in pages] == [(1, 3, 25), (2, 3, 25), (3, 3, 10)]
    assert [(page.turned(-1), page.turned(1)) for page in pages] == [(None, 25), (0, 50), (25, None)]
    assert [(page.beside_page(-1), page.beside_page(1)) for page in pages] == [(None, 25), (24, 50), (49, None)]


def test_a_set_without_images_has_one_empty_page(predictions):
    current = current_set(predictions, Selection(label="dog"))
    assert (current.image, current.page, current.pages, len(current.page_rows)) == (None, 1, 1, 0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(4.2, "4.2 s"), (75, "1 min 15 s"), (3725, "1 h 2 min"), (float("inf"), "–"), (float("nan"), "–")],
)
def test_durations_are_said_in_words(seconds, words):
    assert duration(seconds) == words
