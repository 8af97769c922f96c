"""Correlate accuracy with predictivity across random candidates, with intervals over images, units and candidates.

Accuracy and predictivity are measured on the same few images and units, so all candidates and areas share their errors.
Images (by near-duplicate group), units and candidates are therefore resampled jointly, and every correlation is
computed in each draw.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.candidates.judge import IT, Judge
from analysis.candidates.search import CORRELATIONS
from analysis.core.areas import AREAS
from analysis.core.seeds import seed_of
from analysis.neural import scoring
from analysis.statistics.inference.intervals import median_rows
from analysis.statistics.inference.predictions import weighted_r

BLOCK = 50
"""Number of draws computed at once, to bound memory."""
NORMAL = 1.959964
"""0.975 quantile of the normal distribution."""
EARLIEST = "V1"


@dataclass(frozen=True)
class Predicted:
    """Held-out responses of one population, and the predictions of each candidate.

    Attributes
    ----------
    areas : tuple of str
        Areas that its units count towards.
    groups : (n_images,) int
        Near-duplicate group of each image, its column in the drawn counts.
    observed : (n_images, n_units)
    predicted : (n_images, n_candidates, n_units)
    ceiling : (n_units,)
    """

    areas: tuple[str, ...]
    groups: np.ndarray
    observed: np.ndarray
    predicted: np.ndarray
    ceiling: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """Decisions and predictions of the random candidates for held-out images.

    Attributes
    ----------
    correct : (n_images, n_candidates) bool
    is_face : (n_images,) bool
    groups : (n_images,) int
        As in `Predicted`.
    populations : list of Predicted
    """

    correct: np.ndarray
    is_face: np.ndarray
    groups: np.ndarray
    populations: list[Predicted]


def load(judge: Judge, files: list[Path]) -> Outcome:
    """Load what `Judge` saved for each candidate."""
    table = np.stack([np.load(file, allow_pickle=False) for file in files])
    y = judge.y[judge.rest]
    rows = np.concatenate([judge.rest, *(one.rows[one.held_out] for one in judge.recorded)])
    names = np.unique(judge.groups[rows])
    correct = ((table[:, : len(y)] > 0) == (y > 0)).T
    populations, start = [], len(y)
    for one in judge.recorded:
        observed = one.population.responses[one.held_out]
        predicted = table[:, start : start + observed.size].reshape(len(files), *observed.shape)
        start += observed.size
        groups = np.searchsorted(names, judge.groups[one.rows[one.held_out]])
        populations.append(Predicted(one.areas, groups, observed, predicted.transpose(1, 0, 2), one.ceiling))
    return Outcome(correct, y > 0, np.searchsorted(names, judge.groups[judge.rest]), populations)


def correlate_kept(judge: Judge, files: list[Path], n_draws: int, seed: int) -> pd.DataFrame:
    """Apply `correlate` to what `judge` saved for each candidate; a task for `parallel.process_pool`."""
    return correlate(load(judge, files), n_draws, seed)


def correlate(outcome: Outcome, n_draws: int, seed: int) -> pd.DataFrame:
    """Correlate balanced accuracy with the median noise-corrected r across candidates, by area.

    Parameters
    ----------
    outcome : Outcome
    n_draws, seed : int
        Joint draws of images, units and candidates, and their seed.

    Returns
    -------
    table `search.CORRELATIONS`
        r is Pearson's r across candidates; over_v1 its difference from r in V1. Each has a 95 % normal interval,
        centred on the estimate (r on Fisher's scale) with the standard deviation of the draws: resampling noisy scores
        adds noise, so that the draws are biased downwards and percentiles would be too low. NaN where undefined.
    """
    present = {area for one in outcome.populations for area in one.areas}
    areas = [area for area in (*AREAS, IT) if area in present]
    n_candidates = outcome.correct.shape[1]
    n_groups = 1 + max(outcome.groups.max(), *(one.groups.max() for one in outcome.populations))
    everything = np.arange(n_candidates)[None], [np.arange(one.observed.shape[1])[None] for one in outcome.populations]
    (r,) = _correlations(outcome, areas, np.ones((1, n_groups)), *everything)
    rng = np.random.default_rng(seed_of(seed, "joint"))
    drawn = []
    for first in range(0, n_draws, BLOCK):
        size = min(BLOCK, n_draws - first)
        counts = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=size).astype(np.float64)
        candidates = rng.integers(n_candidates, size=(size, n_candidates))
        units = [rng.integers(u, size=(size, u)) for u in (one.observed.shape[1] for one in outcome.populations)]
        drawn.append(_correlations(outcome, areas, counts, candidates, units))
    drawn = np.concatenate(drawn)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre, reach = np.arctanh(r), NORMAL * _standard_deviation(np.arctanh(drawn))
    table = pd.DataFrame({"region": areas, "candidates": n_candidates, "r": r})
    table["ci_low"], table["ci_high"] = np.tanh(centre - reach), np.tanh(centre + reach)
    table["over_v1"] = table["over_v1_low"] = table["over_v1_high"] = np.nan
    if EARLIEST in areas:
        first = areas.index(EARLIEST)
        reach = NORMAL * _standard_deviation(drawn - drawn[:, [first]])
        later = np.arange(len(areas)) != first
        table["over_v1"] = np.where(later, r - r[first], np.nan)
        table["over_v1_low"], table["over_v1_high"] = table["over_v1"] - reach, table["over_v1"] + reach
    return table[CORRELATIONS]


def _standard_deviation(draws: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the finite draws in each column; NaN if there are fewer than two."""
    columns = [column[np.isfinite(column)] for column in draws.T]
    return np.array([column.std(ddof=1) if len(column) > 1 else np.nan for column in columns])


def _correlations(outcome: Outcome, areas: list[str], counts, candidates, units) -> np.ndarray:
    """Return the correlation in each area for each draw, (n_draws, n_areas)."""
    weights = counts[:, outcome.groups]
    with np.errstate(invalid="ignore"):  # NaN where a draw lacks a class
        faces, others = (
            (weights[:, chosen] @ outcome.correct[chosen]) / weights[:, chosen].sum(axis=1, keepdims=True)
            for chosen in (outcome.is_face, ~outcome.is_face)
        )
    accuracy = np.take_along_axis((faces + others) / 2, candidates, axis=1)
    scores: dict[str, list] = {area: [] for area in areas}
    for one, chosen in zip(outcome.populations, units, strict=True):
        n_images, *shape = one.predicted.shape
        observed = np.tile(one.observed, (1, shape[0]))  # a copy per candidate
        r = weighted_r(observed, one.predicted.reshape(n_images, -1), counts[:, one.groups])
        corrected = r.reshape(-1, *shape) / scoring.correction(one.ceiling)
        drawn = np.take_along_axis(corrected, chosen[:, None, :], axis=2)
        for area in one.areas:
            scores[area].append(drawn)
    out = np.full((len(counts), len(areas)), np.nan)
    for column, area in enumerate(areas):
        together = np.concatenate(scores[area], axis=2)
        defined = together[:, :, np.isfinite(together).any(axis=(0, 1))]
        if defined.shape[2]:
            medians = median_rows(defined.reshape(-1, defined.shape[2])).reshape(defined.shape[:2])
            predictivity = np.take_along_axis(medians, candidates, axis=1)
            out[:, column] = _pearson(accuracy, predictivity)
    return out


def _pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the correlation of each row, (n_draws,); NaN where a row has fewer than three values or does not vary."""
    defined = np.isfinite(a) & np.isfinite(b)
    number = defined.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = (
            np.where(defined, x - np.sum(x, axis=1, where=defined, keepdims=True) / number[:, None], 0.0)
            for x in (a, b)
        )
        r = (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.where((number >= 3) & np.isfinite(r), np.clip(r, -1.0, 1.0), np.nan)
