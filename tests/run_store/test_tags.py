"""tags.csv: the words that people give to test images."""

import pytest

from sightline.app.runs import loaders
from sightline.run_store.predictions import Filter
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.tags import free_name, read_tags, tag_column, write_tags
from tests.fabricated import fabricate_run

TAGS = {11: "=1+1", 0: "two objects", 3: "unscharf, ü"}


@pytest.fixture
def run(tmp_path):
    fabricate_run(tmp_path / "one", 12, ("cat", "dog"))
    return Run(tmp_path / "one")


def test_tags_survive_the_file_in_the_order_of_the_images_and_no_tags_leave_none(run):
    assert read_tags(run) == {}
    write_tags(run, TAGS)
    assert read_tags(run) == TAGS
    assert (run.path / "tags.csv").read_text() == 'index,tag\n0,two objects\n3,"unscharf, ü"\n11,\'=1+1\n'
    write_tags(run, {})
    assert not (run.path / "tags.csv").exists()


@pytest.mark.parametrize(
    "content",
    ["index,tag\n3,blurry\n5,\n", "\ufefftag;index\r\n blurry ; 3 \r\n\r\n", "index\ttag\n3\tblurry\n"],
)
def test_a_file_that_people_edited_may_have_any_order_and_separator_and_images_without_a_tag(run, content):
    (run.path / "tags.csv").write_text(content)
    assert read_tags(run) == {3: "blurry"}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "begins with nothing, and must have the columns index and tag and no other"),
        ("3,blurry\n", "begins with 3, blurry, and must have"),
        ("index,tag,who\n", "no other"),
        ("index,tag\n12,a\n", "holds '12' where the number of an image belongs, from 0 to 11"),
        ("index,tag\n-1,a\n", "holds '-1'"),
        ("index,tag\n1.0,a\n", "holds '1.0'"),
        ("index,tag\n1,x,y\n", "more than two cells in the row of image 1; a tag with a comma stands in quotes"),
        ("index,tag\n1,a\n1,b\n", "names image 1 twice; an image has one tag"),
        (f"index,tag\n1,{'x' * 101}\n", "holds a tag of 101 characters, which may have 100"),
        ("index,tag\n1,a\u202eb\n", r"a tag holds the invisible character U\+202E"),
        ('index,tag\n1,"a\n', "is no table in CSV"),
        (b"index,tag\n1,\xff\n", "is not text in UTF-8"),
    ],
)
def test_a_damaged_file_gets_one_sentence_and_costs_nobody_the_predictions(run, content, what):
    (run.path / "tags.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RunError, match=rf"^Run one: tags.csv [^\n]*{what}[^\n]*\. Mend or remove it\.$"):
        read_tags(run)
    assert len(loaders.predictions(run)) == 12 and "tag" not in loaders.predictions(run).words


def test_more_different_tags_than_a_choice_can_offer_are_refused(tmp_path):
    fabricate_run(tmp_path / "many", 1001, ("cat", "dog"))
    with pytest.raises(RunError, match="then holds 1,001 different tags, and there may be 1,000"):
        write_tags(Run(tmp_path / "many"), {image: str(image) for image in range(1001)})
    assert not (tmp_path / "many" / "tags.csv").exists()


def test_a_file_too_large_is_refused_before_it_is_read(run):
    with open(run.path / "tags.csv", "wb") as stream:
        stream.truncate(16 * 2**20 + 1)
    with pytest.raises(RunError, match="tags.csv is larger than 16,384 KiB"):
        read_tags(run)


def test_where_nothing_can_be_written_a_sentence_says_so(tmp_path):
    with pytest.raises(RunError, match="The tags of run gone cannot be written"):
        write_tags(Run(tmp_path / "gone"), TAGS)


def test_a_tag_is_a_filter_as_soon_as_it_is_written(run):
    assert "tag" not in loaders.predictions(run).words
    write_tags(run, TAGS)
    predictions = loaders.predictions(Run(run.path))
    assert predictions.select(Filter("all", columns=(("tag", "two objects"),))).tolist() == [0]
    write_tags(run, {7: "two objects"})
    predictions = loaders.predictions(Run(run.path))
    assert predictions.select(Filter("all", columns=(("tag", "two objects"),))).tolist() == [7]


def test_beside_a_column_tag_of_the_predictions_ours_has_another_name():
    assert free_name(["index", "label"]) == "tag" and free_name(["index", "tag"]) == "tags"
    assert tag_column({1: "a"}, 3).to_pylist() == [None, "a", None]
