"""A table of paths and labels is a data set, and reads nothing outside its folder."""

import os

import numpy as np
import pytest
from PIL import Image

from sightline.image_data import DataError, decode_image, load_image_data, load_test_split, training_classes
from sightline.image_data.resize import NAMED
from tests.image_files import save


@pytest.fixture
def table(tmp_path, random_numbers):
    """Write a table beside four images of 40×20 pixels, images/0.png to 3.png: its name as a data set."""
    for number in range(4):
        pixels = random_numbers.integers(0, 256, (20, 40, 3), dtype=np.uint8)
        save(Image.fromarray(pixels), tmp_path / "set" / "images" / f"{number}.png")

    def write(text, name="table.csv"):
        (tmp_path / "set" / name).write_text(text, encoding="utf-8")
        return f"csv:{tmp_path / 'set' / name}"

    return write


@pytest.fixture
def load(tmp_path):
    return lambda name, **options: load_test_split(name, image_size=16, data_dir=tmp_path / "data", **options)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "path,label\nimages/0.png,dog\nimages/2.png,cat\n"),
        ("b.csv", "\ufeffClass;other;Filename\ndog;1;images/0.png\n\ncat;2;images/2.png\n"),
        ("c.tsv", "images/0.png\tdog\nimages/2.png\tcat\n"),
        ("d.csv", "picture,kind\nimages\\0.png,dog\nimages/../images/2.png,cat"),
    ],
    ids=["named columns", "other names, order and delimiter", "no header", "unknown names"],
)
def test_columns_are_known_by_name_or_position(table, load, tmp_path, name, text):
    split, notes = load(table(text, name))
    paths = tuple(str(tmp_path / "set" / "images" / f"{number}.png") for number in (0, 2))
    assert split.paths == paths and split.class_names == ("cat", "dog") and split.labels.tolist() == [1, 0]
    assert (split.images == np.stack([decode_image(path, 16) for path in paths])).all() and notes == ()


def test_labels_that_are_numbers_are_codes(table, load):
    name = table("path,label\nimages/0.png,2\nimages/1.png,10\n")
    assert load(name)[0].labels.tolist() == [2, 10]
    assert training_classes(name) == tuple(map(str, range(11)))


SPLITS = (
    "image,class,Split\nimages/0.png,dog,train\nimages/1.png,cat,train\nimages/2.png,cat,Val\nimages/3.png,dog,Val\n"
)


def test_splits_of_a_table_are_found_or_named(table, load, tmp_path):
    name = table(SPLITS)
    data = load_image_data(name, image_size=16, data_dir=tmp_path / "data")
    assert data.train.labels.tolist() == [1, 0] and data.test.labels.tolist() == [0, 1]
    assert data.warnings == (f"The test split is Val of {name[4:]}.",)
    assert load(name, split="train")[0].fingerprint == data.train.fingerprint
    with pytest.raises(DataError, match="has no split dev, but train, Val; name the one to judge on with --split"):
        load(name, split="dev")


def test_a_class_is_the_same_in_every_split(table, load):
    name = table("path,label,split\nimages/0.png,ant,train\nimages/1.png,bee,train\nimages/2.png,bee,test\n")
    split, _ = load(name)
    assert split.class_names == ("ant", "bee") and split.labels.tolist() == [1]


def test_a_changed_label_is_another_entry_of_the_cache(table, load):
    before, _ = load(table("path,label\nimages/0.png,cat\nimages/1.png,dog\n"))
    after, _ = load(table("path,label\nimages/0.png,dog\nimages/1.png,cat\n"))
    assert before.labels.tolist() == [0, 1] and after.labels.tolist() == [1, 0]
    assert before.fingerprint != after.fingerprint


