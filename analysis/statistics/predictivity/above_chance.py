"""Test whether a unit is predicted above chance, from its out-of-fold predictions alone."""

import numpy as np
from scipy.special import ndtr

from analysis.core.errors import DataError
from analysis.statistics.crossval import mean_of_defined, mean_pearson
from analysis.statistics.keys import as_array, by_position, numbers, one_per_row


def chance_p_values(Y, predicted, folds, groups=None) -> np.ndarray:
    """Return each unit's one-sided p-value under the null hypothesis that its responses are predicted at chance.

    Given the training images, the responses of a unit that the features do not predict are exchangeable within a test
    fold, so that its r there has mean 0 and variance ``1 / (n - 1)``. Cross-validation folds are not independent: each
    pair of folds enters twice, since each fold trains the prediction of the other. For predictions that are linear in
    the responses, the covariance of these two terms may be as large as their variance, and the variance of the mean
    over folds up to twice that of independent folds (Cauchy-Schwarz). The test uses that upper bound and is thus
    conservative.

    Parameters
    ----------
    Y : (n_images, n_units) array of float
    predicted : (n_images, n_units) or (n_repeats, n_images, n_units) array of float
        NaN where an image is not tested.
    folds : (n_images,) or (n_repeats, n_images) array of int
        Fold in which each image was predicted; -1 if never.
    groups : (n_images,) sequence, optional
        Near-duplicate group of each image; n counts groups. Default: each image is its own group.

    Returns
    -------
    (n_units,) array of float
        NaN where r is undefined in every fold.

    Raises
    ------
    DataError
        If shapes disagree.

    Examples
    --------
    >>> import numpy as np
    >>> from analysis.statistics import pls_predict
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 5))
    >>> Y = np.column_stack([X[:, 0], rng.normal(size=100)])  # the second unit is noise
    >>> fit = pls_predict(X, Y, n_components=2)
    >>> (chance_p_values(Y, fit.predicted, fit.folds) < 0.05).tolist()
    [True, False]
    """
    Y, folds = as_array("Y", Y, 2, allow_nan=True), np.atleast_2d(by_position("folds", folds))
    predicted = numbers("predicted", predicted).reshape(-1, *np.shape(predicted)[-2:])
    if predicted.shape[1:] != Y.shape or folds.shape != predicted.shape[:2]:
        raise DataError(
            f"Y has shape {Y.shape}, predicted {predicted.shape}, folds {folds.shape}; give a prediction for every "
            "image and unit, and a fold for every image"
        )
    groups = np.arange(len(Y)) if groups is None else one_per_row("groups", groups, len(Y))
    z = [_z_score(Y, guess, assigned, groups) for guess, assigned in zip(predicted, folds, strict=True)]
    return 1 - ndtr(mean_of_defined(np.stack(z)))  # conservative: the mean over repeats varies less than one repeat


def _z_score(Y, predicted, folds, groups) -> np.ndarray:
    """Return the mean r over folds divided by the upper bound of its standard error under chance, (n_units,)."""
    tested = np.unique(folds[folds >= 0])
    rs, variances = [], []
    for fold in tested:
        rows = folds == fold
        rs.append(mean_pearson(Y[rows], predicted[rows], np.zeros(rows.sum())))
        variances.append(1 / max(len(np.unique(groups[rows])) - 1, 1))
    defined = np.isfinite(rs)
    count = np.maximum(defined.sum(axis=0), 1)
    variance = (defined * np.array(variances)[:, None]).sum(axis=0) / count**2
    variance *= np.where(count > 1, 2.0, 1.0)
    return mean_of_defined(np.stack(rs)) / np.sqrt(np.where(variance > 0, variance, np.nan))
