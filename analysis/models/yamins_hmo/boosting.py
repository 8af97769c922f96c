"""Image weights over the rounds of a search (AdaBoost: Freund & Schapire 1997)."""

import numpy as np

LEAST, MOST = 0.02, 0.49
"""Bounds of a weighted error: 0 would take all weight from the images, 1/2 or more would reward mistakes."""


def balanced(y: np.ndarray) -> np.ndarray:
    """Return weights that sum to 1, half of it for each class; `y` (n,) is -1 or 1."""
    share = np.where(y > 0, (y > 0).mean(), (y <= 0).mean())
    return 1 / (2 * len(y) * share)


def weighted_error(weights: np.ndarray, y: np.ndarray, decision: np.ndarray) -> float:
    """Return the summed weight of the images that are classified wrongly (a decision of 0 counts as -1)."""
    return float(weights[(decision > 0) != (y > 0)].sum())


def reweighted(weights: np.ndarray, y: np.ndarray, decision: np.ndarray) -> np.ndarray:
    """Return the weights of the next round: ``w exp(-a y yhat) / Z`` with ``a = log((1 - e) / e) / 2``."""
    error = np.clip(weighted_error(weights, y, decision), LEAST, MOST)
    a = np.log((1 - error) / error) / 2
    agrees = np.where((decision > 0) == (y > 0), 1, -1)
    new = weights * np.exp(-a * agrees)
    return new / new.sum()
