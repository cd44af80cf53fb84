"""What the rules of `sightline check` found."""

from sightline.report.asked import Asked
from sightline.report.check.result import counts_words
from sightline.report.sections.section import Facts


def check(asked: Asked) -> Facts | None:
    """Return a row a rule; None of a report that no check made."""
    if not asked.checked:
        return None
    marks = {"passed": "✓", "failed": "✕", "cannot be judged": "?"}
    return {"results": asked.checked, "counts": counts_words(asked.checked), "marks": marks}
