"""Assemblies and stimulus sets in BrainIO files, the format of Brain-Score.

An assembly is a netCDF file of one variable over ``presentation``, ``neuroid`` and, if spikes were counted in several
windows, ``time_bin``, with coordinates along each; a stimulus set is a csv file with a row per image, and the images in
a zip archive or a folder (https://github.com/brain-score/core).
"""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from analysis.acquire.recorded.layout import IMAGES
from analysis.acquire.recorded.presentations import Table
from analysis.core.errors import DataError
from analysis.core.files.given import table as read_table

IMAGE_ID, FILE = ("stimulus_id", "image_id"), ("filename", "image_file_name", "file")
CATEGORY, OBJECT = ("category_name", "category", "label"), ("object_name", "object")
SCENE = ("background_id", "scene", "background")
"""Alternative names of each column, the current one first."""
FACE = {"face", "faces"}


def read_assembly(path: Path, name: str, region: str | None, window_ms: float | None) -> Table:
    """Read an assembly.

    Parameters
    ----------
    path : Path
    name : str
        Name of the recording, if the neuroids have no ``animal``.
    region, window_ms : str, float or None
        Area of the neuroids and length of the spike-count window, if the file does not give them.

    Raises
    ------
    DataError
        If the file is not such an assembly, holds several time bins, or lacks an area or window that the arguments lack
        too.
    """
    dataset = _open(path)
    found = [v for v in dataset.data_vars.values() if {"presentation", "neuroid"} <= set(v.dims)]
    if len(found) != 1:
        raise DataError(f"{path}: {len(found)} variables over presentation and neuroid: give one, of the responses")
    data = found[0]
    if set(data.dims) - {"presentation", "neuroid", "time_bin"} or data.sizes.get("time_bin", 1) != 1:
        sizes = ", ".join(f"{dim} {size}" for dim, size in data.sizes.items())
        raise DataError(f"{path}: {sizes}: select one time bin, or average over the bins of the response")
    values = data.transpose("presentation", "neuroid", ...).values.reshape(
        data.sizes["presentation"], data.sizes["neuroid"]
    )
    along = {dim: _coordinates(dataset, dim) for dim in ("presentation", "neuroid")}
    images = _first(along["presentation"], IMAGE_ID, f"{path}: presentations", "the image shown").astype(str)
    repetition = along["presentation"].get("repetition", pd.Series(-1, index=images.index))
    shown = pd.DataFrame({"image_id": images, "repetition": repetition})
    units = _units(along["neuroid"], path, name, region)
    return Table(values, shown, units, _window(dataset, path, window_ms))


def _open(path: Path):
    import xarray as xr  # slow to load

    try:
        with xr.open_dataset(path, engine="h5netcdf") as dataset:
            return dataset.load()
    except Exception as error:  # xarray and HDF5 raise many exceptions on damaged files
        raise DataError(f"{path}: not a readable netCDF-4 file ({' '.join(str(error).split())})") from error


def _coordinates(dataset, dim: str) -> pd.DataFrame:
    named = {str(key): one.values for key, one in dataset.coords.items() if one.dims == (dim,) and key != dim}
    return pd.DataFrame(named, index=range(dataset.sizes[dim]))


def _units(neuroids: pd.DataFrame, path: Path, name: str, region: str | None) -> pd.DataFrame:
    unit = _first(neuroids, ("neuroid_id",), f"{path}: neuroids", "a unique name").astype(str)
    animal = neuroids.get("animal", neuroids.get("subject", pd.Series("unknown", index=unit.index))).astype(str)
    area = neuroids.get("region", pd.Series(region, index=unit.index))
    if area.isna().any():
        raise DataError(f"{path}: neuroids have no coordinate region: add it, or set region in params.yaml")
    recording = animal if "animal" in neuroids or "subject" in neuroids else pd.Series(name, index=unit.index)
    return pd.DataFrame({"unit_id": unit, "subject": animal, "region": area.astype(str), "recording": recording})


def _window(dataset, path: Path, window_ms: float | None) -> float:
    if {"time_bin_start", "time_bin_end"} <= set(dataset.coords):
        return float(dataset["time_bin_end"].values.ravel()[0] - dataset["time_bin_start"].values.ravel()[0])
    if window_ms is None:
        raise DataError(f"{path}: no time_bin_start and time_bin_end: add them, or set window_ms in params.yaml")
    return window_ms


def read_stimuli(table: Path, pictures: Path) -> tuple[pd.DataFrame, Callable]:
    """Read a stimulus set.

    Parameters
    ----------
    table : Path
        The csv file.
    pictures : Path
        A zip archive, or a folder.

    Returns
    -------
    images : DataFrame
        Columns `layout.IMAGES`. Images of one object on one scene (``background_id``) share a ``group``.
    picture : callable
        Returns the bytes of an image file by its name; raises `KeyError` if there is none.

    Raises
    ------
    DataError
        If a file cannot be read, or the table lacks a column for images or files.
    """
    given = read_table(table, "a csv file with a row per image", dtype=str, keep_default_na=False)
    n = len(given)
    category = _first(given, CATEGORY, None, default=[""] * n)
    what, scene = _first(given, OBJECT, None, default=[""] * n), _first(given, SCENE, None, default=[""] * n)
    pair = what + "\n" + scene
    images = pd.DataFrame(
        {
            "image_id": _first(given, IMAGE_ID, str(table), "the image"),
            "file": _first(given, FILE, str(table), "its file"),
            "category": ["face" if name.strip().lower() in FACE else name.strip() for name in category],
            "object": what,
            "group": pair.groupby(pair, sort=False).ngroup() if (scene != "").any() else "",
        }
    )
    return images[IMAGES], _opener(pictures)


def _opener(pictures: Path) -> Callable:
    if pictures.is_dir():
        return lambda file: (pictures / file).read_bytes()
    try:
        archive = zipfile.ZipFile(pictures)
    except FileNotFoundError as error:
        raise DataError(f"{pictures} not found: it should hold the images") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{pictures}: not a readable zip archive ({error})") from error

    def picture(file: str) -> bytes:
        try:
            return archive.read(file)
        except zipfile.BadZipFile as error:
            raise DataError(f"{pictures}: {file} is damaged ({error})") from error

    return picture


def _first(table: pd.DataFrame, names: tuple, where: str | None, what: str = "", default=None) -> pd.Series:
    """Return the first column in `names` that the table has, else `default`."""
    for name in names:
        if name in table:
            return table[name]
    if default is not None:
        return pd.Series(default, index=table.index, dtype=str)
    raise DataError(f"{where}: missing column {' or '.join(names)} ({what})")
