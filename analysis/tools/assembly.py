"""Export a recording as an assembly in the layout of BrainIO, for tools that read neural benchmarks.

BrainIO (https://github.com/brain-score/brainio) stores responses as ``presentation x neuroid x time_bin`` with
coordinates along each dimension. Here a presentation is a fixation, because the retinal stimulus changes with each. The
fixations of a trial share their ``repetition``, as they share the state of the animal: halves split by repetition hold
different trials.
"""

from pathlib import Path

import numpy as np
import pandas as pd
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
"""Coordinates to export, with their types."""


def export(recording: str, out: Path, protocol: str | None = None, force: bool = False) -> xr.DataArray:
    """Write the selected fixations and stable units of a recording as an assembly (netCDF) and return it.

    Parameters
    ----------
    recording : str
        A netCDF file of the stage ``recordings``, or the name of a recording.
    out : Path
        File to write; `xarray.open_dataarray` reads it.
    protocol : str, optional
        Protocol of a recording given by name, by default ``corrected``.
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

    The only time bin is the response window, in ms from fixation onset plus the neuroid's latency. ``repetition``
    numbers the trials that showed an image from 0, in temporal order.
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
            "repetition": ("presentation", _repetitions(along["stimulus_id"][1], along["trial"][1])),
            "time_bin_start": ("time_bin", [0]),  # ms, as in BrainIO
            "time_bin_end": ("time_bin", [window]),
        },
        name="rate",
        attrs={"identifier": str(recording.attrs["recording"]), "units": "spikes/s"},
    )


def _repetitions(stimulus: np.ndarray, trial: np.ndarray) -> np.ndarray:
    """Return, for each fixation, how many earlier trials showed its image."""
    shown = pd.DataFrame({"stimulus": stimulus, "trial": trial})
    return shown.groupby("stimulus")["trial"].rank(method="dense").to_numpy(np.int64) - 1
