"""Firing rates around onsets, by hand and against a direct moving average."""

import numpy as np

from analysis.recordings.rasters import spikes_of
from analysis.recordings.read import means_by_image, split_half_means
from analysis.tools.psth import aligned_spikes, psth, times, traces


def test_trace_is_a_centred_moving_average():
    rng = np.random.default_rng(0)
    column = rng.poisson(0.05, 5000).astype(np.uint8)
    onset, at = np.array([1000, 2500, 4990]), times()
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


def test_image_means():
    rate, stimulus = np.array([[1.0, 2], [3, 4], [5, 9]]), np.array(["b", "a", "b"])
    images, means, n = means_by_image(rate, stimulus)
    assert images.tolist() == ["a", "b"]
    assert means.tolist() == [[3, 4], [3, 5.5]]
    assert n.tolist() == [1, 2]


def test_halves_part_trials_never_fixations_of_one():
    rng = np.random.default_rng(1)
    trial = np.repeat(np.arange(60), 3)
    stimulus = np.array([f"i{t % 10}" for t in trial])
    rate = trial[:, None].astype(float)
    images, first, second = split_half_means(rate, stimulus, trial, np.random.default_rng(0))
    assert images.tolist() == sorted(set(stimulus))
    # Each half holds 3 of an image's 6 trials, whole: the halves add up to the mean of all.
    _, means, _ = means_by_image(rate, stimulus)
    np.testing.assert_allclose((first + second) / 2, means)
    assert (first != second).any()
    again = split_half_means(rate, stimulus, trial, np.random.default_rng(0))
    np.testing.assert_array_equal(first, again[1])
    lone = split_half_means(rate[:3], stimulus[:3], trial[:3], rng)
    assert np.isnan(lone[1]).any() or np.isnan(lone[2]).any()
