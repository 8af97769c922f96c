"""Ridge regression with a penalty for each unit, chosen by exact leave-out errors from one decomposition.

The fit is linear in the targets, yhat = H y. Leaving a set F of rows out therefore needs no new fit: its prediction
errors are (I - H_FF)^-1 (y_F - yhat_F) (Cook & Weisberg 1982; with single rows this is PRESS). The intercept is
not penalised and is part of H.
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
from analysis.statistics.crossval import group_folds
from analysis.statistics.keys import join
from analysis.statistics.predictivity.pls import Prediction, score

ALPHAS = tuple(10.0 ** np.arange(-3, 9))
"""Penalties tried by default, relative to the mean squared length of the centred rows."""


SMALL = 2**18
"""Entries of an array (penalties x rows of a fold x rank) up to which a fold's penalties are handled together."""
ROWS = 128
ALONE = 512
"""Rows up to which a matrix is decomposed by one thread."""
FIXED = "a fold holds rows that fix the fit by themselves; give larger penalties or fewer folds"


@dataclass(frozen=True)
class Decomposition:
    """Eigenvectors of the centred X X'.

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
        """Decompose features, (n, n_features), by the smaller of their two Gram matrices."""
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
    """Return how many of rising eigenvalues are zero but for rounding."""
    return int(np.searchsorted(values, size * np.finfo(float).eps * max(values[-1], 0.0), side="right"))


def _eigh(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues and eigenvectors of a symmetric matrix.

    BLAS threads meet after every row, which does not pay for few rows, least of all beside other programs.
    """
    with one_thread() if len(gram) <= ALONE else nullcontext():
        return np.linalg.eigh(gram)


