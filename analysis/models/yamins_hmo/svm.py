"""The linear read-out of HMO: a support vector machine on standardised features, and its out-of-fold decisions."""

import math

import numpy as np
import torch

from analysis.core.exact import sqrt
from analysis.models.read_out import ReadOut

ITERATIONS = 200_000
"""Maximum number of solver steps; separable data with a large C need the most."""


def standardised(features: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return features standardised over `rows` and divided by sqrt(n_features), and their mean and standard deviation.

    The division makes inner products of order one for any number of features, so that one C suits all.
    """
    mean = features[rows].mean(0)
    centred = features - mean
    std = sqrt(centred[rows].square().sum(0) / (len(rows) - 1))  # ten times as fast as torch's
    std = torch.where(std > 1e-6 * (mean.abs() + 1e-6), std, torch.inf)  # a constant feature counts as 0
    return centred / std / math.sqrt(features.shape[1]), mean, std


def solve(gram: np.ndarray, y: np.ndarray, weights: np.ndarray, C: float) -> tuple[np.ndarray, float]:
    """Fit ``min |w|^2 / 2 + C sum_i c_i max(0, 1 - y_i (w x_i + b))`` and return dual (n,) and b: w = sum dual_i x_i.

    `gram` (n, n) holds the inner products of the rows, `y` is -1 or 1, and c_i are `weights`, scaled to mean 1. With
    few images and many features, solving the dual problem (scikit-learn, libsvm) is fastest.
    """
    from sklearn import config_context  # slow to load, and only a fit needs it
    from sklearn.svm import SVC

    machine = SVC(C=C, kernel="precomputed", max_iter=ITERATIONS)
    with config_context(assume_finite=True, skip_parameter_validation=True):  # checks would take as long as a small fit
        machine.fit(gram, y, sample_weight=weights / weights.mean())
    dual = np.zeros(len(y))
    dual[machine.support_] = machine.dual_coef_[0]
    return dual, float(machine.intercept_[0])


def out_of_fold(
    features: torch.Tensor,
    y: np.ndarray,
    weights: np.ndarray,
    folds: np.ndarray,
    C: float,
    margin: np.ndarray | None = None,
) -> np.ndarray:
    """Return for each row of features (n, n_features) the decision of a read-out fitted on the other folds.

    `y` (-1 or 1), `weights`, `margin` and the result are (n,) or (n_tasks, n); rows of weight 0 are left out of the
    fits. `margin`, the decision of the earlier modules, is an additional feature. It is hardly regularised: a weight of
    1 costs 1/2, against C times a loss summed over all rows. (A much larger scale gives the same decisions, but the
    solver needs ten times as many steps.)
    """
    tasks = list(zip(np.atleast_2d(y), np.atleast_2d(weights), strict=True))
    decision = np.empty((len(tasks), len(folds)))
    for fold in np.unique(folds):
        train, rest = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        z, _, _ = standardised(features, torch.from_numpy(train).to(features.device))
        z = z.cpu().numpy()
        gram = (z @ z[train].T).astype(np.float64)  # (n, n_train)
        for number, (sides, importance) in enumerate(tasks):
            own = gram
            if margin is not None:
                of_task = np.atleast_2d(margin)[number]
                own = gram + np.outer(of_task, of_task[train])
            fitted = importance[train] > 0
            rows = train[fitted]
            dual, bias = solve(own[rows][:, fitted], sides[rows], importance[rows], C)
            decision[number, rest] = own[rest][:, fitted] @ dual + bias
    return decision.reshape(np.shape(y))


def fit(features: torch.Tensor, y: np.ndarray, weights: np.ndarray, C: float) -> ReadOut:
    """Fit the read-out on all rows: a decision for each task, `y` and `weights` being (n_tasks, n)."""
    z, mean, std = standardised(features, torch.arange(len(features), device=features.device))
    z, mean, std = (part.cpu().numpy().astype(np.float64) for part in (z, mean, std))
    gram = z @ z.T
    duals, biases = zip(*(solve(gram, *task, C) for task in zip(y, weights, strict=True)), strict=True)
    decisions = np.stack([z.T @ dual / math.sqrt(z.shape[1]) for dual in duals])
    return ReadOut(mean, std, decisions, np.array(biases))
