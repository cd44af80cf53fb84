"""A run is called the same everywhere, behind the dot of its colour, whatever its name holds."""

from sightline.app.elements.run_label import label_html, run_label
from sightline.app.runs import run_list
from sightline.run_store.run import Run
from tests.fabricated import fabricate_run

NAME = "<b>:red[x]"


def test_a_run_is_labelled_by_the_dot_of_its_colour_and_its_title_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path))
    fabricate_run(tmp_path / NAME, 4)
    run = Run(tmp_path / NAME)
    colour = run_list.colour(run)
    assert run_label(run) == rf':color[●]{{foreground="{colour}"}}' + "\N{NO-BREAK SPACE}" + r"\<b\>\:red\[x\]"
    assert label_html(NAME, colour).endswith("&lt;b&gt;:red[x]") and f"background:{colour}" in label_html(NAME, colour)
