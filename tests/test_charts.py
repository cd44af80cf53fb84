import numpy as np
import pandas as pd
import pytest

from app.charts import confusion_cells, confusion_matrix, learning_curves
from run_store.run import METRICS_COLUMNS

# rows true, columns predicted
CONFUSION = np.array([[8, 2, 0], [1, 6, 3], [0, 0, 0]])
NAMES = ("cat", "dog", "owl")


def metrics(*rows):
    return pd.DataFrame(rows, columns=METRICS_COLUMNS).astype({"epoch": int})


RUNS = {
    "a.b[0]": metrics((1, 2.0, 0.25, 2.5, 0.2, 0.1, 3.0), (2, 1.0, 0.75, 1.5, 0.5, 0.1, 3.0)),
    "<b>x</b>": metrics((1, 3.0, 0.5, 3.5, 0.4, 0.1, 3.0)),
}
COLOURS = {"a.b[0]": "#111111", "<b>x</b>": "#222222"}


def rows_of(spec, layer):
    return spec["datasets"][spec["layer"][layer].get("data", spec.get("data"))["name"]]


def cells_of(confusion, names, **options):
    return {
        (row["true"], row["predicted"]): row for row in confusion_cells(confusion, names, **options).to_dict("records")
    }


def matrix(confusion, names):
    return confusion_matrix(confusion_cells(confusion, names), names).to_dict()


def layers(spec, kind):
    return [layer for layer in spec["layer"] if layer["mark"]["type"] == kind]


def test_curves_draw_accuracy_in_percent_and_loss_as_it_is():
    accuracy = rows_of(learning_curves(RUNS, "accuracy", COLOURS).to_dict(), 0)
    loss = rows_of(learning_curves(RUNS, "loss", COLOURS).to_dict(), 0)
    assert {(row["run"], row["split"], row["epoch"], row["value"]) for row in accuracy} == {
        ("a.b[0]", "train", 1, 25.0), ("a.b[0]", "train", 2, 75.0),
        ("a.b[0]", "test", 1, 20.0), ("a.b[0]", "test", 2, 50.0),
        ("<b>x</b>", "train", 1, 50.0), ("<b>x</b>", "test", 1, 40.0),
    }  # fmt: skip
    assert [row["value"] for row in loss if row["run"] == "a.b[0]" and row["split"] == "test"] == [2.5, 1.5]


def test_train_is_dashed_test_is_solid_and_a_run_keeps_its_colour():
    spec = learning_curves(RUNS, "loss", COLOURS).to_dict()
    encoding = layers(spec, "line")[0]["encoding"]
    dash = dict(zip(encoding["strokeDash"]["scale"]["domain"], encoding["strokeDash"]["scale"]["range"], strict=True))
    assert dash["test"] == [1, 0] and dash["train"][1] > 0
    colour = encoding["color"]["scale"]
    assert dict(zip(colour["domain"], colour["range"], strict=True)) == COLOURS


@pytest.mark.parametrize("quantity, title", [("loss", "loss (nats)"), ("accuracy", "accuracy (%)")])
def test_axes_name_what_they_show_with_its_unit(quantity, title):
    encoding = layers(learning_curves(RUNS, quantity, COLOURS).to_dict(), "line")[0]["encoding"]
    assert (encoding["x"]["title"], encoding["y"]["title"]) == ("epoch", title)


def test_the_hover_rule_reads_the_values_of_all_runs_at_an_epoch():
    spec = learning_curves(RUNS, "accuracy", COLOURS).to_dict()
    rule = layers(spec, "rule")[0]
    titles = {entry["field"]: entry.get("title") for entry in rule["encoding"]["tooltip"]}
    assert list(titles.values())[1:] == ["a.b[0] train", "a.b[0] test", "<b>x</b> train", "<b>x</b> test"]
    first = spec["datasets"][rule["data"]["name"]][0]
    assert [first[field] for field in titles] == [1, 25.0, 20.0, 50.0, 40.0]
    assert not any(set(".[]") & set(field) for field in titles)  # Vega would read a path


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


def test_a_matrix_without_mistakes_is_drawn():
    assert matrix(np.diag([3, 3]), ("a", "b"))
    assert matrix(np.array([[3]]), ("a",))
