"""Readers of the output of the stage ``stimuli``, for later steps."""

import numpy as np
import pandas as pd

from analysis.core.errors import DataError
from analysis.core.files import sha256
from analysis.core.paths import STIMULI

COLUMNS = ["stem", "path", "extension", "width", "height", "category", "label", "annotated", "group", "split"]
COLUMNS += ["label_report", "split_report"]


def read_images() -> np.ndarray:
    """Map the images into memory, read-only.

    Returns
    -------
    array (n, 3, size, size), uint8

    Raises
    ------
    DataError
        If the file is missing or holds something else.
    """
    path = STIMULI / "images.npy"
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: cannot read the images ({error}); run the stage stimuli") from error
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise DataError(f"{path}: {images.dtype} of shape {images.shape}, not uint8 (n, 3, size, size); run stimuli")
    return images


def hash_files() -> dict[str, str]:
    """Return the SHA-256 of the images and of their table, by file name."""
    return {name: sha256(STIMULI / name) for name in ("images.npy", "images.csv")}


def read_missing() -> pd.DataFrame:
    """Read the list of images that recordings show and the archive lacks, and of recordings that cannot be read.

    Returns
    -------
    DataFrame
        Columns ``path``, ``reason``, ``recordings`` (how many show the image); empty if nothing is missing.

    Raises
    ------
    DataError
        If the file is missing.
    """
    path = STIMULI / "missing.csv"
    try:
        return pd.read_csv(path, dtype={"path": str, "reason": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot read what is missing ({error}); run the stage stimuli") from error


def read_table() -> pd.DataFrame:
    """Read the table of images, one row per row of `read_images`.

    Returns
    -------
    DataFrame
        The columns `COLUMNS`; ``annotated`` is bool, ``width``, ``height`` (pixels) and ``group`` are integers, the
        rest text (``split_report`` may be empty).

    Raises
    ------
    DataError
        If the file is missing, lacks a column, names a stem twice, or has another length than the images.
    """
    path = STIMULI / "images.csv"
    try:
        text = dict.fromkeys(set(COLUMNS) - {"width", "height", "group", "annotated"}, str)
        table = pd.read_csv(path, dtype=text, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot read the table of images ({error}); run the stage stimuli") from error
    if missing := [name for name in COLUMNS if name not in table]:
        raise DataError(f"{path}: no column {', '.join(missing)}; run the stage stimuli")
    if table["stem"].duplicated().any():
        raise DataError(f"{path}: stem {table['stem'][table['stem'].duplicated()].iloc[0]} occurs twice")
    if len(table) != len(read_images()):
        raise DataError(f"{path}: {len(table)} rows for {len(read_images())} images; run the stage stimuli")
    return table
