"""The linear read-out of HMO: a support vector machine on standardised features, and its out-of-fold decisions."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.svm import SVC

ITERATIONS = 200_000
"""Steps of the solver, at most; separable data with a large penalty need the most."""


@dataclass(frozen=True)
class ReadOut:
    """A linear decision ``weight . (x - mean) / spread + bias``: positive is a face."""

    mean: np.ndarray
    spread: np.ndarray
    weight: np.ndarray
    bias: float


def standardised(features: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return features less the mean and by the spread of `rows`, divided by sqrt(n_features); and mean and spread.

    After the division inner products are of order one for any number of features, so that one penalty fits all.
    """
    mean = features[rows].mean(0)
    spread = features[rows].std(0)
    spread = torch.where(spread > 1e-6 * (mean.abs() + 1e-6), spread, torch.inf)  # a constant feature counts as 0
    return (features - mean) / spread / math.sqrt(features.shape[1]), mean, spread


def solve(gram: np.ndarray, y: np.ndarray, weights: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Fit ``min |w|^2 / 2 + penalty sum_i c_i max(0, 1 - y_i (w x_i + b))`` from inner products.

    The dual problem of n rows is the fastest for few images and many features. scikit-learn (libsvm) solves it.

    Parameters
    ----------
    gram : (n, n)
        Inner products of the rows.
    y : (n,)
        -1 or 1.
    weights : (n,)
        Of the rows; c_i are these, scaled to the mean 1.

    Returns
    -------
    dual : (n,)
        w is the sum of ``dual_i x_i``.
    bias : float
    """
    machine = SVC(C=penalty, kernel="precomputed", max_iter=ITERATIONS)
    machine.fit(gram, y, sample_weight=weights / weights.mean())
    dual = np.zeros(len(y))
    dual[machine.support_] = machine.dual_coef_[0]
    return dual, float(machine.intercept_[0])


def out_of_fold(
    features: torch.Tensor,
    y: np.ndarray,
    weights: np.ndarray,
    folds: np.ndarray,
    penalty: float,
    margin: np.ndarray | None = None,
) -> np.ndarray:
    """Return the decision on each row of a read-out that was fitted without the fold of that row.

    Parameters
    ----------
    features : tensor (n, n_features)
    y : (n,)
        -1 or 1.
    weights : (n,)
        Of the rows in the fit; a row of weight 0 is not fitted.
    folds : (n,) int
    margin : (n,), optional
        Decisions of what was there before, as one more feature that the penalty hardly holds (`MARGIN`).
    """
    decision = np.empty(len(y))
    for fold in np.unique(folds):
        train, rest = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        z, _, _ = standardised(features, torch.from_numpy(train).to(features.device))
        gram = (z @ z[train].T).cpu().numpy().astype(np.float64)  # (n, n_train)
        if margin is not None:
            gram += MARGIN * np.outer(margin, margin[train])
        dual, bias = solve(gram[train], y[train], weights[train], penalty)
        decision[rest] = gram[rest] @ dual + bias
    return decision


MARGIN = 100.0
"""Squared scale of the earlier decisions beside features of inner products of order one."""


def fit(features: torch.Tensor, y: np.ndarray, weights: np.ndarray, penalty: float) -> ReadOut:
    """Fit the read-out on all rows."""
    z, mean, spread = standardised(features, torch.arange(len(y), device=features.device))
    z, mean, spread = (part.cpu().numpy().astype(np.float64) for part in (z, mean, spread))
    dual, bias = solve(z @ z.T, y, weights, penalty)
    return ReadOut(mean, spread, z.T @ dual / math.sqrt(z.shape[1]), bias)
