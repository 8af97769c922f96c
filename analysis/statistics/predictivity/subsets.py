"""Predictivity that labels alone cannot produce: within one label's images, and for labels held out of training."""

from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.statistics.crossval import group_folds
from analysis.statistics.keys import as_array, one_per_row
from analysis.statistics.predictivity.banded import banded_predict

LEAST = 12
"""Labels with fewer images are not scored."""
FOLD_GROUPS = 6
"""Minimum number of image groups per fold: r over fewer is mostly noise."""


@dataclass(frozen=True)
class HeldOut:
    """Responses and their out-of-fold predictions (`predict_within`, `predict_unseen`).

    Attributes
    ----------
    rows : (n,) array of int
        Rows of the input whose images were predicted.
    cells : (n,) array
        Cell of each image: images of a cell share a label and are predicted by the same fit.
    observed, predicted : (n, n_units) array of float

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([[0.0], [1.0], [8.0], [9.0]])
    >>> HeldOut(np.arange(4), np.array([0, 0, 1, 1]), y, -y).correlation(np.ones((1, 4)))
    array([[-1.]])
    """

    rows: np.ndarray
    cells: np.ndarray
    observed: np.ndarray
    predicted: np.ndarray

    def correlation(self, counts: np.ndarray) -> np.ndarray:
        """Return the within-cell correlation of each unit in each draw of images.

        Predictions are centred and scaled to unit variance in each cell, responses centred. Their covariance is pooled
        over cells and divided by their pooled standard deviations. For one cell this is Pearson's r. An uninformative
        fit has expectation 0, whereas r pooled without scaling would be biased downwards: predictions vary least in
        the folds that chance favours. A constant prediction explains nothing and counts as 0.

        Parameters
        ----------
        counts : (n_draws, n)
            How often each image occurs in each draw.

        Returns
        -------
        (n_draws, n_units) array of float
            NaN for units that do not vary within cells.
        """
        product = power_y = power_z = 0.0
        for cell in np.unique(self.cells):
            rows = self.cells == cell
            y = self.observed[rows] - self.observed[rows].mean(axis=0)
            z = self.predicted[rows] - self.predicted[rows].mean(axis=0)
            size = z.std(axis=0)
            flat = size <= 1e-10 * np.abs(self.predicted[rows]).max(axis=0)
            z = np.where(flat, 0.0, z / np.where(flat, 1.0, size))
            c = counts[:, rows]
            n = np.maximum(c.sum(axis=1, keepdims=True), 1)
            product += c @ (y * z) - (c @ y) * (c @ z) / n
            power_y += c @ y**2 - (c @ y) ** 2 / n
            power_z += np.where(flat, n, c @ z**2 - (c @ z) ** 2 / n)
        least = 1e-20 * np.max(self.observed**2, axis=0, initial=1e-300)
        with np.errstate(invalid="ignore", divide="ignore"):
            r = product / np.sqrt(power_y * power_z)
        return np.where(power_y > least, np.clip(np.where(power_z > 1e-12, r, 0.0), -1, 1), np.nan)


def predict_within(X, Y, labels, groups=None, *, folds: int = 5, seed: int = 0) -> dict[str, HeldOut]:
    """Predict units within the images of each label, from fits that see no other label.

    Parameters
    ----------
    X : (n_images, n_features) array of float
    Y : (n_images, n_units) array of float
        Responses; finite.
    labels : (n_images,) sequence
    groups : (n_images,) sequence, optional
        Near-duplicate group of each image.
    folds, seed : int
        Maximum number of folds (fewer where a fold would hold fewer than 6 groups), and their seed.

    Returns
    -------
    dict from label to HeldOut
        Labels with fewer than 12 groups of images are omitted.

    Raises
    ------
    DataError
        If arrays do not match row by row, a value is not finite, or there are fewer than 2 folds.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels, X = np.resize(["face", "object"], 80), rng.normal(size=(80, 5))
    >>> Y = X[:, :1] * (labels == "face")[:, None]  # tuned within faces alone
    >>> Y += rng.normal(size=(80, 1)) * (labels == "object")[:, None]
    >>> found = predict_within(X, Y, labels)
    >>> [bool(found[label].correlation(np.ones((1, 40)))[0, 0] > 0.5) for label in ("face", "object")]
    [True, False]
    """
    X, Y, labels, groups = _checked(X, Y, labels, groups)
    found = {}
    for label in np.unique(labels).tolist():
        rows = np.flatnonzero(labels == label)
        n_groups = len(np.unique(groups[rows]))
        if n_groups < LEAST:
            continue
        cells = group_folds(groups[rows], min(folds, n_groups // FOLD_GROUPS), seed_of(seed, "within", label))
        found[label] = HeldOut(rows, cells, Y[rows], banded_predict([X[rows]], Y[rows], cells, groups[rows]))
    return found


def predict_unseen(X, Y, labels, groups=None) -> HeldOut | None:
    """Predict units for the images of each label from fits to all other labels.

    This tests generalisation to unseen object categories. The correlation is within labels, so differences between
    label means do not contribute.

    Parameters
    ----------
    X, Y, labels, groups
        As in `predict_within`.

    Returns
    -------
    HeldOut or None
        None if no label has 12 or more images and leaves 12 or more to train on.

    Raises
    ------
    DataError
        If arrays do not match row by row, or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X, labels = rng.normal(size=(60, 3)), np.resize(["face", "house", "tool"], 60)
    >>> held = predict_unseen(X, X[:, :2], labels)
    >>> held.correlation(np.ones((1, 60))).round(1)
    array([[1., 1.]])
    """
    X, Y, labels, groups = _checked(X, Y, labels, groups)
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    scored = (sizes >= LEAST) & (len(codes) - sizes >= LEAST)
    if not scored.any():
        return None
    folds = np.where(scored[codes], codes, -1)
    rows = np.flatnonzero(folds >= 0)
    return HeldOut(rows, folds[rows], Y[rows], banded_predict([X], Y, folds, groups)[rows])


def _checked(X, Y, labels, groups):
    X, Y = as_array("X", X, 2), as_array("Y", Y, 2)
    if len(X) != len(Y):
        raise DataError(f"X has {len(X)} rows and Y {len(Y)}; give the same images in both")
    groups = np.arange(len(Y)) if groups is None else one_per_row("groups", groups, len(Y))
    return X, Y, one_per_row("labels", labels, len(Y)).astype(str), groups
