"""Image regions annotated by the authors, and where a unit's receptive field fell during each fixation.

Rules of Xiao et al. 2024, script 1a: the centre of the field is gaze + RF; a region counts if, dilated by half the
field's radius, it contains the centre. Face = in a region of a human or monkey face; non-face = in no region at all.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import distance_transform_edt

from analysis.core.images import FACE_CATEGORIES
from analysis.core.reading import damaged, reading
from analysis.recordings.annotations import AGAIN

FOLDER = "ROIs/Stimuli"
"""Folder of the masks and boxes, within the annotations folder."""
THRESHOLD = 127
"""Mask pixels above this are inside (masks stored as JPEG are not quite black and white)."""


class Rois:
    """Masks and boxes of all images, by the stem of the image's file name.

    Parameters
    ----------
    folder : Path
        ``annotations/db/ROIs/Stimuli``: a folder of masks, or a csv file of boxes, named after each category. If a
        category has both for an image, the mask is used. If the folder is missing, there are no regions.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self._sources: dict[str, dict[str, Path | np.ndarray]] = defaultdict(dict)
        entries = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        for path in entries:
            if path.suffix == ".csv":
                for stem, box in _boxes(path):
                    self._sources[stem].setdefault(path.stem, []).append(box)
        for path in entries:
            if path.is_dir():
                for mask in sorted(path.iterdir()):
                    if not mask.name.startswith("."):
                        self._sources[mask.stem][path.name] = mask

    def categories(self, stem: str) -> list[str]:
        """Return the categories of the regions of an image."""
        return sorted(self._sources.get(stem, ()))

    def inside(self, stem: str, category: str, points: np.ndarray, size_px: np.ndarray, widen_px: np.ndarray):
        """Return whether points (n, 2), column and row on the image as shown, lie in a region of the image, (n,) bool.

        Points may lie outside the image. Masks and boxes are scaled to its displayed size `size_px` and dilated by
        `widen_px` (n,) pixels: masks in all directions, boxes on each side.
        """
        source = self._sources[stem][category]
        if isinstance(source, list):
            return np.any([_in_box(box, points, size_px, widen_px) for box in source], axis=0)
        return _in_mask(_mask(source, size_px), points, widen_px)


def _boxes(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield stem and box (x, y, w, h, W, H: corner, size, and the image size to which they refer)."""
    with reading(path, AGAIN):
        table = pd.read_csv(path, usecols=["Filename", "x", "y", "w", "h", "W", "H"])
        boxes = table[["x", "y", "w", "h", "W", "H"]].to_numpy(float)
    for name, box in zip(table["Filename"], boxes, strict=True):
        yield Path(str(name)).stem, box


def _in_box(box: np.ndarray, points: np.ndarray, size_px: np.ndarray, widen_px: np.ndarray) -> np.ndarray:
    scale = size_px / box[4:]
    low, high = box[:2] * scale, (box[:2] + box[2:4]) * scale
    widen = widen_px[:, None]
    return ((points >= low - widen) & (points <= high + widen)).all(axis=1)


def _mask(path: Path, size_px: np.ndarray) -> np.ndarray:
    """Return a mask at the displayed size, shape (height, width) bool."""
    try:
        with reading(path, AGAIN), Image.open(path) as image:
            image = image.convert("L").resize((int(size_px[0]), int(size_px[1])))
    except (Image.DecompressionBombError, SyntaxError) as error:  # the latter is PIL's for a broken PNG
        raise damaged(path, error, AGAIN) from error
    return np.asarray(image) > THRESHOLD


def _in_mask(mask: np.ndarray, points: np.ndarray, widen_px: np.ndarray) -> np.ndarray:
    """Return whether points lie at most `widen_px` from the mask; points outside the image may qualify."""
    pad = int(widen_px.max(initial=0))
    outside = np.pad(~mask, pad, constant_values=True)
    if outside.all():
        return np.zeros(len(points), bool)
    distance = distance_transform_edt(outside)
    column, row = (points + pad).T
    there = (column >= 0) & (row >= 0) & (column < distance.shape[1]) & (row < distance.shape[0])
    inside = np.zeros(len(points), bool)
    inside[there] = distance[row[there], column[there]] <= widen_px[there]
    return inside


def categorise(
    rois: Rois, shown: np.ndarray, stimulus: np.ndarray, xy: np.ndarray, rf: np.ndarray, size_px, pixels_per_degree
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each unit's field fell on a face, and on no region, in each fixation, (n_fixations, n_units) bool.

    Parameters
    ----------
    shown : ndarray of str
        All images of the recording. If none has a region, they were never annotated and no fixation counts.
    xy : ndarray, shape (n_fixations, 2)
        Gaze in dva from the image centre, y up.
    rf : ndarray, shape (n_units, 3)
        x, y and radius of the receptive fields in dva; units without a field are False in both.
    size_px, pixels_per_degree : ndarray, shape (2,)
        Size and resolution of the images as shown, per axis.
    """
    fields, unit_field = np.unique(rf, axis=0, return_inverse=True)
    face = np.zeros((len(stimulus), len(fields)), bool)
    anywhere = np.zeros_like(face)
    known = np.isfinite(fields).all(axis=1)
    if not any(rois.categories(stem) for stem in np.unique(shown)):
        return face[:, unit_field.ravel()], face[:, unit_field.ravel()]
    widen = np.rint(pixels_per_degree.mean() * np.where(known, fields[:, 2], 0) / 2).astype(int)
    for stem in np.unique(stimulus):
        rows = np.flatnonzero(stimulus == stem)
        centre = xy[rows, None] + np.where(known[:, None], fields[:, :2], 0)  # (n_rows, n_fields, 2)
        points = _pixels(centre, size_px, pixels_per_degree).reshape(-1, 2)
        for category in rois.categories(stem):
            inside = rois.inside(stem, category, points, size_px, np.tile(widen, len(rows))).reshape(len(rows), -1)
            anywhere[rows] |= inside
            if category in FACE_CATEGORIES:
                face[rows] |= inside
    unit_field = unit_field.ravel()
    return (face & known)[:, unit_field], (~anywhere & known)[:, unit_field]


def _pixels(dva: np.ndarray, size_px: np.ndarray, pixels_per_degree: np.ndarray) -> np.ndarray:
    """Return column and row of positions in dva from the image centre (y up), rounded as the authors do."""
    return np.rint(np.rint(dva * pixels_per_degree) * (1, -1) + np.asarray(size_px) / 2).astype(int)
