"""Face regions in the square input of a model, and the share of a map that lies in them.

An image is centred on grey and its longer side spans the square (`analysis.stimuli.images.pad`).
"""

import numpy as np

from analysis.models.data import Examples
from analysis.recordings.rois import FACE_CATEGORIES, Rois

CENTRE_SD = 0.25
"""Standard deviation of the centre-bias map, as a fraction of the side of the square."""


class Regions:
    """Face regions of images in the square of `size` x `size` pixels."""

    def __init__(self, rois: Rois, examples: Examples, size: int):
        self.rois, self.table, self.size = rois, examples.table, size

    def has_face(self, row: int) -> bool:
        """Return whether an image has a region of a human or monkey face."""
        return not FACE_CATEGORIES.isdisjoint(self.rois.categories(self.table["stem"].iloc[row]))

    def faces(self, rows: np.ndarray) -> np.ndarray:
        """Return which pixels of the square have their centre in a face, (n, size, size) bool."""
        return np.array([self._face(self.table.iloc[row]) for row in rows], bool).reshape(-1, self.size, self.size)

    def frames(self, rows: np.ndarray) -> np.ndarray:
        """Return which pixels of the square lie on the image, (n, size, size) bool."""
        images = (self.table.iloc[row] for row in rows)
        on_image = [_pixels(image["width"], image["height"], self.size)[1] for image in images]
        return np.array(on_image, bool).reshape(-1, self.size, self.size)

    def _face(self, image) -> np.ndarray:
        points, on_image = _pixels(image["width"], image["height"], self.size)
        stored, inside = np.array([image["width"], image["height"]]), np.zeros(len(points), bool)
        for category in self.rois.categories(image["stem"]):
            if category in FACE_CATEGORIES:
                inside |= self.rois.inside(image["stem"], category, points, stored, np.zeros(len(points), int))
        return inside & on_image


def _pixels(width: int, height: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return column and row on the stored image of each pixel of the square, (size * size, 2), and which lie on it."""
    stored, side = np.array([width, height]), max(width, height)
    column, row = ((np.arange(size) + 0.5) / size * side - (side - extent) / 2 for extent in stored)
    points = np.floor(np.stack(np.meshgrid(column, row), axis=-1)).reshape(-1, 2).astype(int)
    return points, ((points >= 0) & (points < stored)).all(axis=1)


def share_in_face(map_: np.ndarray, face: np.ndarray, frame: np.ndarray) -> float:
    """Return the share of a map's positive part on the image that lies in the face; NaN if there is no positive part.

    Parameters
    ----------
    map_ : (size, size)
    face, frame : (size, size) bool
        The face lies within the frame, the part of the square that the image covers.
    """
    positive = np.where(frame, np.maximum(map_, 0), 0)
    total = positive.sum(dtype=np.float64)
    return float(positive[face].sum(dtype=np.float64) / total) if total > 0 else np.nan


def share_in_shifted_faces(face: np.ndarray, frame: np.ndarray) -> float:
    """Return the expected share of a map that lies in a randomly shifted face.

    Shifts wrap around the frame, and all are equally likely. Every pixel of the frame is then in the face equally
    often, so for any map the expectation is the share of the frame that the face covers.
    """
    return float(face.sum() / frame.sum())


def centre_bias(size: int) -> np.ndarray:
    """Return the centre bias of photographs, a Gaussian around the centre, (size, size)."""
    distance = (np.arange(size) + 0.5) / size - 0.5
    profile = np.exp(-0.5 * (distance / CENTRE_SD) ** 2)
    return np.outer(profile, profile)
