"""Complete runs at the edges of what a run can be, for the views and the browser."""

from tests.fabricated import CLASSES, EVERY_FIFTH, fabricate_run

LONG = tuple(f"{number} {'rather long ' * 17}"[:200] for number in range(3))
UNBROKEN = tuple(f"{letter * 200}" for letter in "abc")
ARABIC = ("قطة منزلية", "كلب صغير", "بومة")
EMOJI = ("🐈‍⬛", "🐕 dog", "🦉🦉🦉")
MARKUP = ("<img src=x onerror=alert(1)>", ":red[x] **bold** `code`", "[link](http://a.b) $x^2$ # title")

# Name: images, class names, the images that are wrong.
ODD_RUNS = {
    "one class": (60, ("cat",), slice(0)),
    "one image": (1, CLASSES, slice(None)),
    "no mistakes": (60, CLASSES, slice(0)),
    "nothing but mistakes": (60, CLASSES, slice(None)),
    "a thousand classes": (1200, tuple(f"class {number}" for number in range(1000)), EVERY_FIFTH),
    "long names": (60, LONG, EVERY_FIFTH),
    "names without a space": (60, UNBROKEN, EVERY_FIFTH),
    "arabic names": (60, ARABIC, EVERY_FIFTH),
    "emoji": (60, EMOJI, EVERY_FIFTH),
    "markup": (60, MARKUP, EVERY_FIFTH),
}


def make_odd_run(path, name, with_model=True):
    images, class_names, wrong = ODD_RUNS[name]
    fabricate_run(path, images, class_names, with_model=with_model, wrong=wrong)
