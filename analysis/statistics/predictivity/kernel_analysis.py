"""Kernel analysis: how precisely a representation solves a task at each complexity of the solution.

Montavon, Braun & Mueller (2011); as Cadieu et al. (2014) apply it to neural populations and models: kernel ridge
regression of the labels with a Gaussian kernel; complexity is 1 / lambda; precision is 1 - the leave-out error relative
to the variance of the labels, with the best width of the kernel at each complexity.
"""

from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.statistics.keys import as_array, one_per_row
from analysis.statistics.predictivity.ridge import Decomposition, leave_out_errors
from analysis.statistics.rsa.rdm import rdm

LAMBDAS = tuple(10.0 ** np.linspace(2, -6, 17))
WIDTHS = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Curve:
    """Precision against complexity.

    Attributes
    ----------
    complexity : (n_lambdas,)
        1 / lambda, rising.
    precision : (n_lambdas,)
        1 - leave-out error / variance: at most 1, about 0 for a representation that says nothing.
    area : float
        Mean precision over the logarithm of complexity.
    """

    complexity: np.ndarray
    precision: np.ndarray
    area: float


def kernel_analysis(X, labels, groups=None, *, lambdas=LAMBDAS, widths=WIDTHS) -> Curve:
    """Compute the curve of a representation.

    Parameters
    ----------
    X : (n_images, n_features)
    labels : (n_images,)
        Two or more classes; each class is a column of +1 and -1.
    groups : (n_images,) int, optional
        Near-duplicate groups, left out together; default: one image at a time.
    lambdas : sequence of float
        Penalties.
    widths : sequence of float
        Widths of the Gaussian kernel, as quantiles of the squared distances between images.

    Returns
    -------
    Curve

    Raises
    ------
    DataError
        If X is not finite or the same at every image, labels or groups are not one per row, there are fewer than two
        classes, or a penalty is not positive.
    """
    X = as_array("X", X, 2)
    labels = one_per_row("labels", labels, len(X))
    classes = np.unique(labels)
    if len(classes) < 2:
        raise DataError(f"labels holds {len(classes)} class; kernel analysis needs 2 or more")
    Y = np.where(labels[:, None] == classes, 1.0, -1.0)
    Y = Y[:, 1:] if len(classes) == 2 else Y  # two columns of two classes are one
    folds = None if groups is None else np.unique(one_per_row("groups", groups, len(X)), return_inverse=True)[1]
    distances = rdm(X, "sqeuclidean")
    squared = distances.square()
    lambdas = np.sort(as_array("lambdas", lambdas, 1))[::-1]
    if lambdas[-1] <= 0:
        raise DataError(f"lambdas holds {lambdas[-1]:g}; give positive penalties")
    scales = np.unique(np.quantile(distances.distances, widths))
    scales = scales[scales > 0]
    if not len(scales):
        raise DataError("X holds the same row at every image; there is nothing to analyse")
    errors = []
    for scale in scales:
        kernel = np.exp(-squared / scale)
        kernel -= kernel.mean(axis=0)
        kernel -= kernel.mean(axis=1, keepdims=True)
        errors.append(leave_out_errors(Decomposition.of_gram(kernel), Y, lambdas, folds).sum(axis=1))
    total = np.sum((Y - Y.mean(axis=0)) ** 2)
    precision = 1 - np.min(errors, axis=0) / total
    return Curve(1 / lambdas, precision, float(precision.mean()))
