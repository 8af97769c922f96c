"""Ridge regression with one penalty per unit, chosen by exact leave-out errors from a single decomposition.

The fit is linear in the targets, yhat = H y, so that leaving out a set F of rows needs no new fit: its errors are
(I - H_FF)^-1 (y_F - yhat_F) (Cook & Weisberg 1982; for single rows, PRESS). The intercept is not penalised and is
part of H.
"""

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf

from analysis.core.errors import DataError
from analysis.core.numerics import THREADS
from analysis.core.parallel import map_threads, one_thread
from analysis.core.seeds import seed_of
from analysis.statistics.crossval import TooFewImages, check_fold_sizes, group_folds, repeated_folds
from analysis.statistics.keys import check_varies, join, numbers
from analysis.statistics.predictivity.pls import Prediction, score

ALPHAS = tuple(10.0 ** np.arange(-3, 9))
"""Default penalties, relative to the mean squared length of the centred rows."""
SMALL_FOLD_ENTRIES = 2**18
"""Size (penalties x rows of a fold x rank) up to which all penalties of a fold are solved at once."""
LEVERAGE_ROWS = 128
"""Rows whose leverages are computed at once, which bounds the memory."""
SINGLE_THREAD_ROWS = 512
"""Rows up to which one thread decomposes a matrix faster than several."""
UNDETERMINED = "the rows outside a fold do not determine its fit; give larger penalties or fewer folds"


@dataclass(frozen=True)
class Decomposition:
    """Eigendecomposition of the centred X X'.

    Attributes
    ----------
    vectors : (n, rank)
    values : (rank,)
        Eigenvalues, all positive.
    """

    vectors: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray, intercept: bool = True) -> "Decomposition":
        """Decompose features, (n, n_features), via the smaller of their two Gram matrices."""
        X = X - X.mean(axis=0) if intercept else X
        if X.shape[0] <= X.shape[1]:
            return cls.of_gram(X @ X.T)
        values, right = _eigh(X.T @ X)
        positive = slice(_zeros(values, max(X.shape)), None)
        return cls(X @ (right[:, positive] / np.sqrt(values[positive])), values[positive])

    @classmethod
    def of_gram(cls, gram: np.ndarray) -> "Decomposition":
        """Decompose a centred Gram or kernel matrix, (n, n)."""
        values, vectors = _eigh(gram)
        positive = slice(_zeros(values, len(gram)), None)
        return cls(vectors[:, positive], values[positive])


def _zeros(values: np.ndarray, size: int) -> int:
    """Return how many of the ascending eigenvalues are zero up to rounding."""
    return int(np.searchsorted(values, size * np.finfo(float).eps * max(values[-1], 0.0), side="right"))


