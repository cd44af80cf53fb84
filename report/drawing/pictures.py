"""Pictures as files, and as addresses that hold them. NumPy and Pillow are imported only where they are used."""

import base64
import io
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image


def png(image: "np.ndarray | Image.Image") -> bytes:
    """Encode a picture, or pixels uint8 H×W×3, as PNG."""
    import numpy as np
    from PIL import Image

    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.ascontiguousarray(image))
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def data_url(image: "np.ndarray | Image.Image") -> str:
    """Write a picture, or pixels uint8 H×W×3, as the address of itself."""
    return file_url(png(image))


def file_url(content: bytes, kind: str = "image/png") -> str:
    """Write a file as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def svg_url(content: str) -> str:
    """Write shapes of SVG as the address of a picture, as large as the place it is shown in.

    A page of Streamlit lets no SVG stand in it, and the report no style in an element: both show such a picture.
    """
    svg = f'<svg xmlns="http://www.w3.org/2000/svg">{content}</svg>'
    return f"data:image/svg+xml,{quote(svg)}"
