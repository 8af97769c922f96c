"""What every step knows about images: how a file is decoded, the screen around them, the regions that are faces.

Pixels are taken as stored: an EXIF orientation is not applied. The software that showed the images ignores it, and
the published image sizes, gaze positions and ROI masks are in stored pixels; turning an image would move them off it.
"""

import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from analysis.core.errors import DataError
from analysis.core.files.given import contents

GREY = 128
"""Grey of the screen around an image, and of padding (8 bit)."""
FACE_CATEGORIES = frozenset({"face", "primate_face"})
"""Categories of regions that show a human or monkey face."""
LARGEST = 64_000_000
"""Pixels of an image; more is a damaged header or a decompression bomb."""


def decode(data: bytes) -> Image.Image:
    """Decode an image file to RGB at its own size; transparent parts show the grey of the screen.

    Parameters
    ----------
    data : bytes
        A file of any format PIL reads; of an animation, the first frame.

    Raises
    ------
    DataError
        If the bytes are no image, cut short or damaged, or of more than `LARGEST` pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata; damage to the pixels is an error, not a warning
            with Image.open(io.BytesIO(data)) as image:
                too_large = image.width * image.height > LARGEST
                if not too_large:
                    image.load()
                    return _to_rgb(image)
    except UnidentifiedImageError as error:  # its message holds the address of an object
        raise DataError("not a readable image (of no known format)") from error
    except Exception as error:  # PIL's decoders raise many kinds on damaged bytes
        raise DataError(f"not a readable image ({' '.join(str(error).split()) or type(error).__name__})") from error
    raise DataError(f"{image.width} x {image.height} pixels are more than {LARGEST}")


def read_image(path: str | os.PathLike) -> Image.Image:
    """Read and decode an image file that was given by hand.

    Raises
    ------
    DataError
        If there is no such file, or it cannot be read or decoded (`decode`).
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
