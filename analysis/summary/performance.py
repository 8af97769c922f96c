"""Whether models that perform the task better also predict units better, over the models of a data set."""

from dataclasses import replace

import numpy as np
from scipy.stats import rankdata

from analysis.core.seeds import seed_of
from analysis.statistics.inference import ScoreDraws, permutation_test

LEAST_MODELS = 4
"""Fewer models have too few orders for a meaningful rank correlation."""
ORDERS = 9999
"""Number of random orders of the models in the permutation test."""


def against_predictivity(accuracy: dict[str, float], draws: dict[str, ScoreDraws], seed: int) -> dict | None:
    """Return Spearman's correlation over models of accuracy and predictivity.

    Parameters
    ----------
    accuracy : dict from model to float
        Accuracy on test images (balanced if faces are few), held fixed.
    draws : dict from model to ScoreDraws
        Median r over units for the same models, on the same draws of images and units.
    seed : int

    Returns
    -------
    dict or None
        ``rho``; ``low`` and ``high``, its interval over images and units for these models (`ScoreDraws.interval`,
        clipped to -1 and 1); ``p``, two-sided, over orders of the models, which treats them as a sample of models;
        ``models``, their names. None for fewer than `LEAST_MODELS` with both scores, or if a score is the same for all.
    """
    models = [
        model for model in accuracy if model in draws and np.isfinite([accuracy[model], draws[model].estimate]).all()
    ]
    if len(models) < LEAST_MODELS or len({draws[model].design for model in models}) > 1:
        return None
    done = np.array([accuracy[model] for model in models])
    found = [draws[model] for model in models]
    estimate = float(spearman(done, np.array([[one.estimate] for one in found]))[0])
    if not np.isfinite(estimate):
        return None
    over = {
        name: spearman(done, np.stack([getattr(one, name) for one in found])) for name in ("units", "images", "both")
    }
    interval = replace(found[0], estimate=estimate, **over).interval()
    scores = np.array([one.estimate for one in found])[:, None]
    p = permutation_test(
        lambda order: float(spearman(done[order], scores)[0]),
        len(models),
        n_permutations=ORDERS,
        seed=seed_of(seed, "performance"),
        tail="two-sided",
    )[1]
    low, high = np.clip([interval.low, interval.high], -1, 1)
    return {"rho": estimate, "low": low, "high": high, "p": p, "models": models}


def spearman(x: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the rank correlation of x (n,) with each column of scores (n, n_draws); NaN where either is constant."""
    a, b = rankdata(x) - (len(x) + 1) / 2, rankdata(scores, axis=0) - (len(x) + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a @ b) / np.sqrt((a @ a) * (b**2).sum(axis=0))
