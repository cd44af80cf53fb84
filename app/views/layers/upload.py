"""An image of one's own: decoded here, kept in the session, never in the address."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image, ImageOps, UnidentifiedImageError

from sightline.app.elements.inspector import draw_subject
from sightline.app.maps import compute
from sightline.image_data import DataError
from sightline.image_data.decode import decode_image, failure_reason, upright_size
from sightline.image_data.resize import CROP, Resize
from sightline.image_data.square import FILTERS, seen_box
from sightline.report.drawing.subject import Subject
from sightline.report.words.text import escape_markdown
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run

FORMATS = ("PNG", "JPEG", "WEBP")
EXTENSIONS = ("png", "jpg", "jpeg", "webp")
MEGABYTES = 20
MEGAPIXELS = 25
_HELD = "layers_upload"  # name and content
_DECODED = "layers_upload_decoded"  # how, and the Upload
_FIT = "layers_fit"  # whether all of it is to be seen
_PROBLEM = "layers_upload_problem"  # why the last one cannot be shown, until that is said
_TIMES = "layers_upload_times"  # each upload gets a new, empty control


@dataclass(frozen=True)
class HowSeen:
    """How an image of one's own becomes the square that the network takes.

    resize: the rule of the run's images. fit: a colour, where the whole image is brought into the square instead, on
    bands of that colour.
    """

    input_size: int
    resize: Resize = CROP
    fit: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Upload:
    """An image of one's own. pixels: uint8 S×S×3, as the model sees it; token: the hash of these.

    size: width and height of the image. seen: those of the part that the model sees.
    """

    name: str
    pixels: np.ndarray
    token: str
    size: tuple[int, int]
    seen: tuple[int, int]


def read_upload(name: str, content: bytes, how: HowSeen) -> Upload:
    """Decode an image. Raises DataError with a sentence: another format, too large, or broken."""
    try:
        if len(content) > MEGABYTES * 2**20:
            raise DataError(f"it is larger than {MEGABYTES} MB; save it smaller")
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            if opened.width * opened.height > MEGAPIXELS * 10**6:
                raise DataError(f"it has more than {MEGAPIXELS} million pixels; make it smaller")
        size = upright_size(io.BytesIO(content))
        pixels, seen = _square(content, size, how)
    except UnidentifiedImageError as error:
        raise DataError(f"{name} could not be shown: it is no PNG, JPEG or WebP image.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name} could not be shown: it has more than {MEGAPIXELS} million pixels.") from error
    except Exception as error:  # a broken file can make a decoder raise anything
        raise DataError(f"{name} could not be shown: {failure_reason(error)}.") from error
    return Upload(name, pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), size, seen)


def _square(content: bytes, size: tuple[int, int], how: HowSeen) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the pixels, and width and height of what is seen of the image."""
    if how.fit is None:
        left, top, right, bottom = seen_box(size, how.input_size, how.resize)
        pixels = decode_image(io.BytesIO(content), how.input_size, how.resize)
        return pixels, (round(right - left), round(bottom - top))
    if 2 * min(size) * how.input_size < max(size):
        raise DataError("it is too narrow to be fitted in whole: leave that off")
    whole = Image.fromarray(decode_image(io.BytesIO(content)))
    side = (how.input_size, how.input_size)
    return np.asarray(ImageOps.pad(whole, side, FILTERS[how.resize.interpolation], color=how.fit)), size


def held_upload(how: HowSeen) -> Upload | None:
    """Return the session's upload, decoded for this model. Raises DataError once: what cannot be read is dropped."""
    held: tuple[str, bytes] | None = st.session_state.get(_HELD)
    if held is None:
        return None
    decoded: tuple[HowSeen, Upload] | None = st.session_state.get(_DECODED)
    if decoded is not None and decoded[0] == how:
        return decoded[1]
    try:
        upload = read_upload(*held, how)
    except DataError:
        drop_upload()
        raise
    st.session_state[_DECODED] = how, upload
    return upload


def drop_upload() -> None:
    """Forget the session's upload."""
    for key in (_HELD, _DECODED):
        st.session_state.pop(key, None)


def uploaded_subject(run: Run, record: RunRecord) -> Subject | None:
    """Return the session's upload as this model sees it; None without one, or where the uploader is to say why not."""
    try:
        upload = held_upload(_how_seen(record))
    except DataError as error:
        st.session_state[_PROBLEM] = str(error)
        return None
    if upload is None:
        return None
    try:
        p = compute.probabilities(run, upload.token, upload.pixels)
        if not np.isfinite(p).all():
            raise RunError("its answer is not finite (NaN or infinity)")
    except RunError as error:
        drop_upload()
        st.session_state[_PROBLEM] = f"{upload.name} cannot be shown to the network: {error}"
        return None
    return Subject(upload.name, record.class_names, p, int(p.argmax()), upload.pixels, token=upload.token)


def _how_seen(record: RunRecord) -> HowSeen:
    """Return how the network sees an upload: as the visitor wants it. The bands are what the network takes for zero."""
    red, green, blue = (round(255 * mean) for mean in record.mean)
    return HowSeen(record.input_size, record.resize, (red, green, blue) if st.session_state.get(_FIT) else None)


def draw_uploaded(subject: Subject, record: RunRecord) -> None:
    """Draw the upload in place of the inspector's title and image, and say what is seen of it."""
    st.markdown(f"**{escape_markdown(subject.title)}**")
    draw_subject(subject)
    how = _how_seen(record)
    if upload := held_upload(how):
        st.caption(f"{seen_words(upload, how)} It is kept in this session only: the address does not carry it.")
        if upload.size[0] != upload.size[1] or upload.seen != upload.size:
            st.toggle(
                "Fit the whole image in",
                key=_FIT,
                persist_state="session",
                help="In its own proportions, on bands of the mean colour of the training images. The network was "
                "trained on images without such bands.",
            )
    st.button(
        "Back to the test split",
        icon=":material/arrow_back:",
        key="layers_back",
        on_click=drop_upload,
        width="stretch",
    )


def seen_words(upload: Upload, how: HowSeen) -> str:
    """Say what the network sees of an image: “The middle 900×900 of 1200×900 pixels is seen, as 32×32.”"""
    (width, height), (seen_width, seen_height) = upload.size, upload.seen
    part = "All" if upload.seen == upload.size else f"The middle {seen_width}×{seen_height}"
    if how.fit is not None and width != height:
        shape = f", fitted into {how.input_size}×{how.input_size}"
    elif seen_width != seen_height:
        shape = f", squashed into {how.input_size}×{how.input_size}"
    else:
        shape = f", as {how.input_size}×{how.input_size}"
    return f"{part} of {width}×{height} pixels is seen{shape}."


def draw_uploader() -> None:
    """Draw the control that takes an image, and why the last one cannot be shown.

    The control itself refuses what is too large: while it says so, the style sheet hides what was said before.
    """
    key = f"layers_file_{st.session_state.get(_TIMES, 0)}"
    with st.container(key="uploader"):
        st.file_uploader(
            "Upload an image of your own",
            type=list(EXTENSIONS),
            max_upload_size=MEGABYTES,
            key=key,
            on_change=_hold,
            args=(key,),
        )
        if problem := st.session_state.pop(_PROBLEM, ""):
            st.error(escape_markdown(problem), icon=":material/broken_image:")


def _hold(key: str) -> None:
    file = st.session_state[key]
    if file is not None:
        drop_upload()
        st.session_state[_HELD] = (file.name, file.getvalue())
        st.session_state[_TIMES] = st.session_state.get(_TIMES, 0) + 1
