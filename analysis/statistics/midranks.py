"""Midranks: tied values share the mean of their ranks."""

import numpy as np


def midranks(x: np.ndarray) -> np.ndarray:
    """Return the ranks of a vector, from 1, ties sharing their mean rank; all NaN if any value is NaN.

    Same as `scipy.stats.rankdata`, whose module takes a second to load in every process that ranks.

    Parameters
    ----------
    x : (n,) array

    Returns
    -------
    (n,) array of float64

    Examples
    --------
    >>> midranks(np.array([0.5, 0.1, 0.5]))
    array([2.5, 1. , 2.5])
    """
    x = np.asarray(x)
    if np.isnan(x).any():
        return np.full(len(x), np.nan)
    order = np.argsort(x, kind="stable")
    ordered, ranks = x[order], np.empty(len(x))
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(x)])  # of runs of ties
    ends = np.append(starts[1:], len(x))[: len(starts)]
    ranks[order] = np.repeat((starts + 1 + ends) / 2, ends - starts)
    return ranks
