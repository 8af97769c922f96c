"""Decoding of the task (face or not, or which object) from populations and models, at matched size and noise.

A model with more features than there are units, or without noise, decodes better for that reason alone (Cadieu et al.
2014). We therefore draw as many features as there are units and add noise to match the units' reliability.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.statistics.crossval import TooFewImages, group_folds
from analysis.statistics.keys import as_array, check_number, one_per_row
from analysis.statistics.predictivity.ridge import ALPHAS, fit_predict

SIZES = (4, 8, 16, 32, 64, 128, 256)
"""Default numbers of training images of a learning curve."""


@dataclass(frozen=True)
class Decoding:
    """Cross-validated read-out (`decode`).

    Attributes
    ----------
    score : (n_images,) array of float
        Decision value, mean over repeats; above 0 means the positive class.
    accuracy, balanced_accuracy : float
        Fraction of labelled images classified correctly; balanced: the mean over the two classes.
    positive_rate : dict from level to float
        Fraction of the images of each level classified as positive (hits for faces, false alarms for objects, the
        effect of interest for pareidolia).
    n : dict from level to int
        Number of images of each level.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.resize([0, 1], 40)
    >>> decoding = decode(np.random.default_rng(0).normal(size=(40, 5)) + 3 * labels[:, None], labels)
    >>> decoding.score.shape, decoding.n
    ((40,), {'negative': 20, 'positive': 20})
    """

    score: np.ndarray
    accuracy: float
    balanced_accuracy: float
    positive_rate: dict[str, float]
    n: dict[str, int]


def decode(X, labels, groups=None, levels=None, *, folds: int = 5, repeats: int = 1, seed: int = 0) -> Decoding:
    """Decode a binary task from a representation by cross-validated regularised least squares.

    `decode_classes` decodes more than two classes.

    Features are standardised on the training rows, the penalty is chosen within them, and the threshold lies halfway
    between the mean scores of the two classes, so that both carry equal weight.

    Parameters
    ----------
    X : (n_images, n_features) array of float
        Responses or activations.
    labels : (n_images,) array of int
        1 positive, 0 negative, -1 unlabelled. Unlabelled images are decoded but never used for training.
    groups : (n_images,) sequence, optional
        Near-duplicate group of each image; never split across folds.
    levels : (n_images,) sequence of str, optional
        Level of variation or category of each image, for `Decoding.positive_rate`. Default: the class.
    folds, repeats, seed : int
        Number of folds, number of repeats with new folds, and their seed.

    Returns
    -------
    Decoding

    Raises
    ------
    TooFewImages
        If a class has fewer groups than folds (a `DataError`).
    DataError
        If X is not finite, labels, groups or levels do not match its rows, or there are fewer than 2 folds or 1 repeat.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = np.resize([0, 1], 100)
    >>> decoding = decode(rng.normal(size=(100, 10)) + labels[:, None], labels)
    >>> decoding.balanced_accuracy > 0.85
    True
    """
    check_number("repeats", repeats, 1)
    X, labels, groups, _ = _checked(X, labels, groups, folds, 2)
    if levels is None:
        levels = np.array(["unlabelled", "negative", "positive"])[labels + 1]
    levels = one_per_row("levels", levels, len(X))
    seeds = [seed_of(seed, "decode", repeat) for repeat in range(repeats)]
    scores = np.mean([_decision_values(X, labels, groups, folds, 2, seed)[:, 0] for seed in seeds], axis=0)
    correct = (scores > 0) == (labels == 1)
    return Decoding(
        scores,
        float(correct[labels >= 0].mean()),
        float(np.mean([correct[labels == label].mean() for label in (0, 1)])),
        {str(level): float((scores[levels == level] > 0).mean()) for level in np.unique(levels)},
        {str(level): int((levels == level).sum()) for level in np.unique(levels)},
    )


def decode_classes(X, labels, groups=None, *, folds: int = 5, seed: int = 0) -> np.ndarray:
    """Return which of several classes is decoded from each image: as `decode`, each against the rest, the highest.

    Parameters
    ----------
    X : (n_images, n_features) array of float
        Responses or activations.
    labels : (n_images,) array of int
        Number of the class, from 0; -1 unlabelled. Unlabelled images are decoded but never used for training.
    groups : (n_images,) sequence, optional
        Near-duplicate group of each image; never split across folds.
    folds, seed : int

    Returns
    -------
    (n_images,) array of int

    Raises
    ------
    TooFewImages
        If a class has fewer groups than folds (a `DataError`).
    DataError
        If X is not finite, labels or groups do not match its rows, or there are fewer than 2 folds.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.resize([0, 1, 2], 60)
    >>> X = np.random.default_rng(0).normal(size=(60, 3)) + 3 * np.eye(3)[labels]
    >>> bool((decode_classes(X, labels) == labels).mean() > 0.8)
    True
    """
    X, labels, groups, classes = _checked(X, labels, groups, folds)
    values = _decision_values(X, labels, groups, folds, classes, seed_of(seed, "decode", 0))
    return _called(values)


@dataclass(frozen=True)
class LearningCurve:
    """Accuracy of a read-out against the number of training images (`learning_curve`).

    Attributes
    ----------
    sizes : (n_sizes,) array of int
        Number of training images, as many from each class.
    accuracy : (n_sizes,) array of float
        Balanced accuracy on held-out images, mean over draws.
    deviation : (n_sizes,) array of float
        Standard deviation over draws of training images.

    Examples
    --------
    >>> import numpy as np
    >>> LearningCurve(sizes=np.array([8]), accuracy=np.array([0.7]), deviation=np.array([0.1])).accuracy
    array([0.7])
    """

    sizes: np.ndarray
    accuracy: np.ndarray
    deviation: np.ndarray


def learning_curve(
    X, labels, groups=None, *, sizes: Sequence[int] = SIZES, folds: int = 5, draws: int = 10, seed: int = 0
) -> LearningCurve:
    """Decode two or more classes from training sets of increasing size, drawn at random with balanced classes.

    The decoder is that of `decode` and `decode_classes`; training sets are at most as large as the folds allow. Every
    draw decodes the images of all folds once.

    Parameters
    ----------
    X, labels, groups
        As in `decode_classes`; unlabelled images are not used.
    sizes : sequence of int
        Numbers of training images, two or more from each class; sizes too large for the rarest class are omitted.
    folds, draws, seed : int
        Number of folds, number of random training sets per size and fold, and their seed.

    Returns
    -------
    LearningCurve

    Raises
    ------
    TooFewImages
        If a class has fewer groups than folds (a `DataError`).
    DataError
        If X is not finite, labels or groups do not match its rows, or a size holds not two or more of each class.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = np.resize([0, 1], 100)
    >>> curve = learning_curve(rng.normal(size=(100, 10)) + labels[:, None], labels, sizes=[4, 64])
    >>> bool(curve.accuracy[1] > curve.accuracy[0])
    True
    """
    check_number("draws", draws, 1)
    X, labels, groups, n = _checked(X, labels, groups, folds)
    if bad := [size for size in sizes if size < 2 * n or size % n]:
        raise DataError(f"sizes holds {bad[0]}; give multiples of {n}, the number of classes, of at least {2 * n}")
    assigned = _stratified_folds(labels, groups, folds, seed_of(seed, "folds"))
    in_training = [
        [np.flatnonzero((assigned != fold) & (labels == label)) for label in range(n)] for fold in range(folds)
    ]
    most = n * min(len(rows) for both in in_training for rows in both)
    sizes = np.array(sorted(size for size in sizes if size <= most), dtype=int)
    accuracy = np.empty((len(sizes), draws))
    for draw in range(draws):
        rng = np.random.default_rng(seed_of(seed, "draw", draw))
        # Within a draw, larger sets contain the smaller ones, so that curves rise with size and not by chance.
        orders = [[rng.permutation(rows) for rows in both] for both in in_training]
        for k, size in enumerate(sizes):
            called = np.empty(len(X), int)
            for fold, both in enumerate(orders):
                train = np.sort(np.concatenate([rows[: size // n] for rows in both]))
                rest = np.flatnonzero(assigned == fold)
                called[rest] = _called(
                    _decide(X, labels, groups, train, rest, min(folds, size // n), n, seed_of(seed, fold, draw))
                )
            accuracy[k, draw] = np.mean([(called == label)[labels == label].mean() for label in range(n)])
    return LearningCurve(sizes, accuracy.mean(axis=1), accuracy.std(axis=1))


def _checked(X, labels, groups, folds: int, most: int | None = None):
    """Return X, labels and groups as arrays, checked, and the number of classes (`most`, if given)."""
    X = as_array("X", X, 2)
    labels = one_per_row("labels", labels, len(X))
    numeric = labels.dtype.kind in "biuf"
    n_classes = most or (max(2, 1 + int(labels.max(initial=1))) if numeric else 2)
    if not numeric or not np.isin(labels, np.arange(-1, n_classes)).all():
        numbers = "1, 0" if n_classes == 2 else "whole numbers"
        raise DataError(f"labels must hold {numbers} or -1 (unlabelled), one per row of X")
    groups = np.arange(len(X)) if groups is None else one_per_row("groups", groups, len(X))
    for label in range(n_classes):
        n = len(np.unique(groups[labels == label]))
        if n < folds:
            raise TooFewImages(f"{folds} folds need at least {folds} groups of class {label}, not {n}; use fewer folds")
    return X, labels, groups, n_classes


def _stratified_folds(labels, groups, n_folds, seed):
    """Return the fold of each row, stratified by class so that every training set contains all."""
    assigned = np.empty(len(labels), dtype=int)
    fold_of: dict = {}
    for label in range(max(1, int(labels.max())), -2, -1):
        rows = np.flatnonzero(labels == label)
        fresh = np.array([row for row in rows if groups[row] not in fold_of], dtype=int)
        if len(fresh) and len(np.unique(groups[fresh])) >= n_folds:
            given = group_folds(groups[fresh], n_folds, seed_of(seed, label))
            fold_of.update(zip(groups[fresh].tolist(), given.tolist(), strict=True))
        for row in rows:
            assigned[row] = fold_of.setdefault(groups[row], len(fold_of) % n_folds)
    return assigned


def _decision_values(X, labels, groups, folds, classes, seed):
    """Return out-of-fold decision values of all rows, (n_images, classes), or (n_images, 1) for two (`_called`)."""
    assigned = _stratified_folds(labels, groups, folds, seed)
    out = np.empty((len(X), classes if classes > 2 else 1))
    for fold in range(folds):
        rest = np.flatnonzero(assigned == fold)
        train = np.flatnonzero((assigned != fold) & (labels >= 0))
        if len(rest):
            out[rest] = _decide(X, labels, groups, train, rest, folds, classes, seed_of(seed, "inner", fold))
    return out


def _called(values: np.ndarray) -> np.ndarray:
    """Return the class of the highest decision value, or of a single one whether it is above 0."""
    return values.argmax(axis=1) if values.shape[1] > 1 else (values[:, 0] > 0).astype(int)


def _decide(X, labels, groups, train, rest, folds, classes, seed):
    """Return decision values of the rows `rest` from a decoder trained on the rows `train`; classes weigh equally.

    A column for each class against the rest, of two for the second alone.
    """
    mean, deviation = X[train].mean(axis=0), X[train].std(axis=0)
    Z = (X - mean) / np.where(deviation > 0, deviation, 1.0)
    y = np.where(labels[:, None] == (np.arange(classes) if classes > 2 else [1]), 1.0, -1.0)
    alphas = np.array(ALPHAS) * X.shape[1]
    inner = group_folds(groups[train], min(folds, len(np.unique(groups[train]))), seed)
    predicted = fit_predict(Z, y, train, np.concatenate([rest, train]), alphas, inner)[0]
    middle = [
        (fitted[side > 0].mean() + fitted[side < 0].mean()) / 2
        for fitted, side in zip(predicted[len(rest) :].T, y[train].T, strict=True)
    ]
    return predicted[: len(rest)] - middle


def match_noise(features: np.ndarray, reliability: np.ndarray, n_units: int, seed: int) -> np.ndarray:
    """Return `n_units` random features, made as reliable as recorded units (after Cadieu et al. 2014).

    Parameters
    ----------
    features : (n_images, n_features) array of float
        Activations; features that do not vary are never drawn.
    reliability : (n_recorded,) array of float
        Explainable variance (`Reliability.value`) of recorded units; NaN and values below 0.01 count as 0.01.
    n_units, seed : int
        Number of features to draw, with replacement if there are fewer, and the seed.

    Returns
    -------
    (n_images, n_units) array of float
        Standardised features plus Gaussian noise of variance (1 - c) / c, with c drawn from `reliability`: the squared
        correlation of a noisy feature with its noise-free version is c on average.

    Raises
    ------
    DataError
        If a feature is not finite, none varies, or there is no reliability.

    Examples
    --------
    >>> import numpy as np
    >>> features = np.random.default_rng(0).normal(size=(2000, 1))
    >>> noisy = match_noise(features, reliability=[0.25], n_units=1, seed=1)
    >>> round(float(np.corrcoef(noisy[:, 0], features[:, 0])[0, 1]) ** 2, 1)
    0.2
    """
    features, reliability = as_array("features", features, 2), as_array("reliability", reliability, 1, allow_nan=True)
    check_number("n_units", n_units, 0)
    rng = np.random.default_rng(seed)
    deviation = features.std(axis=0)
    varied = np.flatnonzero(deviation > 1e-12 * np.abs(features).max(initial=1e-300))
    if not len(varied):
        raise DataError("features do not vary over images; there is nothing to decode")
    chosen = rng.choice(varied, n_units, replace=len(varied) < n_units)
    c = np.clip(np.nan_to_num(reliability, nan=0.0), 0.01, 1.0)[rng.integers(len(reliability), size=n_units)]
    Z = (features[:, chosen] - features[:, chosen].mean(axis=0)) / deviation[chosen]
    return Z + rng.normal(size=Z.shape) * np.sqrt((1 - c) / c)
