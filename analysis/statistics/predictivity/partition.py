"""Variance partitioning: what a model explains beyond labels, and labels beyond the model."""

from dataclasses import dataclass

import numpy as np

from analysis.statistics.crossval import training_means
from analysis.statistics.keys import as_array, fold_numbers, one_per_row
from analysis.statistics.predictivity.banded import banded_predict


@dataclass(frozen=True)
class Partition:
    """Cross-validated explained variance of two sets of predictors, alone and together (`partition_variance`).

    Attributes
    ----------
    total : (n_images, n_units) array of float
        Squared distance of each response from the mean of its training images.
    errors : dict from set (``model``, ``labels``, ``both``) to (n_images, n_units)
        Squared error of each out-of-fold prediction.

    Examples
    --------
    >>> import numpy as np
    >>> total = np.ones((4, 1))
    >>> part = Partition(total, {"model": total * 0.6, "labels": total * 0.7, "both": total * 0.5})
    >>> {name: float(r2[0].round(1)) for name, r2 in part.fractions().items()}
    {'model': 0.4, 'labels': 0.3, 'both': 0.5, 'unique_model': 0.2, 'unique_labels': 0.1, 'shared': 0.2}
    """

    total: np.ndarray
    errors: dict[str, np.ndarray]

    def fractions(self) -> dict[str, np.ndarray]:
        """Return all fractions by name, each (n_units,)."""
        return {name: self.fraction(name, np.ones((1, len(self.total))))[0] for name in FRACTIONS}

    def fraction(self, name: str, counts: np.ndarray) -> np.ndarray:
        """Return one of the `FRACTIONS` in each draw of images.

        Parameters
        ----------
        name : str
        counts : (n_draws, n_images)
            How often each image occurs in each draw.

        Returns
        -------
        (n_draws, n_units) array of float
            Fraction of the variance; NaN for units that do not vary.
        """
        total = counts @ self.total
        weighted = sum(sign * self.errors[part] for part, sign in FRACTIONS[name].items())
        constant = sum(FRACTIONS[name].values())  # r2 of a set is 1 - error / total; the 1 cancels in differences
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > 1e-24, constant - counts @ weighted / total, np.nan)


FRACTIONS: dict[str, dict[str, int]] = {
    "model": {"model": 1},
    "labels": {"labels": 1},
    "both": {"both": 1},
    "unique_model": {"both": 1, "labels": -1},
    "unique_labels": {"both": 1, "model": -1},
    "shared": {"model": 1, "labels": 1, "both": -1},
}
"""Sign with which each set's r2 enters each fraction."""


def partition_variance(X, labels, Y, folds, groups=None) -> Partition:
    """Partition the explained variance of units between a model's features and labels.

    The fractions of variation partitioning (Borcard, Legendre & Drapeau 1992; Peres-Neto et al. 2006), with
    cross-validated instead of adjusted r2: unique to the model r2(both) - r2(labels), unique to the labels
    r2(both) - r2(model), shared r2(model) + r2(labels) - r2(both). Sets of predictors are fitted by `banded_predict`.
    The unique fraction of a set that adds nothing is 0 or slightly below, the cost of fitting it.

    Parameters
    ----------
    X : (n_images, n_features) array of float
    labels : (n_images,) sequence
        Label or category of each image, the only predictor of the ideal observer.
    Y : (n_images, n_units) array of float
        Responses; finite.
    folds, groups
        As in `banded_predict`.

    Returns
    -------
    Partition

    Raises
    ------
    TooFewImages, DataError
        As `banded_predict`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels, X = np.resize(["face", "object"], 80), rng.normal(size=(80, 5))
    >>> Y = 2.0 * (labels == "face")[:, None] + X[:, :1] + 0.1 * rng.normal(size=(80, 1))
    >>> fractions = partition_variance(X, labels, Y, np.arange(80) // 2 % 5).fractions()
    >>> {name: float(fractions[name][0].round(1)) for name in ("both", "unique_model")}
    {'both': 1.0, 'unique_model': 0.5}
    """
    X, Y = as_array("X", X, 2), as_array("Y", Y, 2)
    codes = np.unique(one_per_row("labels", labels, len(Y)).astype(str), return_inverse=True)[1]
    one_hot = np.eye(codes.max() + 1)[codes]
    folds = fold_numbers("folds", folds, (len(Y),))
    tested = (folds >= 0)[:, None]
    means = training_means(Y, folds)
    errors = {
        name: np.where(tested, (Y - banded_predict(spaces, Y, folds, groups)) ** 2, 0.0)
        for name, spaces in {"model": [X], "labels": [one_hot], "both": [X, one_hot]}.items()
    }
    return Partition(np.where(tested, (Y - means) ** 2, 0.0), errors)
