"""Partial least squares for all units at once.

With one target, the scores of PLS span the Krylov space of X X' and the target. All units therefore advance together
by products of one Gram matrix with a matrix of residuals, and the folds of a cross-validation share that Gram matrix.
The steps are those of NIPALS (Wold 1975) written for samples in place of features; scores are re-orthogonalised, so
that predictions agree with an explicit deflation to rounding.
"""

from dataclasses import dataclass

import numpy as np

from analysis.compare.crossval import group_folds, mean_pearson, r2_score
from analysis.compare.keys import join
from analysis.compare.threads import in_threads
from analysis.errors import DataError
from analysis.runtime import seed_of

UNITS_AT_ONCE = 20
"""Units in one block: bounds the memory of the scores (units x components x images)."""


@dataclass(frozen=True)
class Prediction:
    """Out-of-fold predictions and their scores.

    Attributes
    ----------
    predicted : (n_repeats, n_images, n_units)
        NaN where an image was never in a test fold, or the unit was not shown it.
    folds : (n_repeats, n_images) int
        Fold in which an image was predicted; -1: never.
    r2, pearson_r : (n_units,)
        Means over repeats; NaN for units that do not vary.
    images : tuple of str or None
        Image of each row, in the order of `predicted`.
    """

    predicted: np.ndarray
    folds: np.ndarray
    r2: np.ndarray
    pearson_r: np.ndarray
    images: tuple[str, ...] | None


class _Products:
    """Products of the centred, optionally scaled, X X' of one fold with residuals, rows ordered train then rest."""

    def __init__(self, X, train, rest, scale: bool, gram=None):
        self.m = len(train)
        rows = _concatenate(train, rest)
        n, p = X.shape
        if gram is not None and not scale:
            columns = gram[train[:, None], rows[None, :]]  # (m, n), of uncentred X
            mean_row = columns.mean(0)  # (n,)
            mean_train = columns[:, : self.m].mean(1)  # (m,)
            columns -= mean_row[None, :]
            columns -= (mean_train - mean_train.mean())[:, None]
            self._gram, self._x = columns, None
            return
        Z = X[rows]
        Z = Z - Z[: self.m].mean(0)
        if scale:
            spread = ((Z[: self.m] ** 2).sum(0) / (self.m - 1)) ** 0.5
            spread[spread == 0] = 1.0
            Z /= spread
        if n <= 2 * p:
            self._gram, self._x = Z[: self.m] @ Z.T, None
        else:
            self._gram, self._x = None, Z

    def __call__(self, R):
        """(n_units, m) residuals of the training rows -> (n_units, n)."""
        if self._gram is not None:
            return R @ self._gram
        return (R @ self._x[: self.m]) @ self._x.T


def _concatenate(a, b):
    return np.concatenate([a, b]) if isinstance(a, np.ndarray) else _torch().cat([a, b])


def _torch():
    import torch

    return torch


def _empty(like, *shape):
    return np.empty(shape, like.dtype) if isinstance(like, np.ndarray) else like.new_empty(shape)


def _advance(products: _Products, R, n_components: int):
    """Run `n_components` steps for a block of units.

    Parameters
    ----------
    products : _Products
    R : (n_units, m)
        Centred targets of the training rows; overwritten with the residuals.
    n_components : int

    Returns
    -------
    (n_units, n)
        Predictions of all rows, less the training mean.
    """
    m = products.m
    fitted = scores = first = None
    for a in range(n_components):
        V = products(R)  # (u, n), scores of every row, not yet orthogonal
        if scores is None:
            scores = _empty(V, V.shape[0], n_components, V.shape[1])
            fitted = V * 0.0
        for _ in range(2 if a else 0):  # twice is enough (Kahan)
            overlap = scores[:, :a, :m] @ V[:, :m, None]  # (u, a, 1)
            V -= (overlap.swapaxes(1, 2) @ scores[:, :a])[:, 0]
        length = (V[:, :m] ** 2).sum(1) ** 0.5  # (u,)
        first = length if first is None else first
        # A unit whose residual is used up gets no more components.
        V /= _where(length > 1e-11 * first, length, float("inf"))[:, None]
        weight = (R * V[:, :m]).sum(1)[:, None]  # (u, 1)
        fitted += weight * V
        R -= weight * V[:, :m]
        scores[:, a] = V
    return fitted


