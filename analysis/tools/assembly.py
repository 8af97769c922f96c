"""Export a recording as an assembly in the layout of BrainIO, for tools that read neural benchmarks.

BrainIO (https://github.com/brain-score/brainio) keeps responses as ``presentation x neuroid x time_bin`` with
coordinates along each dimension. A presentation here is a fixation: the stimulus on the retina changes with it.
"""

from pathlib import Path

import numpy as np
import xarray as xr

from analysis.core.errors import DataError
from analysis.core.files.claim import claim
from analysis.recordings import netcdf
from analysis.recordings.read import open_recording, selected
from analysis.tools.inspect import find

FIXATION = {"stimulus_id": str, "trial": int, "ordinal": int}
FIXATION |= dict.fromkeys(("onset_ms", "offset_ms", "x_dva", "y_dva"), float)
NEUROID = dict.fromkeys(("neuroid_id", "region", "subject", "unit"), str)
NEUROID |= dict.fromkeys(("latency_ms", "rsc_across_trials"), float)
"""Coordinates taken over, and their types."""


def export(recording: str, out: Path, protocol: str | None = None, force: bool = False) -> xr.DataArray:
    """Write the selected fixations and stable units of a recording as an assembly (netCDF) and return it.

    Parameters
    ----------
    recording : str
        A netCDF file of the stage ``recordings``, or the name of a recording.
    out : Path
        File to write; `xarray.open_dataarray` reads it.
    protocol : str, optional
        Of a recording given by name, by default ``corrected``.
    force : bool
        Whether `out` may replace another file.

    Returns
    -------
    DataArray
        Rates in spikes/s, (presentation, neuroid, time_bin).
    """
    path = find(recording, protocol)
    claim(out, suffixes=[".nc"], inputs=[path], force=force)
    exported = assembly(selected(open_recording(path, stable_only=True)))
    netcdf.write(exported.to_dataset(), out)
    return exported


def assembly(recording: xr.Dataset) -> xr.DataArray:
    """Return a recording as an assembly (see `export`).

    There is one time bin: the response window, in ms from the onset of the fixation plus the latency of the neuroid.
    ``repetition`` counts the presentations of an image from 0, in order of time.
    """
    try:
        along = {name: ("presentation", recording[name].values.astype(kind)) for name, kind in FIXATION.items()}
        across = {name: ("neuroid", recording[name].values.astype(kind)) for name, kind in NEUROID.items()}
        window = int(recording.attrs["window_ms"])
    except KeyError as error:
        raise DataError(f"no {error} in the recording: it is not a file of the stage recordings") from error
    return xr.DataArray(
        recording["rate"].transpose("fixation", "unit").values[:, :, None],
        dims=("presentation", "neuroid", "time_bin"),
        coords=along
        | across
        | {
            "repetition": ("presentation", _repetitions(along["stimulus_id"][1])),
            "time_bin_start_ms": ("time_bin", [0]),
            "time_bin_end_ms": ("time_bin", [window]),
        },
        name="rate",
        attrs={"identifier": str(recording.attrs["recording"]), "units": "spikes/s"},
    )


def _repetitions(stimulus: np.ndarray) -> np.ndarray:
    """Return, for each entry, the number of equal entries before it."""
    order = np.argsort(stimulus, kind="stable")
    fresh = np.r_[True, stimulus[order][1:] != stimulus[order][:-1]]
    start = np.maximum.accumulate(np.where(fresh, np.arange(len(stimulus)), 0))
    counts = np.empty(len(stimulus), np.int64)
    counts[order] = np.arange(len(stimulus)) - start
    return counts
