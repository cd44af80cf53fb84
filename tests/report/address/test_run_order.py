"""The orders of the table of runs."""

import pytest

from sightline.report.address.run_order import in_order, next_order
from sightline.report.address.selection import Selection
from sightline.run_store.run import Run
from tests.app_pages import edit_record, open_page, rows_of
from tests.fabricated import fabricate_run


def order_of(values, order):
    return in_order(values, order, lambda value, _: value)


def test_numbers_in_texts_count_as_numbers_and_what_is_unknown_stands_last_in_either_direction():
    values = ["run 10", None, "Run 2", "run 2b", 0.5, "0.25", True, "nan", 10**400, [3]]
    rising = ["0.25", 0.5, 10**400, [3], "nan", "Run 2", "run 2b", "run 10", True]
    found = order_of(values, "x")
    assert found[:2] == ["0.25", 0.5] and found[-1] is None
    assert [one for one in found if isinstance(one, str) and "un" in one] == ["Run 2", "run 2b", "run 10"]
    assert order_of(values, "-x")[-1] is None and order_of(values, "-x")[:-1] == found[:-1][::-1]
    assert sorted(map(str, found[:-1])) == sorted(map(str, rising))


def test_a_second_click_turns_an_order_round_and_a_third_takes_it_back():
    order, seen = None, []
    for _ in range(3):
        seen.append(order := next_order(order, "model"))
    assert seen == ["model", "-model", None]


@pytest.mark.parametrize("order", ["nonsense", "--run", "-", "best_epoch"])
def test_an_order_that_is_none_is_ignored_in_the_address(order):
    selection, ignored = Selection.from_query({"sort": [order]}, {}, lambda name: None)
    assert selection.runs_order is None and ignored == [f"sort “{order}” (not found)"]


def test_every_column_sorts_all_runs_and_not_only_those_that_are_shown(tmp_path, monkeypatch):
    """Three alike but for what is changed; one row is shown beside the chosen run."""
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path))
    monkeypatch.setattr("sightline.app.views.curves.run_panel.MOST_ROWS", 1)
    for number, name in enumerate("abc"):
        fabricate_run(tmp_path / name, 20)
        recipe = {"epochs": 20, "seed": number, "learning_rate": 0.1 - 0.01 * number}
        edit_record(tmp_path / name, created=f"2026-01-0{1 + number}T00:00:00Z", recipe=recipe, parameters=1 + number)
        lines = (tmp_path / name / "metrics.csv").read_text().splitlines(keepends=True)
        (tmp_path / name / "metrics.csv").write_text("".join(lines[: 20 - number]))
    assert len(Run(tmp_path / "a").metrics()) == 19
    first = {
        "run": "a", "-run": "c", "date": "a", "-date": "c", "epochs": "c", "-epochs": "a", "time": "c", "-time": "a",
        "accuracy": "c", "-accuracy": "a", "best": "c", "gap": "c", "-gap": "a", "parameters": "a", "-parameters": "c",
        "seed": "a", "-seed": "c", "learning_rate": "c", "-learning_rate": "a",
    }  # fmt: skip
    for order, name in first.items():
        rows = list(rows_of(open_page(run="b", sort=order)))
        assert rows[0] == name and set(rows) == {name, "b"}, order
