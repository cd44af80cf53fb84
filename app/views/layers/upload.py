"""An image of one's own: decoded here, kept in the session, never in the address."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image, UnidentifiedImageError

from sightline.app.elements.inspector import draw_subject
from sightline.app.elements.subject import Subject
from sightline.app.elements.text import escape_markdown
from sightline.app.maps import compute
from sightline.image_data import DataError
from sightline.image_data.decode import decode_image, failure_reason
from sightline.image_data.resize import CROP, Resize
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run

FORMATS = ("PNG", "JPEG", "WEBP")
EXTENSIONS = ("png", "jpg", "jpeg", "webp")
MEGABYTES = 5
MEGAPIXELS = 25
_HELD = "layers_upload"  # name and content
_DECODED = "layers_upload_decoded"  # for which input size and rule, and the Upload
_TIMES = "layers_upload_times"  # each upload gets a new, empty control


@dataclass(frozen=True)
class Upload:
    """An image of one's own. pixels: uint8 S×S×3, as the model sees it; token: the hash of these."""

    name: str
    pixels: np.ndarray
    token: str


def read_upload(name: str, content: bytes, input_size: int, resize: Resize = CROP) -> Upload:
    """Decode an image to input_size × input_size pixels, by the rule that the images of the run were brought to it.

    Raises DataError with a sentence: another format, too large, or broken.
    """
    try:
        if len(content) > MEGABYTES * 2**20:
            raise DataError(f"it is larger than {MEGABYTES} MB; save it smaller")
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            if opened.width * opened.height > MEGAPIXELS * 10**6:
                raise DataError(f"it has more than {MEGAPIXELS} million pixels; make it smaller")
        pixels = decode_image(io.BytesIO(content), input_size, resize)
    except UnidentifiedImageError as error:
        raise DataError(f"{name} could not be shown: it is no PNG, JPEG or WebP image.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name} could not be shown: it has more than {MEGAPIXELS} million pixels.") from error
    except Exception as error:  # a broken file can make a decoder raise anything
        raise DataError(f"{name} could not be shown: {failure_reason(error)}.") from error
    return Upload(name, pixels, hashlib.sha256(pixels.tobytes()).hexdigest())


def held_upload(input_size: int, resize: Resize = CROP) -> Upload | None:
    """Return the session's upload, decoded for this model. Raises DataError once: what cannot be read is dropped."""
    held: tuple[str, bytes] | None = st.session_state.get(_HELD)
    if held is None:
        return None
    decoded: tuple[tuple[int, Resize], Upload] | None = st.session_state.get(_DECODED)
    if decoded is not None and decoded[0] == (input_size, resize):
        return decoded[1]
    try:
        upload = read_upload(*held, input_size, resize)
    except DataError:
        drop_upload()
        raise
    st.session_state[_DECODED] = ((input_size, resize), upload)
    return upload


def drop_upload() -> None:
    """Forget the session's upload."""
    for key in (_HELD, _DECODED):
        st.session_state.pop(key, None)


def uploaded_subject(run: Run, record: RunRecord) -> Subject | None:
    """Return the session's upload as this model sees it; None, and a message, where it cannot be shown."""
    try:
        upload = held_upload(record.input_size, record.resize)
        if upload is None:
            return None
        p = compute.probabilities(run, upload.token, upload.pixels)
    except DataError as error:
        st.error(escape_markdown(str(error)), icon=":material/broken_image:")
        return None
    except RunError as error:
        drop_upload()
        st.error(f"The image cannot be shown to the network: {escape_markdown(str(error))}")
        return None
    return Subject(upload.name, record.class_names, p, int(p.argmax()), upload.pixels, token=upload.token)


def draw_uploaded(subject: Subject) -> None:
    """Draw the upload in place of the inspector's title and image."""
    st.markdown(f"**{escape_markdown(subject.title)}**")
    draw_subject(subject)
    st.caption("Kept in this session only: the address does not carry it.")
    st.button(
        "Back to the test split",
        icon=":material/arrow_back:",
        key="layers_back",
        on_click=drop_upload,
        width="stretch",
    )


def draw_uploader() -> None:
    """Draw the control that takes an image."""
    key = f"layers_file_{st.session_state.get(_TIMES, 0)}"
    st.file_uploader(
        "Upload an image of your own",
        type=list(EXTENSIONS),
        max_upload_size=MEGABYTES,
        key=key,
        on_change=_hold,
        args=(key,),
    )


def _hold(key: str) -> None:
    file = st.session_state[key]
    if file is not None:
        drop_upload()
        st.session_state[_HELD] = (file.name, file.getvalue())
        st.session_state[_TIMES] = st.session_state.get(_TIMES, 0) + 1
