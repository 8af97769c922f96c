"""Rates in time bins after fixation onset, from the same rasters as the response window."""

import numpy as np
import pytest
import xarray as xr

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.params.protocol import CORRECTED
from analysis.recordings import naming, netcdf
from analysis.recordings.annotations import Annotations
from analysis.recordings.bins import binned_rates
from analysis.recordings.build import Processing, build_recording

EDGES = [-50, 0, 50, 150]


@pytest.fixture
def recording(pair, tmp_path, monkeypatch, annotations) -> xr.Dataset:
    """The table of a recording whose rasters lie where the pipeline has them."""
    monkeypatch.chdir(tmp_path)
    pair.raster = np.zeros((10_000, 3), np.uint8)
    # The fixation from 1.5 s starts 50 ms earlier on the clock of the rasters (lag of the tracker).
    for millisecond, unit in ((1449, 0), (1450, 0), (1499, 0), (1500, 0), (1599, 0), (1600, 0), (1550, 2)):
        pair.raster[millisecond, unit] += 1
    pair.raster[1500, 1] = 3
    files = naming.Files("An220105", "An", *pair.write(paths.DANDISET / "sub-An"))
    return build_recording(files, Annotations(annotations).of("An220105"), None, Processing(CORRECTED, permutations=0))


def test_spikes_are_counted_in_the_bins_after_the_onset(recording):
    rates = binned_rates(recording, EDGES)
    assert rates.shape == (3, recording.sizes["fixation"], 3)
    [row] = np.flatnonzero(recording["onset_ms"].values == 1450)
    np.testing.assert_allclose(rates[:, row, 0], [1 / 0.05, 2 / 0.05, 2 / 0.1])
    np.testing.assert_allclose(rates[:, row, 1], [0, 0, 3 / 0.1])
    np.testing.assert_allclose(rates[:, row, 2], [0, 0, 1 / 0.1])
    assert binned_rates(recording, [0, 200])[0, row].tolist() == [25, 15, 5]


def test_from_the_latency_on_they_are_those_of_the_response_window(recording):
    for unit, latency in enumerate(recording["latency_ms"].values.astype(int)):
        window = binned_rates(recording, [latency, latency + 200])[0]
        np.testing.assert_array_equal(window[:, unit], recording["rate"].values[:, unit])


def test_units_are_found_by_name_and_their_order_is_kept(recording):
    some = recording.isel(unit=[2, 0])
    np.testing.assert_array_equal(binned_rates(some, EDGES), binned_rates(recording, EDGES)[:, :, [2, 0]])


def test_a_bin_beyond_the_recording_is_undefined(recording):
    rates = binned_rates(recording, [0, 100, 9_000])
    assert np.isfinite(rates[0]).all()
    assert np.isnan(rates[1]).any()


def test_rasters_that_are_gone_or_lack_a_unit_are_named(recording, tmp_path):
    other = recording.assign_coords(unit=("unit", ["1", "2a", "7"]))
    with pytest.raises(DataError, match=r"20220105T173929\.nwb: no unit '7': run the stage recordings again"):
        binned_rates(other, EDGES)
    netcdf.write(recording, tmp_path / "kept.nc")
    (paths.DANDISET / "sub-An/sub-An_ses-20220105T173929.nwb").unlink()
    with pytest.raises(DataError, match=r"20220105T173929\.nwb not found"):
        binned_rates(netcdf.read(tmp_path / "kept.nc", "again"), EDGES)
