"""Permutation and sign-flip tests."""

from collections.abc import Callable, Sequence

import numpy as np

from analysis.core.errors import DataError
from analysis.statistics.keys import check_number, numbers, numbers_alone, one_per_row, same_rows


def p_value(observed: float, null: np.ndarray, tail: str = "greater") -> float:
    """Return ``(k + 1) / (N + 1)``, with k null values at least as extreme (Phipson & Smyth 2010): never 0.

    Parameters
    ----------
    observed : float
    null : (n_null,) array of float
        Statistic under the null hypothesis; undefined (NaN) values are left out.
    tail : {"greater", "less", "two-sided"}
        ``two-sided`` compares absolute values, for statistics that are symmetric about 0.

    Returns
    -------
    float
        NaN if `observed` is undefined or no null value is defined.

    Raises
    ------
    DataError
        If `tail` is unknown.

    Examples
    --------
    >>> p_value(0.3, [0.1, 0.2, 0.3, 0.4])  # 0.3 itself counts: (2 + 1) / (4 + 1)
    0.6
    """
    null = numbers_alone("null", null)
    null = null[np.isfinite(null)]
    if not np.isfinite(observed) or not len(null):
        return np.nan
    tolerance = 1e-12 * max(1.0, abs(observed))  # values that differ by rounding count as equal
    if tail == "greater":
        k = np.sum(null >= observed - tolerance)
    elif tail == "less":
        k = np.sum(null <= observed + tolerance)
    elif tail == "two-sided":
        k = np.sum(np.abs(null) >= abs(observed) - tolerance)
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
        Maps an order of the n rows, (n,) int, to a number; the identity gives the observed value.
    n : int
        Number of rows (images).
    n_permutations : int
    groups : (n,) sequence, optional
        Rows are permuted only within groups (e.g. recordings), for rows that are exchangeable only there under the null
        hypothesis.
    seed : int
        The first permutations do not depend on `n_permutations`.
    tail : {"greater", "less", "two-sided"}
        As in `p_value`.

    Returns
    -------
    observed, p : float
    null : (n_permutations,) array of float

    Raises
    ------
    DataError
        If `groups` does not have one entry per row, or `tail` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(10.0)
    >>> y = x**2
    >>> observed, p, null = permutation_test(lambda order: np.corrcoef(x[order], y)[0, 1], 10)
    >>> round(observed, 2), p < 0.01, null.shape
    (0.96, True, (1000,))
    """
    check_number("n", n, 1)
    groups = np.zeros(n) if groups is None else one_per_row("groups", groups, n)
    check_number("n_permutations", n_permutations, 0)
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

    Under the null hypothesis the models are exchangeable within a cluster, so that the mean difference of each cluster
    is symmetric about 0 (Fisher 1935; for clusters, Winkler et al. 2015).

    Parameters
    ----------
    a, b : (n_units,) array of float
        Scores of the two models; units undefined in either are left out.
    clusters : (n_units,) sequence, optional
        Recording or monkey of each unit, whose units flip together because they share images and noise. The statistic
        is then the mean of cluster means. With m clusters, no two-sided p-value lies below 2 / 2**m.
    n_permutations, seed : int
        Number of random sign patterns and their seed; if there are no more than that, all 2**m patterns are enumerated.
    tail : {"greater", "less", "two-sided"}
        As in `p_value`.

    Returns
    -------
    difference : float
        Mean difference a - b; NaN if undefined for all units.
    p : float

    Raises
    ------
    DataError
        If scores and clusters do not match unit by unit, entries are masked, or `tail` is unknown.

    Examples
    --------
    >>> paired_test([3.0, 2.0, 4.0], [1.0, 1.0, 1.0])  # 2 of 8 sign patterns are as extreme
    (2.0, 0.25)
    """
    tables = {"a": a, "b": b} | ({} if clusters is None else {"clusters": clusters})
    a, b, *clusters = same_rows(**tables)
    a, b = numbers("a", a), numbers("b", b)
    if a.shape != b.shape or a.ndim != 1:
        raise DataError(f"a has shape {a.shape} and b {b.shape}; give the scores of the same units in both")
    check_number("n_permutations", n_permutations, 0)
    gap = a - b
    labels = one_per_row("clusters", clusters[0], len(gap)) if clusters else np.arange(len(gap))
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
