"""The three trainings of a proof beside each other, as a table of HTML."""

from sightline.report.drawing.share_bar import share_bar
from sightline.report.words.text import count, percent
from sightline.run_store.proofs import ProofResult, Share


def proof_table(result: ProofResult) -> str:
    """Write the accuracy of the three, with its interval, and how many of the counted mistakes each has right."""
    runs = (
        ("as it was", result.before, ""),
        ("without them", result.without, "accent"),
        ("without as many at random", result.random, ""),
    )
    bar = '<td class="bar"></td>'
    head = f"<th>trained</th>{bar}<th>accuracy</th>{bar}<th>mistakes that are right</th>"
    rows = "".join(
        f"<tr><th>{name}</th>{_share(judged.accuracy, percent(judged.accuracy.value), kind)}"
        f"{_share(judged.mended, f'{count(judged.mended.right)} of {count(judged.mended.of)}', kind)}</tr>"
        for name, judged, kind in runs
    )
    return f'<div class="proof-table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _share(share: Share, words: str, kind: str) -> str:
    """Write a bar with the interval, and the figure."""
    bar = share_bar(share.value, share.interval if share.of else None, kind)
    return f'<td class="bar">{bar}</td><td>{words}</td>'
