"""What lies in a folder of images and is not read: counted, named by kind, refused on request."""

import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from sightline.image_data import DataError, formats, load_image_data, load_test_split
from sightline.image_data.formats import pillow_formats
from tests.image_files import content, save

GREY = Image.new("L", (16, 16), 77)


@pytest.fixture
def cats(folder):
    return folder / "train" / "cat"


def write(folder, **files):
    for name, bytes_ in files.items():
        (folder / name.replace("_", ".")).write_bytes(bytes_)


def test_images_of_every_readable_format_are_read_whatever_their_ending(cats, load):
    jpeg = content(GREY, "JPEG")
    write(cats, a_jfif=jpeg, b_JFIF=jpeg, c_avif=content(GREY, "AVIF"), d_dib=content(GREY, "DIB"))
    write(cats, no=jpeg, n02_1=content(GREY, "PNG"), x_jpg_large=jpeg, y_bak=content(GREY, "GIF"))
    data = load(strict=True)
    assert len(data.train) == 6 + 8 and data.warnings == ()
    assert np.abs(data.train.images[3:11].astype(int) - 77).max() <= 2


def test_images_that_are_not_read_are_counted_by_kind_and_named(cats, load, monkeypatch):
    monkeypatch.setattr(formats, "_has_heic_plugin", lambda: False)
    pillow_formats.cache_clear()
    write(cats, a_heic=b"", b_HEIF=b"", c_svg=b"<svg>", d_nef=b"", e_dcm=b"", scan=bytes(128) + b"DICM", f_jxl=b"")
    save(GREY, cats.parent / "lost.png")
    for _ in ("decoded", "cached"):
        assert load().warnings == (
            "Images were passed over: 2 DICOM, 2 HEIC, 1 JPEG XL, 1 SVG, 1 camera raw, 1 outside the class folders "
            "(train/cat/a.heic, train/cat/b.HEIF, train/cat/c.svg, train/cat/d.nef, train/cat/e.dcm and 3 more). "
            "HEIC is read after pip install 'pillow-heif>=1.1,<2'. Save them as PNG or JPEG.",
        )
    with pytest.raises(DataError, match=r"Images were passed over: 2 DICOM.* or leave out strict\.$"):
        load(strict=True)
    pillow_formats.cache_clear()


def test_folders_inside_a_class_are_named_and_refused_on_request(cats, load):
    save(GREY, cats / "more" / "x.png")
    assert load().warnings == (
        "Folders inside class folders were passed over: train/cat/more. "
        "Images must lie directly in the folder of their class.",
    )
    with pytest.raises(DataError, match=r"train/cat/more.*leave out strict"):
        load(strict=True)


def test_where_nothing_is_read_the_sentence_says_what_was_found(folder, load):
    for file in folder.glob("*/dog/*"):
        file.unlink()
    write(folder / "train" / "dog", a_svg=b"", b_npy=b"", c_npy=b"", LICENSE=b"You may")
    with pytest.raises(DataError) as error:
        load()
    said = str(error.value)
    assert said.startswith(f"No readable image in train/dog, test/dog of {folder}; every class needs at least one in ")
    assert "passed over: 1 SVG (train/dog/a.svg)." in said
    assert "Files that are no images: 2 .npy, 1 without an ending." in said


def test_what_is_no_file_is_not_waited_for(cats, load):
    for name in ("pipe.png", "pipe"):
        os.mkfifo(cats / name)
    data = load()
    assert len(data.train) == 6 and data.warnings == ()


def test_files_whose_names_say_what_they_are_are_not_opened(cats, load, monkeypatch):
    write(cats, notes_txt=b"x", labels_json=b"{}", a_svg=b"")
    monkeypatch.setattr(
        "sightline.image_data.folder.scan.format_of_content", lambda _: pytest.fail("a file was opened")
    )
    load()


def test_dark_images_of_16_bits_are_announced_but_not_stretched(cats, load):
    for k, most in enumerate((900, 4000)):
        save(Image.fromarray(np.full((16, 16), most, np.uint16)), cats / f"deep{k}.png")
    for _ in ("decoded", "cached"):
        data = load()
        assert data.warnings == (
            "2 of 14 images have 16 bits a channel and use values up to 4,095 of 65,535 only, so that they look "
            "dark: train/cat/deep0.png, train/cat/deep1.png. If they hold 12 bits, save them again with all values "
            "multiplied by 16.",
        )
        assert data.train.images[3:5, 0, 0, 0].tolist() == [4, 16]  # 900 and 4000 of 65535
    assert load(strict=True).warnings  # nothing was left out


# Names


NFC, NFD = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))


def has_both(folder):
    """Whether the file system keeps the two apart, as macOS's does not."""
    (folder / "test" / NFC).mkdir()
    (folder / "test" / NFD).mkdir(exist_ok=True)
    both = len([name for name in os.listdir(folder / "test") if name.startswith("caf")]) == 2
    (folder / "test" / NFD).rmdir()
    return both


def test_one_class_may_be_written_in_two_ways(folder, load):
    (folder / "train" / "cat").rename(folder / "train" / NFC)
    (folder / "test" / "cat").rename(folder / "test" / NFD)
    data = load()
    assert data.train.class_names == data.test.class_names and {*data.test.class_names} == {NFC, "dog"}
    code = data.test.class_names.index(NFC)
    assert sorted(data.test.images[data.test.labels == code, 0, 0, 0]) == [150, 160, 170]
    assert all(os.path.isfile(path) for path in (*data.train.paths, *data.test.paths))


def test_codes_follow_the_names_of_the_folders_as_torchvision_s_do(folder, tmp_path):
    for name in (NFD, "cafz"):
        save(GREY, folder / "test" / name / "x.png")
    test, _ = load_test_split(f"folder:{folder}", image_size=16, data_dir=tmp_path)
    assert test.class_names == (NFC, "cafz", "cat", "dog")  # "e" and an accent; as one letter it would come last


def test_two_folders_of_one_class_are_refused(folder, tmp_path):
    if not has_both(folder):
        pytest.skip("this file system takes them for one")
    save(GREY, folder / "test" / NFC / "x.png")
    save(GREY, folder / "test" / NFD / "x.png")
    with pytest.raises(DataError, match=f"test has two folders of the class {NFC}, .* put their images into one"):
        load_test_split(f"folder:{folder}", image_size=16, data_dir=tmp_path)


# To evaluate


def test_to_evaluate_a_class_may_lack_images_but_not_to_train(folder, load, tmp_path):
    for file in (folder / "test" / "cat").iterdir():
        file.unlink()
    test, warnings = load_test_split(f"folder:{folder}", image_size=16, data_dir=tmp_path / "data")
    assert test.class_names == ("cat", "dog") and test.labels.tolist() == [1, 1, 1] and warnings == ()
    with pytest.raises(DataError, match="No readable image in test/cat"):
        load()


def test_to_evaluate_some_class_needs_an_image(folder, tmp_path):
    for file in folder.glob("test/*/*"):
        file.write_bytes(b"x")
    with pytest.raises(DataError, match="No readable image in test/cat, test/dog .*at least one is needed. 6 of 6 "):
        load_test_split(f"folder:{folder}", image_size=16, data_dir=tmp_path)


def test_strict_holds_for_the_test_split_alone_too(folder, tmp_path):
    (folder / "test" / "cat" / "broken.png").write_bytes(b"x")
    with pytest.raises(DataError, match="leave out strict"):
        load_test_split(f"folder:{folder}", image_size=16, data_dir=tmp_path, strict=True)
    assert load_image_data(f"folder:{folder}", image_size=16, data_dir=tmp_path).warnings
