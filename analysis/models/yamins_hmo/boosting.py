"""Image weights over the rounds of a search (AdaBoost: Freund & Schapire 1997; shrinkage: Friedman 2001)."""

import numpy as np

LEAST, MOST = 0.02, 0.49
"""Bounds of a weighted error: 0 would take all weight from the images, 1/2 or more would reward mistakes."""


def balanced(y: np.ndarray) -> np.ndarray:
    """Return weights that sum to 1, half of it for each class; `y` (..., n) is -1 or 1, or 0 for images left out."""
    shares = [(y == side) / (2 * np.maximum((y == side).sum(-1, keepdims=True), 1)) for side in (-1, 1)]
    return shares[0] + shares[1]


def weighted_error(weights: np.ndarray, y: np.ndarray, decision: np.ndarray) -> float:
    """Return the summed weight of the images that are classified wrongly (a decision of 0 counts as -1).

    All are (n,), or (n_tasks, n); of several tasks it is the mean.
    """
    return float(weights[(decision > 0) != (y > 0)].sum() / len(np.atleast_2d(weights)))


def reweighted(weights: np.ndarray, y: np.ndarray, decision: np.ndarray, shrinkage: float = 1.0) -> np.ndarray:
    """Return the weights of the next round: ``w exp(-nu a y yhat) / Z`` with ``a = log((1 - e) / e) / 2``.

    All are (n,), or (n_tasks, n), whose tasks are weighted one by one; nu is `shrinkage`.
    """
    if weights.ndim > 1:
        return np.stack([reweighted(*one, shrinkage) for one in zip(weights, y, decision, strict=True)])
    error = np.clip(weighted_error(weights, y, decision), LEAST, MOST)
    a = np.log((1 - error) / error) / 2
    agrees = np.where((decision > 0) == (y > 0), 1, -1)
    new = weights * np.exp(-shrinkage * a * agrees)
    return new / new.sum()
