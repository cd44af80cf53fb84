import numpy as np
import pytest

from sightline.app.elements.matrix_chart import confusion_cells, confusion_matrix, difference_cells

# rows true, columns predicted
CONFUSION = np.array([[8, 2, 0], [1, 6, 3], [0, 0, 0]])
NAMES = ("cat", "dog", "owl")


def cells_of(confusion, names, **options):
    return {(row["true"], row["predicted"]): row for row in confusion_cells(confusion, names, **options).to_pylist()}


def matrix(confusion, names):
    return confusion_matrix(confusion_cells(confusion, names), names).to_dict()


def layers(spec, kind):
    return [layer for layer in spec["layer"] if layer["mark"]["type"] == kind]


def test_the_diagonal_is_hidden_on_demand():
    assert ("cat", "cat") not in cells_of(CONFUSION, NAMES)
    shown = cells_of(CONFUSION, NAMES, hide_diagonal=False)
    assert shown["cat", "cat"]["images"] == 8 and len(shown) == 9


def test_cells_show_counts_or_shares_of_the_true_class():
    counts = cells_of(CONFUSION, NAMES)
    assert counts["cat", "dog"]["text"] == "2" and counts["cat", "dog"]["shade"] == pytest.approx(2 / 3)
    shares = cells_of(CONFUSION, NAMES, shares=True)
    assert shares["dog", "owl"]["share"] == 30 and shares["dog", "cat"]["text"] == "10"
    assert shares["cat", "dog"]["shade"] == pytest.approx(20 / 30)
    assert shares["owl", "cat"]["share"] == 0 and shares["owl", "cat"]["text"] == ""  # a class without images
    assert cells_of(CONFUSION, NAMES, hide_diagonal=False)["cat", "dog"]["shade"] == pytest.approx((2 / 8) ** 0.5)


def test_the_selected_cells_are_outlined():
    pair = cells_of(CONFUSION, NAMES, label="cat", predicted="dog")
    assert [key for key, row in pair.items() if row["selected"]] == [("cat", "dog")]
    row = cells_of(CONFUSION, NAMES, label="cat")
    assert {key for key, cell in row.items() if cell["selected"]} == {("cat", "dog"), ("cat", "owl")}
    assert not any(cell["selected"] for cell in cells_of(CONFUSION, NAMES).values())


def test_a_click_selects_a_cell_by_explicit_fields():
    (selection,) = matrix(CONFUSION, NAMES)["params"]
    assert selection["name"] == "cell" and selection["select"]["fields"] == ["true", "predicted"]


def test_the_matrix_keeps_the_order_of_the_classes():
    encoding = layers(matrix(CONFUSION, NAMES), "rect")[0]["encoding"]
    assert encoding["x"]["scale"]["domain"] == encoding["y"]["scale"]["domain"] == list(NAMES)
    assert (encoding["x"]["field"], encoding["y"]["field"]) == ("predicted", "true")


def test_a_matrix_of_many_classes_is_drawn_without_numbers_and_empty_cells():
    names = tuple(f"class {number}" for number in range(100))
    confusion = np.eye(100, dtype=int) * 5 + np.eye(100, k=1, dtype=int)
    assert not layers(matrix(confusion, names), "text") and len(cells_of(confusion, names)) == 99


def test_names_stand_beside_a_small_matrix_where_they_have_room_and_beside_a_large_one_always():
    for classes, expected in ((20, [True, True]), (21, [False, True]), (100, [False, True])):
        names = tuple(f"class {number}" for number in range(classes))
        cells = confusion_cells(np.eye(classes, k=1, dtype=int), names)
        specs = [confusion_matrix(cells, names, is_large=is_large).to_dict() for is_large in (False, True)]
        axes = [layers(spec, "rect")[0]["encoding"][axis]["axis"]["labels"] for spec in specs for axis in "xy"]
        assert axes[::2] == axes[1::2] == expected


def test_a_matrix_without_mistakes_is_drawn():
    assert matrix(np.diag([3, 3]), ("a", "b"))
    assert matrix(np.array([[3]]), ("a",))


def test_the_only_class_keeps_its_cell_although_it_is_on_the_diagonal():
    (cell,) = confusion_cells(np.array([[7]]), ("cat",)).to_pylist()
    assert (cell["true"], cell["predicted"], cell["images"], cell["text"]) == ("cat", "cat", 7, "7")
    assert len(difference_cells(np.array([[0]]), np.array([7]), ("cat",))) == 1
