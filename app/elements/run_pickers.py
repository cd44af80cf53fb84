"""The two runs at the top of every page: A against B, each with its colour, and what holds when one of them changes."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from sightline.app.address.url import read_selection, shown_image, write_selection
from sightline.app.elements.shell import STATE_WORDS
from sightline.app.runs import loaders, run_list
from sightline.report.address.selection import Selection
from sightline.report.drawing.map_settings import CLASS_TARGET, TARGETS
from sightline.run_store.comparison import SWAPPED
from sightline.run_store.record import RunError

_FIRST, _SECOND = "shell_run", "shell_second"


def draw_run_pickers(selection: Selection) -> None:
    """Draw the choice of A and, where there are other runs, of B; with both, the button that swaps them."""
    runs, titles = run_list.listed_runs(selection.run, selection.beside), run_list.titles()
    states = {listed.name: STATE_WORDS[listed.state] for listed in runs}
    others = [name for name in states if name != selection.run]
    if not states:
        return

    def words(name: str) -> str:
        return titles[name] if states[name] == "complete" else f"{titles[name]} · {states[name]}"

    beside = selection.beside if selection.beside in others else None
    st.session_state[_FIRST], st.session_state[_SECOND] = selection.run, beside
    with st.container(key="run_picker", horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        _draw_picker("Run", list(states), words, _FIRST, lambda: choose_run(st.session_state[_FIRST]))
        if others:
            more = {"index": None, "placeholder": "Pin a second run"}
            _draw_picker("Second run", others, words, _SECOND, lambda: pin_run(st.session_state[_SECOND]), **more)
        if beside is not None:
            # The words are for screen readers: the style sheet shows the icon only.
            words_of_swap, icon = "Swap A and B", ":material/swap_horiz:"
            args = (beside, beside)
            st.button(words_of_swap, icon=icon, type="tertiary", key="swap_runs", on_click=choose_run, args=args)


def _draw_picker(
    label: str, names: Sequence[str], words: Callable[[str], str], key: str, take: Callable[[], None], **more: Any
) -> None:
    st.selectbox(
        label,
        names,
        format_func=words,
        key=key,
        on_change=take,
        label_visibility="collapsed",
        filter_mode="contains",
        **more,
    )


def run_colours(selection: Selection) -> str:
    """Return custom properties of the style sheet: the colours of the runs and, where there are two, their names."""
    a, b = run_list.find_run(selection.run), run_list.find_run(selection.beside)
    of_a = f"--run-a: {run_list.colour(a)};" if a else ""
    if a is None or b is None or a.name == b.name:
        return of_a
    return f'{of_a} --run-b: {run_list.colour(b)}; --name-a: "A"; --name-b: "against B"; --letter-b: "B";'


def pin_run(name: str | None) -> None:
    """Make this run B, or none. The image that is shown stays, also where the set is another with another B."""
    selection, _ = read_selection()
    write_selection(selection.change(beside=name, image=shown_image(selection)))


def choose_run(name: str, beside: str | None = None) -> None:
    """Make this run A, as `with_run` does."""
    selection, _ = read_selection()
    write_selection(with_run(selection, name, beside))


def with_run(selection: Selection, name: str, beside: str | None = None) -> Selection:
    """Return a copy with this run as A; where it was B, they swap, and the set of images stays.

    What also exists in it is kept: classes of the same name, the image of the same test split. beside: B, where the
    selection names none.
    """
    beside = selection.beside or beside
    facts, changes = run_list.facts(name), dict[str, Any](run=name)
    if facts is not None:
        changes |= {key: None for key in ("label", "predicted") if getattr(selection, key) not in facts.class_names}
        if _model(name) != _model(selection.run):  # the layers of another network have other names
            changes |= {"layers": (), "map_layer": None, "hide": None}
        classes = {CLASS_TARGET + name for name in facts.class_names}
        changes["targets"] = tuple(target for target in selection.targets if target in classes.union(TARGETS))
        if selection.epoch in facts.epochs():
            changes["epoch"] = selection.epoch
    if name != selection.run:  # whose patterns have other numbers
        changes["columns"] = selection.ask("pattern", None)
    if name == beside:
        changes |= {"beside": selection.run, "compared": SWAPPED.get(selection.compared, selection.compared)}
    runs = [run for run in map(run_list.find_run, (selection.run, name)) if run]
    if len(runs) == 2 and run_list.are_comparable(*runs):
        changes["image"] = shown_image(selection) if name == beside else selection.image
    return selection.change(**changes)


def _model(name: str | None) -> str | None:
    run = run_list.find_run(name)
    try:
        return loaders.record(run).model if run else None
    except RunError:
        return None
