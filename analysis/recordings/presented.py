"""Stage ``recordings`` of a recorded data set: responses to presentations as one netCDF file per recording."""

import numpy as np
import pandas as pd
import xarray as xr

from analysis.acquire.recorded import layout
from analysis.acquire.recorded.layout import Responses
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.files import write_csv
from analysis.params import Params
from analysis.recordings import netcdf, stage

PROTOCOL = "corrected"
UNKNOWN = {
    "fixation": ("onset_ms", "offset_ms"),
    "unit": ("latency_ms", "rf_x_dva", "rf_y_dva", "rf_r_dva", "rsc_across_trials"),
}
"""Coordinates of free-viewing recordings that are unknown for presentations (all NaN), by dimension."""


def run(params: Params, protocol: str) -> None:
    """Write data/recordings/corrected/ in the format of the free-viewing recordings.

    Each presentation becomes a trial with one fixation at the image centre. Unknown coordinates (`UNKNOWN`) are NaN or
    omitted. A data set with only dissimilarities has no recording. Recordings of free viewing have the layout of the
    experiment, whose stage then reads them, under either protocol.

    Raises
    ------
    DataError
        If data/raw is not in the common layout, or the protocol is not the corrected one.
    """
    if paths.DANDISET.is_dir():
        stage.run(params, protocol)
        return
    if protocol != PROTOCOL:
        raise DataError(f"recordings {protocol}: the report's protocol needs fixations; give {PROTOCOL}")
    responses, folder = layout.read_responses(paths.RAW), paths.RECORDINGS / PROTOCOL
    write_csv(folder / "failures.csv", pd.DataFrame(columns=["recording", "reason"]))
    for recording in [] if responses is None else np.unique(responses.recordings):
        netcdf.write(table_of(responses, str(recording)), folder / f"{recording}.nc")


def table_of(responses: Responses, recording: str) -> xr.Dataset:
    """Return the responses of one recording's units, ``rate`` (fixation, unit) in spikes/s or normalised."""
    scale = "normalised" if responses.normalised else "spikes/s"
    units = responses.recordings == recording
    rate = responses.rates[:, units]
    n, on = len(rate), "fixation"
    out = xr.Dataset({"rate": (("fixation", "unit"), rate, {"units": scale})})
    out = out.assign_coords(
        {
            "trial": (on, np.arange(n, dtype=np.int32), {"long_name": "presentation"}),
            "repetition": (on, responses.repetitions.astype(np.int32), {"long_name": "showing of the image, from 0"}),
            "ordinal": (on, np.zeros(n, np.int16)),
            "x_dva": (on, np.zeros(n), {"units": "dva", "long_name": "gaze right of the image centre"}),
            "y_dva": (on, np.zeros(n), {"units": "dva", "long_name": "gaze above the image centre"}),
            "stimulus_id": (on, responses.image_ids),
            "selected": (on, np.ones(n, bool)),
        }
    )
    names, on = responses.unit_ids[units], "unit"
    subjects = np.unique(responses.subjects[units])
    out = out.assign_coords(
        {
            "unit": (on, names),
            "neuroid_id": (on, np.array([f"{recording}-{name}" for name in names], str)),
            "subject": (on, responses.subjects[units]),
            "region": (on, responses.regions[units]),
            "stable": (on, np.ones(len(names), bool), {"long_name": "taken as stable: drift is not known"}),
            "overall_rate": (on, rate.mean(axis=0, dtype=float), {"units": scale}),
        }
    )
    out = out.assign_coords(
        {name: (on, np.full(out.sizes[on], np.nan)) for on, names in UNKNOWN.items() for name in names}
    )
    out.attrs = {
        "recording": recording,
        "subject": "+".join(subjects),
        "window_ms": float(responses.window_ms),
        "n_presentations": np.int64(n),
        "n_images": np.int64(len(np.unique(responses.image_ids))),
        "fixations_in_file": np.int64(n),
        "fixations_selected": np.int64(n),
    }
    return out
