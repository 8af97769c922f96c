"""Corrections for multiple tests: false discovery rate and family-wise error rate."""

import numpy as np

from analysis.core.errors import DataError
from analysis.statistics.inference.permutation import p_value
from analysis.statistics.keys import check_level, numbers, numbers_alone


def fdr(p: np.ndarray, q: float = 0.05, method: str = "bh") -> tuple[np.ndarray, np.ndarray]:
    """Control the false discovery rate.

    Parameters
    ----------
    p : (...) array of float
        P-values; NaN entries do not count as tests.
    q : float
        False discovery rate to control.
    method : {"bh", "tsbh"}
        ``bh``: Benjamini & Hochberg (1995). ``tsbh``: the two-stage procedure of Benjamini, Krieger & Yekutieli (2006),
        whose first stage, at q / (1 + q), estimates the number of true null hypotheses.

    Returns
    -------
    rejected : (...) array of bool
    adjusted : (...) array of float
        Adjusted p-values (for ``tsbh``, valid only at this `q`); NaN where `p` is.

    Raises
    ------
    DataError
        If a p-value lies outside 0 to 1 or the method is unknown.

    Examples
    --------
    >>> rejected, adjusted = fdr([0.01, 0.02, 0.6])
    >>> adjusted
    array([0.03, 0.03, 0.6 ])
    >>> rejected
    array([ True,  True, False])
    """
    if method not in ("bh", "tsbh"):
        raise DataError(f"method={method!r}; give bh or tsbh")
    check_level(q)
    p, tested = _checked(p)
    adjusted = np.full(p.shape, np.nan)
    if tested.any():
        stepped = _benjamini_hochberg(p[tested])
        if method == "tsbh":
            n_true = len(stepped) - int(np.sum(stepped <= q / (1 + q)))
            stepped = np.minimum(stepped * (1 + q) * (n_true / len(stepped)), 1)
        adjusted[tested] = stepped
    with np.errstate(invalid="ignore"):
        return adjusted <= q, adjusted


def _benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return adjusted p-values, (n_tests,). Same as `scipy.stats.false_discovery_control`, which is slow to load."""
    order = np.argsort(p)
    steps = p[order] * (len(p) / np.arange(1, len(p) + 1, dtype=float))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum.accumulate(steps[::-1])[::-1]
    return np.minimum(adjusted, 1)


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust p-values for the family-wise error rate, step-down (Holm 1979), under any dependence.

    Parameters
    ----------
    p : (...) array of float
        P-values of one family; NaN entries do not count as tests.

    Returns
    -------
    (...) array of float
        Adjusted p-values; NaN where `p` is.

    Raises
    ------
    DataError
        If a p-value lies outside 0 to 1.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p, tested = _checked(p)
    order = np.argsort(p[tested], kind="stable")
    steps = np.maximum.accumulate(np.sort(p[tested]) * np.arange(len(order), 0, -1))
    adjusted, found = np.full(p.shape, np.nan), np.empty(len(order))
    found[order] = np.minimum(steps, 1)
    adjusted[tested] = found
    return adjusted


def _checked(p) -> tuple[np.ndarray, np.ndarray]:
    """Return p-values as an array, and which of them are tests."""
    p = numbers_alone("p", p)
    if np.any((p < 0) | (p > 1)):
        raise DataError("p holds values outside 0 to 1; give p-values")
    return p, np.isfinite(p)


def max_t(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Adjust p-values for the family-wise error rate by the maximum statistic (Westfall & Young 1993, single step).

    Parameters
    ----------
    observed : (...) array of float
        Statistics, e.g. model x layer x area; larger is more extreme. NaN entries do not count as tests.
    null : (n_permutations, ...) array of float
        The same statistics under joint permutations; undefined (NaN) ones are excluded from the maximum.

    Returns
    -------
    (...) array of float
        Adjusted p-values; NaN where `observed` is.

    Raises
    ------
    DataError
        If the shapes of `null` and `observed` do not match.

    Examples
    --------
    >>> null = [[1.0, 5.0], [2.0, 0.0], [0.0, 3.0]]  # maxima 5, 2, 3
    >>> max_t([4.0, 6.0], null)
    array([0.5 , 0.25])
    """
    observed, null = numbers("observed", observed), numbers("null", null)
    if not len(np.atleast_1d(null)) or null.shape[1:] != observed.shape:
        raise DataError(f"null has shape {null.shape}; give (n_permutations, *{observed.shape})")
    tested = np.isfinite(observed)
    null = null.reshape(len(null), observed.size)[:, tested.ravel()]
    maxima = np.max(np.where(np.isfinite(null), null, -np.inf), axis=1, initial=-np.inf)
    adjusted = np.full(observed.shape, np.nan)
    adjusted[tested] = [p_value(statistic, maxima) for statistic in observed[tested]]
    return adjusted
