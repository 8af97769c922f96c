"""Partial least squares for all units at once.

The scores of PLS with one target span the Krylov space of X X' and the target. All units can therefore be computed
together by multiplying one Gram matrix with the matrix of residuals, and cross-validation folds share that Gram matrix.
The steps are those of NIPALS (Wold 1975), in sample space instead of feature space; scores are re-orthogonalised, so
that predictions agree with explicit deflation up to rounding. One pass yields the predictions for every number of
components up to the last.
"""

import math
from contextlib import nullcontext
from itertools import combinations_with_replacement, pairwise

import numpy as np

from analysis.core.errors import DataError
from analysis.core.numerics import THREADS
from analysis.core.parallel import map_threads, one_thread
from analysis.statistics.crossval import TooFewImages

UNITS_AT_ONCE = 50
"""Maximum number of units per block, which bounds the memory of the scores (units x components x images); halved if
the Gram matrix is shared, since a copy of it is in memory too."""
TILE = 250
"""Rows and columns of a tile of X X'."""


class _Products:
    """Multiply residuals by the centred, optionally scaled X X' of one fold; rows are ordered train, then rest."""

    def __init__(self, X, train, rest, scale: bool, gram=None):
        self.m = len(train)
        rows = np.concatenate([train, rest])
        if gram is not None and not scale:
            gram = gram[rows[:, None], train[None, :]]  # (n, m), not yet centred on the training rows
            gram -= gram.mean(1)[:, None]
            gram -= gram[: self.m].mean(0)
            self._gram, self._x = gram, None
            return
        Z = X[rows]
        Z = Z - Z[: self.m].mean(0)
        if scale:
            deviation = _root((Z[: self.m] ** 2).sum(0) / (self.m - 1))
            deviation[deviation == 0] = 1.0
            Z /= deviation
        few_images = X.shape[0] <= 2 * X.shape[1]
        self._gram, self._x = (square_of(Z)[:, : self.m], None) if few_images else (None, Z)

    def __call__(self, R, rows=slice(None), out=None):
        """(n_units, m) residuals of the training rows -> (n_units, n_rows), written to `out` if given."""
        # BLAS is a quarter faster when both factors are contiguous along the summed axis.
        left, right = (R, self._gram) if self._gram is not None else (R @ self._x[: self.m], self._x)
        return (np if isinstance(R, np.ndarray) else torch()).matmul(left, right[rows].T, out=out)


def torch():
    """Import torch only when needed: it takes seconds to load."""
    import torch

    return torch


