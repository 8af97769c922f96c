"""The best layer of a model, chosen without a look at the images on which it is scored."""

from dataclasses import dataclass

import numpy as np

from analysis.compare import pls
from analysis.compare.crossval import group_folds, mean_pearson
from analysis.errors import DataError
from analysis.runtime import seed_of


@dataclass(frozen=True)
class Choice:
    """Predictions by the layer that was best in the training part of each fold.

    Attributes
    ----------
    prediction : pls.Prediction
    layers : tuple of str
        Chosen layer of each repeat and fold, in order.
    """

    prediction: pls.Prediction
    layers: tuple[str, ...]


def best_layer(
    features: dict[str, np.ndarray],
    Y: np.ndarray,
    groups: np.ndarray,
    folds: np.ndarray,
    n_components: int,
    *,
    inner_folds: int = 4,
    scale: bool = False,
    seed: int = 0,
) -> Choice:
    """Choose a layer inside each training set, and predict the test set from it.

    The layer with the highest score on the same images that report it is best partly by chance: with many layers and
    little signal its score is too high. Here every layer is cross-validated within the training rows of a fold; the
    layer with the highest median (over units) of Pearson's r predicts the test rows.

    Parameters
    ----------
    features : dict of (n_images, n_features)
        Layers, rows in the same order as `Y`.
    Y : (n_images, n_units)
    groups : (n_images,)
        Near-duplicate groups.
    folds : (n_repeats, n_images) int
        Outer folds; -1: the row only trains.
    n_components, scale
        As in `pls.fit_predict`.
    inner_folds, seed : int
        Folds within the training rows, and their seed.

    Returns
    -------
    Choice
    """
    if not features:
        raise DataError("features holds no layer; give at least one")
    predicted = np.full((len(folds), *Y.shape), np.nan)
    chosen = []
    for r, assigned in enumerate(folds):
        for fold in np.unique(assigned[assigned >= 0]):
            train, rest = np.flatnonzero(assigned != fold), np.flatnonzero(assigned == fold)
            inner = group_folds(groups[train], inner_folds, seed_of(seed, "inner", r, int(fold)))
            layer = max(
                features, key=lambda name, t=train, i=inner: _inner_score(features[name], Y, t, i, n_components, scale)
            )
            chosen.append(layer)
            # Train and test rows as one table of two folds: units not shown an image are left out as everywhere.
            rows = np.concatenate([train, rest])
            marks = np.concatenate([np.full(len(train), -1), np.zeros(len(rest), dtype=int)])
            out = pls.cross_predict(features[layer][rows], Y[rows], marks, n_components, scale=scale)
            predicted[r, rest] = out[len(train) :]
    return Choice(pls.score(Y, predicted, folds), tuple(chosen))


def _inner_score(X, Y, train, inner, n_components, scale) -> float:
    predicted = pls.cross_predict(X[train], Y[train], inner, n_components, scale=scale)
    r = mean_pearson(Y[train], predicted, inner)
    return float(np.nanmedian(r)) if np.isfinite(r).any() else -np.inf
