"""Readers of the output of the stage ``recordings``, for later steps."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.core.errors import DataError
from analysis.core.paths import RECORDINGS
from analysis.recordings import netcdf


def recording_files(protocol_name: str) -> list[Path]:
    """Return the files of all recordings under a protocol, ordered by name.

    Raises
    ------
    DataError
        If there is none.
    """
    paths = sorted((RECORDINGS / protocol_name).glob("*.nc"))
    if not paths:
        raise DataError(f"{RECORDINGS / protocol_name}: no recordings; run the stage recordings for {protocol_name}")
    return paths


def find_recording(name: str, protocol_name: str) -> Path:
    """Return the file of a recording given by its name.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    path = RECORDINGS / protocol_name / f"{name}.nc"
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.nc"))[:12]) or "none"
        raise DataError(f"{path}: no recording {name!r}; there are {known}")
    return path


def open_recording(path: Path, stable_only: bool = False) -> xr.Dataset:
    """Read one recording into memory; `stable_only` leaves out units whose rate drifted."""
    dataset = netcdf.read(path)
    return dataset.isel(unit=dataset["stable"].values) if stable_only else dataset


def all_recordings(protocol_name: str, stable_only: bool = False) -> Iterator[xr.Dataset]:
    """Read all recordings under a protocol, one at a time, ordered by name."""
    for path in recording_files(protocol_name):
        yield open_recording(path, stable_only)


def selected(recording: xr.Dataset) -> xr.Dataset:
    """Return the recording with its selected fixations only."""
    return recording.isel(fixation=recording["selected"].values)


def means_by_image(rate: np.ndarray, stimulus: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return stems, mean rate (n_images, n_units) and number of fixations of each image."""
    images, index, n = np.unique(stimulus.astype(str), return_inverse=True, return_counts=True)
    sums = np.zeros((len(images), rate.shape[1]))
    np.add.at(sums, index, rate)
    return images, sums / n[:, None], n
