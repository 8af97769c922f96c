"""Gaze-contingent patches: the part of the screen in a unit's receptive field during a fixation."""

import numpy as np
from PIL import Image

from analysis.core.images import GREY

PATCH_DVA = 4.0
"""Side of a patch (Xiao et al. 2024, script 5a)."""


def patch(
    image: Image.Image,
    centre_dva: tuple[float, float],
    size_px: np.ndarray,
    pixels_per_degree: np.ndarray,
    out_px: int,
) -> np.ndarray:
    """Return a square of the screen around a position on an image.

    Parameters
    ----------
    image : PIL.Image.Image
        The image as stored; it was shown stretched to `size_px`.
    centre_dva : pair of float
        Centre of the patch in dva from the image centre, y up: gaze + receptive field.
    size_px : ndarray, shape (2,)
        Width and height of the image as shown, in screen pixels.
    pixels_per_degree : ndarray, shape (2,)
        Screen pixels per dva along each axis; the two differ in some recordings.
    out_px : int
        Width and height of the returned patch.

    Returns
    -------
    ndarray of uint8, shape (3, out_px, out_px)
        Grey (128) outside the image.
    """
    stored = np.array(image.size, float)
    scale = stored / np.asarray(size_px, float)  # stored pixels per screen pixel
    centre = (np.asarray(size_px) / 2 + np.asarray(centre_dva) * pixels_per_degree * (1, -1)) * scale
    half = PATCH_DVA / 2 * np.asarray(pixels_per_degree) * scale
    low, high = centre - half, centre + half
    # Paste the overlapping part of the image onto a grey canvas of whole pixels around the patch.
    corner, end = np.floor(low).astype(int) - 1, np.ceil(high).astype(int) + 1
    canvas = Image.new("RGB", tuple(int(n) for n in end - corner), (GREY,) * 3)
    inside = (*np.maximum(corner, 0), *np.minimum(end, stored.astype(int)))
    if inside[0] < inside[2] and inside[1] < inside[3]:
        part = image.convert("RGB").crop(tuple(int(n) for n in inside))
        canvas.paste(part, (int(inside[0] - corner[0]), int(inside[1] - corner[1])))
    box = (*(low - corner), *(high - corner))
    resized = canvas.resize((out_px, out_px), Image.Resampling.BILINEAR, box=tuple(float(n) for n in box))
    return np.asarray(resized).transpose(2, 0, 1)


def median_field(recording) -> np.ndarray:
    """Return the median position (x, y in dva from gaze) of a recording's receptive fields; 0 if none is known."""
    fields = np.array([recording[f"rf_{axis}_dva"].values for axis in "xy"], float)
    known = fields[:, np.isfinite(fields).all(axis=0)]
    return np.median(known, axis=1) if known.size else np.zeros(2)


def patches_at(open_image, recording, field_dva: np.ndarray, out_px: int) -> np.ndarray:
    """Return the patches around gaze + `field_dva` for the fixations of a recording, (n_fixations, 3, out_px, out_px).

    ``open_image(stem)`` returns a PIL image as stored; it is called once per image. `field_dva` is (x, y), y up.
    """
    attrs = recording.attrs
    size_px = np.array([attrs["image_width_px"], attrs["image_height_px"]])
    pixels_per_degree = np.array([attrs["pixels_per_degree_x"], attrs["pixels_per_degree_y"]])
    centre = np.column_stack([recording["x_dva"], recording["y_dva"]]) + field_dva
    stimulus = recording["stimulus_id"].values.astype(str)
    out = np.empty((len(stimulus), 3, out_px, out_px), np.uint8)
    for stem in np.unique(stimulus):
        image = open_image(stem).convert("RGB")
        for row in np.flatnonzero(stimulus == stem):
            out[row] = patch(image, centre[row], size_px, pixels_per_degree, out_px)
    return out
