"""A bar for a share, with its interval: in the cards of patterns and the tables of proofs."""

from sightline.report.drawing.pictures import svg_url

# Seen on white and on near-black: a picture does not know the theme of its page.
BAR_COLOURS = {"": "#808890", "wrong": "#c9602a", "accent": "#2f86ad"}


def share_bar(share: float, interval: tuple[float, float] | None = None, kind: str = "") -> str:
    """Draw a bar as HTML; figures beside it say the same. share: 0–1, or NaN: nobody knows. kind: of BAR_COLOURS."""
    bar = '<rect width="100%" height="100%" rx="4" fill="#808890" fill-opacity=".2"/>'
    if share > 0:
        bar += f'<rect width="{100 * share:.1f}%" height="100%" rx="4" fill="{BAR_COLOURS[kind]}"/>'
    if interval:
        low, high = (100 * end for end in interval)
        place = f'x="{low:.1f}%" width="{high - low:.1f}%"'
        bar += f'<rect {place} y="2" height="4" fill="#fff"/><rect {place} y="3" height="2" fill="#000"/>'
    return f'<img class="share-bar" alt="" src="{svg_url(bar)}">'
