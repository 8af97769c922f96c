"""Categories and labels of images, from the authors' regions and the report's list."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from analysis.core.errors import DataError
from analysis.core.images import FACE_CATEGORIES
from analysis.core.reading import reading


def stem_of(name: str) -> str:
    """Return the stem of a file name: the MD5 by which images, masks and boxes of any extension are matched."""
    return PurePosixPath(name).stem


def read_categories(rois: Path) -> dict[str, set[str]]:
    """Return the ROI categories of every image that has any, by stem.

    `rois` is ``annotations/db/ROIs/Stimuli``: a folder of masks per category, and csv files of boxes named after
    categories (``face.csv``, ``face_metamer.csv``). Raises `DataError` if it is missing or a csv file has no column
    ``Filename``.
    """
    if not rois.is_dir():
        raise DataError(f"{rois}: the folder of image regions is missing; run the stage acquire")
    categories: dict[str, set[str]] = {}
    for entry in sorted(rois.iterdir()):
        names = []
        if entry.is_dir():
            names = [file.name for file in entry.iterdir()]
        elif entry.suffix == ".csv":
            names = read_file_names(entry)
        for name in names:
            if not name.startswith("."):
                categories.setdefault(stem_of(name), set()).add(entry.stem)
    return categories


def read_file_names(path: Path) -> list[str]:
    """Return the column ``Filename`` of a csv file of boxes. Raises `DataError` if it is missing."""
    with reading(path, "run the stage acquire"):
        return pd.read_csv(path, usecols=["Filename"], dtype=str)["Filename"].dropna().tolist()


def annotated_stems(shown: Mapping[str, Iterable[str]], categories: Mapping[str, set[str]]) -> set[str]:
    """Return the stems of the images that the authors annotated.

    Some image sets were never annotated, so that a missing region means nothing. An image counts as annotated if it has
    a region, or was shown in a recording in which some image has one.
    """
    result = set(categories)
    for stems in shown.values():
        stems = set(stems)
        if not stems.isdisjoint(categories):
            result |= stems
    return result


def label_of(categories: set[str], is_annotated: bool) -> str:
    """Return ``face``, ``non-face`` or ``unlabelled``.

    Face: a region of a human or monkey face. Non-face: annotated, and no region of any category. The rest (other
    face-like categories, images never annotated) is unlabelled and not used in training.
    """
    if categories & FACE_CATEGORIES:
        return "face"
    return "non-face" if is_annotated and not categories else "unlabelled"
