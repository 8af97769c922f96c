"""Folds that keep near-duplicate images together, and scores of out-of-fold predictions."""

from heapq import heapreplace

import numpy as np

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.statistics.keys import TooFewImages, check_number, numbers, one_per_row

LEAST_FOLD = 3
"""Minimum number of images per fold: a correlation over two is always 1 or -1."""


def group_folds(groups: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Assign every row to a fold so that no group is split and folds have nearly equal numbers of rows.

    Groups are shuffled; then, from largest to smallest, each goes to the fold with the fewest rows: the rule of
    ``sklearn.model_selection.GroupKFold``, with groups of equal size in random order.

    Parameters
    ----------
    groups : (n_rows,) sequence
        Near-duplicate group of each row.
    n_folds : int
        Number of folds, 2 or more.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    (n_rows,) array of int
        Fold of each row, 0 to n_folds - 1.

    Raises
    ------
    TooFewImages
        If there are fewer groups than folds (a `DataError`).
    DataError
        If there are fewer than 2 folds.

    Examples
    --------
    >>> folds = group_folds(["a", "a", "b", "b", "c", "c"], n_folds=3, seed=0)
    >>> bool((folds[::2] == folds[1::2]).all()), sorted(set(folds.tolist()))
    (True, [0, 1, 2])
    """
    _, codes = np.unique(one_per_row("groups", groups), return_inverse=True)
    sizes = np.bincount(codes)
    check_number("folds", n_folds, 2)
    if len(sizes) < n_folds:
        raise TooFewImages(f"{n_folds} folds need at least {n_folds} groups, not {len(sizes)}; use fewer folds")
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    fold_of_group = np.empty(len(sizes), dtype=np.intp)
    folds = [(0, fold) for fold in range(n_folds)]  # a heap: the fold with the fewest rows, the first if tied
    for group, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        rows, fold_of_group[group] = folds[0]
        heapreplace(folds, (rows + size, folds[0][1]))
    return fold_of_group[codes]


def repeated_folds(groups: np.ndarray, n_folds: int, n_repeats: int, seed: int) -> np.ndarray:
    """Return `group_folds` with a new shuffle for each repeat, (n_repeats, n_rows) int.

    Raises
    ------
    TooFewImages
        If there are fewer groups than folds.
    DataError
        If there are fewer than 2 folds, or no repeat.
    """
    check_number("repeats", n_repeats, 1)
    return np.stack([group_folds(groups, n_folds, seed_of(seed, "folds", repeat)) for repeat in range(n_repeats)])


def shown_together(observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct sets of shown images, (n_images, n_patterns) bool, and each unit's set, (n_units,) int."""
    finite = np.isfinite(observed)
    if finite.all():
        return finite[:, :1], np.zeros(observed.shape[1], int)
    return np.unique(finite, axis=1, return_inverse=True)


def check_fold_sizes(folds: np.ndarray) -> None:
    """Reject folds, (n_repeats, n_images) int, that test too few images for a correlation.

    Raises
    ------
    TooFewImages
        If a fold tests fewer than 3 images, as in leave-one-out.
    """
    fewest = min(int((folds == fold).sum(axis=-1).min()) for fold in np.unique(folds[folds >= 0]))
    if fewest < LEAST_FOLD:
        raise TooFewImages(
            f"a fold tests {fewest} of {folds.shape[-1]} images; the correlations within folds, whose mean is the "
            f"score, need {LEAST_FOLD}; use fewer folds"
        )


def training_means(observed: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the baseline prediction: for each row, the mean of the rows outside its fold.

    Parameters
    ----------
    observed : (n_rows, n_units)
        Undefined (NaN) responses are left out of the means.
    folds : (n_rows,) int
        Fold in which each row is tested; -1 for rows that are only trained on.

    Returns
    -------
    (n_rows, n_units)
        NaN for rows never tested.
    """
    known = np.isfinite(observed)
    filled = np.where(known, observed, 0.0)
    means = np.full(observed.shape, np.nan)
    for fold in np.unique(folds[folds >= 0]):
        train = folds != fold
        means[~train] = filled[train].sum(axis=0) / np.maximum(known[train].sum(axis=0), 1)
    return means


def r2_score(observed: np.ndarray, predicted: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Return the coefficient of determination of each unit, ``1 - sum (y - yhat)^2 / sum (y - reference)^2``.

    With the mean of the test rows as reference, this is ``sklearn.metrics.r2_score``. Out of sample, no predictor knows
    that mean, and the mean of the training rows, the best guess without a model, scores about 1 / n_train + 1 / n below
    0. With `training_means` as reference, that guess scores exactly 0: the out-of-sample r2 of Hawinkel, Waegeman &
    Maere (2024, The American Statistician 78:15-25), or Q2 = 1 - PRESS / TSS of the PLS literature with the total taken
    about the training mean.

    Parameters
    ----------
    observed, predicted : (n_rows, n_units) array of float
        Rows in which either is NaN are left out, unit by unit.
    reference : (n_rows, n_units) array of float, optional
        Default: the mean of the observed rows that were predicted.

    Returns
    -------
    (n_units,) array of float
        NaN for units that do not differ from the reference or have fewer than two rows.

    Raises
    ------
    DataError
        If shapes differ, or entries are masked or not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> observed = np.array([[1.0], [2.0], [3.0], [np.nan]])
    >>> r2_score(observed, observed + 0.5)
    array([0.625])
    """
    observed, predicted = _same_shape(observed=observed, predicted=predicted)
    if reference is not None:
        reference = _same_shape(observed=observed, reference=reference)[1]
    valid = np.isfinite(observed) & np.isfinite(predicted)
    count = valid.sum(axis=0)
    y = np.where(valid, observed, 0.0)
    if reference is None:
        reference = y.sum(axis=0) / np.maximum(count, 1)
    total = np.where(valid, (y - reference) ** 2, 0.0).sum(axis=0)
    error = np.where(valid, (y - np.where(valid, predicted, 0.0)) ** 2, 0.0).sum(axis=0)
    # Variance at the level of rounding error counts as constant.
    varies = (count >= 2) & (total > 1e-24 * np.maximum((y**2).sum(axis=0), 1e-300))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(varies, 1 - error / total, np.nan)


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of each pair of columns.

    Parameters
    ----------
    a, b : (n_rows, n_units) array of float
        Rows in which either is NaN are left out, column by column.

    Returns
    -------
    (n_units,) array of float
        NaN where a column is constant or has fewer than two rows.

    Raises
    ------
    DataError
        If shapes differ, or entries are masked or not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.array([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]])
    >>> pearson(a, -a)
    array([-1., nan])
    """
    return _pearson(*_same_shape(a=a, b=b))[0]


def _same_shape(**tables) -> list[np.ndarray]:
    arrays = [numbers(name, table) for name, table in tables.items()]
    if arrays[0].shape != arrays[1].shape or not arrays[0].ndim:
        first, second = tables
        raise DataError(
            f"{first} has shape {arrays[0].shape} and {second} {arrays[1].shape}; give the same rows and units in both"
        )
    return arrays


def _pearson(a, b):
    """Return r of each pair of columns, and whether the columns of `a` and of `b` vary over the rows they share."""
    valid = np.isfinite(a) & np.isfinite(b)
    count = np.maximum(valid.sum(axis=0), 1)
    a, b = np.where(valid, a, 0.0), np.where(valid, b, 0.0)
    power_a, power_b = (a**2).sum(axis=0), (b**2).sum(axis=0)
    a = np.where(valid, a - a.sum(axis=0) / count, 0.0)
    b = np.where(valid, b - b.sum(axis=0) / count, 0.0)
    squares_a, squares_b = (a**2).sum(axis=0), (b**2).sum(axis=0)
    varies_a = (squares_a > 1e-24 * np.maximum(power_a, 1e-300)) & (count >= 2)
    varies_b = (squares_b > 1e-24 * np.maximum(power_b, 1e-300)) & (count >= 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (a * b).sum(axis=0) / np.sqrt(squares_a * squares_b)
    return np.where(varies_a & varies_b, np.clip(r, -1, 1), np.nan), varies_a, varies_b


def mean_pearson(observed: np.ndarray, predicted: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the mean over folds of Pearson's r between the observed and predicted rows of each fold.

    A single r over the pooled predictions of all folds would be biased downwards, as the mean of a training set falls
    when that of its test set rises. A constant prediction (the training mean) of rows that vary explains nothing: its r
    counts as 0, not as undefined, which would drop a failed fold from the mean.

    Parameters
    ----------
    observed, predicted : (n_rows, n_units)
    folds : (n_rows,) int
        Fold in which each row was predicted; -1 if never.

    Returns
    -------
    (n_units,)
        NaN where r is undefined in every fold.
    """
    rs = []
    for fold in np.unique(folds[folds >= 0]):
        r, varies, predicted_varies = _pearson(observed[folds == fold], predicted[folds == fold])
        rs.append(np.where(varies & ~predicted_varies, 0.0, r))
    return mean_of_defined(np.stack(rs))


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Return the mean of the finite values of each column: ``numpy.nanmean`` without its warning for empty columns."""
    defined = np.isfinite(values)
    count = defined.sum(axis=0)
    return np.where(defined, values, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan)
