"""Intervals, permutation tests and corrections for many comparisons."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from analysis.core.errors import DataError
from analysis.statistics.keys import one_per_row


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its confidence interval; NaN where undefined."""

    estimate: float
    low: float
    high: float


ANY = (-np.inf, np.inf)
"""Limits of a statistic without limits."""


def percentile_interval(
    draws: np.ndarray, level: float = 0.95, n: int | None = None, limits: tuple[float, float] = ANY
) -> tuple[float, float]:
    """Return the ends of the percentile interval of bootstrap draws.

    Parameters
    ----------
    draws : (n_draws,)
        NaN draws are left out.
    level : float
    n : int, optional
        Number of things resampled. Given, the interval is stretched about the median draw, see `stretch`.
    limits : (lowest, highest)
        Of the statistic: an end that is stretched beyond them lies on them.
    """
    draws = np.asarray(draws, dtype=np.float64)
    draws = draws[np.isfinite(draws)]
    if len(draws) < 2:
        return np.nan, np.nan
    low, middle, high = np.quantile(draws, [(1 - level) / 2, 0.5, (1 + level) / 2])
    return _within(limits, *(middle + stretch(n, level) * (end - middle) for end in (low, high)))


def _within(limits: tuple[float, float], *ends: float) -> tuple[float, ...]:
    return tuple(float(np.clip(end, *limits)) for end in ends)


def stretch(n: int | None, level: float = 0.95) -> float:
    """Return by how much the bootstrap interval of `n` resampled things is too narrow.

    Their spread is by ``sqrt((n - 1) / n)`` too small, and their number asks for Student's quantile with n - 1 degrees
    of freedom in place of the normal one (Hesterberg 2015). Hesterberg takes percentiles further out by that factor;
    with few things the draws do not reach there, so here the ends move out instead. 1 where `n` is None or below 2.
    """
    if n is None or n < 2:
        return 1.0
    return float(stdtrit(n - 1, (1 + level) / 2) / ndtri((1 + level) / 2) * np.sqrt(n / (n - 1)))


def bca_interval(
    estimate: float,
    draws: np.ndarray,
    leave_one_out: np.ndarray,
    level: float = 0.95,
    n: int | None = None,
    limits: tuple[float, float] = ANY,
) -> tuple[float, float]:
    """Return the ends of the bias-corrected and accelerated interval (Efron 1987).

    Parameters
    ----------
    estimate : float
        Statistic of the data.
    draws : (n_draws,)
        Statistic of the bootstrap draws.
    leave_one_out : (n_units of resampling,)
        Statistic without each unit of resampling, for the acceleration.
    level : float
    n : int, optional
        Number of things resampled. Given, the interval is stretched about the estimate, see `stretch`.
    limits : (lowest, highest)
        As in `percentile_interval`.
    """
    draws = np.asarray(draws, dtype=np.float64)
    draws = draws[np.isfinite(draws)]
    if len(draws) < 2:
        return np.nan, np.nan
    below = (np.sum(draws < estimate) + np.sum(draws == estimate) / 2) / len(draws)
    if not 0 < below < 1:  # no draw on one side: the correction is undefined
        return percentile_interval(draws, level, n, limits)
    bias = ndtri(below)
    gap = np.mean(leave_one_out) - np.asarray(leave_one_out)
    spread = np.sum(gap**2)
    acceleration = 0.0 if spread == 0 else np.sum(gap**3) / (6 * spread**1.5)
    z = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    ends = np.quantile(draws, ndtr(bias + z / (1 - acceleration * z)))
    return _within(limits, *(estimate + stretch(n, level) * (end - estimate) for end in ends))


def student_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean of independent values with Student's interval; NaN ends for fewer than two values, of none all is NaN."""
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    mean = values.mean() if n else np.nan
    reach = stdtrit(n - 1, (1 + level) / 2) * values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return Interval(float(mean), float(mean - reach), float(mean + reach))


def cluster_draws(labels: Sequence, n_draws: int, seed: int) -> np.ndarray:
    """Draw whole groups (monkeys, recordings) with replacement, with all that was measured in them.

    Drawing the groups of the outermost level alone, with their members as they are, carries the variance of all levels
    below it; drawing members again within drawn groups counts that variance twice (Davison & Hinkley 1997, 3.8).

    Parameters
    ----------
    labels : (n_rows,) sequence
        Group of each row.
    n_draws, seed : int
        The first draws are the same whatever their number.

    Returns
    -------
    (n_draws, n_rows) int
        How often each draw holds each row.
    """
    codes = np.unique(np.asarray(labels).astype(str), return_inverse=True)[1]
    n = codes.max() + 1
    chosen = np.random.default_rng(seed).integers(n, size=(n_draws, n))
    counts = np.zeros((n_draws, n), dtype=np.int64)
    np.add.at(counts, (np.arange(n_draws)[:, None], chosen), 1)
    return counts[:, codes]


