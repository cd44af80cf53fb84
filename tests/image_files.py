"""Image files for the tests that read them."""

from io import BytesIO

from PIL import Image


def save(image, file, **options):
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, **options)
    return file


def content(image, format, **options):
    """The bytes of a file that holds `image`."""
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def save_folder(root):
    """Two classes, three images each and split, 16×16 PNGs of one grey value each."""
    for s, split in enumerate(("train", "test")):
        for c, name in enumerate(("dog", "cat")):
            for k in range(3):
                value = 100 * s + 50 * c + 10 * k
                save(Image.new("L", (16, 16), value), root / split / name / f"{k}.png")
    return root
