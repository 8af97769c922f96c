"""The common layout of recorded data sets in data/raw, checked when it is written.

``images/`` and ``images.csv`` (`IMAGES`) hold the images; ``responses.nc`` the responses of units to presentations, or
``rdms.nc`` the dissimilarities of the images if only these were published; ``manifest.json`` the origin, licence and
hash of every file.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5netcdf
import h5py
import numpy as np
import pandas as pd

from analysis.acquire.manifest import write_manifest
from analysis.acquire.recorded import checks
from analysis.core.errors import DataError
from analysis.core.files import hdf5, write_bytes, write_csv
from analysis.core.images import decode
from analysis.core.reading import read_csv

IMAGES = ["image_id", "file", "category", "object", "group"]
"""Columns of images.csv: a unique name, the path below ``images/``, the category (``face`` for faces; empty if
unknown), the object (may be empty), and a number shared by images of one object on one scene (may be empty)."""
RESPONSES, RDMS = "responses.nc", "rdms.nc"
TRAINING = "training"
"""Folder of other images to train on, if any; ``training.csv`` lists them as images.csv does the data set's own."""
AGAIN = "run the stage acquire for this data set"
SUBJECT = ", subject "
"""Separates the name of a system from that of one of its subjects, whose dissimilarities give the noise ceiling."""


@dataclass(frozen=True)
class Responses:
    """Responses of units to presentations of images.

    Attributes
    ----------
    rates : (n_presentations, n_units) float32
        Spikes/s, finite; or values on the source's own scale (`normalised`).
    image_ids : (n_presentations,) str
        Image shown, as in images.csv.
    repetitions : (n_presentations,) int
        Index of this presentation among those of its image, from 0.
    unit_ids, subjects, regions, recordings : (n_units,) str
        Name of each unit, unique; monkey; area; recording (units recorded together).
    window_ms : float
        Length of the spike-count window.
    normalised : bool
        Whether `rates` are not spikes/s, so that negative values are allowed.
    """

    rates: np.ndarray
    image_ids: np.ndarray
    repetitions: np.ndarray
    unit_ids: np.ndarray
    subjects: np.ndarray
    regions: np.ndarray
    recordings: np.ndarray
    window_ms: float
    normalised: bool = False


@dataclass(frozen=True)
class Dissimilarities:
    """Published dissimilarities of all pairs of images, if responses were not published.

    Attributes
    ----------
    distances : (n_systems, n_pairs) float64
        In the order of `scipy.spatial.distance.squareform` over `image_ids`.
    systems : (n_systems,) str
        What was measured, such as ``monkey IT``; unique.
    image_ids : (n_images,) str
        All images, as in images.csv.
    """

    distances: np.ndarray
    systems: np.ndarray
    image_ids: np.ndarray


@dataclass(frozen=True)
class Origin:
    """Where a data set comes from, for the manifest and the paper."""

    dataset: str
    """Name of the published data set, such as ``V4, session 210325``."""
    url: str
    licence: str
    citation: str
    files: dict[str, str]
    """Digest of each published file, by path."""


