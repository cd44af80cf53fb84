"""Parts of the Compare view: how A and B differ in words, their gallery, and the maps of both side by side."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import streamlit as st

from sightline.app.address.selection import Selection
from sightline.app.elements.bars import Bar
from sightline.app.elements.inspector import draw_image
from sightline.app.elements.subject import split_image
from sightline.app.elements.text import count, escape_markdown, p_words, percent
from sightline.app.maps.cells import Cell
from sightline.app.maps.grid import grid_html
from sightline.app.maps.pinned import guess_words
from sightline.app.maps.predicted import predicted_map
from sightline.app.maps.waiting import draw_restart
from sightline.app.runs import loaders, run_list
from sightline.run_store.comparison import ONE_SIDED, Change, Comparison
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

SHOWN_PAIRS = 8
MARK = "*"  # of what is more than chance
LIKELY = 0.05  # what chance does as often as this, or more often, is not held against it


def better_words(comparison: Comparison, names: Sequence[str]) -> str:
    """Say in Markdown which run is better, with McNemar's test in words. names: of A and B, Markdown."""
    accuracies = comparison.a.accuracy, comparison.b.accuracy
    points = 100 * (accuracies[0] - accuracies[1])
    how = f"{abs(points):.1f} points {'more' if points > 0 else 'less'}" if abs(points) >= 0.05 else "as many"
    sentence = f"{names[0]} is right on {percent(accuracies[0])}, {names[1]} on {percent(accuracies[1])}: {how}."
    only_a, only_b = (comparison.images[change] for change in ONE_SIDED)
    if not only_a + only_b:
        return f"{sentence} They are right on the same images."
    p = comparison.p_value
    likely = "chance alone could well do this" if p >= LIKELY else "chance alone would hardly do this"
    return (
        f"{sentence} On {count(only_a + only_b)} images only one of them is right: {names[0]} on {count(only_a)}, "
        f"{names[1]} on {count(only_b)}; {likely} (McNemar's exact test, {p_words(p)})."
    )


def set_words(a: str, b: str) -> dict[Change, str]:
    """Return what each set is called. a, b: names of the runs, Markdown."""
    one_sided = {change: f"Only {name} right" for change, name in zip(ONE_SIDED, (a, b), strict=True)}
    return {change: one_sided.get(change, change.capitalize()) for change in get_args(Change)}


def with_both(items: Sequence[dict[str, Any]], comparison: Comparison, names: tuple[str, str]) -> list[dict[str, Any]]:
    """Return items of A's gallery, which also say what B predicts. names: of A and B."""
    classes, codes = comparison.b.class_names, comparison.b.column("predicted")
    found = []
    for item in items:
        other = classes[codes[item["index"]]]
        alt = f"Image {item['index']}: true {item['true']}, {names[0]} predicts {item['predicted']}, {names[1]} {other}"
        found.append(item | {"alt": alt})
    return found


def draw_both(a: Run, b: Run, image: int, selection: Selection) -> None:
    """Draw the image, then for each run what it was taken for and where that run looked. Raises RunError."""
    pixels = loaders.images(a)[image]
    pairs = [(run, split_image(loaders.predictions(run), image, pixels)) for run in (a, b)]  # each by its codes
    label = pairs[0][1].name(pairs[0][1].label or 0)
    left, right = st.columns(2, gap="small", vertical_alignment="center")
    with left:
        draw_image(pixels, f"Test image {image}: true class {label}", "compare_image")
    right.markdown(f":gray[true]  \n**{escape_markdown(label)}**")
    cells: list[Sequence[Cell]] = []
    layers: list[str] = []
    for run, subject in pairs:
        try:
            (row,), settings = predicted_map(run, subject, selection, run_list.title(run))
        except RunError as error:
            st.markdown(guess_words(run, subject))
            why = escape_markdown(str(error)) if run.has_network else "it has no network."
            st.caption(f"No map of {escape_markdown(run_list.title(run))}: {why}")
            draw_restart(error)
            continue
        cells.append(row)
        layers += settings.layers
    if cells:
        st.html(grid_html(cells, pixels, settings, heads=[" and ".join(dict.fromkeys(layers))]))


def changed_bars(comparison: Comparison, selection: Selection) -> list[Bar]:
    """Return the pairs of classes that A confuses more or less often than B; orange where more, by more than chance."""
    names, shown = comparison.a.class_names, []
    for label, predicted, images, p in comparison.changed_pairs.most(SHOWN_PAIRS):
        number = f"{images:+d}".replace("-", "−")
        is_chance = p >= LIKELY
        title = f"{names[label]} taken for {names[predicted]}: {number} images"
        shown.append(
            Bar(
                names[label],
                abs(images),
                (number if is_chance else f"{number}{MARK}",),
                taken_for=names[predicted],
                id=f"{label}-{predicted}",
                kind="muted" if is_chance else "wrong" if images > 0 else "",
                title=title if is_chance else f"{title}, more than chance",
                selected=(selection.label, selection.predicted) == (names[label], names[predicted]),
            )
        )
    return [replace(bar, value=bar.value / max(bar.value for bar in shown)) for bar in shown]


def changed_words(comparison: Comparison) -> str:
    """Say in Markdown how many pairs differ by more than chance, and of how many."""
    p_values = comparison.changed_pairs.p_values
    found = int((p_values < LIKELY).sum())
    how = f"{escape_markdown(MARK)} {count(found)}" if found else "None"
    return (
        f"{how} of the {count(len(p_values))} pairs of classes that either run confuses differ by more than chance "
        f"({100 * LIKELY:.0f} %; McNemar's exact test for each, with Holm's correction for all of them)."
    )


def rows_of(comparison: Comparison, selection: Selection) -> np.ndarray:
    """Return the images (int64) of the chosen set that either run predicted as chosen."""
    keep = comparison.masks[selection.compared or comparison.largest].copy()
    wanted = selection.filter(comparison.a.class_names)
    if wanted.label is not None:
        keep &= comparison.a.column("label") == wanted.label
    if wanted.predicted is not None:
        keep &= np.any([run.column("predicted") == wanted.predicted for run in (comparison.a, comparison.b)], axis=0)
    return comparison.a.in_order(keep, selection.order)