def _eigh(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues and eigenvectors of a symmetric matrix.

    BLAS threads synchronise after every row, which does not pay for few rows, least of all on a busy machine.
    """
    with one_thread() if len(gram) <= SINGLE_THREAD_ROWS else nullcontext():
        return np.linalg.eigh(gram)


def leave_out_errors(
    decomposition: Decomposition, Y: np.ndarray, alphas: np.ndarray, folds: np.ndarray | None, intercept: bool = True
) -> np.ndarray:
    """Return the sum of squared leave-fold-out (or leave-one-out) errors of each unit, for each penalty.

    Parameters
    ----------
    decomposition : Decomposition
        Decomposition of the features, centred if `intercept`.
    Y : (n, n_units)
    alphas : (n_alphas,)
        Positive.
    folds : (n,) int or None
        Fold of each row; None leaves out one row at a time.
    intercept : bool

    Returns
    -------
    (n_alphas, n_units)
    """
    # One BLAS thread from here on: idle BLAS threads spin, and would compete with ours.
    with one_thread():
        return _leave_out_errors(decomposition, Y, np.asarray(alphas, dtype=np.float64), folds, intercept)


def _leave_out_errors(decomposition: Decomposition, Y, alphas, folds, intercept: bool) -> np.ndarray:
    U, values = decomposition.vectors, decomposition.values
    n = len(Y)
    Yc = Y - Y.mean(axis=0) if intercept else Y
    Z = U.T @ Yc  # (rank, n_units)
    base = 1 / n if intercept else 0.0
    rows_of_folds = [] if folds is None else [np.flatnonzero(folds == fold) for fold in np.unique(folds)]

    if folds is not None and len(alphas) * max(map(len, rows_of_folds)) * len(values) <= SMALL_FOLD_ENTRIES:
        return sum(_small_fold(U, values, Yc, Z, alphas, rows, base) for rows in rows_of_folds)

    if folds is None:
        return _single_rows(U, values, Yc, Z, alphas, base)
    # A task is a subset of penalties in one fold, so that all threads stay busy until the end.
    some_alphas = np.array_split(np.arange(len(alphas)), THREADS)
    tasks = [(rows, some) for rows in rows_of_folds for some in some_alphas]
    squared = map_threads(lambda task: _large_fold(U, values, Yc, Z, alphas[task[1]], task[0], base), tasks)
    errors = np.zeros((len(alphas), Y.shape[1]))
    for (_, some), squares in zip(tasks, squared, strict=True):
        errors[some] += squares
    return errors


def _single_rows(U, values, Yc, Z, alphas, base: float) -> np.ndarray:
    """Return the sum of squared errors of rows left out one at a time, (n_alphas, n_units)."""
    n, shrinks = len(U), values / (values + alphas[:, None])  # (n_alphas, rank)
    leverages = base + np.concatenate([(U[k : k + LEVERAGE_ROWS] ** 2) @ shrinks.T for k in range(0, n, LEVERAGE_ROWS)])

    def errors_at(number):
        fit = shrinks[number][:, None] * Z
        return np.sum(((Yc - U @ fit) / (1 - leverages[:, number])[:, None]) ** 2, axis=0)

    return np.stack(map_threads(errors_at, range(len(alphas))))


def _large_fold(U, values, Yc, Z, alphas, rows, base: float) -> np.ndarray:
    """Return the sum of squared errors of the rows of one fold, (n_alphas, n_units), penalty by penalty."""
    vectors, targets = np.ascontiguousarray(U[rows]), Yc[rows]
    scaled, shrunk = np.empty(vectors.shape), np.empty(Z.shape)  # reused: large arrays cost more to allocate than fill

    def errors_at(alpha):
        shrink = values / (values + alpha)
        residual = targets - vectors @ np.multiply(shrink[:, None], Z, out=shrunk)
        np.multiply(vectors, np.sqrt(shrink), out=scaled)
        left = np.matmul(scaled, scaled.T)  # H_FF without the intercept; unlike scipy's dsyrk it releases the GIL
        np.subtract(-base, left, out=left)
        left.reshape(-1)[:: len(rows) + 1] += 1.0
        left, failed = dpotrf(left.T, lower=1, overwrite_a=1)  # symmetric: its transpose has LAPACK's layout
        if failed:
            raise DataError(UNDETERMINED)
        # Solving from the right is faster than dposv and needs no copy of the residual.
        error = dtrsm(1.0, left, residual.T, side=1, lower=1, trans_a=1, overwrite_b=1)
        error = dtrsm(1.0, left, error, side=1, lower=1, overwrite_b=1)
        return np.einsum("ij,ij->i", error, error)

    return np.array([errors_at(alpha) for alpha in alphas]).reshape(len(alphas), Z.shape[1])


def _small_fold(U, values, Yc, Z, alphas, rows, base: float) -> np.ndarray:
    """Return the sum of squared errors of the rows of one fold for all penalties at once, (n_alphas, n_units)."""
    vectors, shrink = U[rows], values / (values + alphas[:, None])  # (n_alphas, rank)
    residual = Yc[rows] - vectors @ (shrink[:, :, None] * Z)
    left = -(vectors * shrink[:, None, :]) @ vectors.T - base  # (n_alphas, k, k): -H_FF
    left.reshape(len(alphas), -1)[:, :: len(rows) + 1] += 1.0
    try:
        error = np.linalg.solve(left, residual)
    except np.linalg.LinAlgError as fault:
        raise DataError(UNDETERMINED) from fault
    return np.einsum("aij,aij->aj", error, error)


def penalties(Z: np.ndarray) -> np.ndarray:
    """Return `ALPHAS` times the mean squared length of the centred rows, or times 1 if all features are constant."""
    length = np.mean(np.sum(Z**2, axis=1))
    return np.array(ALPHAS) * (length if length > 0 else 1.0)


def fit_predict(X, Y, train, rest, alphas, inner_folds=None, intercept: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Fit ridge on the rows `train`, with the penalty of each unit chosen there, and predict the rows `rest`.

    Parameters
    ----------
    X : (n, n_features)
    Y : (n, n_units)
        Finite in the training rows.
    train, rest : (m,), (k,) int
    alphas : (n_alphas,)
        Penalties.
    inner_folds : (m,) int, optional
        Folds of the training rows for choosing the penalty; default: leave one out. With near-duplicates, use
        `group_folds`: otherwise a left-out image is predicted from its duplicate, and the penalty is too small.
    intercept : bool

    Returns
    -------
    predicted : (k, n_units)
    chosen : (n_units,)
        Penalty of each unit.
    """
    alphas = numbers("alphas", alphas)
    if alphas.ndim != 1 or not len(alphas) or not (np.isfinite(alphas) & (alphas > 0)).all():
        raise DataError("alphas holds values that are not positive; give one or more positive penalties")
    if len(train) < 3:
        raise TooFewImages(f"{len(train)} training images; ridge needs 3 or more")
    mean_x = X[train].mean(axis=0) if intercept else 0.0
    Xt, T = X[train] - mean_x, Y[train]
    decomposition = Decomposition.of(Xt, intercept=False)  # centred above
    errors = leave_out_errors(decomposition, T, alphas, inner_folds, intercept)
    chosen = alphas[np.argmin(errors, axis=0)]
    mean_y = T.mean(axis=0) if intercept else 0.0
    U, values = decomposition.vectors, decomposition.values
    weights = (U.T @ (T - mean_y)) / (values[:, None] + chosen)  # (rank, n_units)
    predicted = (X[rest] - mean_x) @ (Xt.T @ (U @ weights)) + mean_y
    return predicted, chosen


@dataclass(frozen=True)
class RidgePrediction(Prediction):
    """`Prediction` with the chosen penalties (`ridge_predict`).

    Attributes
    ----------
    alphas : (n_repeats, n_folds, n_units) array of float
        In squared units of the features.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(30, 4))
    >>> ridge_predict(X, X[:, :2], folds=3).alphas.shape
    (1, 3, 2)
    """

    alphas: np.ndarray


def ridge_predict(
    X,
    Y,
    groups=None,
    alphas=None,
    *,
    folds: int = 5,
    inner_folds: int | None = 5,
    repeats: int = 1,
    seed: int = 0,
) -> RidgePrediction:
    """Predict units from features by cross-validated ridge regression (Hoerl & Kennard 1970).

    Each unit's penalty is chosen within the training folds by exact leave-out errors (Cook & Weisberg 1982).

    Parameters
    ----------
    X : (n_images, n_features) array of float
        Features of a model. Give plain arrays, or both `X` and `Y` as ``xarray.DataArray`` with dimension ``image``,
        whose rows are then joined by image.
    Y : (n_images, n_units) array of float
        Responses (e.g. spikes/s); finite.
    groups : (n_images,) sequence, optional
        Near-duplicate group of each image (a mapping if X and Y are keyed); never split across outer or inner folds.
    alphas : sequence of float, optional
        Penalties; default: 1e-3 to 1e8, one per decade, times the mean squared length of the centred rows of X.
    folds, inner_folds, repeats, seed : int
        Number of outer folds, inner folds (None: leave one out) and repeats with new folds; and their seed.

    Returns
    -------
    RidgePrediction

    Raises
    ------
    TooFewImages
        If images or groups are too few for the folds (a `DataError`).
    DataError
        If shapes or keys disagree, X or Y is not finite, a penalty is not positive, or there are fewer than 2 folds or
        1 repeat.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 100))  # more features than images
    >>> Y = X @ rng.normal(size=(100, 2))
    >>> prediction = ridge_predict(X, Y)
    >>> bool((prediction.r2 > 0.3).all())
    True
    """
    X, Y, groups, images = join(X, Y, groups, at_least=max(folds, 4))
    if not np.isfinite(Y).all():
        raise DataError(
            "Y holds NaN: ridge_predict needs a response of every unit to every image; "
            "use pls_predict or drop incomplete units"
        )
    check_varies("X", X)
    if alphas is None:
        alphas = penalties(X - X.mean(axis=0))
    assigned = repeated_folds(groups, folds, repeats, seed)
    check_fold_sizes(assigned)
    predicted = np.full((repeats, *Y.shape), np.nan)
    chosen = np.empty((repeats, folds, Y.shape[1]))
    for r in range(repeats):
        for fold in range(folds):
            train, rest = np.flatnonzero(assigned[r] != fold), np.flatnonzero(assigned[r] == fold)
            inner = None
            if inner_folds is not None:
                inner = group_folds(groups[train], inner_folds, seed_of(seed, "inner", r, fold))
            predicted[r, rest], chosen[r, fold] = fit_predict(X, Y, train, rest, alphas, inner)
    prediction = score(Y, predicted, assigned, images)
    return RidgePrediction(**vars(prediction), alphas=chosen)