def medians(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the median of each draw, (n_draws,), from counts of the values, (n_draws, n_values)."""
    order = np.argsort(values)
    after = np.cumsum(counts[:, order], axis=1)
    half = after[:, -1:] - 1  # twice the place of the median, counted from 0
    low, high = ((after > place).argmax(axis=1) for place in (half // 2, (half + 1) // 2))
    return (values[order[low]] + values[order[high]]) / 2


def bootstrap_interval(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], float] = np.median,
    levels: Sequence[Sequence] = (),
    *,
    n_draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    method: str = "percentile",
    limits: tuple[float, float] = ANY,
) -> Interval:
    """Interval of a statistic of unit scores, resampled by hierarchy.

    Parameters
    ----------
    values : (n_units,)
        NaN values (undefined units) are left out.
    statistic : callable
        From (n,) values to a number.
    levels : sequence of (n_units,) sequences
        Labels of nested groups, outermost first, e.g. ``(monkeys, recordings)``. The outermost level that has two
        groups or more is drawn, its groups whole.
    n_draws, seed, level
        Draws, their seed, and the confidence.
    method : str
        ``percentile`` or ``bca``, whose acceleration leaves out one group of the outermost level at a time; both are
        stretched for few groups, see `stretch`.
    limits : (lowest, highest)
        As in `percentile_interval`.

    Returns
    -------
    Interval
        All NaN if no value is defined.

    Raises
    ------
    DataError
        If there is no such method, or labels are not one per value.
    """
    if method not in ("percentile", "bca"):
        raise DataError(f"no interval {method!r}; there are percentile and bca")
    values = np.asarray(values, dtype=np.float64)
    for labels in levels:
        if len(labels) != len(values):
            raise DataError(f"{len(values)} values but {len(labels)} labels of a level; give one label per value")
    defined = np.isfinite(values)
    levels = [np.asarray(labels)[defined] for labels in levels]
    values = values[defined]
    if not len(values):
        return Interval(np.nan, np.nan, np.nan)
    estimate = float(statistic(values))
    # A level with one group adds nothing to the draw: the interval then is about the levels below, within that group.
    useful = [labels for labels in levels if len(set(labels.tolist())) > 1]
    counts = cluster_draws(useful[0] if useful else np.arange(len(values)), n_draws, seed)
    if getattr(statistic, "is_median", statistic is np.median):
        draws = medians(values, counts)
    else:
        draws = np.array([statistic(np.repeat(values, one)) for one in counts])
    outer = useful[0] if useful else np.arange(len(values))
    n = len(np.unique(outer))
    if method == "percentile":
        return Interval(estimate, *percentile_interval(draws, level, n, limits))
    out = np.array([statistic(values[outer != one]) for one in np.unique(outer)]) if len(values) > 1 else draws[:1]
    return Interval(estimate, *bca_interval(estimate, draws, out, level, n, limits))


def p_value(observed: float, null: np.ndarray, tail: str = "greater") -> float:
    """Return ``(k + 1) / (N + 1)``, k the null values at least as extreme (Phipson & Smyth 2010): never 0.

    Parameters
    ----------
    observed : float
    null : (n_null,)
        Statistic under the null hypothesis.
    tail : str
        ``greater``, ``less`` or ``two-sided`` (by absolute value: for statistics that are symmetric about 0).
    """
    null = np.asarray(null, dtype=np.float64)
    null = null[np.isfinite(null)]
    if not np.isfinite(observed) or not len(null):
        return np.nan
    slack = 1e-12 * max(1.0, abs(observed))  # equal values that differ by rounding count as equal
    if tail == "greater":
        k = np.sum(null >= observed - slack)
    elif tail == "less":
        k = np.sum(null <= observed + slack)
    elif tail == "two-sided":
        k = np.sum(np.abs(null) >= abs(observed) - slack)
    else:
        raise DataError(f"tail={tail!r}; give greater, less or two-sided")
    return float((k + 1) / (len(null) + 1))


def permutation_test(
    statistic: Callable[[np.ndarray], float],
    n: int,
    *,
    n_permutations: int = 1000,
    groups: np.ndarray | None = None,
    seed: int = 0,
    tail: str = "greater",
) -> tuple[float, float, np.ndarray]:
    """Test a relation between two sets of rows by permuting the rows of one of them.

    Parameters
    ----------
    statistic : callable
        From an order of the n rows, (n,) int, to a number; the identity gives the observed value.
    n : int
        Number of rows (images).
    n_permutations : int
    groups : (n,), optional
        Rows are exchanged within a group only (say, within recording), as the null hypothesis then says no more.
    seed, tail
        Seed; tail as in `p_value`.

    Returns
    -------
    observed, p, null : float, float, (n_permutations,)
    """
    groups = np.zeros(n) if groups is None else one_per_row("groups", groups, n)
    observed = float(statistic(np.arange(n)))
    null = np.empty(n_permutations)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    for index in range(n_permutations):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
        order = np.arange(n)
        for rows in members:
            order[rows] = rng.permutation(rows)
        null[index] = statistic(order)
    return observed, p_value(observed, null, tail), null


def paired_test(
    a: np.ndarray,
    b: np.ndarray,
    clusters: Sequence | None = None,
    *,
    n_permutations: int = 9999,
    seed: int = 0,
    tail: str = "two-sided",
) -> tuple[float, float]:
    """Compare two models on the same units by flipping the sign of their differences, cluster by cluster.

    Parameters
    ----------
    a, b : (n_units,)
        Scores of the two models; units undefined in either are left out.
    clusters : (n_units,) sequence, optional
        Recording or monkey of each unit: its units flip together, as they share images and noise. The statistic is
        then the mean of cluster means. With m clusters no p-value lies below 2 / 2**m.

    Returns
    -------
    difference, p : float
        Mean difference a - b and its p-value; all sign patterns are enumerated when there are at most `n_permutations`.

    Raises
    ------
    DataError
        If scores and clusters are not one per unit.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise DataError(f"a has shape {a.shape} and b {b.shape}; give the scores of the same units in both")
    gap = a - b
    labels = np.arange(len(gap)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    if len(labels) != len(gap):
        raise DataError(f"{len(gap)} scores but {len(labels)} clusters; give one cluster per score")
    defined = np.isfinite(gap)
    gap, labels = gap[defined], np.unique(labels[defined], return_inverse=True)[1]
    if not len(gap):
        return np.nan, np.nan
    means = np.bincount(labels, weights=gap) / np.bincount(labels)
    observed, m = float(means.mean()), len(means)
    if 2**m <= n_permutations + 1:
        signs = 1 - 2 * ((np.arange(2**m)[:, None] >> np.arange(m)) & 1)
        null = (signs[1:] * means).mean(axis=1)  # the identity is the + 1 of p_value
    else:
        rng = np.random.default_rng(seed)
        null = np.array([(rng.choice([-1, 1], m) * means).mean() for _ in range(n_permutations)])
    return observed, p_value(observed, null, tail)


def fdr(p: np.ndarray, q: float = 0.05, method: str = "bh") -> tuple[np.ndarray, np.ndarray]:
    """Control the false discovery rate.

    Parameters
    ----------
    p : (...) array of p-values; NaN entries are not tests.
    q : float
        Rate to control.
    method : str
        ``bh`` (Benjamini & Hochberg 1995) or ``tsbh`` (two stages, Benjamini, Krieger & Yekutieli 2006: the first, at
        q / (1 + q), estimates how many hypotheses are true).

    Returns
    -------
    rejected, adjusted : arrays of the shape of `p`
        Adjusted p-values (for ``tsbh`` at the stated q); NaN where p is.
    """
    p = np.asarray(p, dtype=np.float64)
    if np.any((p < 0) | (p > 1)):
        raise DataError("p holds values outside 0 to 1; give p-values")
    if method not in ("bh", "tsbh"):
        raise DataError(f"no correction {method!r}; there are bh and tsbh")
    tested = np.isfinite(p)
    values = p[tested]
    n = len(values)
    adjusted = np.full(p.shape, np.nan)
    if n:
        order = np.argsort(values, kind="stable")
        stepped = values[order] * n / np.arange(1, n + 1)
        stepped = np.minimum.accumulate(stepped[::-1])[::-1]
        if method == "tsbh":
            true = n - int(np.sum(stepped <= q / (1 + q)))
            stepped = stepped * (1 + q) * (true / n)
        back = np.empty(n)
        back[order] = np.minimum(stepped, 1)
        adjusted[tested] = back
    with np.errstate(invalid="ignore"):
        return adjusted <= q, adjusted


def max_t(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Family-wise adjusted p-values by the maximum statistic (Westfall & Young 1993, single step).

    Parameters
    ----------
    observed : (...)
        Statistics, e.g. model x layer x area; larger is more extreme. NaN entries are not tests.
    null : (n_permutations, ...)
        The same statistics under joint permutations.

    Returns
    -------
    array of the shape of `observed`

    Raises
    ------
    DataError
        If `null` holds other statistics than `observed`.
    """
    observed, null = np.asarray(observed, dtype=np.float64), np.asarray(null, dtype=np.float64)
    if null.shape[1:] != observed.shape:
        raise DataError(f"null has shape {null.shape}; give (n_permutations, *{observed.shape})")
    tested = np.isfinite(observed)
    flat = null.reshape(len(null), -1)[:, tested.ravel()]
    peak = np.max(np.where(np.isfinite(flat), flat, -np.inf), axis=1, initial=-np.inf)
    adjusted = np.full(observed.shape, np.nan)
    adjusted[tested] = [p_value(value, peak) for value in observed[tested]]
    return adjusted