@pytest.mark.parametrize("rule", NAMED)
def test_masks_are_cut_as_their_images_are(table, tmp_path, rule):
    mask = np.zeros((20, 40), np.uint8)
    mask[:, 20:] = 255
    save(Image.fromarray(mask), tmp_path / "set" / "m.png")
    save(Image.fromarray(mask[::2, ::2] // 255 * 6), tmp_path / "set" / "bits.png")
    save(Image.fromarray(np.stack([mask] * 3, axis=2)), tmp_path / "set" / "rgb.png")
    name = table("path,label,mask\nimages/0.png,0,m.png\nimages/1.png,0,bits.png\nimages/2.png,1,rgb.png\n")
    split, _ = load_test_split(name, image_size=10, resize=NAMED[rule], data_dir=tmp_path / "data")
    assert split.masks.dtype == np.uint8 and split.masks.shape == (3, 10, 10)
    for found, bits in zip(split.masks, (1, 6, 1), strict=True):
        assert (found[:, :5] == 0).all() and (found[:, 5:] == bits).all()


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((20, 20), np.uint8), "it has 20×20 pixels, and its image 40×20"),
        (np.arange(800, dtype=np.uint8).reshape(20, 40) % 9, "the values 0, 1, 2, 3, 4 and more: a mask has 0 and one"),
    ],
)
def test_masks_that_do_not_fit_are_refused(table, load, tmp_path, mask, words):
    save(Image.fromarray(mask), tmp_path / "set" / "m.png")
    with pytest.raises(DataError, match=rf"The mask .*m\.png cannot be used: .*{words}"):
        load(table("path,label,mask\nimages/0.png,0,m.png\n"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has the columns none; call that of the images 'path'"),
        ("a,b,c\n1,2,3\n", "has the columns a, b, c; call that of the images 'path'"),
        ("path,label\n", "has no rows"),
        ("path,label\nimages/0.png,cat\nimages/1.png,\n", r"Row 3 of .* has no label"),
        ("path,label\nimages/0.png\n", "Row 2 of .* has no label"),
        ('path,label\n"images/0.png,cat\n', "is no table in CSV"),
        ("path,label\nimages/0.png,a\nb.png,a\nc.png,a\n", "2 of 3 paths in .* are not there: b.png, c.png. Paths are"),
        ("path,label\n../other.png,a\n", r"1 of 1 paths in .* lead out of its folder: \.\./other\.png\. Put the table"),
        ("path,label\n/etc/hostname,a\n", "lead out of its folder: /etc/hostname"),
        ("path,label,mask\nimages/0.png,a,/etc/hostname\n", "lead out of its folder: /etc/hostname"),
    ],
)
def test_a_wrong_table_is_a_sentence(table, load, tmp_path, text, words):
    save(Image.new("L", (8, 8)), tmp_path / "other.png")
    with pytest.raises(DataError, match=words):
        load(table(text))


def test_links_do_not_lead_out_of_the_folder_and_absolute_paths_may_stay_in_it(table, load, tmp_path):
    save(Image.new("L", (8, 8)), tmp_path / "elsewhere" / "secret.png")
    (tmp_path / "set" / "link.png").symlink_to(tmp_path / "elsewhere" / "secret.png")
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "inner.png").symlink_to(tmp_path / "set" / "images" / "0.png")
    for path in ("link.png", "linked/secret.png"):
        with pytest.raises(DataError, match=f"lead out of its folder: {path}"):
            load(table(f"path,label\n{path},a\n"))
    split, _ = load(table(f"path,label\n{tmp_path}/set/images/1.png,a\ninner.png,a\n"))
    assert len(split) == 2


def test_a_folder_whose_name_is_not_utf8_is_refused(table, load, tmp_path):
    table("path,label\nimages/0.png,a\n")
    foreign = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        (tmp_path / "set").rename(foreign)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(DataError, match=r"caf\\udce9.*rename it"):
        load(f"csv:{foreign / 'table.csv'}")


def test_a_broken_image_is_left_out_with_its_mask(table, load, tmp_path):
    (tmp_path / "set" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for bits in (0, 1):
        save(Image.new("L", (40, 20), bits), tmp_path / "set" / f"m{bits}.png")
    split, notes = load(table("path,label,mask\nbroken.png,0,m0.png\nimages/1.png,0,m1.png\n"))
    assert (
        len(split) == 1
        and (split.masks == 1).all()
        and notes[0].startswith("1 of 2 images could not be read: broken.png (")
    )
