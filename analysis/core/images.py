"""Image conventions of all steps: decoding, the grey of the screen, the region categories that are faces.

Pixels are used as stored, without the EXIF orientation. The stimulus software ignored it, and the published image
sizes, gaze positions and ROI masks refer to stored pixels; rotating an image would misalign them.
"""

import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from analysis.core.errors import DataError
from analysis.core.files.given import contents
from analysis.core.reading import damaged, reading

GREY = 128
"""Grey level (8 bit) of the screen around an image, and of padding."""
FACE_CATEGORIES = frozenset({"face", "primate_face"})
"""Categories of regions that show a human or monkey face."""
LARGEST = 64_000_000
"""Largest number of pixels; an image with more has a damaged header or is a decompression bomb."""


def decode(data: bytes) -> Image.Image:
    """Decode an image file to RGB at its own size; transparent parts show the grey of the screen.

    Parameters
    ----------
    data : bytes
        Content of a file in any format that PIL reads; an animation gives its first frame.

    Raises
    ------
    DataError
        If the bytes are not an image, are truncated or damaged, or hold more than `LARGEST` pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata; damage to the pixels is an error, not a warning
            with Image.open(io.BytesIO(data)) as image:
                too_large = image.width * image.height > LARGEST
                if not too_large:
                    image.load()
                    return _to_rgb(image)
    except UnidentifiedImageError as error:  # its message contains a memory address
        raise DataError("not a readable image (unknown format)") from error
    except Exception as error:  # PIL's decoders raise many types on damaged bytes
        raise DataError(f"not a readable image ({' '.join(str(error).split()) or type(error).__name__})") from error
    raise DataError(f"{image.width} x {image.height} pixels exceed the limit of {LARGEST}")


def read_acquired(path: Path, again: str) -> Image.Image:
    """Read and decode an image that an earlier stage wrote; `again` says how to get it back.

    Raises
    ------
    DataError
        If the file is missing or cannot be read or decoded (`decode`).
    """
    with reading(path, again):
        data = path.read_bytes()
    try:
        return decode(data)
    except DataError as error:
        raise damaged(path, error, again) from error


def read_image(path: str | os.PathLike) -> Image.Image:
    """Read and decode an image file given on the command line.

    Raises
    ------
    DataError
        If the file is missing or cannot be read or decoded (`decode`).
    """
    data = contents(Path(path), "an image file")
    try:
        return decode(data)
    except DataError as error:
        raise DataError(f"{path}: {error}; give another image file") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16-bit grey: PIL's own conversion clips at 255 instead of scaling.
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        screen = Image.new("RGBA", image.size, (GREY, GREY, GREY, 255))
        image = Image.alpha_composite(screen, image)
    return image.convert("RGB")
