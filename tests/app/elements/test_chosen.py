"""Several chosen images: tagged, exported and given up, through AppTest."""

import io

import numpy as np
import pandas as pd
import pytest

from sightline.app.elements.chosen import Chosen, give_tag
from sightline.app.elements.spreadsheets import set_as_csv
from sightline.app.permissions import READ_ONLY_VARIABLE, NotPermitted
from sightline.app.runs import loaders
from sightline.run_store.run import Run
from sightline.run_store.tags import read_tags
from tests.app_pages import checked, open_page
from tests.fabricated import fabricate_run


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path))
    fabricate_run(tmp_path / "one", 60)
    return Run(tmp_path / "one")


def open_chosen(*images, opened=True, **query):
    return open_page("mistakes", {"chosen_images_one": Chosen(set(images)), "chosen_tag": opened}, **query)


def tag(app, word):
    """As typed: AppTest itself sends only what is offered."""
    box = app.selectbox(key="chosen_word")
    box.options = [*box.options, word]
    return checked(box.set_value(word).run())


def words_of(app):
    return [element.value for element in app.markdown]


def table_of(run, *images):
    return pd.read_csv(io.BytesIO(set_as_csv(loaders.predictions(Run(run.path)), np.array(images))))


def test_what_the_gallery_says_is_true_of_the_images_it_shows_and_of_no_other():
    chosen = Chosen({1, 2, 30})
    chosen.take({"shown": [1, 2, 3, 70, -1], "chosen": [2, 3, 70, -1], "told": 5}, images=60)
    assert (chosen.images, chosen.told) == ({2, 3, 30}, 5)


def test_while_no_image_is_chosen_nothing_is_offered(run):
    app = open_page("mistakes")
    assert not any("chosen" in words for words in words_of(app)) and "chosen_clear" not in {b.key for b in app.button}


def test_the_bar_counts_the_chosen_and_those_outside_of_the_set(run):
    app = open_chosen(0, 5, 1)  # every fifth is wrong
    assert "**3 chosen** :gray[1 of them not in this set]" in words_of(app)
    app = checked(app.button(key="chosen_clear").click().run())
    assert not any("chosen" in words for words in words_of(app))


def test_a_tag_is_written_and_another_takes_its_place_and_none_takes_it_away(run):
    app = open_chosen(0, 5)
    tag(app, " too  dark ")
    assert read_tags(run) == {0: "too dark", 5: "too dark"}
    app = open_chosen(5)
    assert app.selectbox(key="chosen_word").options == ["too dark"]
    tag(app, "=1")
    assert read_tags(run) == {0: "too dark", 5: "=1"}
    checked(open_chosen(0, 5).button(key="chosen_untag").click().run())
    assert not (run.path / "tags.csv").exists()


def test_a_tag_is_a_filter_in_the_address_and_a_column_of_the_csv(run):
    give_tag(run, {0, 7}, "blurry")
    app = open_page("mistakes", value="tag:blurry", show="all")
    assert any(words.startswith("**2** ") for words in words_of(app))
    csv = table_of(run, 0, 1, 7)
    assert csv["tag"].fillna("").tolist() == ["blurry", "", "blurry"]


def test_the_export_has_the_path_of_the_original_where_the_data_set_has_files(tmp_path):
    fabricate_run(tmp_path / "files", 3, paths=("a.png", "=b.png", "c.png"))
    csv = table_of(Run(tmp_path / "files"), 1, 2)
    assert csv["path"].tolist() == ["'=b.png", "c.png"] and csv["index"].tolist() == [1, 2]


@pytest.mark.parametrize("word", ["x" * 101, "a\u202eb"])
def test_a_tag_that_the_file_may_not_hold_gets_a_sentence_and_changes_nothing(run, word):
    give_tag(run, {3}, "blurry")
    app = tag(open_chosen(0), word)
    assert "cannot be written" in app.error[0].value and read_tags(run) == {3: "blurry"}


def test_a_file_that_cannot_be_read_is_named_and_not_written_over(run):
    (run.path / "tags.csv").write_text("who knows")
    app = open_chosen(0)
    assert any("begins with who knows" in element.value for element in app.caption)
    app = tag(app, "blurry")
    assert "Mend or remove it" in app.error[0].value and (run.path / "tags.csv").read_text() == "who knows"


def test_a_server_that_only_shows_runs_offers_no_tag_and_takes_none(run, monkeypatch):
    monkeypatch.setenv(READ_ONLY_VARIABLE, "1")
    app = open_chosen(0)
    assert "**1 chosen**" in words_of(app) and "chosen_word" not in {box.key for box in app.selectbox}
    with pytest.raises(NotPermitted):
        give_tag(run, {0}, "blurry")
    assert not (run.path / "tags.csv").exists()
