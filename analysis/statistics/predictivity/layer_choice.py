"""The best layer of a model, chosen without a look at the images on which it is scored."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.statistics.keys import as_array
from analysis.statistics.predictivity import pls
from analysis.statistics.predictivity.nested import Nested, nested


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
    features: dict[str, np.ndarray], Y: np.ndarray, folds: np.ndarray, n_components, *, scale: bool = False
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
        NaN where a unit was not shown an image.
    folds : (n_repeats, n_images) int
        Folds, near-duplicates together; 3 or more.
    n_components : int or sequence of int
        A number, or those among which to choose (`nested.nested`).
    scale : bool
        As in `krylov.fit_predict`.

    Returns
    -------
    Choice

    Raises
    ------
    DataError
        If a layer, `Y` or `folds` has other rows than the rest, a layer is not finite, or the images are too few.
    """
    features, Y = {name: as_array(name, X, 2) for name, X in features.items()}, as_array("Y", Y, 2, allow_nan=True)
    folds = np.asarray(folds)
    if folds.ndim != 2 or folds.shape[1] != len(Y):
        raise DataError(f"folds has shape {folds.shape}; give a row per repeat and a fold for each of {len(Y)} images")
    if other := [name for name, X in features.items() if len(X) != len(Y)]:
        raise DataError(f"{other[0]} has {len(features[other[0]])} rows and Y {len(Y)}; give the same images in both")
    numbers = [n_components] if isinstance(n_components, (int, np.integer)) else n_components
    fits = {layer: [nested(X, Y, one, numbers, scale=scale) for one in folds] for layer, X in features.items()}
    return choose(fits, Y, folds)


def choose(fits: dict[str, Sequence[Nested]], Y: np.ndarray, folds: np.ndarray, *, against: str = "training") -> Choice:
    """Return the best layer's predictions as `best_layer` does, from fits of every layer, one of each repeat.

    Folds below 0 are not tested. `against`: as in `pls.score`.
    """
    if not fits:
        raise DataError("features holds no layer; give at least one")
    predicted = np.full((len(folds), *Y.shape), np.nan)
    chosen = []
    for r, assigned in enumerate(folds):
        for t, fold in enumerate(np.unique(assigned[assigned >= 0])):
            layer = max(fits, key=lambda name, r=r, t=t: _median(fits[name][r].inner_r[t]))
            chosen.append(layer)
            rows = assigned == fold
            predicted[r, rows] = fits[layer][r].predicted[rows]
    return Choice(pls.score(Y, predicted, folds, against=against), tuple(chosen))


def _median(r: np.ndarray) -> float:
    return float(np.nanmedian(r)) if np.isfinite(r).any() else -np.inf