def _where(condition, value, other):
    if isinstance(value, np.ndarray):
        return np.where(condition, value, other)
    return _torch().where(condition, value, _torch().full_like(value, other))


def _advance_together(products: _Products, R, n_components: int):
    """Run `n_components` steps of PLS with one set of scores for all units (PLS2).

    The weight of each step is the first left singular vector of X'Y; here its image X X'Y v, with v the leading
    eigenvector of Y' X X' Y.
    """
    m = products.m
    xp = np if isinstance(R, np.ndarray) else _torch()
    fitted = first = scores = None
    for a in range(n_components):
        K = products(R)  # (u, n)
        _, vectors = xp.linalg.eigh((R @ K[:, :m].T + K[:, :m] @ R.T) / 2)
        v = vectors[:, -1] @ K  # (n,)
        if scores is None:
            scores, fitted = _empty(K, n_components, K.shape[1]), K * 0.0
        for _ in range(2 if a else 0):
            v = v - (scores[:a, :m] @ v[:m]) @ scores[:a]
        length = float((v[:m] ** 2).sum() ** 0.5)
        first = length if first is None else first
        if length <= 1e-11 * first:
            break
        v = v / length
        weight = R @ v[:m]  # (u,)
        fitted += weight[:, None] * v
        R -= weight[:, None] * v[:m]
        scores[a] = v
    return fitted


def fit_predict(X, Y, train, rest, n_components: int, *, scale: bool = False, per_unit: bool = True, gram=None):
    """Fit PLS on the rows `train` and predict the rows `rest`.

    Parameters
    ----------
    X : (n, n_features)
        numpy array or torch tensor (on any device, float32 or float64).
    Y : (n, n_units)
        Of the same kind; finite in the training rows.
    train, rest : (m,), (k,) int
        Row numbers.
    n_components : int
        At most min(m - 1, n_features).
    scale : bool
        Divide features (and, with per_unit=False, targets) by their standard deviation in the training rows, as
        ``sklearn.cross_decomposition.PLSRegression`` does by default.
    per_unit : bool
        A PLS per unit (Yamins et al. 2014), or one for all units (Brain-Score). These are different models.
    gram : (n, n), optional
        X X', to be shared by folds; not used with `scale`.

    Returns
    -------
    (k, n_units)
        Predictions; the training mean for a unit that is constant in the training rows.
    """
    m = len(train)
    most = min(m - 1, X.shape[1])
    if not 1 <= n_components <= most:
        raise DataError(
            f"{n_components} components with {m} training images and {X.shape[1]} features: give 1 to {most}, "
            "or more images"
        )
    products = _Products(X, train, rest, scale, gram)
    T = Y[train]
    mean = T.mean(0)
    R = (T - mean).T  # (u, m)
    if not per_unit:
        spread = ((R**2).sum(1) / (m - 1)) ** 0.5 if scale else (R[:, 0] * 0 + 1)
        spread = _where(spread > 0, spread, 1.0)
        fitted = _advance_together(products, R / spread[:, None], n_components) * spread[:, None]
        return fitted[:, m:].T + mean
    out = _empty(R, len(rest), R.shape[0])

    def block(start):
        units = slice(start, start + UNITS_AT_ONCE)
        residual = R[units] + 0.0  # a contiguous copy, overwritten
        out[:, units] = _advance(products, residual, n_components)[:, m:].T

    starts = range(0, R.shape[0], UNITS_AT_ONCE)
    if isinstance(R, np.ndarray):
        in_threads(block, starts)
    else:  # torch has threads, or a device, of its own
        for start in starts:
            block(start)
    return out + mean


