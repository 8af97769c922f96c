"""A data set as a folder of arrays: responses.npy, images/, and optional tables of images and units."""

import difflib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.acquire.recorded.layout import IMAGES
from analysis.acquire.recorded.presentations import Table
from analysis.core.errors import DataError, unreadable
from analysis.core.files.given import table as read_table

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff"}
UNITS = ["unit_id", "subject", "region", "recording"]


def read(folder: Path, region: str | None, window_ms: float | None) -> tuple[pd.DataFrame, Table, Callable]:
    """Read the data set in a folder.

    ``responses.npy`` holds (units, images, repeats), NaN where an image had fewer repeats; (units, images) without
    repeats. ``images/`` holds the image files, ordered by path; a subfolder is named after the category of its images.
    The optional ``images.csv`` has a row per image in the order of the responses, with the column ``file`` and any of
    ``image_id``, ``category``, ``object``, ``group``; the optional ``units.csv`` a row per unit with any of `UNITS`.

    Parameters
    ----------
    folder : Path
    region : str or None
        Area of the units, if units.csv does not give it.
    window_ms : float or None
        Length of the spike-count window.

    Returns
    -------
    images : DataFrame
        Columns `layout.IMAGES`.
    table : Table
    picture : callable
        Returns the bytes of an image file.

    Raises
    ------
    DataError
        If a file is missing, unreadable or of another shape, or the numbers of images or units differ.
    """
    if window_ms is None:
        raise DataError(f"{folder}: the spike-count window is unknown: set window_ms in params.yaml")
    values = _responses(folder / "responses.npy")
    images = read_images(folder)
    units = _units(folder / "units.csv", len(values), folder.name, region)
    if len(images) != values.shape[1]:
        raise DataError(
            f"{folder}: {len(images)} images for responses to {values.shape[1]}: give one for each, in order"
        )
    n_units, n_images, n_repeats = values.shape
    rows = values.transpose(1, 2, 0).reshape(n_images * n_repeats, n_units)
    shown = pd.DataFrame(
        {
            "image_id": np.repeat(images["image_id"].to_numpy(str), n_repeats),
            "repetition": np.tile(np.arange(n_repeats), n_images),
        }
    )
    there = ~np.isnan(rows).all(axis=1)  # NaN in all units: this image had no such repeat
    if silent := sorted(set(images["image_id"]) - set(shown["image_id"][there])):
        raise DataError(
            f"{folder / 'responses.npy'}: image {silent[0]!r} has no response: "
            "remove it from responses.npy and images/ (and images.csv)"
        )
    table = Table(rows[there], shown[there].reset_index(drop=True), units, window_ms)
    return images, table, lambda file: (folder / "images" / file).read_bytes()


def _responses(path: Path) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: write it with numpy.save, units x images x repeats") from error
    except (OSError, ValueError, EOFError) as error:
        raise unreadable(path, error) or DataError(
            f"{path}: not a readable .npy file of numbers ({error}); write it again with numpy.save"
        ) from error
    if values.dtype.kind not in "iuf" or values.ndim not in (2, 3) or not values.size:
        raise DataError(f"{path}: {values.dtype} of shape {values.shape}: give numbers, units x images x repeats")
    return values[:, :, None] if values.ndim == 2 else values


def read_images(folder: Path) -> pd.DataFrame:
    """Return the table of the images (`layout.IMAGES`) in ``images/`` and ``images.csv`` of a folder.

    Raises
    ------
    DataError
        If there are no images, or the table is unreadable, has no column ``file``, or names others than there are.
    """
    path, pictures = folder / "images.csv", folder / "images"
    found = sorted(p.relative_to(pictures).as_posix() for p in pictures.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f"{pictures}: no image files ({', '.join(sorted(SUFFIXES))}): put the images there")
    given = _csv(path, IMAGES) if path.exists() else pd.DataFrame({"file": found})
    if "file" not in given:
        raise DataError(f"{path}: no column file: name the file of each image, below {pictures.name}/")
    if missing := sorted(set(given["file"]) - set(found)):
        raise DataError(f"{path}: there is no file {missing[0]} in {pictures}")
    if left := sorted(set(found) - set(given["file"])):
        raise DataError(f"{path}: no row for {left[0]} in {pictures}: add it, or remove the file")
    parents = [Path(file).parent.as_posix() for file in given["file"]]
    defaults = {
        "image_id": [Path(file).with_suffix("").as_posix().replace("/", "_") for file in given["file"]],
        "category": ["" if parent == "." else parent for parent in parents],
        "object": "",
        "group": "",
    }
    for name, values in defaults.items():
        if name not in given:
            given[name] = values
    return given[IMAGES]


def _units(path: Path, n_units: int, name: str, region: str | None) -> pd.DataFrame:
    given = _csv(path, UNITS) if path.exists() else pd.DataFrame(index=range(n_units))
    if len(given) != n_units:
        raise DataError(f"{path}: {len(given)} rows for {n_units} units in responses.npy: give one for each, in order")
    defaults = {"unit_id": [f"unit{k + 1:03}" for k in range(n_units)], "subject": "unknown", "region": region}
    for column, values in (defaults | {"recording": name}).items():
        if column not in given:
            given[column] = values
    if given["region"].isna().any():
        raise DataError(f"{path}: no column region: add it, or set region in params.yaml")
    return given[UNITS]


def _csv(path: Path, known: list[str]) -> pd.DataFrame:
    """Return a table of the reader's; a column whose name is close to a known one would be ignored without a word."""
    table = read_table(path, f"a table with any of {', '.join(known)}", dtype=str, keep_default_na=False)
    for name in set(table) - set(known):
        if close := difflib.get_close_matches(name.lower(), set(known) - set(table), 1, 0.8):
            raise DataError(f"{path}: column {name!r} means nothing; did you mean {close[0]!r}?")
    return table
