"""What came of training again without what taught the mistakes."""

from dataclasses import dataclass

from markupsafe import Markup

from sightline.report.asked import Asked
from sightline.report.drawing.proof_table import proof_table
from sightline.report.sections.section import Facts
from sightline.run_store.proofs import Proof, read_proofs, read_result
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

SHOWN = 3  # proofs, the newest first
NOT_FINISHED = "Not finished: one of its two trainings is not complete."


@dataclass(frozen=True)
class Outcome:
    """A proof: its table, and sentences as plain texts; without a result one that says why."""

    proof: Proof
    table: Markup
    sentences: tuple[str, ...]


def proof(asked: Asked) -> Facts | None:
    """Return the last proofs; None where none was begun. Raises RunError."""
    proofs = read_proofs(asked.run)
    return {"outcomes": [_outcome(asked.run, one) for one in reversed(proofs[-SHOWN:])]} if proofs else None


def _outcome(run: Run, one: Proof) -> Outcome:
    try:
        result = read_result(run, one)
    except RunError as error:
        return Outcome(one, Markup(), (str(error),))
    if result is None:
        return Outcome(one, Markup(), (NOT_FINISHED,))
    tested = (result.tested_sentence,) if one.patterns else ()
    return Outcome(one, Markup(proof_table(result)), (result.sentence, *tested))