def leave_out_errors(
    decomposition: Decomposition, Y: np.ndarray, alphas: np.ndarray, folds: np.ndarray | None, intercept: bool = True
) -> np.ndarray:
    """Sum of squared errors of each unit when each fold (or row) is left out, for each penalty.

    Parameters
    ----------
    decomposition : Decomposition
        Of the features, centred if `intercept`.
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
    # One thread from here on: BLAS threads wait in a loop after a product, and would take the processors from ours.
    with one_thread():
        return _leave_out_errors(decomposition, Y, np.asarray(alphas, dtype=np.float64), folds, intercept)


def _leave_out_errors(decomposition: Decomposition, Y, alphas, folds, intercept: bool) -> np.ndarray:
    U, values = decomposition.vectors, decomposition.values
    n = len(Y)
    Yc = Y - Y.mean(axis=0) if intercept else Y
    Z = U.T @ Yc  # (rank, n_units)
    base = 1 / n if intercept else 0.0
    parts = [] if folds is None else [np.flatnonzero(folds == fold) for fold in np.unique(folds)]

    if folds is not None and len(alphas) * max(map(len, parts)) * len(values) <= SMALL:
        return sum(_small_fold(U, values, Yc, Z, alphas, rows, base) for rows in parts)

    if folds is None:
        return _single_rows(U, values, Yc, Z, alphas, base)
    # Some penalties of one fold are a task, so that there is one for every thread until the end.
    tasks = [(rows, some) for rows in parts for some in np.array_split(np.arange(len(alphas)), THREADS)]
    found = map_threads(lambda task: _large_fold(U, values, Yc, Z, alphas[task[1]], task[0], base), tasks)
    errors = np.zeros((len(alphas), Y.shape[1]))
    for (_, some), squares in zip(tasks, found, strict=True):
        errors[some] += squares
    return errors


def _single_rows(U, values, Yc, Z, alphas, base: float) -> np.ndarray:
    """Return the sum of squared errors of rows left out one at a time, (n_alphas, n_units)."""
    n, shrinks = len(U), values / (values + alphas[:, None])  # (n_alphas, rank)
    leverages = base + np.concatenate([(U[k : k + ROWS] ** 2) @ shrinks.T for k in range(0, n, ROWS)])

    def at(number):
        fit = shrinks[number][:, None] * Z
        return np.sum(((Yc - U @ fit) / (1 - leverages[:, number])[:, None]) ** 2, axis=0)

    return np.stack(map_threads(at, range(len(alphas))))


def _large_fold(U, values, Yc, Z, alphas, rows, base: float) -> np.ndarray:
    """Return the sum of squared errors of the rows of one fold, (n_alphas, n_units), penalty by penalty."""
    part, targets = np.ascontiguousarray(U[rows]), Yc[rows]
    scaled, shrunk = np.empty(part.shape), np.empty(Z.shape)  # made once: large arrays cost more to get than to fill

    def at(alpha):
        shrink = values / (values + alpha)
        residual = targets - part @ np.multiply(shrink[:, None], Z, out=shrunk)
        np.multiply(part, np.sqrt(shrink), out=scaled)
        left = np.matmul(scaled, scaled.T)  # H_FF less the intercept's share; unlike scipy's dsyrk, other threads go on
        np.subtract(-base, left, out=left)
        left.reshape(-1)[:: len(rows) + 1] += 1.0
        left, failed = dpotrf(left.T, lower=1, overwrite_a=1)  # symmetric: the transpose lies as LAPACK wants it
        if failed:
            raise DataError(FIXED)
        # Solved from the right, which is faster than dposv and takes the rows of the residual as they lie.
        error = dtrsm(1.0, left, residual.T, side=1, lower=1, trans_a=1, overwrite_b=1)
        error = dtrsm(1.0, left, error, side=1, lower=1, overwrite_b=1)
        return np.einsum("ij,ij->i", error, error)

    return np.array([at(alpha) for alpha in alphas]).reshape(len(alphas), Z.shape[1])


def _small_fold(U, values, Yc, Z, alphas, rows, base: float) -> np.ndarray:
    """Return the sum of squared errors of the rows of one fold for all penalties at once, (n_alphas, n_units)."""
    part, shrink = U[rows], values / (values + alphas[:, None])  # (n_alphas, rank)
    residual = Yc[rows] - part @ (shrink[:, :, None] * Z)
    left = -(part * shrink[:, None, :]) @ part.T - base  # (n_alphas, k, k): -H_FF
    left.reshape(len(alphas), -1)[:, :: len(rows) + 1] += 1.0
    try:
        error = np.linalg.solve(left, residual)
    except np.linalg.LinAlgError as fault:
        raise DataError(FIXED) from fault
    return np.einsum("aij,aij->aj", error, error)


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
        Folds of the training rows by which the penalty is chosen; default: leave one out. With near-duplicates use
        folds by group: one left-out image is else predicted from its duplicate, and the penalty comes out too small.
    intercept : bool

    Returns
    -------
    predicted : (k, n_units)
    chosen : (n_units,)
        Penalty of each unit.
    """
    alphas = np.asarray(alphas, dtype=np.float64)
    if alphas.ndim != 1 or not len(alphas) or not (np.isfinite(alphas) & (alphas > 0)).all():
        raise DataError("alphas holds values that are not positive; give one or more positive penalties")
    if len(train) < 3:
        raise DataError(f"{len(train)} training images; ridge needs 3 or more")
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
    """`Prediction` with the penalties that were chosen: (n_repeats, n_folds, n_units)."""

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
    """Predict units from features by cross-validated ridge, with a penalty per unit chosen inside the training folds.

    Parameters
    ----------
    X : (n_images, n_features)
        Plain arrays, or both `X` and `Y` ``xarray.DataArray`` with dimension ``image``, joined by image.
    Y : (n_images, n_units)
        Finite.
    groups : (n_images,), optional
        Near-duplicate group per image (a mapping if X and Y are keyed): never split by a fold, outer or inner.
    alphas : sequence of float, optional
        Penalties; default `ALPHAS` times the mean squared length of the centred rows of X.
    folds, inner_folds, repeats, seed
        Outer folds, inner folds (None: leave one out), repeats of the outer folds and the seed.

    Returns
    -------
    RidgePrediction
    """
    X, Y, groups, images = join(X, Y, groups, at_least=max(folds, 4))
    if not np.isfinite(Y).all():
        raise DataError(
            "Y holds NaN: ridge_predict needs every unit at every image; use pls_predict or split the units"
        )
    if alphas is None:
        alphas = np.array(ALPHAS) * np.mean(np.sum((X - X.mean(axis=0)) ** 2, axis=1))
    predicted = np.full((repeats, *Y.shape), np.nan)
    chosen = np.empty((repeats, folds, Y.shape[1]))
    assigned = np.stack([group_folds(groups, folds, seed_of(seed, "folds", r)) for r in range(repeats)])
    for r in range(repeats):
        for fold in range(folds):
            train, rest = np.flatnonzero(assigned[r] != fold), np.flatnonzero(assigned[r] == fold)
            inner = None
            if inner_folds is not None:
                inner = group_folds(groups[train], inner_folds, seed_of(seed, "inner", r, fold))
            predicted[r, rest], chosen[r, fold] = fit_predict(X, Y, train, rest, alphas, inner)
    result = score(Y, predicted, assigned, images)
    return RidgePrediction(**vars(result), alphas=chosen)
