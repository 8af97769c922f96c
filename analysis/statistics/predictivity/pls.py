"""Predictivity by partial least squares, cross-validated by near-duplicate group (the solver is in `krylov.py`)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.statistics.crossval import (
    check_fold_sizes,
    mean_pearson,
    r2_score,
    repeated_folds,
    shown_together,
    training_means,
)
from analysis.statistics.keys import join
from analysis.statistics.predictivity import krylov
from analysis.statistics.predictivity.krylov import fit_predict

__all__ = ["Prediction", "cross_predict", "fit_predict", "pls_predict", "score"]


@dataclass(frozen=True)
class Prediction:
    """Out-of-fold predictions and their scores (`pls_predict`).

    Attributes
    ----------
    predicted : (n_repeats, n_images, n_units) array of float
        In the units of the responses; NaN for images never in a test fold or not shown to the unit.
    folds : (n_repeats, n_images) array of int
        Fold in which each image was predicted; -1 if never.
    r2, pearson_r : (n_units,) array of float
        Means over repeats; NaN for units that do not vary. r2 is out of sample (`r2_score`), pearson_r the mean over
        folds.
    images : tuple of str or None
        Image of each row of `predicted`; None if the tables had no keys.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(30, 4))
    >>> prediction = pls_predict(X, X[:, :2], n_components=4)
    >>> prediction.predicted.shape, prediction.folds.shape, prediction.r2.shape
    ((1, 30, 2), (1, 30), (2,))
    """

    predicted: np.ndarray
    folds: np.ndarray
    r2: np.ndarray
    pearson_r: np.ndarray
    images: tuple[str, ...] | None


def cross_predict(
    X, Y, folds, n_components: int | Sequence[int], *, scale: bool = False, per_unit: bool = True
) -> np.ndarray:
    """Predict every test row from the rows outside its fold.

    Parameters
    ----------
    X : (n_images, n_features)
        numpy array or torch tensor.
    Y : (n_images, n_units)
        NaN where a unit was not shown an image; the unit is trained and tested on the others.
    folds : (n_images,) int
        Fold in which each row is tested; -1 for rows that are only trained on.
    n_components, scale, per_unit
        As in `fit_predict`.

    Returns
    -------
    (n_images, n_units) numpy array, or (n_numbers, n_images, n_units) for a sequence
        NaN for rows never tested and images not shown to the unit.
    """
    observed = krylov.as_numpy(Y)
    gram = krylov.gram_of(X, scale)
    single = isinstance(n_components, (int, np.integer))
    predicted = np.full(observed.shape if single else (len(n_components), *observed.shape), np.nan)
    patterns, which = shown_together(observed)
    for index in range(patterns.shape[1]):
        shown, units = patterns[:, index], np.flatnonzero(which == index)
        for fold in np.unique(folds[folds >= 0]):
            train, rest = np.flatnonzero(shown & (folds != fold)), np.flatnonzero(shown & (folds == fold))
            if not len(rest):
                continue
            result = fit_predict(X, Y[:, units], train, rest, n_components, scale=scale, per_unit=per_unit, gram=gram)
            predicted[..., rest[:, None], units] = krylov.as_numpy(result)
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
    """Predict units from features by cross-validated PLS regression (Wold 1975; for neurons, Yamins et al. 2014).

    Parameters
    ----------
    X : (n_images, n_features) array of float
        Features of a model. Give plain arrays, or both `X` and `Y` as ``xarray.DataArray`` with dimension ``image``,
        whose rows are then joined by image.
    Y : (n_images, n_units) array of float
        Responses (e.g. spikes/s); NaN where a unit was not shown an image.
    groups : (n_images,) sequence, optional
        Near-duplicate group of each image (a mapping if X and Y are keyed); never split across folds.
    n_components : int
        Number of PLS components (25: Yamins et al. 2014).
    folds, repeats, seed : int
        Number of folds, number of repeats with new folds, and their seed.
    scale : bool
        Divide features by their standard deviation in the training rows.
    per_unit : bool
        A PLS for each unit (Yamins et al. 2014), or one for all units (Brain-Score). These are different models.
    device : str, optional
        Compute with torch, in float64, on this device (``"cpu"``, ``"cuda"``, ...). Default: numpy.

    Returns
    -------
    Prediction

    Raises
    ------
    TooFewImages
        If images, groups or features are too few for the folds or components (a `DataError`).
    DataError
        If shapes or keys disagree, X is not finite, or there are fewer than 2 folds or 1 repeat.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 20))
    >>> Y = X[:, :2] + [0.0, 3.0] * rng.normal(size=(60, 2))  # the second unit is mostly noise
    >>> prediction = pls_predict(X, Y, n_components=2)
    >>> bool(prediction.r2[0] > 0.8 > 0.2 > prediction.r2[1])
    True
    """
    if not isinstance(n_components, (int, np.integer)):
        raise DataError(f"n_components={n_components!r}; give one whole number")
    X, Y, groups, images = join(X, Y, groups, at_least=max(folds, 3))
    Xd, Yd = X, Y
    if device is not None:
        torch = krylov.torch()
        Xd, Yd = (torch.from_numpy(a).to(device) for a in (X, Y))
    assigned = repeated_folds(groups, folds, repeats, seed)
    predicted = [cross_predict(Xd, Yd, f, n_components, scale=scale, per_unit=per_unit) for f in assigned]
    check_fold_sizes(assigned)  # last, so that too few images for the components are reported first
    return score(Y, np.stack(predicted), assigned, images)


def score(
    Y: np.ndarray, predicted: np.ndarray, folds: np.ndarray, images=None, *, against: str = "training"
) -> Prediction:
    """Score out-of-fold predictions against responses.

    Parameters
    ----------
    Y : (n_images, n_units)
    predicted : (n_repeats, n_images, n_units)
    folds : (n_repeats, n_images) int
    images : sequence of str, optional
        Image of each row.
    against : {"training", "test"}
        Reference of r2: the mean of each fold's training images, so that the best guess without a model scores 0, or
        the mean of the test images, as in ``sklearn.metrics.r2_score`` (see `crossval.r2_score`).

    Returns
    -------
    Prediction
    """
    means = [training_means(Y, f) if against == "training" else None for f in folds]
    r2 = np.mean([r2_score(Y, p, mean) for p, mean in zip(predicted, means, strict=True)], axis=0)
    r = np.mean([mean_pearson(Y, p, f) for p, f in zip(predicted, folds, strict=True)], axis=0)
    return Prediction(predicted, folds, r2, r, tuple(images) if images is not None else None)
