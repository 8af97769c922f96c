"""Firing rates in consecutive time bins after the onset of each fixation."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import xarray as xr

from analysis.core.errors import DataError
from analysis.recordings import rates
from analysis.recordings.naming import rasters_of
from analysis.recordings.rasters import open_rasters


def binned_rates(recording: xr.Dataset, edges_ms: Sequence[int]) -> np.ndarray:
    """Return the firing rates of a recording's units in consecutive bins after the onset of each of its fixations.

    Spikes are counted as in the window of the stage ``recordings``, but from the onset itself: the same bins for all
    units, whatever their latencies.

    Parameters
    ----------
    recording : xarray.Dataset
        As written by the stage ``recordings``.
    edges_ms : sequence of int
        Edges of the bins relative to the onset, increasing; bin k is [edge k, edge k + 1) ms.

    Returns
    -------
    (n_bins, n_fixations, n_units) array of float
        Spikes/s; NaN where a bin exceeds the recording.

    Raises
    ------
    DataError
        If the rasters are missing or damaged, or lack a unit.
    """
    onset_us = np.rint(recording["onset_ms"].values * 1e3)
    units = recording["unit"].values.astype(str)
    out = np.empty((len(edges_ms) - 1, len(onset_us), len(units)))
    with open_rasters(rasters_of(str(recording.attrs["session"]))) as rasters:
        column = {str(name): number for number, name in enumerate(rasters.names)}
        for k, unit in enumerate(units):
            if unit not in column:
                raise DataError(f"{rasters.path}: no unit {str(unit)!r}: run the stage recordings again")
            spikes = rasters.spikes(column[unit])
            for b, (start, stop) in enumerate(pairwise(edges_ms)):
                out[b, :, k] = rates.window_rates(spikes, onset_us, start, stop - start, rasters.n_bins)
    return out
