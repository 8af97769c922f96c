"""Kernel analysis: how precisely a representation solves a task, as a function of the complexity of the solution.

Montavon, Braun & Mueller (2011), as applied to neural populations and models by Cadieu et al. (2014): kernel ridge
regression of the labels with a Gaussian kernel. Complexity is 1 / lambda; precision is 1 minus the leave-out error
relative to the variance of the labels, at the best kernel width for each complexity.
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
    """Precision against complexity (`kernel_analysis`).

    Attributes
    ----------
    complexity : (n_lambdas,) array of float
        1 / lambda, increasing.
    precision : (n_lambdas,) array of float
        1 - leave-out error / variance: at most 1, about 0 for an uninformative representation.
    area : float
        Mean precision over the logarithm of complexity.

    Examples
    --------
    >>> import numpy as np
    >>> Curve(complexity=np.array([1.0, 10.0]), precision=np.array([0.2, 0.6]), area=0.4).area
    0.4
    """

    complexity: np.ndarray
    precision: np.ndarray
    area: float


def kernel_analysis(X, labels, groups=None, *, lambdas=LAMBDAS, widths=WIDTHS) -> Curve:
    """Compute the precision of a representation at each complexity (Montavon et al. 2011; Cadieu et al. 2014).

    Parameters
    ----------
    X : (n_images, n_features) array of float
        Responses or activations.
    labels : (n_images,) sequence
        Class of each image, two or more in all; each class is coded as a column of +1 and -1.
    groups : (n_images,) sequence, optional
        Near-duplicate group of each image, left out together; default: one image at a time.
    lambdas : sequence of float
        Penalties, positive.
    widths : sequence of float
        Widths of the Gaussian kernel, as quantiles (0 to 1) of the squared distances between images.

    Returns
    -------
    Curve

    Raises
    ------
    DataError
        If X is not finite or is identical for all images, labels or groups do not match its rows, there are fewer than
        two classes, or a penalty is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = np.resize([0, 1], 60)
    >>> informative = kernel_analysis(rng.normal(size=(60, 5)) + labels[:, None], labels)
    >>> uninformative = kernel_analysis(rng.normal(size=(60, 5)), labels)
    >>> informative.area > uninformative.area
    True
    """
    X = as_array("X", X, 2)
    labels = one_per_row("labels", labels, len(X))
    classes = np.unique(labels)
    if len(classes) < 2:
        raise DataError(f"labels holds {len(classes)} class; kernel analysis needs 2 or more")
    Y = np.where(labels[:, None] == classes, 1.0, -1.0)
    Y = Y[:, 1:] if len(classes) == 2 else Y  # for two classes the second column suffices
    folds = None if groups is None else np.unique(one_per_row("groups", groups, len(X)), return_inverse=True)[1]
    distances = rdm(X, "sqeuclidean")
    squared = distances.square()
    lambdas = np.sort(as_array("lambdas", lambdas, 1))[::-1]
    if lambdas[-1] <= 0:
        raise DataError(f"lambdas holds {lambdas[-1]:g}; give positive penalties")
    widths = as_array("widths", widths, 1)
    if widths.min() < 0 or widths.max() > 1:
        raise DataError("widths holds values outside 0 to 1; give quantiles of the squared distances")
    scales = np.unique(np.quantile(distances.distances, widths))
    scales = scales[scales > 0]
    if not len(scales):
        raise DataError("all rows of X are identical; give features that differ between images")
    errors = []
    for scale in scales:
        kernel = np.exp(-squared / scale)
        kernel -= kernel.mean(axis=0)
        kernel -= kernel.mean(axis=1, keepdims=True)
        errors.append(leave_out_errors(Decomposition.of_gram(kernel), Y, lambdas, folds).sum(axis=1))
    total = np.sum((Y - Y.mean(axis=0)) ** 2)
    precision = 1 - np.min(errors, axis=0) / total
    return Curve(1 / lambdas, precision, float(precision.mean()))
