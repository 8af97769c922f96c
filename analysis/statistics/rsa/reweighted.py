"""Reweighted RSA, with a model's features weighted to fit an area's RDM, and RDMs of category means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from analysis.core.errors import DataError
from analysis.core.parallel import one_thread
from analysis.statistics.crossval import TooFewImages, group_folds
from analysis.statistics.keys import as_array, check_number, one_per_row
from analysis.statistics.rsa.rdm import METRICS, RDM, rdm, upper
from analysis.statistics.rsa.similarity import METHODS

COMPONENTS = 20
"""Principal components that are weighted; more than the images can determine would only fit noise."""
PENALTY = 1e-3
"""Ridge penalty on the weights, relative to the mean squared length of the predictors."""
LEAST = 4
"""Minimum number of images per test fold: fewer have too few pairs."""


@dataclass(frozen=True)
class Reweighted:
    """Correlation with an area's RDM on held-out images, before and after weighting (`reweighted_rho`).

    Attributes
    ----------
    fixed, reweighted : float
        Mean over folds of the rank correlation among the held-out images, with equal and with fitted weights of the
        components.
    weights : (n_folds, n_components) array of float
        Fitted non-negative weights.

    Examples
    --------
    >>> import numpy as np
    >>> Reweighted(fixed=0.2, reweighted=0.5, weights=np.ones((5, 20))).reweighted
    0.5
    """

    fixed: float
    reweighted: float
    weights: np.ndarray


def reweighted_rho(
    features,
    neural: RDM,
    groups: Sequence | None = None,
    *,
    folds: int = 5,
    components: int = COMPONENTS,
    method: str = "spearman",
    seed: int = 0,
) -> Reweighted:
    """Fit weights of a model's components to an area's RDM, and correlate the weighted RDM on held-out images.

    Features are standardised and rotated to their principal components on the training images. Squared differences
    along each component predict the dissimilarities of pairs of training images by non-negative least squares (as
    Khaligh-Razavi & Kriegeskorte 2014 weighted layers) with a small ridge penalty; with features instead of components,
    this is the feature-reweighted RSA of Kaniuth & Hebart (2022). Only pairs of two held-out images are scored.

    Parameters
    ----------
    features : (n_images, n_features) array of float
    neural : RDM
        Of the same images, in the same order.
    groups : (n_images,) sequence, optional
        Near-duplicate group of each image, never split across folds.
    folds, seed : int
        Number of folds, and their seed.
    components : int
        Maximum number of components; fewer if the training images span fewer dimensions.
    method : {"spearman", "rho-a", "tau-a", "cosine", "pearson"}

    Returns
    -------
    Reweighted
        Images with an undefined distance are left out; NaN where no fold can be scored.

    Raises
    ------
    TooFewImages
        If there are fewer than 4 groups of images for each fold (a `DataError`).
    DataError
        If features and RDM do not have the same number of images, a value is not finite, or the method is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> latent = rng.normal(size=(60, 4))
    >>> features = np.repeat(latent, [5, 10, 20, 40], axis=1) + 0.3 * rng.normal(size=(60, 75))
    >>> found = reweighted_rho(features, rdm(latent[:, :2], "euclidean"))
    >>> found.reweighted > found.fixed
    True
    """
    X = as_array("features", features, 2)
    if method not in METHODS or method == "cka":
        raise DataError(f"method={method!r}; give {', '.join(name for name in METHODS if name != 'cka')}")
    check_number("components", components, 0)
    if not isinstance(neural, RDM):
        raise DataError(f"neural is a {type(neural).__name__}; give an RDM")
    if len(X) != neural.n_images:
        raise DataError(f"features has {len(X)} rows and neural {neural.n_images} images; give the same images in both")
    groups = np.arange(len(X)) if groups is None else one_per_row("groups", groups, len(X))
    square = neural.square()
    keep = np.isfinite(square).sum(axis=1) > len(X) / 2
    keep &= np.isfinite(square[:, keep]).all(axis=1)
    X, square, groups = X[keep], square[np.ix_(keep, keep)], groups[keep]
    if len(np.unique(groups)) < folds * LEAST:
        raise TooFewImages(f"{len(np.unique(groups))} groups of images; {folds} folds need {folds * LEAST}")
    assigned, scores, weights = group_folds(groups, folds, seed), [], []
    with one_thread():
        for fold in range(folds):
            train, rest = np.flatnonzero(assigned != fold), np.flatnonzero(assigned == fold)
            Z = _components(X, train, components)
            weight = _fit(_differences(Z[train]), upper(square[np.ix_(train, train)]))
            weights.append(np.pad(weight, (0, components - len(weight))))
            target, differences = upper(square[np.ix_(rest, rest)]), _differences(Z[rest])
            scores.append(
                [_score(method, predicted, target) for predicted in (differences.sum(axis=1), differences @ weight)]
            )
    scores = np.array(scores)
    defined = np.isfinite(scores).all(axis=1)
    fixed, fitted = scores[defined].mean(axis=0) if defined.any() else (np.nan, np.nan)
    return Reweighted(float(fixed), float(fitted), np.array(weights))


def _standardise(X: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Return X standardised by the mean and standard deviation of the rows `by`; 0 where these do not vary."""
    deviation = by.std(axis=0)
    varies = deviation > 1e-12 * np.abs(by).max(axis=0)
    return np.where(varies, (X - by.mean(axis=0)) / np.where(varies, deviation, 1.0), 0.0)


