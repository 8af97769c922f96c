"""Bootstrap intervals of many means over the same rows, which all meet the same draws."""

from collections.abc import Sequence

import numpy as np

from analysis.statistics.inference import ANY, cluster_draws, percentile_interval


def of_means(
    values: np.ndarray, groups: Sequence, n_draws: int, seed: int, limits: tuple[float, float] = ANY
) -> np.ndarray:
    """Return mean, lower and upper end of its 95 % interval of each column, (3, n_columns).

    The intervals are those of `analysis.statistics.inference.bootstrap_interval` for the mean.

    Parameters
    ----------
    values : (n_rows, n_columns)
        NaN entries are left out of their column.
    groups : (n_rows,)
        Rows of one group (near-duplicate images, units of one recording) are drawn together; where there is one group
        alone, rows are drawn.
    n_draws, seed : int
    limits : (lowest, highest)
        Of a value, and so of a mean.
    """
    values = np.asarray(values, np.float64)
    known, codes = np.isfinite(values), np.unique(np.asarray(groups), return_inverse=True)[1]
    if len(values) and codes.max() == 0:
        codes = np.arange(len(values))
    draws = cluster_draws(codes, n_draws, seed) if len(values) else np.empty((0, 0))
    weights = np.vstack([np.ones((1, len(values))), draws])
    n = weights @ known
    means = weights @ np.where(known, values, 0.0) / np.where(n > 0, n, np.nan)  # the first row is of the data
    n_groups = [len(np.unique(codes[column])) for column in known.T]
    ends = [percentile_interval(column, n=k, limits=limits) for column, k in zip(means[1:].T, n_groups, strict=True)]
    return np.vstack([means[:1], np.array(ends).reshape(-1, 2).T])
