"""The best layer of a model, chosen without the images on which it is scored."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.statistics.crossval import check_fold_sizes
from analysis.statistics.keys import as_array, check_number, fold_numbers
from analysis.statistics.predictivity import pls
from analysis.statistics.predictivity.nested import Nested, nested_pls, nested_ridge


@dataclass(frozen=True)
class Choice:
    """Predictions from the layer that was best within the training images of each fold (`best_layer`).

    Attributes
    ----------
    prediction : Prediction
    layers : tuple of str
        Layer chosen in each repeat and fold, in order.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(30, 4))
    >>> best_layer({"pool": X}, X[:, :2], np.arange(30)[None] % 3).layers
    ('pool', 'pool', 'pool')
    """

    prediction: pls.Prediction
    layers: tuple[str, ...]


def best_layer(
    features: dict[str, np.ndarray],
    Y: np.ndarray,
    folds: np.ndarray,
    n_components: int | None = None,
    *,
    scale: bool = True,
) -> Choice:
    """Choose a layer within each training set and predict the test set from it.

    A layer chosen and scored on the same images is best partly by chance: with many layers and little signal, its
    score is biased upwards. Here every layer is cross-validated within the training images of a fold (nested
    cross-validation, Varma & Simon 2006), and the layer with the highest median Pearson's r over units predicts the
    test images.

    Parameters
    ----------
    features : dict of (n_images, n_features) arrays of float
        Features of each layer, rows in the order of `Y`.
    Y : (n_images, n_units) array of float
        Responses; NaN where a unit was not shown an image.
    folds : (n_repeats, n_images) array of int
        Fold of each image (three or more folds, near-duplicates kept together: `group_folds`), one row per repeat.
    n_components : int, optional
        Number of PLS components. Default: ridge regression with a penalty for each unit (`ridge_predict`).
    scale : bool
        Divide features by their standard deviation in the training rows.

    Returns
    -------
    Choice

    Raises
    ------
    TooFewImages
        If images or features are too few for the components (a `DataError`).
    DataError
        If there is no layer, rows disagree, or a layer is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> layers = {"conv": rng.normal(size=(60, 10)), "pool": rng.normal(size=(60, 10))}
    >>> from analysis.statistics import group_folds
    >>> folds = group_folds(np.arange(60), n_folds=5, seed=0)
    >>> choice = best_layer(layers, layers["pool"][:, :3], folds[None])
    >>> choice.layers
    ('pool', 'pool', 'pool', 'pool', 'pool')
    """
    features, Y = {name: as_array(name, X, 2) for name, X in features.items()}, as_array("Y", Y, 2, allow_nan=True)
    if (shape := np.shape(folds))[1:] != (len(Y),):
        raise DataError(f"folds has shape {shape}; give a row per repeat and a fold for each of {len(Y)} images")
    folds = fold_numbers("folds", folds, shape)
    if other := [name for name, X in features.items() if len(X) != len(Y)]:
        raise DataError(f"{other[0]} has {len(features[other[0]])} rows and Y {len(Y)}; give the same images in both")
    if n_components is not None:
        check_number("n_components", n_components, 1)
    check_fold_sizes(folds)

    def fit(X, repeat):
        if n_components is None:
            return nested_ridge(X, Y, repeat, scale=scale)
        return nested_pls(X, Y, repeat, n_components, scale=scale)

    return choose({layer: [fit(X, repeat) for repeat in folds] for layer, X in features.items()}, Y, folds)


def choose(fits: dict[str, Sequence[Nested]], Y: np.ndarray, folds: np.ndarray, *, against: str = "training") -> Choice:
    """Return the predictions of `best_layer` from the fits of every layer, one per repeat.

    Images with a fold below 0 are not tested. `against`: as in `pls.score`.
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


def of_chosen_layers(layers: Sequence[str], by_layer: dict[str, np.ndarray], folds: np.ndarray) -> np.ndarray:
    """Assemble predictions, (n_repeats, n_images, n_units) per layer, from the layers chosen in a `Choice`."""
    predicted = np.full_like(next(iter(by_layer.values())), np.nan)
    names = iter(layers)
    for r, assigned in enumerate(folds):
        for fold in np.unique(assigned[assigned >= 0]):
            rows = assigned == fold
            predicted[r, rows] = by_layer[next(names)][r, rows]
    return predicted


def _median(r: np.ndarray) -> float:
    return float(np.nanmedian(r)) if np.isfinite(r).any() else -np.inf
