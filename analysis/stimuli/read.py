"""Read the output of the stage ``stimuli`` in later stages."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from analysis.core.errors import DataError
from analysis.core.files import sha256
from analysis.core.paths import STIMULI
from analysis.core.reading import damaged, read_csv, read_npy

COLUMNS = ["stem", "path", "extension", "width", "height", "category", "label", "annotated", "group", "split"]
COLUMNS += ["label_report", "split_report"]
NUMBERS = ["width", "height", "group", "annotated"]
CLASSES = ("non-face", "face")
"""Labels of the face task."""
UNLABELLED = "unlabelled"
IMAGES, TABLE = STIMULI / "images.npy", STIMULI / "images.csv"
AGAIN = "run the stage stimuli"


def read_images() -> np.ndarray:
    """Map the images into memory, read-only.

    Returns
    -------
    array (n, 3, size, size), uint8

    Raises
    ------
    DataError
        If the file is missing, damaged, or has another shape or type.
    """
    images = read_npy(IMAGES, AGAIN, 4, np.uint8, mapped=True)
    if images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise damaged(IMAGES, f"shape {images.shape}, not (n, 3, size, size)", AGAIN)
    return images


def hash_files() -> dict[str, str]:
    """Return the SHA-256 of the images and of their table, by file name."""
    return {name: sha256(STIMULI / name) for name in ("images.npy", "images.csv")}


def classes_of(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the classes of the task that labels pose, in order of number: `CLASSES`, or all objects by name."""
    found = set(labels) - {UNLABELLED}
    return CLASSES if CLASSES[0] in found or found <= set(CLASSES) else tuple(sorted(found))


def read_missing() -> pd.DataFrame:
    """Read the list of shown images that the archive lacks, and of recordings that cannot be read.

    Returns
    -------
    DataFrame
        Columns ``path``, ``reason``, ``recordings`` (how many show the image); empty if nothing is missing.

    Raises
    ------
    DataError
        If the file is missing.
    """
    return read_csv(STIMULI / "missing.csv", AGAIN, ["path", "reason", "recordings"], ["path", "reason"], na_values=[])


def read_table() -> pd.DataFrame:
    """Read the table of images, one row per image of `read_images`.

    Returns
    -------
    DataFrame
        The columns `COLUMNS`; ``annotated`` is bool, ``width``, ``height`` (pixels) and ``group`` are integers, the
        rest text (``split_report`` may be empty).

    Raises
    ------
    DataError
        If the file is missing, lacks a column, has a stem twice, or has another number of rows than there are images.
    """
    table = read_csv(TABLE, AGAIN, COLUMNS, sorted({*COLUMNS} - {*NUMBERS}), na_values=[])
    if not pd.api.types.is_bool_dtype(table["annotated"]) or not len(table):
        raise damaged(TABLE, "no rows, or annotated is not True or False in all", AGAIN)
    if wrong := [name for name in NUMBERS[:3] if not pd.api.types.is_integer_dtype(table[name])]:
        raise damaged(TABLE, f"{wrong[0]} is not a whole number in all rows", AGAIN)
    if table["stem"].duplicated().any():
        raise damaged(TABLE, f"stem {table['stem'][table['stem'].duplicated()].iloc[0]} occurs twice", AGAIN)
    if len(table) != (n := len(read_images())):
        raise DataError(f"{TABLE} has {len(table)} rows for {n} images in {IMAGES}: {AGAIN} again")
    return table
