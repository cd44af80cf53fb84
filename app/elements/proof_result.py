"""What came of training a run again without some of its training images: the three runs beside each other."""

import csv
import io
from functools import partial
from pathlib import Path

import streamlit as st

from sightline.app.address.views import pages
from sightline.app.runs import loaders, run_list
from sightline.report.address.selection import Selection
from sightline.report.drawing.proof_table import proof_table
from sightline.report.words.text import count, counted, escape_markdown
from sightline.run_store import files
from sightline.run_store.files import FileError, safe_name
from sightline.run_store.formulas import no_formula
from sightline.run_store.proofs import Proof
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

SHOWN = 3  # proofs, the newest first


def draw_proofs(run: Run, selection: Selection, view: str) -> None:
    """Draw what came of the last proofs of the run, or how far they are."""
    try:
        proofs = loaders.proofs(run)
    except RunError as error:
        st.warning(escape_markdown(str(error)), icon=":material/history:")
        return
    for number, proof in enumerate(reversed(proofs[-SHOWN:])):
        with st.container(key=f"panel_{view}_proof_{number}", border=True, gap="small"):
            _draw_proof(run, proof, selection, f"{view}_proof_{number}")


def beside(run: Run, proof: Proof) -> tuple[Run, Run]:
    """Return the two runs of a proof, which may not be there: without the listed images, and without as many others."""
    names = [Path(run.name).parent / folder for folder in (proof.without, proof.random)]
    without, random = (Run(run.path.parent / name.name, name.as_posix()) for name in names)
    return without, random


def _draw_proof(run: Run, proof: Proof, selection: Selection, key: str) -> None:
    without, random = beside(run, proof)
    with st.container(key=f"{key}_head", horizontal=True, vertical_alignment="center", gap="small"):
        title = f"**Trained again without {counted(proof.images, 'training image')}**"
        st.markdown(f"{title} :gray[({escape_markdown(proof.name)})]", width="stretch")
        _draw_links(run, proof, (without, random), selection, key)
    try:
        result = loaders.proof_result(run, without, random, proof)
    except RunError as error:
        st.caption(escape_markdown(str(error)))
        return
    if result is None:
        st.caption(escape_markdown(_how_far(without, random)))
        return
    st.html(proof_table(result))
    st.markdown(escape_markdown(result.sentence))
    if proof.patterns:
        st.caption(escape_markdown(result.tested_sentence))


def _how_far(without: Run, random: Run) -> str:
    """Say of each of the two runs how far it is."""
    words = []
    for what, run in (("without them", without), ("without as many at random", random)):
        try:
            planned = loaders.record(run).planned_epochs if run.exists else None
            words.append(
                f"{what} {count(len(loaders.metrics(run)))} of {planned} epochs" if planned else f"{what} none"
            )
        except RunError as error:
            words.append(str(error))
    how_far = "; ".join(words)
    if any(run.exists and loaders.status(run).state == "running" for run in (without, random)):
        return f"Being trained: {how_far}."
    return f"Not finished: {how_far}. The same button goes on where it stopped."


def _draw_links(run: Run, proof: Proof, others: tuple[Run, Run], selection: Selection, key: str) -> None:
    """Draw links to the runs that are there, and the list to take along."""
    there = [one.name for one in others if run_list.find_run(one.name)]
    if len(there) == 2:
        pair = selection.change(run=there[0], beside=there[1], columns=(), image=None)
        st.page_link(pages()["Compare"], label="Compare both →", query_params=pair.to_query(), width="content")
    if there:
        curves = selection.change(shown=(run.name, *there))
        st.page_link(pages()["Curves"], label="Their curves →", query_params=curves.to_query(), width="content")
    if (run.path / proof.listed).is_file():
        st.download_button(
            "The list",
            data=partial(list_csv, run, proof.listed),
            file_name=safe_name(run.name, Path(proof.listed).stem) + ".csv",
            mime="text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            key=f"{key}_list",
        )


def list_csv(run: Run, name: str) -> bytes:
    """Return a list of training images that lies in the run, of which no cell is a formula; else why it cannot be read.

    name: its path in the run, with "/".
    """
    try:
        with run.reading(name, "Mend or remove it."):
            if files.file_stamp(run.path / name)[2] > files.MOST_BYTES[files.WITHOUT]:
                raise FileError("is too large")
            text = run.read(name).decode("utf-8-sig")
            rows = [list(map(_cell, row)) for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
    except RunError as error:
        rows = [[str(error)]]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode("utf-8", "replace")


def _cell(text: str) -> str:
    return text if _is_number(text) or text.startswith("'") else no_formula(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
