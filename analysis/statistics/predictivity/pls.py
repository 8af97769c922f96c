"""Predictivity by partial least squares, cross-validated by near-duplicate group (the steps are in `krylov.py`)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.core.seeds import seed_of
from analysis.statistics.crossval import group_folds, mean_pearson, r2_score, training_means
from analysis.statistics.keys import join
from analysis.statistics.predictivity import krylov
from analysis.statistics.predictivity.krylov import fit_predict
from analysis.statistics.predictivity.nested import nested, shown_together

__all__ = ["Prediction", "cross_predict", "fit_predict", "pls_predict", "score"]


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
        Means over repeats; NaN for units that do not vary. r2 is out of sample (`score`).
    images : tuple of str or None
        Image of each row, in the order of `predicted`.
    """

    predicted: np.ndarray
    folds: np.ndarray
    r2: np.ndarray
    pearson_r: np.ndarray
    images: tuple[str, ...] | None


@dataclass(frozen=True)
class ChosenPrediction(Prediction):
    """`Prediction` with the numbers of components chosen inside the training folds: (n_repeats, n_folds, n_units)."""

    components: np.ndarray


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
    observed = krylov.as_numpy(Y)
    gram = krylov.gram_of(X, scale)
    predicted = np.full(observed.shape, np.nan)
    patterns, which = shown_together(observed)
    for index in range(patterns.shape[1]):
        shown, units = patterns[:, index], np.flatnonzero(which == index)
        for fold in np.unique(folds[folds >= 0]):
            train, rest = np.flatnonzero(shown & (folds != fold)), np.flatnonzero(shown & (folds == fold))
            if not len(rest):
                continue
            result = fit_predict(X, Y[:, units], train, rest, n_components, scale=scale, per_unit=per_unit, gram=gram)
            predicted[np.ix_(rest, units)] = krylov.as_numpy(result)
    return predicted


def pls_predict(
    X,
    Y,
    groups=None,
    n_components: int | Sequence[int] = 25,
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
    n_components : int or sequence of int
        PLS components. Of a rising sequence (0: the training mean) each unit gets the number that the training images
        choose (`nested.chosen`), so that a unit that cannot be predicted has an r2 of about 0, not below.
    folds, repeats, seed : int
        Number of folds, of repeats with other folds, and the seed of their random parts.
    scale, per_unit
        As in `fit_predict`.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ...: compute with torch there, in float64. Default: numpy.

    Returns
    -------
    Prediction, or ChosenPrediction for a sequence of numbers

    Raises
    ------
    DataError
        If shapes disagree, X is not finite, or images or groups are too few for the folds or components.
    """
    X, Y, groups, images = join(X, Y, groups, at_least=max(folds, 3))
    Xd, Yd = X, Y
    if device is not None:
        torch = krylov.torch()
        Xd, Yd = (torch.from_numpy(a).to(device) for a in (X, Y))
    assigned = np.stack([group_folds(groups, folds, seed_of(seed, "folds", r)) for r in range(repeats)])
    if isinstance(n_components, (int, np.integer)):
        predicted = [cross_predict(Xd, Yd, f, n_components, scale=scale, per_unit=per_unit) for f in assigned]
        return score(Y, np.stack(predicted), assigned, images)
    found = [nested(Xd, Yd, f, n_components, scale=scale, per_unit=per_unit) for f in assigned]
    result = score(Y, np.stack([one.predicted for one in found]), assigned, images)
    return ChosenPrediction(**vars(result), components=np.stack([one.components for one in found]))


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
        Reference of r2: the mean of the training images of each fold, so that a model that knows nothing scores 0, or
        the mean of the tested images, as in ``sklearn.metrics.r2_score`` (`crossval.r2_score`).

    Returns
    -------
    Prediction
    """
    means = [training_means(Y, f) if against == "training" else None for f in folds]
    r2 = np.mean([r2_score(Y, p, mean) for p, mean in zip(predicted, means, strict=True)], axis=0)
    r = np.mean([mean_pearson(Y, p, f) for p, f in zip(predicted, folds, strict=True)], axis=0)
    return Prediction(predicted, folds, r2, r, tuple(images) if images is not None else None)
