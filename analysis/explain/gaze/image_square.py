"""Positions in the square that a model sees: face regions, gaze, and the patch under a unit's receptive field.

Coordinates in the square run from 0 to 1, to the right and downwards. An image is centred on grey and its longer side
spans the square (`analysis.stimuli.images.pad`).
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.recordings.gaze_patches import PATCH_DVA
from analysis.recordings.rois import FACE_CATEGORIES, Rois


@dataclass(frozen=True)
class Frame:
    """The part of the square that an image covers: its upper left corner ``low`` and its ``span``, (x, y) each."""

    low: np.ndarray
    span: np.ndarray

    @classmethod
    def of(cls, width: float, height: float) -> "Frame":
        """Return the frame of an image that is stored with `width` x `height` pixels."""
        span = np.array([width, height], float) / max(width, height)
        return cls((1 - span) / 2, span)


def face_region(rois: Rois, stem: str, width: int, height: int, size: int) -> np.ndarray:
    """Return which pixels of the square are in a region of a human or monkey face, (size, size) bool.

    Parameters
    ----------
    rois : Rois
    stem : str
    width, height : int
        Of the stored image, in pixels.
    size : int
        Side of the square in pixels; a pixel is in the region if its centre is.
    """
    frame, stored = Frame.of(width, height), np.array([width, height])
    centres = (np.arange(size) + 0.5) / size
    x, y = ((centres - frame.low[axis]) / frame.span[axis] * stored[axis] for axis in (0, 1))
    points = np.stack(np.meshgrid(np.floor(x), np.floor(y)), axis=-1).reshape(-1, 2).astype(int)
    on_image = ((points >= 0) & (points < stored)).all(axis=1)
    inside = np.zeros(len(points), bool)
    for category in rois.categories(stem):
        if category in FACE_CATEGORIES:
            inside |= rois.inside(stem, category, points, stored, np.zeros(len(points), int))
    return (inside & on_image).reshape(size, size)


def on_square(dva: np.ndarray, recording: xr.Dataset, frame: Frame) -> np.ndarray:
    """Convert positions in dva from the image centre, y up, to positions in the square, (..., 2) each."""
    shown, per_degree = _screen(recording)
    return frame.low + frame.span * (0.5 + dva * per_degree * (1, -1) / shown)


def patch_mass(maps: np.ndarray, centre: np.ndarray, recording: xr.Dataset, frame: Frame) -> np.ndarray:
    """Return the share of each map's mass in the patch of 4 x 4 dva around each position.

    Parameters
    ----------
    maps : (n_maps, size, size)
        Maps of one image, without negative values.
    centre : (..., 2)
        Gaze + receptive field, dva from the image centre, y up.
    recording : xarray.Dataset
        Its attributes give the size at which the image was shown.
    frame : Frame

    Returns
    -------
    (n_maps, ...)
        0 to 1; NaN for a map without mass.
    """
    shown, per_degree = _screen(recording)
    half = PATCH_DVA / 2 * per_degree / shown * frame.span
    middle = on_square(centre, recording, frame)
    size = maps.shape[1]
    # Mass is uniform within a pixel, so sums over all pixels above and left of a point are linear between corners.
    table = np.pad(maps.astype(np.float64), ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
    (x0, y0), (x1, y1) = (np.moveaxis(np.clip((middle + s * half) * size, 0, size), -1, 0) for s in (-1, 1))
    inside = (
        _interpolate(table, x1, y1)
        - _interpolate(table, x0, y1)
        + _interpolate(table, x0, y0)
        - _interpolate(table, x1, y0)
    )
    total = table[:, -1, -1].reshape(-1, *[1] * (centre.ndim - 1))
    return np.divide(inside, total, out=np.full(inside.shape, np.nan), where=total > 0)


def _interpolate(tables: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return tables (n, rows, columns), linearly interpolated at fractional positions (...), (n, ...)."""
    row, column = (np.minimum(side.astype(int), tables.shape[1] - 2) for side in (y, x))
    down, right = y - row, x - column
    top = tables[:, row, column] * (1 - right) + tables[:, row, column + 1] * right
    bottom = tables[:, row + 1, column] * (1 - right) + tables[:, row + 1, column + 1] * right
    return top * (1 - down) + bottom * down


def _screen(recording: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return width and height of the image on the screen, and the resolution in pixels per dva, (2,) each."""
    attrs = recording.attrs
    return (
        np.array([attrs["image_width_px"], attrs["image_height_px"]]),
        np.array([attrs["pixels_per_degree_x"], attrs["pixels_per_degree_y"]]),
    )
