"""Folds that keep near-duplicate images together, and scores of out-of-fold predictions."""

import numpy as np

from analysis.core.errors import DataError


def group_folds(groups: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Assign every row to a fold so that no group is split and folds have nearly equal numbers of rows.

    Groups are shuffled, then given in order of falling size to the fold that has fewest rows.

    Parameters
    ----------
    groups : (n_rows,)
        Near-duplicate group of each row.
    n_folds : int
        Number of folds, 2 or more.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    (n_rows,) int
        Fold of each row, 0 to n_folds - 1.

    Raises
    ------
    DataError
        If there are fewer groups than folds, or fewer than 2 folds.
    """
    _, codes = np.unique(groups, return_inverse=True)
    sizes = np.bincount(codes)
    if n_folds < 2:
        raise DataError(f"{n_folds} folds: give 2 or more")
    if len(sizes) < n_folds:
        raise DataError(f"groups holds {len(sizes)} distinct groups; {n_folds} folds need as many: lower the folds")
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    fold_of_group = np.empty(len(sizes), dtype=np.intp)
    filled = np.zeros(n_folds, dtype=np.intp)
    for group in order:
        fold = int(np.argmin(filled))
        fold_of_group[group] = fold
        filled[fold] += sizes[group]
    return fold_of_group[codes]


def single_split(n_rows: int, test: float, seed: int) -> np.ndarray:
    """Return one random split as folds: 0 for test rows, -1 for rows that only train."""
    n_test = int(np.ceil(test * n_rows))
    if n_test < 2 or n_rows - n_test < 2:
        raise DataError(f"{n_rows} images are too few for a split with {test:.0%} of them for the test")
    folds = np.full(n_rows, -1)
    folds[np.random.default_rng(seed).permutation(n_rows)[:n_test]] = 0
    return folds


def training_means(observed: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return what a model without knowledge predicts: for each row, the mean of the rows outside its fold.

    Parameters
    ----------
    observed : (n_rows, n_units)
        NaN rows are left out of the means.
    folds : (n_rows,) int
        Fold in which a row is tested; -1: the row only trains.

    Returns
    -------
    (n_rows, n_units)
        NaN for rows never tested.
    """
    known = np.isfinite(observed)
    values = np.where(known, observed, 0.0)
    means = np.full(observed.shape, np.nan)
    for fold in np.unique(folds[folds >= 0]):
        train = folds != fold
        means[~train] = values[train].sum(axis=0) / np.maximum(known[train].sum(axis=0), 1)
    return means


def r2_score(observed: np.ndarray, predicted: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Return the coefficient of determination of each column; NaN rows are left out, constant columns undefined.

    ``1 - sum (y - yhat)^2 / sum (y - reference)^2`` over the rows for which a prediction exists.

    With the mean of these same rows as reference this is ``sklearn.metrics.r2_score``. Out of sample, no predictor
    knows that mean: the mean of the training rows, all that a model without knowledge can say, scores below 0 by about
    1 / n_train + 1 / n. With `training_means` as reference it scores exactly 0: the out-of-sample r2 of Hawinkel,
    Waegeman & Maere (2024, The American Statistician 78:15-25), or Q2 = 1 - PRESS / TSS of the literature on PLS with
    the total taken about the mean of the training set.

    Parameters
    ----------
    observed, predicted : (n_rows, n_units)
    reference : (n_rows, n_units), optional
        Default: the mean of the observed rows that were predicted.

    Returns
    -------
    (n_units,)
        NaN where the observed values do not differ from the reference, or are fewer than two.
    """
    valid = np.isfinite(observed) & np.isfinite(predicted)
    count = valid.sum(axis=0)
    y = np.where(valid, observed, 0.0)
    if reference is None:
        reference = y.sum(axis=0) / np.maximum(count, 1)
    total = np.where(valid, (y - reference) ** 2, 0.0).sum(axis=0)
    error = np.where(valid, (y - np.where(valid, predicted, 0.0)) ** 2, 0.0).sum(axis=0)
    # A column is constant when its spread is at the level of rounding of its own size.
    varies = (count >= 2) & (total > 1e-24 * np.maximum((y**2).sum(axis=0), 1e-300))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(varies, 1 - error / total, np.nan)


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Pearson's r of each pair of columns; NaN rows are left out, constant columns undefined.

    Parameters
    ----------
    a, b : (n_rows, n_units)

    Returns
    -------
    (n_units,)
    """
    return _pearson(a, b)[0]


def _pearson(a, b):
    """Return r of each pair of columns, and whether the columns of `a` and of `b` vary over the rows they share."""
    valid = np.isfinite(a) & np.isfinite(b)
    count = np.maximum(valid.sum(axis=0), 1)
    a, b = np.where(valid, a, 0.0), np.where(valid, b, 0.0)
    size_a, size_b = (a**2).sum(axis=0), (b**2).sum(axis=0)
    a = np.where(valid, a - a.sum(axis=0) / count, 0.0)
    b = np.where(valid, b - b.sum(axis=0) / count, 0.0)
    spread_a, spread_b = (a**2).sum(axis=0), (b**2).sum(axis=0)
    varies_a = (spread_a > 1e-24 * np.maximum(size_a, 1e-300)) & (count >= 2)
    varies_b = (spread_b > 1e-24 * np.maximum(size_b, 1e-300)) & (count >= 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (a * b).sum(axis=0) / np.sqrt(spread_a * spread_b)
    return np.where(varies_a & varies_b, np.clip(r, -1, 1), np.nan), varies_a, varies_b


def mean_pearson(observed: np.ndarray, predicted: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the mean over folds of Pearson's r between observed and predicted rows of that fold.

    One r over the pooled predictions of all folds would be biased downwards, as the mean of a training set falls when
    that of its test set rises. A constant prediction (the training mean) of rows that vary explains none of them: its
    r counts as 0, not as undefined, since a mean over the other units alone would be too high.

    Parameters
    ----------
    observed, predicted : (n_rows, n_units)
    folds : (n_rows,) int
        Fold in which a row was predicted; -1: never.

    Returns
    -------
    (n_units,)
        NaN where r is undefined in every fold.
    """
    rs = []
    for fold in np.unique(folds[folds >= 0]):
        r, varies, predicted_varies = _pearson(observed[folds == fold], predicted[folds == fold])
        rs.append(np.where(varies & ~predicted_varies, 0.0, r))
    rs = np.stack(rs)
    defined = np.isfinite(rs)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(defined, rs, 0.0).sum(axis=0) / np.where(defined.any(axis=0), defined.sum(axis=0), np.nan)
