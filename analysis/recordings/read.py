"""Read the output of the stage ``recordings`` in later stages."""

import os
from collections.abc import Iterator
from numbers import Number
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.core.errors import DataError, unreadable
from analysis.core.paths import RAW, RECORDINGS
from analysis.core.reading import Manifest, damaged, read_csv, read_json
from analysis.recordings import netcdf

AGAIN = "run the stage recordings"
TEXT, FLAG, WHOLE, NUMBER = "OUST", "b", "iu", "iuf"
FIXATION, UNIT, BOTH = ("fixation",), ("unit",), ("fixation", "unit")
RESPONSES = {
    "trial": (FIXATION, WHOLE),
    "stimulus_id": (FIXATION, TEXT),
    "selected": (FIXATION, FLAG),
    **dict.fromkeys(("unit", "neuroid_id", "region"), (UNIT, TEXT)),
    "stable": (UNIT, FLAG),
    "rate": (BOTH, NUMBER),
}
"""Variables of every recording: dimensions and dtype kinds."""
VIEWING = {
    **dict.fromkeys(("row", "ordinal"), (FIXATION, WHOLE)),
    **dict.fromkeys(("onset_ms", "offset_ms", "x_dva", "y_dva"), (FIXATION, NUMBER)),
    **dict.fromkeys(("latency_ms", "overall_rate", "rf_x_dva", "rf_y_dva", "rf_r_dva"), (UNIT, NUMBER)),
    **dict.fromkeys(("rsc", "rsc_p", "rsc_across_trials", "fsi", "n_face", "n_non_face"), (UNIT, NUMBER)),
    "visually_selective": (UNIT, FLAG),
}
"""Further variables of a free-viewing recording."""
TRUTH = {
    "image": (("image",), TEXT),
    **dict.fromkeys(("unit", "region"), (UNIT, TEXT)),
    "second_half": (UNIT, NUMBER),
    "image_mean": (("image", "unit"), NUMBER),
}
"""Variables used from the ground truth of a simulated recording."""
COUNTS = {"image": (("image",), TEXT), "image_count": (("image", "unit"), WHOLE)}
"""Variables of a recording whose spikes are summed over images."""
ATTRIBUTES = dict.fromkeys(("session", "fixations", "response", "latency", "stability"), str)
ATTRIBUTES |= dict.fromkeys(("image_width_px", "image_height_px", "pixels_per_degree_x", "pixels_per_degree_y"), Number)
ATTRIBUTES |= dict.fromkeys(("window_ms", "duration_ms", "n_presentations", "n_images"), Number)
ATTRIBUTES |= {f"fixations_{step}": Number for step in ("in_file", "labelled", "on_image", "selected")}
"""Attributes of a free-viewing recording besides its name and subject."""


def recording_files(protocol_name: str) -> list[Path]:
    """Return the files of all recordings under a protocol, ordered by name.

    Raises
    ------
    DataError
        If there is none, or one is truncated: hours of work on the others would be lost.
    """
    paths = sorted((RECORDINGS / protocol_name).glob("*.nc"))
    if not paths:
        _check_open(RECORDINGS / protocol_name)
        raise DataError(f"{RECORDINGS / protocol_name}: no recordings; run the stage recordings for {protocol_name}")
    for path in paths:
        netcdf.check_whole(path, AGAIN)
    _check_number(RECORDINGS / protocol_name, len(paths))
    return paths


def _check_open(folder: Path) -> None:
    """Raise `DataError` if a folder may not be read, in which a glob finds nothing."""
    try:
        os.listdir(folder)  # noqa: PTH208
    except OSError as error:
        if known := unreadable(folder, error):
            raise known from error


def _check_number(folder: Path, found: int) -> None:
    """Raise `DataError` if a recording in data/raw is neither in the folder nor among its failures."""
    manifest, failures = RAW / "manifest.json", folder / "failures.csv"
    if not (manifest.is_file() and failures.is_file()):
        return
    listed = read_json(manifest, "run the stage acquire", Manifest)["files"]
    wanted = sum(name.endswith("_image.nwb") for name in listed)
    failed = len(read_csv(failures, AGAIN, ["recording", "reason"], dtype=str))
    if wanted and found + failed != wanted:
        raise DataError(f"{folder} has {found} recordings and {failed} failures of {wanted}: {AGAIN} again")


def find_recording(name: str, protocol_name: str) -> Path:
    """Return the file of the recording with this name.

    Raises
    ------
    DataError
        If there is no such recording, or the name is a path.
    """
    if "/" in name or Path(name).suffix:
        raise DataError(f"{name} is not the name of a recording: give a name, or a netCDF file (.nc)")
    path = RECORDINGS / protocol_name / f"{name}.nc"
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.nc"))[:12]) or "none"
        raise DataError(f"{path}: no recording {name!r}; there are {known}")
    return path


def open_recording(path: Path, stable_only: bool = False) -> xr.Dataset:
    """Read one recording into memory; `stable_only` excludes units whose rate drifted.

    Raises
    ------
    DataError
        If the file is missing, damaged or not an output of the stage ``recordings``.
    """
    dataset = netcdf.read(path, AGAIN)
    if not {"fixation", "unit"} <= set(dataset.dims):
        found = ", ".join(map(str, dataset.dims)) or "none"
        raise DataError(f"{path} is not a recording (its dimensions: {found}): give one, or {AGAIN} again")
    netcdf.check(dataset, path, AGAIN, RESPONSES, {"recording": str, "subject": str})
    if "join" in dataset.attrs:  # a free-viewing recording, with gaze, latencies and receptive fields
        counts = COUNTS if dataset.attrs.get("response") == "count" else {}
        netcdf.check(dataset, path, AGAIN, VIEWING | counts, ATTRIBUTES)
        kept = dataset.attrs["fixations_on_image" if dataset.attrs["fixations"] == "selected" else "fixations_labelled"]
        if (n := dataset.sizes["fixation"]) != kept:
            raise damaged(path, f"{n} fixations of {kept}", AGAIN)
    return dataset.isel(unit=dataset["stable"].values) if stable_only else dataset


def texts_of(path: Path, names: list[str]) -> list[str]:
    """Return attributes of one recording that are text, such as ``session``; reads no responses."""
    return netcdf.read_texts(path, AGAIN, names)


def read_truth(path: Path) -> xr.Dataset:
    """Read the ground truth of a simulated recording.

    Returns
    -------
    Dataset
        ``image_mean`` (image, unit), spikes/s; ``region`` and ``second_half`` (rate change) of each unit.
    """
    return netcdf.read(path, "run the stage acquire", TRUTH)


def all_recordings(protocol_name: str, stable_only: bool = False) -> Iterator[xr.Dataset]:
    """Read all recordings under a protocol, one at a time, ordered by name."""
    for path in recording_files(protocol_name):
        yield open_recording(path, stable_only)


def selected(recording: xr.Dataset) -> xr.Dataset:
    """Return the recording restricted to its selected fixations."""
    return recording.isel(fixation=recording["selected"].values)


def means_by_image(rate: np.ndarray, stimulus: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return stems, mean rate (n_images, n_units) and number of fixations of each image."""
    images, index, n = np.unique(stimulus.astype(str), return_inverse=True, return_counts=True)
    sums = np.zeros((len(images), rate.shape[1]))
    np.add.at(sums, index, rate)
    return images, sums / n[:, None], n
