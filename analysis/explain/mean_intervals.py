"""Bootstrap intervals of the means of many columns, all with the same draws of rows."""

from collections.abc import Sequence

import numpy as np

from analysis.statistics.inference import ANY, cluster_draws, percentile_interval


def bootstrap_means(
    values: np.ndarray, groups: Sequence, n_draws: int, seed: int, limits: tuple[float, float] = ANY
) -> np.ndarray:
    """Return the mean of each column and the limits of its 95 % interval, (3, n_columns).

    The intervals equal those of `bootstrap_interval` in `analysis.statistics` for the mean.

    Parameters
    ----------
    values : (n_rows, n_columns)
        NaN is ignored.
    groups : (n_rows,)
        Rows of a group (near-duplicate images, units of a recording) are drawn together; if there is only one group,
        single rows are drawn.
    n_draws, seed : int
    limits : (lowest, highest)
        Possible values, and thus possible means.
    """
    values = np.asarray(values, np.float64)
    known, codes = np.isfinite(values), np.unique(np.asarray(groups), return_inverse=True)[1]
    if len(values) and codes.max() == 0:
        codes = np.arange(len(values))
    draws = cluster_draws(codes, n_draws, seed) if len(values) else np.empty((0, 0))
    weights = np.vstack([np.ones((1, len(values))), draws])
    n = weights @ known
    means = (
        weights @ np.where(known, values, 0.0) / np.where(n > 0, n, np.nan)
    )  # the first row is the data, the others are draws
    n_groups = [len(np.unique(codes[column])) for column in known.T]
    ends = [percentile_interval(column, n=k, limits=limits) for column, k in zip(means[1:].T, n_groups, strict=True)]
    return np.vstack([means[:1], np.array(ends).reshape(-1, 2).T])
