"""Confidence intervals of single samples: bootstrap percentiles and Student's t."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from scipy.special import ndtri, stdtrit

from analysis.core.errors import DataError
from analysis.statistics.keys import check_level, check_number, numbers, numbers_alone, one_per_row, same_rows


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes
    ----------
    estimate, low, high : float
        In units of the statistic; NaN where undefined.

    Examples
    --------
    >>> Interval(estimate=0.4, low=0.3, high=0.5).high
    0.5
    """

    estimate: float
    low: float
    high: float


ANY = (-np.inf, np.inf)
"""Limits of an unbounded statistic."""

LEAST_CLUSTERS = 6
"""With fewer recordings or monkeys, an interval cannot generalise to others: report the value of each instead."""


def percentile_interval(
    draws: np.ndarray, level: float = 0.95, n: int | None = None, limits: tuple[float, float] = ANY
) -> tuple[float, float]:
    """Return the percentile interval of bootstrap draws (Efron 1979), widened for few resampled units.

    Parameters
    ----------
    draws : (n_draws,) array of float
        Statistic of each draw; undefined (NaN) draws are left out.
    level : float
        Confidence level, 0 to 1.
    n : int, optional
        Number of resampled units. If given, the interval is stretched about the median draw (Hesterberg 2015).
    limits : (lowest, highest)
        Bounds of the statistic, to which a stretched interval is clipped.

    Returns
    -------
    low, high : float
        NaN for fewer than 2 defined draws.

    Examples
    --------
    >>> import numpy as np
    >>> low, high = percentile_interval(np.linspace(0, 1, 1001))
    >>> round(low, 3), round(high, 3)
    (0.025, 0.975)
    """
    check_level(level)
    draws = numbers_alone("draws", draws)
    draws = draws[np.isfinite(draws)]
    if len(draws) < 2:
        return np.nan, np.nan
    low, middle, high = np.quantile(draws, [(1 - level) / 2, 0.5, (1 + level) / 2])
    return _clip(limits, *(middle + stretch(n, level) * (end - middle) for end in (low, high)))


def _clip(limits: tuple[float, float], *ends: float) -> tuple[float, ...]:
    if not limits[0] < limits[1]:
        raise DataError(f"limits={limits}; give the lower and the upper one")
    return tuple(float(np.clip(end, *limits)) for end in ends)


def stretch(n: int | None, level: float = 0.95) -> float:
    """Return the factor by which the bootstrap interval of `n` resampled units is too narrow.

    The bootstrap standard error is too small by ``sqrt((n - 1) / n)``, and n units call for Student's quantile with
    n - 1 degrees of freedom in place of the normal one (Hesterberg 2015). Hesterberg takes percentiles further out by
    that factor; with few units the draws do not reach that far, so the limits are moved out instead. 1 if `n` is None
    or below 2.
    """
    if n is None or n < 2:
        return 1.0
    return float(stdtrit(n - 1, (1 + level) / 2) / ndtri((1 + level) / 2) * np.sqrt(n / (n - 1)))