def _gram(X):
    """Return X X' of centred features: there is less cancellation in it."""
    X = X - X.mean(0)
    return X @ X.T


def cross_predict(X, Y, folds, n_components: int, *, scale: bool = False, per_unit: bool = True) -> np.ndarray:
    """Predict every test row from the rows outside its fold.

    Parameters
    ----------
    X : (n_images, n_features)
        numpy array or torch tensor.
    Y : (n_images, n_units)
        NaN where a unit was not shown an image: the unit then trains and tests on the rest.
    folds : (n_images,) int
        Fold in which a row is tested; -1: the row only trains.
    n_components, scale, per_unit
        As in `fit_predict`.

    Returns
    -------
    (n_images, n_units) numpy array
        NaN for rows never tested and for images a unit was not shown.
    """
    torch_input = not isinstance(X, np.ndarray)
    observed = Y.cpu().numpy() if torch_input else Y
    gram = None if scale or X.shape[0] > 2 * X.shape[1] else _gram(X)
    predicted = np.full(observed.shape, np.nan)
    patterns, which = np.unique(np.isfinite(observed), axis=1, return_inverse=True)
    for index in range(patterns.shape[1]):
        shown, units = patterns[:, index], np.flatnonzero(which == index)
        for fold in np.unique(folds[folds >= 0]):
            train, rest = np.flatnonzero(shown & (folds != fold)), np.flatnonzero(shown & (folds == fold))
            if not len(rest):
                continue
            rows = [_torch().from_numpy(a).to(X.device) for a in (train, rest)] if torch_input else (train, rest)
            result = fit_predict(X, Y[:, units], *rows, n_components, scale=scale, per_unit=per_unit, gram=gram)
            predicted[np.ix_(rest, units)] = result.cpu().numpy() if torch_input else result
    return predicted


def pls_predict(
    X,
    Y,
    groups=None,
    n_components: int = 25,
    *,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    scale: bool = False,
    per_unit: bool = True,
    device: str | None = None,
) -> Prediction:
    """Predict units from features by cross-validated PLS.

    Parameters
    ----------
    X : (n_images, n_features)
        Features of a model. Plain arrays, or both `X` and `Y` ``xarray.DataArray`` with dimension ``image``, which are
        then joined by image.
    Y : (n_images, n_units)
        Responses; NaN where a unit was not shown an image.
    groups : (n_images,), optional
        Near-duplicate group per image (a mapping from image to group if X and Y are keyed): never split by a fold.
    n_components : int
        PLS components.
    folds, repeats, seed : int
        Number of folds, of repeats with other folds, and the seed of their random parts.
    scale, per_unit
        As in `fit_predict`.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ...: compute with torch there, in float64. Default: numpy.

    Returns
    -------
    Prediction

    Raises
    ------
    DataError
        If shapes disagree, X is not finite, or images or groups are too few for the folds or components.
    """
    X, Y, groups, images = join(X, Y, groups, at_least=max(folds, 3))
    Xd, Yd = X, Y
    if device is not None:
        torch = _torch()
        Xd, Yd = (torch.from_numpy(a).to(device) for a in (X, Y))
    assigned = np.stack([group_folds(groups, folds, seed_of(seed, "folds", r)) for r in range(repeats)])
    predicted = np.stack([cross_predict(Xd, Yd, f, n_components, scale=scale, per_unit=per_unit) for f in assigned])
    return score(Y, predicted, assigned, images)


def score(Y: np.ndarray, predicted: np.ndarray, folds: np.ndarray, images=None) -> Prediction:
    """Score out-of-fold predictions, (n_repeats, n_images, n_units), against responses (n_images, n_units)."""
    r2 = np.mean([r2_score(Y, p) for p in predicted], axis=0)
    r = np.mean([mean_pearson(Y, p, f) for p, f in zip(predicted, folds, strict=True)], axis=0)
    return Prediction(predicted, folds, r2, r, tuple(images) if images is not None else None)
