"""Firing rates over time, aligned to fixations."""

import numpy as np

from analysis.recordings.rasters import Spikes

TIMES_MS = np.arange(-375, 376, 10)
"""Times of the published traces relative to the onset (Xiao et al. 2024, scripts 1a and 2a)."""
WIDTH_MS = 50
"""Width of the moving average (Xiao et al. 2024, script 0b, suffix mwa_50)."""


def traces(spikes: Spikes, onset_ms: np.ndarray, at_ms: np.ndarray, width_ms: int, n_bins: int) -> np.ndarray:
    """Return the rate of one unit around each onset, (n_onsets, n_times) spikes/s: a moving average of its spikes.

    `at_ms` (n_times,) holds the centres of the averages over `width_ms`, relative to the onset. NaN where an average
    extends beyond the recording of `n_bins` ms.
    """
    start = np.rint(onset_ms[:, None] + at_ms).astype(np.int64) - width_ms // 2
    stop = start + width_ms
    rate = spikes.count(start, stop) * (1e3 / width_ms)
    return np.where((start >= 0) & (stop <= n_bins), rate, np.nan)


def psth(spikes: Spikes, onset_ms: np.ndarray, at_ms: np.ndarray, width_ms: int, n_bins: int):
    """Return mean and standard error over onsets of a unit's firing rate, each of shape (n_times,), in spikes/s.

    The standard error is the standard deviation (n - 1) over the square root of the number of onsets at that time.
    """
    rate = traces(spikes, onset_ms, at_ms, width_ms, n_bins)
    there = np.isfinite(rate)
    n = there.sum(axis=0)
    mean = np.divide(np.nansum(rate, axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
    squares = np.where(there, (rate - mean) ** 2, 0).sum(axis=0)
    variance = np.divide(squares, n - 1, out=np.full(len(n), np.nan), where=n > 1)
    return mean, np.sqrt(variance / np.maximum(n, 1))


def aligned_spikes(spikes: Spikes, onset_ms: np.ndarray, before_ms: int, after_ms: int) -> list[np.ndarray]:
    """Return the spike times relative to each onset, in ms, from -before to after (for rasters)."""
    first = np.searchsorted(spikes.bins, onset_ms - before_ms)
    last = np.searchsorted(spikes.bins, onset_ms + after_ms)
    return [spikes.bins[a:b] - onset for a, b, onset in zip(first, last, onset_ms, strict=True)]
