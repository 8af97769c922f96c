"""Nested cross-validation: the penalty of each unit and the score of each layer are determined without the test fold.

The remaining folds serve as inner folds, so near-duplicates, which share a fold, are not split across inner folds
either.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.core.parallel import one_thread
from analysis.statistics.crossval import TooFewImages, mean_pearson, shown_together
from analysis.statistics.predictivity import krylov
from analysis.statistics.predictivity.ridge import Decomposition, leave_out_errors, penalties


@dataclass(frozen=True)
class LinearMap:
    """Responses as a linear function of standardised features.

    Attributes
    ----------
    mean, scale : (n_features,)
        Subtracted from each feature, and divisor of the difference.
    weights : (n_features, n_units)
    intercept : (n_units,)
    limit : float
        Distance from the mean at which features are clipped, in units of `scale`.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray
    limit: float

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the predictions from rows of features, (n_rows, n_units).

        No training row lies more than sqrt(n) standard deviations from the mean, with n the number of training rows.
        Features of other rows are clipped to that distance; otherwise a feature that is almost silent in the training
        rows, as rectified features often are, could dominate a prediction.
        """
        return np.clip((X - self.mean) / self.scale, -self.limit, self.limit) @ self.weights + self.intercept


@dataclass(frozen=True)
class Nested:
    """Out-of-fold predictions, and how well the same regression predicts within the training images.

    Attributes
    ----------
    predicted : (n_images, n_units)
        NaN for images that are not tested or were not shown to the unit.
    inner_r : (n_tested, n_units)
        Pearson's r within the training images of each test fold, mean over the inner folds; NaN where undefined or not
        requested, and where the training images are too few to be split again.
    """

    predicted: np.ndarray
    inner_r: np.ndarray


def nested_ridge(X, Y, folds, *, alphas=None, tested=None, scale: bool = True, inner: bool = True) -> Nested:
    """Predict every test fold by ridge regression, with the penalty of each unit chosen in the other folds.

    Parameters
    ----------
    X : (n_images, n_features) array of float
    Y : (n_images, n_units) array of float
        NaN where a unit was not shown an image.
    folds : (n_images,) array of int
        Fold of every image, all at least 0; three or more.
    alphas : (n_alphas,) array of float, optional
        Penalties; default `ridge.penalties`, multiples of the mean squared length of the centred, scaled training rows.
    tested : sequence of int, optional
        Folds to predict; the others are only trained on. Default: all.
    scale : bool
        Divide features by their standard deviation in the training rows.
    inner : bool
        If False, leave `inner_r` undefined.

    Returns
    -------
    Nested

    Raises
    ------
    TooFewImages
        If the training images are too few, or in too few folds, to choose a penalty (a `DataError`).
    """
    tested = np.unique(folds) if tested is None else np.asarray(tested)
    predicted, inner_r = np.full(Y.shape, np.nan), np.full((len(tested), Y.shape[1]), np.nan)
    with one_thread():
        for t, units, train, rest in _parts(Y, folds, tested):
            if len(train) < 3 or len(np.unique(folds[train])) < 2:
                raise TooFewImages(
                    f"{len(train)} training images in {len(np.unique(folds[train]))} folds: ridge needs 3 or more, in "
                    "2 or more folds, to choose a penalty"
                )
            fit = _Ridge.of(X[train], Y[np.ix_(train, units)], folds[train], alphas, scale)
            predicted[np.ix_(rest, units)] = fit.map.predict(X[rest])
            if inner:
                inner_r[t, units] = mean_pearson(Y[np.ix_(train, units)], fit.left_out(), folds[train])
    return Nested(predicted, inner_r)


def fit_ridge(X, Y, folds, *, alphas=None, scale: bool = True) -> LinearMap:
    """Fit ridge regression to all images, with the penalty of each unit chosen by leave-fold-out errors.

    The same fit as `nested_ridge` makes to the training images of a fold.

    Parameters
    ----------
    X : (n_images, n_features) array of float
    Y : (n_images, n_units) array of float
        Finite.
    folds : (n_images,) array of int
        Two or more.
    alphas, scale
        As in `nested_ridge`.

    Returns
    -------
    LinearMap
    """
    with one_thread():
        return _Ridge.of(X, Y, folds, alphas, scale).map


def nested_pls(X, Y, folds, n_components: int, *, tested=None, scale: bool = True, inner: bool = True) -> Nested:
    """Predict every test fold by PLS with a fixed number of components; otherwise as `nested_ridge`.

    `inner_r` is undefined where the inner training images are too few for the components.
    """
    tested = np.unique(folds) if tested is None else np.asarray(tested)
    predicted, inner_r = np.full(Y.shape, np.nan), np.full((len(tested), Y.shape[1]), np.nan)
    gram = krylov.gram_of(X, scale)
    for t, units, train, rest in _parts(Y, folds, tested):
        targets = np.where(np.isfinite(Y[:, units]), Y[:, units], 0.0)

        def fit(train, rest, targets=targets):
            return krylov.fit_predict(X, targets, train, rest, n_components, scale=scale, gram=gram)

        predicted[np.ix_(rest, units)] = fit(train, rest)
        inner_folds = np.unique(folds[train])
        least = min((folds[train] != fold).sum() for fold in inner_folds)
        if inner and len(inner_folds) > 1 and n_components <= min(least - 1, X.shape[1]):
            held = np.full((len(train), len(units)), np.nan)
            for fold in inner_folds:
                inside = folds[train] == fold
                held[inside] = fit(train[~inside], train[inside])
            inner_r[t, units] = mean_pearson(targets[train], held, folds[train])
    return Nested(predicted, inner_r)


def _leave_out_predictions(
    decomposition: Decomposition, Y: np.ndarray, alphas: np.ndarray, folds: np.ndarray
) -> np.ndarray:
    """Return the prediction of every row from the fit without its fold, (n, n_units), with an intercept.

    Parameters
    ----------
    decomposition : Decomposition
        Decomposition of the centred features.
    Y : (n, n_units)
    alphas : (n_units,)
        Penalty of each unit.
    folds : (n,) int
    """
    U, values = decomposition.vectors, decomposition.values
    Yc = Y - Y.mean(axis=0)
    out = np.empty(Y.shape)
    for alpha in np.unique(alphas):
        units, shrink = np.flatnonzero(alphas == alpha), values / (values + alpha)
        residual = Yc[:, units] - U @ (shrink[:, None] * (U.T @ Yc[:, units]))
        for fold in np.unique(folds):
            rows = np.flatnonzero(folds == fold)
            left = np.eye(len(rows)) - 1 / len(Y) - (U[rows] * shrink) @ U[rows].T  # I - H_FF
            out[np.ix_(rows, units)] = Y[np.ix_(rows, units)] - np.linalg.solve(left, residual[rows])
    return out


@dataclass(frozen=True)
class _Ridge:
    """Ridge regression on one training set, with the penalty of each unit chosen over its folds.

    Attributes
    ----------
    map : LinearMap
    alphas : (n_units,)
        Chosen penalties, in squared units of the (scaled) features.
    """

    map: LinearMap
    alphas: np.ndarray
    _Y: np.ndarray
    _folds: np.ndarray
    _decomposition: Decomposition

    @classmethod
    def of(cls, X: np.ndarray, Y: np.ndarray, folds: np.ndarray, alphas=None, scale: bool = True) -> "_Ridge":
        """Fit finite `Y`, (n, n_units), to `X`, (n, n_features); penalties as in `nested_ridge`."""
        mean = X.mean(axis=0)
        deviation = X.std(axis=0) if scale else np.ones(X.shape[1])
        deviation = np.where(deviation > 1e-12 * np.abs(mean), deviation, 1.0)
        Z = (X - mean) / deviation
        alphas = penalties(Z) if alphas is None else np.asarray(alphas, dtype=np.float64)
        decomposition = Decomposition.of(Z, intercept=False)  # centred above
        errors = leave_out_errors(decomposition, Y, alphas, folds)
        chosen = alphas[np.argmin(errors, axis=0)]
        U, values = decomposition.vectors, decomposition.values
        weights = Z.T @ (U @ ((U.T @ (Y - Y.mean(axis=0))) / (values[:, None] + chosen)))
        limit = np.sqrt(len(Y)) if scale else np.inf
        return cls(LinearMap(mean, deviation, weights, Y.mean(axis=0), limit), chosen, Y, folds, decomposition)

    def left_out(self) -> np.ndarray:
        """Return the prediction of each training row from the fit without its fold, (n, n_units)."""
        return _leave_out_predictions(self._decomposition, self._Y, self.alphas, self._folds)


def _parts(Y, folds, tested) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield fold index, units, training rows and test rows, per test fold and set of units shown the same images."""
    patterns, which = shown_together(Y)
    for index in range(patterns.shape[1]):
        shown, units = patterns[:, index], np.flatnonzero(which == index)
        for t, fold in enumerate(tested):
            rest = np.flatnonzero(shown & (folds == fold))
            if len(rest):
                yield t, units, np.flatnonzero(shown & (folds != fold)), rest