def as_numpy(array) -> np.ndarray:
    """Return an array, or a tensor on any device, as a numpy array."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def _root(values):
    """Return the square root with the same bits on every processor."""
    if isinstance(values, np.ndarray):
        return np.sqrt(values)
    from analysis.core.exact import sqrt

    return sqrt(values)


def _empty(like, *shape):
    return np.empty(shape, like.dtype) if isinstance(like, np.ndarray) else like.new_empty(shape)


def _advance(products: _Products, Y, numbers: list[int]):
    """Run NIPALS for a block of units.

    Parameters
    ----------
    products : _Products
    Y : (n_units, m)
        Centred targets of the training rows.
    numbers : list of int
        Numbers of components, ascending.

    Yields
    ------
    (n_units, k)
        Predictions for the remaining rows with each number of components, minus the training mean.
    """
    m, (u, steps) = products.m, (len(Y), numbers[-1])
    scores, squares, weights = _empty(Y, u, steps, m), _empty(Y, u, steps), _empty(Y, u, steps)
    shares = _empty(Y, u, steps, steps)  # coefficients of the scores in the products of the residuals
    shares[:] = 0.0
    R, first = Y + 0.0, None
    for a in range(steps):
        V = products(R, slice(m), out=scores[:, a])  # (u, m), not normalised
        if a:
            # Up to rounding, V is already orthogonal to all scores but the last: one pass is enough instead of two.
            shares[:, a, :a] = (scores[:, :a] @ V[:, :, None])[:, :, 0] / squares[:, :a]
            V -= (shares[:, a, None, :a] @ scores[:, :a])[:, 0]
        shares[:, a, a] = 1.0
        square = _row_products(V, V)
        first = first if a else square
        # A unit whose residual is exhausted gets no more components.
        squares[:, a] = _where(square > 1e-22 * first, square, float("inf"))
        weights[:, a] = _row_products(R, V) / squares[:, a]
        R -= weights[:, a, None] * V
        if a + 1 in numbers:
            done = slice(a + 1)
            yield products(_dual(Y, scores[:, done], weights[:, done], shares[:, done, done]), slice(m, None))


def _dual(Y, scores, weights, shares):
    """Return the dual coefficients, (n_units, m): the fit of the training rows is their product with the Gram matrix.

    The fit is the sum of weights times scores. The Gram matrix times each residual is the sum of shares times scores,
    and each residual is Y minus the weighted scores before it. The coefficients are thus a sum of residuals, that is,
    of Y and scores.
    """
    linalg = (np if isinstance(Y, np.ndarray) else torch()).linalg
    of_residuals = linalg.solve(shares.swapaxes(1, 2), weights[:, :, None])[:, :, 0]
    later = of_residuals.sum(1)[:, None] - of_residuals.cumsum(1)
    return of_residuals.sum(1)[:, None] * Y - ((weights * later)[:, None] @ scores)[:, 0]


def _row_products(A, B):
    """Return the inner products of corresponding rows: (n, m), (n, m) -> (n,)."""
    return np.einsum("ij,ij->i", A, B) if isinstance(A, np.ndarray) else (A * B).sum(1)


def _where(condition, value, other):
    if isinstance(value, np.ndarray):
        return np.where(condition, value, other)
    return torch().where(condition, value, torch().full_like(value, other))


def _advance_together(products: _Products, Y, numbers: list[int]):
    """Run PLS with one set of scores for all units (PLS2).

    The weight of each step is the first left singular vector of X'Y; here its image X X'Y v, with v the leading
    eigenvector of Y' X X' Y. Yields like `_advance`.
    """
    m, R = products.m, Y + 0.0
    xp = np if isinstance(R, np.ndarray) else torch()
    fitted = first = scores = None
    for a in range(numbers[-1]):
        K = products(R)  # (u, n)
        _, vectors = xp.linalg.eigh((R @ K[:, :m].T + K[:, :m] @ R.T) / 2)
        v = vectors[:, -1] @ K  # (n,)
        if scores is None:
            scores, fitted = _empty(K, numbers[-1], K.shape[1]), K[:, m:] * 0.0
        for _ in range(2 if a else 0):
            v = v - (scores[:a, :m] @ v[:m]) @ scores[:a]
        length = math.sqrt(float((v[:m] ** 2).sum()))
        first = length if first is None else first
        v = v / length if length > 1e-11 * first else v * 0.0  # nothing is left to explain
        weight = R @ v[:m]  # (u,)
        fitted += weight[:, None] * v[m:]
        R -= weight[:, None] * v[:m]
        scores[a] = v
        if a + 1 in numbers:
            yield fitted


def fit_predict(X, Y, train, rest, n_components, *, scale: bool = False, per_unit: bool = True, gram=None):
    """Fit PLS on the rows `train` and predict the rows `rest`.

    Parameters
    ----------
    X : (n, n_features)
        numpy array or torch tensor (on any device, float32 or float64).
    Y : (n, n_units)
        Same type as `X`; finite in the training rows.
    train, rest : (m,), (k,) int
        Row numbers, numpy arrays.
    n_components : int or sequence of int
        At most min(m - 1, n_features). An ascending sequence yields the predictions with each number of components from
        one fit; 0 predicts the training mean.
    scale : bool
        Divide features (and, with per_unit=False, targets) by their standard deviation in the training rows, as
        ``sklearn.cross_decomposition.PLSRegression`` does by default.
    per_unit : bool
        A PLS per unit (Yamins et al. 2014), or one for all units (Brain-Score). These are different models.
    gram : (n, n), optional
        X X', shared by folds; not used with `scale`.

    Returns
    -------
    (k, n_units), or (n_numbers, k, n_units) for a sequence
        Predictions; the training mean for a unit that is constant in the training rows.
    """
    single = isinstance(n_components, (int, np.integer))
    numbers = [n_components] if single else list(n_components)
    check_numbers(numbers, len(train), X.shape[1], least=1 if single else 0)
    # Entered once per call, since it costs as much as a small fit; torch manages its own threads and devices.
    with one_thread() if isinstance(X, np.ndarray) else nullcontext():
        out = _fit_predict(X, Y, train, rest, numbers, scale, per_unit, gram)
    return out[0] if single else out


def _fit_predict(X, Y, train, rest, numbers: list[int], scale: bool, per_unit: bool, gram):
    """Return the predictions with each number of components (ascending), (n_numbers, k, n_units)."""
    m = len(train)
    products = _Products(X, train, rest, scale, gram)
    centred = Y[train]
    mean = centred.mean(0)
    centred = centred - mean
    R = _empty(centred, centred.shape[1], m)
    R[:] = centred.T  # copied, so that rows are contiguous in the products
    del centred
    out = _empty(R, len(numbers), len(rest), R.shape[0])
    n_zero = 1 if numbers[0] == 0 else 0
    out[:n_zero] = 0.0  # no components: the training mean

    def keep(fits, units, factor=1.0):
        for row, fitted in enumerate(fits, n_zero):
            out[row, :, units] = (fitted * factor).T

    steps = numbers[n_zero:]
    if steps and not per_unit:
        deviation = _root((R**2).sum(1) / (m - 1)) if scale else (R[:, 0] * 0 + 1)
        deviation = _where(deviation > 0, deviation, 1.0)[:, None]
        keep(_advance_together(products, R / deviation, steps), slice(None), deviation)
    elif steps:

        def block(units):
            keep(_advance(products, R[units], steps), units)

        blocks = _blocks(len(R), UNITS_AT_ONCE if gram is None else UNITS_AT_ONCE // 2)
        if isinstance(R, np.ndarray):
            map_threads(block, blocks)
        else:
            for units in blocks:
                block(units)
    out += mean
    return out


def _blocks(units: int, most: int) -> list[slice]:
    """Divide units into equal blocks of at most `most` units: a single block, or the same number for each thread."""
    number = -(-units // most)
    if number > 1:
        number = -(-number // THREADS) * THREADS
    ends = np.linspace(0, units, max(number, 1) + 1).astype(int).tolist()
    return [slice(*pair) for pair in pairwise(ends)]


def check_numbers(numbers: list[int], n_train: int, n_features: int, least: int = 0) -> None:
    """Reject numbers of components that do not increase, or exceed what images and features allow."""
    most = min(n_train - 1, n_features)
    bad = [number for number in numbers if not least <= number <= most]
    if bad:
        raise TooFewImages(
            f"{bad[0]} components with {n_train} training images and {n_features} features: give {least} to {most}, "
            "or more images"
        )
    if not numbers or any(b <= a for a, b in pairwise(numbers)):
        raise DataError(f"components {numbers}: give one or more numbers in increasing order")


def gram_of(X, scale: bool = False):
    """Return X X' of centred features for folds to share; None with `scale`, or with too many images for it to pay off.

    Centring reduces cancellation in the products.
    """
    if scale or X.shape[0] > 2 * X.shape[1]:
        return None
    return square_of(X - X.mean(0))


def square_of(X):
    """Return X X', (n, n), of a numpy array or torch tensor.

    Computed tile by tile in our own threads: BLAS threads spin after each product and would slow down what follows.
    """
    if not isinstance(X, np.ndarray):
        return X @ X.T
    square = np.empty((len(X), len(X)), X.dtype)

    def tile(pair):
        rows, columns = pair
        square[rows, columns] = X[rows] @ X[columns].T
        if rows is not columns:
            square[columns, rows] = square[rows, columns].T

    strips = [slice(start, start + TILE) for start in range(0, len(X), TILE)]
    map_threads(tile, combinations_with_replacement(strips, 2))
    return square
