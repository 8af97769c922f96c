"""Readers of this step's output, for later steps."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.core.errors import DataError
from analysis.core.paths import RECORDINGS
from analysis.recordings import netcdf


def recording_files(protocol_name: str, folder: Path = RECORDINGS) -> list[Path]:
    """Return the files of all recordings under a protocol, ordered by name.

    Raises
    ------
    DataError
        If there is none.
    """
    paths = sorted((Path(folder) / protocol_name).glob("*.nc"))
    if not paths:
        raise DataError(f"{Path(folder) / protocol_name}: no recordings; run the stage recordings for {protocol_name}")
    return paths


def open_recording(path: Path, stable_only: bool = False) -> xr.Dataset:
    """Read one recording into memory; `stable_only` leaves out the units that drifted."""
    dataset = netcdf.read(path)
    return dataset.isel(unit=dataset["stable"].values) if stable_only else dataset


def all_recordings(protocol_name: str, folder: Path = RECORDINGS, stable_only: bool = False) -> Iterator[xr.Dataset]:
    """Read all recordings under a protocol, one at a time, ordered by name."""
    for path in recording_files(protocol_name, folder):
        yield open_recording(path, stable_only)


def selected(recording: xr.Dataset) -> xr.Dataset:
    """Return the recording with its selected fixations only."""
    return recording.isel(fixation=recording["selected"].values)


def image_means(recording: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean response to each image over its selected fixations (script 0c of Xiao et al. 2024 selects them).

    Returns
    -------
    images : ndarray of str, shape (n_images,)
        Stems, sorted.
    means : ndarray, shape (n_images, n_units)
        spikes/s.
    n_fixations : ndarray of int, shape (n_images,)
    """
    chosen = selected(recording)
    return means_by_image(chosen["rate"].values, chosen["stimulus_id"].values)


def means_by_image(rate: np.ndarray, stimulus: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return stems, mean rate (n_images, n_units) and number of fixations of each image."""
    images, index, n = np.unique(stimulus.astype(str), return_inverse=True, return_counts=True)
    sums = np.zeros((len(images), rate.shape[1]))
    np.add.at(sums, index, rate)
    return images, sums / n[:, None], n


def split_half_means(
    rate: np.ndarray, stimulus: np.ndarray, trial: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean response to each image in two random halves of its trials.

    Halves of repetitions are how Yamins et al. (2014) measured reliability; here repetitions are trials. Fixations of
    one trial go to the same half: they lie close in time, and shared slow changes of rate would count as repeatability.

    Parameters
    ----------
    rate : ndarray, shape (n_fixations, n_units)
    stimulus, trial : ndarray, shape (n_fixations,)
        Image and trial of each fixation; a trial shows one image.
    random : numpy.random.Generator

    Returns
    -------
    images : ndarray of str, shape (n_images,)
        Stems, sorted.
    first, second : ndarray, shape (n_images, n_units)
        Means; not a number for an image without a trial in that half.
    """
    images, index = np.unique(stimulus.astype(str), return_inverse=True)
    trials, first_row, trial_index = np.unique(trial, return_index=True, return_inverse=True)
    image_of = index[first_row]
    # Trials of an image are ranked at random; odd and even ranks are the halves, and a coin says which comes first.
    order = np.lexsort((random.permutation(len(trials)), image_of))
    start = np.searchsorted(image_of[order], np.arange(len(images)))
    rank = np.empty(len(trials), np.int64)
    rank[order] = np.arange(len(trials)) - start[image_of[order]]
    half = ((rank + random.integers(0, 2, len(images))[image_of]) % 2)[trial_index]
    means = []
    for side in (0, 1):
        chosen = half == side
        sums, n = np.zeros((len(images), rate.shape[1])), np.bincount(index[chosen], minlength=len(images))
        np.add.at(sums, index[chosen], rate[chosen])
        means.append(np.divide(sums, n[:, None], out=np.full(sums.shape, np.nan), where=n[:, None] > 0))
    return images, means[0], means[1]
