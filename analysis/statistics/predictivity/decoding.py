"""The face / non-face task read out from populations and from models by one decoder, at matched units and noise.

Cadieu et al. (2014): a model with more features, or without noise, decodes better for that reason alone. So the model
gets as many features as there are units, and noise that gives its features the reliability of those units.
"""

from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.statistics.crossval import group_folds
from analysis.statistics.keys import as_array, one_per_row
from analysis.statistics.predictivity.ridge import ALPHAS, fit_predict


@dataclass(frozen=True)
class Decoding:
    """Out-of-fold read-out.

    Attributes
    ----------
    score : (n_images,)
        Mean over repeats of the decoder's value; above 0 means the positive class.
    accuracy, balanced_accuracy : float
        Over labelled images; balanced is the mean over the two classes.
    positive_rate : dict from level to float
        Share of images of each level called positive (correct for faces, wrong for objects, telling for pareidolia).
    n : dict from level to int
        Images of each level.
    """

    score: np.ndarray
    accuracy: float
    balanced_accuracy: float
    positive_rate: dict[str, float]
    n: dict[str, int]


def decode(X, labels, groups=None, levels=None, *, folds: int = 5, repeats: int = 1, seed: int = 0) -> Decoding:
    """Read a binary task out of a representation by cross-validated regularised least squares.

    Features are standardised in the training rows, both classes get the same weight (by the threshold between their
    mean scores), and the penalty is chosen inside the training rows.

    Parameters
    ----------
    X : (n_images, n_features)
        Responses or activations.
    labels : (n_images,)
        1 positive, 0 negative, -1 unlabelled: such images are read out by decoders of other folds, but train none.
    groups : (n_images,), optional
        Near-duplicate groups: never split by a fold.
    levels : (n_images,) of str, optional
        Level of variation or category of each image, for `positive_rate`.
    folds, repeats, seed : int

    Returns
    -------
    Decoding

    Raises
    ------
    DataError
        If X is not finite, labels, groups or levels are not one per row, or a class has fewer groups than folds.
    """
    X, labels = as_array("X", X, 2), np.asarray(labels)
    if labels.shape != (len(X),) or not np.isin(labels, (-1, 0, 1)).all():
        raise DataError("labels must hold 1, 0 or -1 (unlabelled), one per row of X")
    groups = np.arange(len(X)) if groups is None else one_per_row("groups", groups, len(X))
    for value in (0, 1):
        n = len(np.unique(groups[labels == value]))
        if n < folds:
            raise DataError(f"labels holds {n} groups of class {value}; {folds} folds need as many: lower the folds")
    scores = np.mean([_once(X, labels, groups, folds, seed_of(seed, "decode", r)) for r in range(repeats)], axis=0)
    right = (scores > 0) == (labels == 1)
    shares = [right[labels == value].mean() for value in (0, 1)]
    levels = (
        np.where(labels == 1, "positive", np.where(labels == 0, "negative", "unlabelled")) if levels is None else levels
    )
    levels = one_per_row("levels", levels, len(X))
    return Decoding(
        scores,
        float(right[labels >= 0].mean()),
        float(np.mean(shares)),
        {str(level): float((scores[levels == level] > 0).mean()) for level in np.unique(levels)},
        {str(level): int((levels == level).sum()) for level in np.unique(levels)},
    )


def _once(X, labels, groups, folds, seed):
    """Return out-of-fold scores of all rows, (n_images,)."""
    # Folds are balanced within each class, so that every training set holds both.
    assigned = np.empty(len(X), dtype=int)
    fold_of: dict = {}
    for value in (1, 0, -1):
        rows = np.flatnonzero(labels == value)
        fresh = np.array([row for row in rows if groups[row] not in fold_of], dtype=int)
        if len(fresh) and len(np.unique(groups[fresh])) >= folds:
            given = group_folds(groups[fresh], folds, seed_of(seed, value))
            fold_of.update(zip(groups[fresh].tolist(), given.tolist(), strict=True))
        for row in rows:
            assigned[row] = fold_of.setdefault(groups[row], len(fold_of) % folds)
    out = np.empty(len(X))
    for fold in range(folds):
        rest = np.flatnonzero(assigned == fold)
        train = np.flatnonzero((assigned != fold) & (labels >= 0))
        if not len(rest):
            continue
        mean, spread = X[train].mean(axis=0), X[train].std(axis=0)
        Z = (X - mean) / np.where(spread > 0, spread, 1.0)
        y = np.where(labels == 1, 1.0, -1.0)[:, None]
        alphas = np.array(ALPHAS) * X.shape[1]
        inner = group_folds(groups[train], min(folds, len(np.unique(groups[train]))), seed_of(seed, "inner", fold))
        both = np.concatenate([rest, train])
        values = fit_predict(Z, y, train, both, alphas, inner)[0][:, 0]
        fitted, mark = values[len(rest) :], labels[train]
        out[rest] = values[: len(rest)] - (fitted[mark == 1].mean() + fitted[mark == 0].mean()) / 2
    return out


def match_noise(features: np.ndarray, reliability: np.ndarray, n_units: int, seed: int) -> np.ndarray:
    """Return `n_units` random features with the reliability of recorded units.

    Parameters
    ----------
    features : (n_images, n_features)
        Activations; features that do not vary are never drawn.
    reliability : (n_recorded,)
        Explainable variance (ceiling) of recorded units; those undefined or not positive count as 0.01.
    n_units, seed : int

    Returns
    -------
    (n_images, n_units)
        Standardised features plus Gaussian noise of variance (1 - c) / c, c drawn from `reliability`: the squared
        correlation of a noisy feature with its noise-free self is c on average.

    Raises
    ------
    DataError
        If a feature is not finite, none varies, or there is no reliability.
    """
    features, reliability = as_array("features", features, 2), as_array("reliability", reliability, 1, allow_nan=True)
    rng = np.random.default_rng(seed)
    spread = features.std(axis=0)
    varied = np.flatnonzero(spread > 1e-12 * np.abs(features).max(initial=1e-300))
    if not len(varied):
        raise DataError("features do not vary over images; there is nothing to decode")
    chosen = rng.choice(varied, n_units, replace=len(varied) < n_units)
    c = np.clip(np.nan_to_num(reliability, nan=0.0), 0.01, 1.0)[rng.integers(len(reliability), size=n_units)]
    Z = (features[:, chosen] - features[:, chosen].mean(axis=0)) / spread[chosen]
    return Z + rng.normal(size=Z.shape) * np.sqrt((1 - c) / c)
