"""Pad images to squares."""

import numpy as np
from PIL import Image

from analysis.core.images import GREY

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff"}


def pad(image: Image.Image, size: int) -> np.ndarray:
    """Scale an image so that its longer side is `size`, and centre it on grey.

    Parameters
    ----------
    image : PIL image
        RGB, any size.
    size : int
        Side of the square, in pixels.

    Returns
    -------
    array (3, size, size), uint8
        Channels red, green, blue; bicubic interpolation, antialiased if the image shrinks.
    """
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))  # (height, width, 3)
    square = np.full((size, size, 3), GREY, np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = small
    return np.ascontiguousarray(square.transpose(2, 0, 1))