def _components(X: np.ndarray, train: np.ndarray, n: int) -> np.ndarray:
    """Return the principal-component scores of all rows, (n_images, <= n), fitted to the rows `train`."""
    Z = _standardise(X, X[train])
    values, vectors = np.linalg.eigh(Z[train] @ Z[train].T)
    kept = [k for k in np.argsort(-values, kind="stable")[:n] if values[k] > 1e-10 * max(values[-1], 1e-300)]
    return Z @ (Z[train].T @ (vectors[:, kept] / np.sqrt(values[kept])))


def _differences(Z: np.ndarray) -> np.ndarray:
    """Return the squared difference of every pair of rows along every column, (n_pairs, n_columns)."""
    first, second = np.triu_indices(len(Z), 1)
    return (Z[first] - Z[second]) ** 2


def _fit(differences: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the non-negative weights of a fit with an intercept, (n_columns,)."""
    if not differences.shape[1]:  # constant features have no components
        return np.empty(0)
    A = differences - differences.mean(axis=0)
    gram = A.T @ A
    penalty = PENALTY * np.trace(gram) / len(gram)
    root = np.linalg.cholesky(gram + penalty * np.eye(len(gram)))  # |A w - b|^2 + penalty |w|^2 from its Gram matrix
    return scipy.optimize.nnls(root.T, scipy.linalg.solve_triangular(root, A.T @ target, lower=True))[0]


def _score(method: str, predicted: np.ndarray, target: np.ndarray) -> float:
    """Return the correlation; a constant prediction (all weights 0) counts as 0."""
    if np.ptp(target) == 0:
        return np.nan
    return METHODS[method](predicted, target) if np.ptp(predicted) > 0 else 0.0


def category_rdm(features, categories: Sequence, metric: str = "correlation", *, least: int = 2) -> RDM:
    """Return the RDM of category means, as Yamins et al. (2014) compare models with IT.

    Features are standardised over images, so that those with the largest variance do not dominate.

    Parameters
    ----------
    features : (n_images, n_features) array of float
    categories : (n_images,) sequence
    metric : {"correlation", "cosine", "euclidean", "sqeuclidean"}
    least : int
        Categories with fewer images are left out.

    Returns
    -------
    RDM
        Its images are the categories, in sorted order.

    Raises
    ------
    TooFewImages
        If fewer than 3 categories are left (a `DataError`).
    DataError
        If features and categories do not match row by row, a value is not finite, or the metric is unknown.

    Examples
    --------
    >>> features = [[0.0, 1.0], [0.0, 3.0], [4.0, 0.0], [2.0, 0.0], [9.0, 9.0], [8.0, 9.0]]
    >>> category_rdm(features, ["a", "a", "b", "b", "c", "c"], "euclidean").images
    ('a', 'b', 'c')
    """
    X = as_array("features", features, 2)
    if metric not in METRICS:
        raise DataError(f"metric={metric!r}; give {', '.join(METRICS)}")
    names, codes, sizes = np.unique(
        one_per_row("categories", categories, len(X)).astype(str), return_inverse=True, return_counts=True
    )
    if (sizes >= least).sum() < 3:
        raise TooFewImages(f"{(sizes >= least).sum()} categories of {least} images or more; an RDM needs 3")
    Z = _standardise(X, X)
    means = np.stack([Z[codes == code].mean(axis=0) for code in np.flatnonzero(sizes >= least)])
    return rdm(means, metric, names[sizes >= least].tolist())
