"""Firing rates around onsets, by hand and against a direct moving average."""

import numpy as np

from analysis.recordings.rasters import spikes_of
from analysis.tools.psth import TIMES_MS, aligned_spikes, psth, traces


def test_trace_is_a_centred_moving_average():
    rng = np.random.default_rng(0)
    column = rng.poisson(0.05, 5000).astype(np.uint8)
    onset, at = np.array([1000, 2500, 4990]), TIMES_MS
    assert at[[0, -1]].tolist() == [-375, 375]
    rate = traces(spikes_of(column), onset, at, 50, 5000)
    for i, start in enumerate(onset[:2]):
        expected = [column[start + t - 25 : start + t + 25].mean() * 1e3 for t in at]
        np.testing.assert_allclose(rate[i], expected)
    assert np.isnan(rate[2, at > -15]).all()
    assert np.isfinite(rate[2, at <= -15]).all()


def test_mean_and_standard_error():
    column = np.zeros(1000, np.uint8)
    column[[100, 300, 301]] = 1, 1, 2
    at = np.array([0, 100])
    mean, error = psth(spikes_of(column), np.array([100, 300]), at, 10, 1000)
    np.testing.assert_allclose(mean, [(100 + 300) / 2, 0])
    np.testing.assert_allclose(error, [np.std([100, 300], ddof=1) / np.sqrt(2), 0])


def test_aligned_spikes():
    column = np.zeros(100, np.uint8)
    column[[10, 20, 30, 50]] = 1
    aligned = aligned_spikes(spikes_of(column), np.array([20, 90]), 10, 30)
    assert [list(row) for row in aligned] == [[-10, 0, 10], []]