def student_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Return the mean of independent values with Student's t interval.

    Parameters
    ----------
    values : (n,) sequence of float
    level : float
        Confidence level, 0 to 1.

    Returns
    -------
    Interval
        NaN limits for fewer than 2 values, all NaN for none.

    Examples
    --------
    >>> found = student_interval([1.0, 2.0, 3.0])
    >>> found.estimate, round(found.low, 2), round(found.high, 2)
    (2.0, -0.48, 4.48)
    """
    check_level(level)
    values = numbers_alone("values", values, 1)
    mean = float(values.mean()) if len(values) else np.nan
    if len(values) < 2:
        return Interval(mean, np.nan, np.nan)
    error = scipy.stats.sem(values)
    if error == 0:  # equal values: scipy's interval is undefined for a scale of 0
        return Interval(mean, mean, mean)
    low, high = scipy.stats.t.interval(level, len(values) - 1, loc=mean, scale=error)
    return Interval(mean, float(low), float(high))


def cluster_draws(labels: Sequence, n_draws: int, seed: int) -> np.ndarray:
    """Draw whole clusters (monkeys, recordings) with replacement, with everything measured in them.

    Drawing only the outermost clusters already carries the variance of all levels below; drawing members within drawn
    clusters as well would count that variance twice (Davison & Hinkley 1997, 3.8).

    Parameters
    ----------
    labels : (n_rows,) sequence
        Cluster of each row.
    n_draws, seed : int
        The first draws do not depend on `n_draws`.

    Returns
    -------
    (n_draws, n_rows) int
        How often each row occurs in each draw.
    """
    check_number("n_draws", n_draws, 0)
    codes = np.unique(one_per_row("labels", labels).astype(str), return_inverse=True)[1]
    n = codes.max() + 1
    chosen = np.random.default_rng(seed).integers(n, size=(n_draws, n))
    counts = np.zeros((n_draws, n), dtype=np.int64)
    np.add.at(counts, (np.arange(n_draws)[:, None], chosen), 1)
    return counts[:, codes]


def median_rows(values: np.ndarray) -> np.ndarray:
    """Return the median of each row over its defined entries: (n_rows, n) to (n_rows,), NaN where there are none."""
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.count_nonzero(np.isfinite(values), axis=1)[:, None]
    low, high = (np.take_along_axis(ordered, np.maximum(at, 0), 1)[:, 0] for at in ((count - 1) // 2, count // 2))
    return (low + high) / 2


def mean_rows(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row over its defined entries: (n_rows, n) to (n_rows,), NaN where there are none."""
    defined = np.isfinite(values)
    count = np.count_nonzero(defined, axis=1)
    return np.where(defined, values, 0.0).sum(axis=1) / np.where(count > 0, count, np.nan)


def bootstrap_interval(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], float] = np.median,
    levels: Sequence[Sequence] = (),
    *,
    n_draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    limits: tuple[float, float] = ANY,
) -> Interval:
    """Return a percentile bootstrap interval for a statistic of hierarchically grouped values.

    Only the outermost level with at least `LEAST_CLUSTERS` groups is resampled, in whole groups (Davison & Hinkley
    1997, 3.8), and the interval is widened for few groups (Hesterberg 2015). Fewer groups do not allow generalisation:
    the interval is then about these groups, and the values themselves are resampled.

    Parameters
    ----------
    values : (n_values,) array of float
        Undefined (NaN) values are left out.
    statistic : callable
        Maps (n,) values to a number.
    levels : sequence of (n_values,) sequences
        Labels of nested groups, outermost first, e.g. ``(monkeys, recordings)``.
    n_draws, seed : int
        Number of draws and their seed.
    level : float
        Confidence level, 0 to 1.
    limits : (lowest, highest)
        As in `percentile_interval`.

    Returns
    -------
    Interval
        All NaN if no value is defined.

    Raises
    ------
    DataError
        If a level does not have one label per value, entries are masked, or indexes of pandas tables differ.

    Examples
    --------
    >>> scores = [0.1, 0.2, 0.3, 0.6, 0.7, 0.8, 0.4, 0.5, 0.2, 0.4, 0.3, 0.6]
    >>> monkeys = list("aabbccddeeff")
    >>> interval = bootstrap_interval(scores, levels=[monkeys], limits=(-1, 1))
    >>> round(interval.estimate, 2), interval.low < 0.4 < interval.high
    (0.4, True)
    """
    named = {f"levels[{k}]": labels for k, labels in enumerate(levels)}
    values, *levels = same_rows(values=values, **named)
    values = numbers("values", values, 1)
    defined = np.isfinite(values)
    levels = [one_per_row(name, labels, len(values))[defined] for name, labels in zip(named, levels, strict=True)]
    values = values[defined]
    if not len(values):
        return Interval(np.nan, np.nan, np.nan)
    drawn = next((labels for labels in levels if len(set(labels.tolist())) >= LEAST_CLUSTERS), np.arange(len(values)))
    draws = np.array([statistic(np.repeat(values, count)) for count in cluster_draws(drawn, n_draws, seed)])
    ends = percentile_interval(draws, level, len(np.unique(drawn)), limits)
    return Interval(float(statistic(values)), *ends)