def write(
    raw: Path,
    images: pd.DataFrame,
    data: Responses | Dissimilarities,
    picture: Callable[[str], bytes],
    source: str,
    origin: Origin,
    pictures: str = "images",
) -> None:
    """Check a data set and write it to `raw` atomically; the previous data stay if a check fails.

    Parameters
    ----------
    raw : Path
        data/raw.
    images : DataFrame
        The columns `IMAGES`; the order of the rows is kept.
    data : Responses or Dissimilarities
    picture : callable
        Returns the bytes of an image file by its name in the column ``file``; raises `KeyError` if there is none.
    source : str
        Name of the source in params.yaml.
    origin : Origin
    pictures : str
        Where the image files come from, for messages.

    Raises
    ------
    DataError
        For the first requirement that is not met (`analysis.acquire.recorded.checks`); the message names the value.
    """
    images = checks.check_images(images, IMAGES)
    fresh = raw.with_name(f".{raw.name}.part")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        about = WRITE[type(data)](fresh, data, images, origin)
        for name, file in images[["image_id", "file"]].itertuples(index=False):
            _write_picture(fresh / "images" / file, name, f"{pictures}/{file}", lambda file=file: picture(file))
        write_csv(fresh / "images.csv", images)
        described = {"dataset": origin.dataset, "url": origin.url, "licence": origin.licence}
        described |= {"citation": origin.citation, "published": origin.files}
        write_manifest(fresh, source, **described, **about)
        if raw.exists():
            shutil.rmtree(raw)
        fresh.rename(raw)
    except OSError as error:
        raise DataError(f"cannot write {error.filename or raw}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def read_images(raw: Path) -> pd.DataFrame:
    """Read images.csv: the columns `IMAGES`, all of them text.

    Raises
    ------
    DataError
        If the file is missing or lacks a column.
    """
    return read_csv(raw / "images.csv", AGAIN, IMAGES, dtype=str, na_values=[])[IMAGES]


def read_training(raw: Path) -> pd.DataFrame | None:
    """Read training.csv, as `read_images`; None if models are trained on the data set's own images."""
    path = raw / f"{TRAINING}.csv"
    return read_csv(path, AGAIN, IMAGES, dtype=str, na_values=[])[IMAGES] if path.is_file() else None


def read_responses(raw: Path) -> Responses | None:
    """Read responses.nc; None if only dissimilarities were published.

    Raises
    ------
    DataError
        If the file is damaged, or neither file exists.
    """
    return _read(raw, RESPONSES, RDMS, _responses_of)


def read_dissimilarities(raw: Path) -> Dissimilarities | None:
    """Read rdms.nc; None if responses were published.

    Raises
    ------
    DataError
        If the file is damaged, or neither file exists.
    """
    return _read(raw, RDMS, RESPONSES, _dissimilarities_of)


def _read(raw: Path, name: str, other: str, convert: Callable):
    path = raw / name
    if not path.is_file() and (raw / other).is_file():
        return None
    with hdf5.opened(path, "netCDF", AGAIN) as file, hdf5.reading(path, "netCDF", AGAIN):
        return convert(h5netcdf.File(file, "r"))


def _responses_of(file: h5netcdf.File) -> Responses:
    return Responses(
        np.asarray(file["rate"][...], np.float32),
        _text(file, "image_id"),
        file["repetition"][...],
        *(_text(file, name) for name in ("unit_id", "subject", "region", "recording")),
        window_ms=float(file.attrs["window_ms"]),
        normalised=file["rate"].attrs["units"] == "normalised",
    )


def _dissimilarities_of(file: h5netcdf.File) -> Dissimilarities:
    return Dissimilarities(file["rdm"][...], _text(file, "system"), _text(file, "image_id"))


def _text(file: h5netcdf.File, name: str) -> np.ndarray:
    return np.array([value.decode() if isinstance(value, bytes) else str(value) for value in file[name][...]])


def _write_responses(folder: Path, data: Responses, images: pd.DataFrame, origin: Origin) -> dict:
    """Write responses.nc; return the counts for the manifest."""
    checks.check_responses(data, images)
    rates = np.asarray(data.rates, np.float32)
    units = {"unit_id": data.unit_ids, "subject": data.subjects, "region": data.regions, "recording": data.recordings}
    with hdf5.create_netcdf(folder / RESPONSES) as file:
        file.dimensions = {"presentation": len(rates), "unit": rates.shape[1]}
        rate = file.create_variable("rate", ("presentation", "unit"), np.float32, data=rates, compression="gzip")
        rate.attrs["units"] = "normalised" if data.normalised else "spikes/s"
        rate.attrs["coordinates"] = "image_id repetition unit_id subject region recording"
        _put_text(file, "image_id", "presentation", data.image_ids)
        file.create_variable("repetition", ("presentation",), np.int32, data=np.asarray(data.repetitions, np.int32))
        for name, values in units.items():
            _put_text(file, name, "unit", values)
        file.attrs.update({"window_ms": float(data.window_ms), "dataset": origin.dataset})
    shown = pd.Series(np.asarray(data.image_ids).astype(str)).value_counts()
    steady = np.asarray(data.unit_ids)[np.ptp(rates, axis=0) == 0].astype(str).tolist()
    if steady:
        print(f"acquire: {len(steady)} units have constant responses (first {steady[0]}); they are kept")
    if shown.max() < 2:
        print("acquire: no image was repeated, so there is no reliability or noise ceiling")
    counts = {"units": rates.shape[1], "presentations": len(rates), "images": len(images), "images_shown": len(shown)}
    return {"counts": counts | {"repeats": [int(shown.min()), int(shown.max())]}, "units_without_variance": steady}


def _write_dissimilarities(folder: Path, data: Dissimilarities, images: pd.DataFrame, origin: Origin) -> dict:
    """Write rdms.nc; return the counts for the manifest."""
    checks.check_dissimilarities(data, images)
    with hdf5.create_netcdf(folder / RDMS) as file:
        file.dimensions = {"system": len(data.systems), "pair": np.shape(data.distances)[1], "image": len(images)}
        distances = np.asarray(data.distances, np.float64)
        file.create_variable("rdm", ("system", "pair"), np.float64, data=distances, compression="gzip")
        _put_text(file, "system", "system", data.systems)
        _put_text(file, "image_id", "image", data.image_ids)
        file.attrs["dataset"] = origin.dataset
    return {"counts": {"systems": len(data.systems), "images": len(images)}}


WRITE = {Responses: _write_responses, Dissimilarities: _write_dissimilarities}


def _put_text(file: h5netcdf.File, name: str, dimension: str, values) -> None:
    values = np.array([str(value) for value in values], object)
    file.create_variable(name, (dimension,), h5py.string_dtype(), data=values)


def _write_picture(path: Path, image: str, source: str, picture: Callable[[], bytes]) -> None:
    """Write an image file as published, if it can be decoded."""
    try:
        data = picture()
        decode(data)
    except (KeyError, FileNotFoundError) as error:
        raise DataError(f"{source} not found: add it, or remove the image {image!r}") from error
    except DataError as error:
        raise DataError(f"{source} of image {image!r}: {error}; give another file") from error
    write_bytes(path, data)
