"""Ridge regression on one or two sets of features, each with its own penalty.

With penalties a_1 and a_2 for two standardised sets, the fit is that of kernel ridge on w K_1 + (1 - w) K_2 with one
penalty (banded ridge: Nunez-Elizalde, Huth & Gallant 2019; Dupre la Tour et al. 2022). With a shared penalty, the
larger set would swamp the smaller one.
"""

from collections.abc import Sequence

import numpy as np

from analysis.core.errors import DataError
from analysis.core.parallel import one_thread
from analysis.core.seeds import seed_of
from analysis.statistics.crossval import TooFewImages, group_folds
from analysis.statistics.keys import as_array, fold_numbers, one_per_row
from analysis.statistics.predictivity.ridge import Decomposition, leave_out_errors

ALPHAS = tuple(10.0 ** np.arange(-3, 6))
"""Penalties, relative to the mean of the kernel's diagonal."""
WEIGHTS = (0.0, 0.1, 0.5, 0.9, 1.0)
"""Weights of the first of two kernels; 0 and 1 drop one of them."""
INNER_FOLDS = 10
"""Maximum number of inner folds for choosing weight and penalty."""
LEAST = 4
"""Minimum number of image groups to train on."""


def banded_predict(spaces: Sequence, Y, folds, groups=None, *, seed: int = 0) -> np.ndarray:
    """Predict units from one or two sets of features by cross-validated banded ridge.

    Features are standardised on the training rows and clipped to their range there, and each set's kernel is scaled to
    a mean diagonal of 1. Weight and penalty are chosen for each unit by exact leave-out errors over inner folds, which
    split no group.

    Parameters
    ----------
    spaces : sequence of one or two (n_images, n_features) arrays
    Y : (n_images, n_units) array of float
        Responses; finite.
    folds : (n_images,) sequence of int
        Fold in which each image is predicted; -1 for images that are only trained on.
    groups : (n_images,) sequence, optional
        Near-duplicate group of each image; the groups of test images are excluded from training.
    seed : int
        Seed of the inner folds.

    Returns
    -------
    (n_images, n_units) array of float
        NaN for images that are never predicted.

    Raises
    ------
    TooFewImages
        If a fold leaves fewer than 4 groups to train on (a `DataError`).
    DataError
        If there are not one or two sets, arrays do not match row by row, or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> few, many = rng.normal(size=(60, 2)), rng.normal(size=(60, 300))
    >>> Y = few @ [[1.0], [1.0]]
    >>> folds = np.arange(60) % 5
    >>> predicted = banded_predict([few, many], Y, folds)
    >>> bool(np.corrcoef(predicted[:, 0], Y[:, 0])[0, 1] > 0.95)
    True
    """
    if len(spaces) not in (1, 2):
        raise DataError(f"{len(spaces)} sets of features; give one or two")
    spaces = [as_array(f"spaces[{k}]", X, 2) for k, X in enumerate(spaces)]
    Y = as_array("Y", Y, 2)
    if any(len(X) != len(Y) for X in spaces):
        raise DataError(f"sets of {[len(X) for X in spaces]} rows for {len(Y)} rows of Y; give the same images in all")
    folds = fold_numbers("folds", folds, (len(Y),))
    groups = np.arange(len(Y)) if groups is None else one_per_row("groups", groups, len(Y))
    predicted = np.full(Y.shape, np.nan)
    with one_thread():
        for fold in np.unique(folds[folds >= 0]):
            rest = np.flatnonzero(folds == fold)
            train = np.flatnonzero((folds != fold) & ~np.isin(groups, groups[rest]))
            n_groups = len(np.unique(groups[train]))
            if n_groups < LEAST:
                raise TooFewImages(f"fold {fold} leaves {n_groups} groups to train on; {LEAST} are needed")
            inner = group_folds(groups[train], min(INNER_FOLDS, n_groups), seed_of(seed, "inner", fold))
            predicted[rest] = _fit_predict(spaces, Y, train, rest, inner)
    return predicted


def _fit_predict(spaces, Y, train, rest, inner) -> np.ndarray:
    """Return predictions for the rows `rest`, (len(rest), n_units); `inner` holds the folds of the rows `train`."""
    kernels = [_kernel(X, train, rest) for X in spaces]
    mean, best = Y[train].mean(axis=0), np.full(Y.shape[1], np.inf)
    out = np.repeat(mean[None], len(rest), axis=0)
    for weight in WEIGHTS if len(kernels) == 2 else (1.0,):
        mixed = weight * kernels[0] + ((1 - weight) * kernels[1] if len(kernels) == 2 else 0.0)
        size = np.trace(mixed[: len(train)])
        if size <= 0:  # these features are constant
            continue
        decomposition = Decomposition.of_gram(mixed[: len(train)])
        alphas = np.array(ALPHAS) * size / len(train)
        errors = leave_out_errors(decomposition, Y[train], alphas, inner)
        chosen, least = alphas[errors.argmin(axis=0)], errors.min(axis=0)
        better = least < best
        if better.any():
            U, values = decomposition.vectors, decomposition.values
            weights = U @ ((U.T @ (Y[train] - mean)) / (values[:, None] + chosen))
            out[:, better] = (mixed[len(train) :] @ weights + mean)[:, better]
            best = np.where(better, least, best)
    return out


def _kernel(X: np.ndarray, train, rest) -> np.ndarray:
    """Return the scaled kernel of the rows train + rest with the training rows, standardised on the training rows."""
    mean, deviation = X[train].mean(axis=0), X[train].std(axis=0)
    varies = deviation > 1e-12 * np.abs(X[train]).max(axis=0, initial=0.0)
    Z = (X[np.concatenate([train, rest])] - mean)[:, varies] / deviation[varies]
    # A feature that hardly varies in training may be hundreds of standard deviations from its mean in a test image.
    np.clip(Z, Z[: len(train)].min(axis=0), Z[: len(train)].max(axis=0), out=Z)
    products = Z @ Z[: len(train)].T
    size = np.trace(products[: len(train)]) / len(train)
    return products / size if size > 0 else products
