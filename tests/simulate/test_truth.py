"""Spikes, gaze and image means follow the truth that is written beside the data."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from analysis.simulate.sessions import PLAN
from tests.simulate.simulated_files import BY_NAME, latency_table, main_file, raster_file, rows, table


def windows(raw, name):
    """Spikes and expected spikes in every response window by the published rules, time to image offset, and the truth.

    Shapes: (fixation, unit), (fixation, unit), (fixation,) in s.
    """
    session = BY_NAME[name]
    with main_file(raw, name) as file:
        shown, fixations = table(file, "intervals/presentations"), table(file, "processing/behavior/fixations")
    with raster_file(raw, name) as file:
        counts = file["processing/ecephys/rasters/data"][()].astype(np.int64)
    truth = xr.load_dataset(raw / "truth" / f"{name}.nc", engine="h5netcdf")
    period = {t: (a, b) for t, a, b in zip(shown["trial_id"], shown["start_time"], shown["stop_time"], strict=True)}
    onset, offset = np.array([period.get(t, (np.inf, -np.inf)) for t in fixations["trial_id"]]).T
    start = np.round(fixations["start_time"] - session.tracker_latency_ms / 1000, 6)
    stop = np.round(fixations["stop_time"] - session.tracker_latency_ms / 1000, 6)
    start = np.where((stop > onset) & (start < onset), onset, start)
    known = {(r["Session"], r["Name"]): int(r["Latency"]) for r in rows(latency_table(raw))}
    defaults = {"V1": 40, "V2": 40, "V4": 50, "PIT": 65, "CIT": 80, "AIT": 100}
    latency = [
        max(40, known.get((name, str(unit)), defaults[str(region)]))
        for unit, region in zip(truth.unit.values, truth.region.values, strict=True)
    ]
    total = np.concatenate([np.zeros((1, counts.shape[1]), np.int64), np.cumsum(counts, axis=0)])
    first = np.rint(start[:, None] * 1000 + latency).astype(int)
    whole = ((first >= 0) & (first + 200 <= len(counts))).all(axis=1)
    units = np.arange(len(latency))
    spikes = total[first[whole] + 200, units] - total[first[whole], units]
    return spikes.astype(float), truth.noise_free_rate.values[whole] * 0.2, (offset - start)[whole], truth


@pytest.mark.parametrize("name", ["Mo210503", "Mo210504_1", "Mo210505"])
def test_spikes_follow_the_true_rates(raw, name):
    """Counts in response windows have the mean and variance of the simulated Poisson process."""
    spikes, expected, _, truth = windows(raw, name)
    assert (spikes[expected == 0] == 0).all()
    scores = (spikes - expected).sum(axis=0) / np.sqrt(expected.sum(axis=0))
    # windows overlap when fixations are short, so sums vary up to twice as much as independent ones
    assert np.abs(scores).max() < 4.5
    steady = truth.second_half.values == 1
    dispersion = ((spikes - expected) ** 2).mean(axis=0)[steady] / expected.mean(axis=0)[steady]
    assert dispersion == pytest.approx(1, abs=0.25)


def test_spikes_and_gaze_are_on_the_same_clock(raw):
    """The rate drops within windows that extend beyond image offset, so an error of tens of ms would show there."""
    found = planted = 0.0
    for session in PLAN[:6]:
        spikes, expected, left, _ = windows(raw, session.name)
        late = (left >= 0) & (left < 0.2)
        assert late.sum() > 10
        found, planted = found + spikes[late].sum(), planted + expected[late].sum()
    assert abs(found - planted) / np.sqrt(planted) < 3.5


def test_image_means_follow_the_noise_free_rates(raw):
    """The true image mean (over the gaze distribution) is the average noise-free rate of many fixations."""
    with main_file(raw, "Mo210504_1") as file:
        shown, fixations = table(file, "intervals/presentations"), table(file, "processing/behavior/fixations")
        index = file["stimulus/presentation/presentations/data"][()].astype(int)
        paths = file["stimulus/templates/stimuli/external_file"][()]
    truth = xr.load_dataset(raw / "truth/Mo210504_1.nc", engine="h5netcdf")
    assert list(truth.image.values) == [Path(p.decode()).stem for p in paths]
    row = {t: i for i, t in enumerate(shown["trial_id"])}
    of = np.array([row.get(t, -1) for t in fixations["trial_id"]])
    here = (of >= 0) & (fixations["start_time"] > shown["start_time"][of]) & (np.abs(fixations["x"]) < 6)
    here &= (np.abs(fixations["y"]) < 6) & (fixations["stop_time"] < shown["stop_time"][of])
    image = index[of[here]]
    steady = truth.second_half.values == 1
    rate = truth.noise_free_rate.values[here][:, steady]
    mean = np.stack([np.bincount(image, r, len(paths)) / np.bincount(image, None, len(paths)) for r in rate.T], 1)
    correlation = [np.corrcoef(a, b)[0, 1] for a, b in zip(mean.T, truth.image_mean.values[:, steady].T, strict=True)]
    assert np.median(correlation) > 0.85
