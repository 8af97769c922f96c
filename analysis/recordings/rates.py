"""Area, stability and response latency of each unit, and its firing rate in the response window of each fixation."""

import re

import numpy as np

from analysis.core.errors import DataError
from analysis.recordings.annotations import DEFAULT_LATENCY_MS, MIN_LATENCY_MS, RecordingTables
from analysis.recordings.fixation_table import Fixations
from analysis.recordings.rasters import Spikes

BANK = 32
"""Electrodes per bank."""
MAX_CHANGE = 0.5
"""Largest relative rate change of a stable unit (script 0a; the report uses the same number)."""


def bank_of(unit: str) -> int:
    """Return the bank of a unit: the first number in its name is its electrode, counted from 1."""
    return (int(re.search(r"\d+", unit)[0]) - 1) // BANK


def regions(tables: RecordingTables, units: np.ndarray, rule: str) -> list[str]:
    """Return the area of each unit: that of its bank, or for all units that of the recording's first row."""
    if rule == "first_row":
        return [next(iter(tables.banks.values()))] * len(units)
    return [tables.region(str(unit), bank_of(str(unit))) for unit in units]


def latencies(tables: RecordingTables, units: np.ndarray, areas: list[str], rule: str) -> np.ndarray:
    """Return the response latency of each unit in ms, shape (n_units,).

    The published latency, or else the default of the unit's area, but at least 40 ms; 0 if the rule ignores latencies.
    """
    if rule == "none":
        return np.zeros(len(units))
    published = [tables.latency_ms.get(str(u), DEFAULT_LATENCY_MS[a]) for u, a in zip(units, areas, strict=True)]
    if not np.isfinite(published).all():
        raise DataError(f"per_unit_latency-fix_on.csv.gz: a latency of {tables.name} is not a number")
    return np.maximum(np.array(published, float).reshape(len(units)), MIN_LATENCY_MS)


def is_stable(spikes: Spikes, n_bins: int, rule: str) -> bool:
    """Return whether the firing rate of a unit was stable over the recording.

    ``overall`` (Xiao et al. 2024, script 0a): the second half has spikes, and its rate differs from the overall rate
    by at most half of that. ``first_half`` (the report): both halves have spikes, and the rate of the second differs
    from that of the first by at most half of the latter.
    """
    half = n_bins // 2
    first = int(spikes.count(np.int64(0), np.int64(half)))
    second = spikes.total - first
    if second == 0:
        return False
    late = second / (n_bins - half)
    reference = spikes.total / n_bins if rule == "overall" else (first / half if half else 0.0)
    return reference > 0 and abs(late - reference) / reference <= MAX_CHANGE


def response_windows(onset_us: np.ndarray, latency_ms: float, window_ms: int) -> tuple[np.ndarray, np.ndarray]:
    """Return first and last (exclusive) millisecond of the response windows, which start at rint(onset + latency)."""
    start = np.rint(onset_us / 1e3 + latency_ms).astype(np.int64)
    return start, start + window_ms


def window_rates(spikes: Spikes, onset_us: np.ndarray, latency_ms: float, window_ms: int, n_bins: int) -> np.ndarray:
    """Return spikes/s in the response window of each fixation, shape (n,); NaN if it exceeds the recording."""
    start, stop = response_windows(onset_us, latency_ms, window_ms)
    rate = spikes.count(start, stop) * (1e3 / window_ms)
    return np.where((start >= 0) & (stop <= n_bins), rate, np.nan)


def whole_fixation_counts(spikes: Spikes, fixations: Fixations) -> np.ndarray:
    """Return spikes over whole fixations, shape (n,), with the report's int(seconds * 1000) as millisecond index."""
    start, stop = (np.trunc(seconds * 1000).astype(np.int64) for seconds in (fixations.start_s, fixations.stop_s))
    return spikes.count(np.maximum(start, 0), np.maximum(stop, 0))
