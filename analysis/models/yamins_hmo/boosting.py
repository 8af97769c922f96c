"""Image weights over the rounds of a search (AdaBoost: Freund & Schapire 1997; shrinkage: Friedman 2001)."""

import numpy as np

LEAST, MOST = 0.02, 0.49
"""Bounds of a weighted error: at 0 all weights would vanish, from 1/2 on mistakes would be rewarded."""


def balanced(y: np.ndarray) -> np.ndarray:
    """Return weights that sum to 1/2 in each class; `y` (..., n) is -1 or 1, or 0 for images left out."""
    shares = [(y == side) / (2 * np.maximum((y == side).sum(-1, keepdims=True), 1)) for side in (-1, 1)]
    return shares[0] + shares[1]


def weighted_error(weights: np.ndarray, y: np.ndarray, decision: np.ndarray) -> float:
    """Return the summed weight of the misclassified images (a decision of 0 counts as -1).

    All are (n,), or (n_tasks, n), in which case the result is the mean over tasks.
    """
    return float(weights[(decision > 0) != (y > 0)].sum() / len(np.atleast_2d(weights)))


def label_error(y: np.ndarray, decision: np.ndarray) -> float:
    """Return the error of the label, classes weighing equally; that of the highest decision is called.

    Both are (n_decisions, n), as `screening.sides` returns `y`: a row for each class, of two for the second alone.
    """
    if len(y) == 1:
        return weighted_error(balanced(y), y, decision)
    called, labelled = decision.argmax(0), y > 0
    return float(np.mean([(called[inside] != number).mean() for number, inside in enumerate(labelled)]))


def reweighted(weights: np.ndarray, y: np.ndarray, decision: np.ndarray, shrinkage: float = 1.0) -> np.ndarray:
    """Return the weights of the next round: ``w exp(-nu a y yhat) / Z`` with ``a = log((1 - e) / e) / 2``.

    All are (n,), or (n_tasks, n) with each task reweighted separately; nu is `shrinkage`.
    """
    if weights.ndim > 1:
        return np.stack([reweighted(*one, shrinkage) for one in zip(weights, y, decision, strict=True)])
    error = np.clip(weighted_error(weights, y, decision), LEAST, MOST)
    a = np.log((1 - error) / error) / 2
    agrees = np.where((decision > 0) == (y > 0), 1, -1)
    new = weights * np.exp(-shrinkage * a * agrees)
    return new / new.sum()
