"""Representational dissimilarity matrices."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.linalg.blas import dsyrk

from analysis.core.errors import DataError
from analysis.statistics.keys import check_keys, has_labels, keys_of, numbers


@dataclass(frozen=True)
class RDM:
    """A representational dissimilarity matrix: one dissimilarity per pair of images.

    Attributes
    ----------
    distances : (n_images * (n_images - 1) / 2,) array of float
        Upper triangle by rows, as in ``scipy.spatial.distance.squareform``; NaN where undefined.
    metric : str
    images : tuple of str or None
        Image keys. RDMs with keys are matched by image, RDMs without by position; the two kinds cannot be compared with
        each other.

    Raises
    ------
    DataError
        If the number of distances is not n (n - 1) / 2 for any n, entries are masked, or there is not one key per
        image.

    Examples
    --------
    >>> import numpy as np
    >>> matrix = RDM(np.array([1.0, 2.0, 3.0]), "euclidean", ("a", "b", "c"))
    >>> matrix.square()
    array([[0., 1., 2.],
           [1., 0., 3.],
           [2., 3., 0.]])
    >>> matrix.take([2, 0]).images
    ('c', 'a')
    """

    distances: np.ndarray
    metric: str
    images: tuple[str, ...] | None = None

    def __post_init__(self):
        """Check that distances and keys match."""
        distances = numbers("distances", self.distances)
        object.__setattr__(self, "distances", distances)
        n = self.n_images
        if distances.ndim != 1 or n * (n - 1) // 2 != len(distances):
            raise DataError(
                f"distances has shape {distances.shape}; give the upper triangle of n images, n (n - 1) / 2 distances"
            )
        if self.images is not None:
            object.__setattr__(self, "images", check_keys("the RDM", self.images, n))

    @property
    def n_images(self) -> int:
        """Number of images."""
        return int((1 + np.sqrt(1 + 8 * len(self.distances))) / 2)

    def square(self) -> np.ndarray:
        """Return the symmetric matrix, (n_images, n_images), with zeros on the diagonal."""
        n = self.n_images
        matrix = np.zeros((n, n))
        matrix[np.triu_indices(n, 1)] = self.distances
        return matrix + matrix.T

    def take(self, rows: np.ndarray) -> "RDM":
        """Return the RDM of the images at `rows`, in that order."""
        matrix = self.square()[np.ix_(rows, rows)]
        images = None if self.images is None else tuple(self.images[row] for row in rows)
        return RDM(upper(matrix), self.metric, images)


def upper(matrix: np.ndarray) -> np.ndarray:
    """Return the upper triangle of a square matrix by rows, without the diagonal."""
    n = len(matrix)
    out = np.empty(n * (n - 1) // 2, dtype=matrix.dtype)
    start = 0
    for row in range(n - 1):  # slices are several times faster than indexing all pairs, and save memory
        stop = start + n - 1 - row
        out[start:stop] = matrix[row, row + 1 :]
        start = stop
    return out


def _products(Z: np.ndarray) -> np.ndarray:
    """Return the entries of Z Z' for all pairs of rows, in the order of `upper`: each computed once, none copied."""
    return upper(dsyrk(1.0, Z.T, trans=1, lower=1).T)


def _one_minus_cosine(Z: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return 1 - cosine for all pairs of rows with these lengths; NaN for rows of length 0. Overwrites Z."""
    Z /= np.where(length > 0, length, np.nan)[:, None]
    out = _products(Z)
    np.subtract(1.0, out, out=out)
    return np.clip(out, 0.0, 2.0, out=out)


def _correlation(X):
    mean = X.mean(axis=1)
    Z = X - mean[:, None]
    length = np.sqrt(np.einsum("ij,ij->i", Z, Z))
    # A centred constant row is only rounding error.
    length[length <= 1e-12 * np.abs(mean) * np.sqrt(X.shape[1])] = 0.0
    return _one_minus_cosine(Z, length)


def _cosine(X):
    return _one_minus_cosine(X.copy(), np.sqrt(np.einsum("ij,ij->i", X, X)))


def _squared_euclidean(X):
    Z = X - np.nanmean(X, axis=0)  # leaves distances unchanged and reduces cancellation
    size = np.einsum("ij,ij->i", Z, Z)
    out = _products(Z)
    out *= -2.0
    start = 0
    for row in range(len(size) - 1):
        stop = start + len(size) - 1 - row
        out[start:stop] += size[row] + size[row + 1 :]
        start = stop
    return np.maximum(out, 0.0, out=out)


def _euclidean(X):
    out = _squared_euclidean(X)
    return np.sqrt(out, out=out)


METRICS = {
    "correlation": _correlation,
    "cosine": _cosine,
    "euclidean": _euclidean,
    "sqeuclidean": _squared_euclidean,
}


def rdm(features, metric: str = "correlation", images: Sequence | None = None) -> RDM:
    """Compute the RDM of a feature table (Kriegeskorte et al. 2008).

    Parameters
    ----------
    features : (n_images, n_features) array of float
        Plain array, ``xarray.DataArray`` whose first dimension ``image`` has a coordinate with the keys, or pandas
        table indexed by image. An image with NaN features has undefined (NaN) distances.
    metric : {"correlation", "cosine", "euclidean", "sqeuclidean"}
        ``correlation`` and ``cosine`` are 1 minus the similarity. For cross-validated distances see `crossnobis`.
    images : sequence of str, optional
        Keys of a plain array.

    Returns
    -------
    RDM
        Distances of an image whose features are constant (correlation) or zero (cosine) are undefined: NaN.

    Raises
    ------
    DataError
        If the metric is unknown, features are not a table of 2 or more images, a feature is infinite, or keys do not
        name each row once.

    Examples
    --------
    >>> rdm([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]], "euclidean", images=["a", "b", "c"]).distances
    array([ 5., 10.,  5.])
    """
    if metric not in METRICS:
        raise DataError(f"metric={metric!r}; give {', '.join(METRICS)}")
    X, keys = _check_table("features", features, images)
    if metric == "correlation" and X.shape[1] < 2:
        raise DataError(f"features has {X.shape[1]} column; a correlation distance needs 2 or more")
    return RDM(METRICS[metric](X), metric, keys)


def crossnobis(responses, precision: np.ndarray | None = None, images: Sequence | None = None) -> RDM:
    """Compute cross-validated squared Mahalanobis distances, unbiased by noise (Walther et al. 2016).

    The mean of ``(x_ia - x_ja)' P (x_ib - x_jb) / n_units`` over pairs of partitions a, b that both contain both
    images; if all do, this is the product of each with the mean of the others.

    Parameters
    ----------
    responses : (n_partitions, n_images, n_units) array of float
        Mean responses in partitions (e.g. sets of presentations) with independent noise. An image with NaN is missing
        from that partition; its distances come from the others, and are NaN if fewer than two are left.
    precision : (n_units, n_units) array of float, optional
        Inverse of the noise covariance; default: the identity.
    images : sequence of str, optional
        Keys of the images.

    Returns
    -------
    RDM
        In squared units of the responses; distances may be negative.

    Raises
    ------
    DataError
        If there are fewer than 2 partitions, a response is infinite, or `precision` has a wrong size, is not finite, or
        is not symmetric and positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=(4, 3, 500))  # three images that evoke the same response
    >>> bool((abs(crossnobis(noise).distances) < 0.2).all())  # 0 up to noise; plain distances are biased:
    True
    >>> bool((rdm(noise[0], "sqeuclidean").distances / 500 > 1.5).all())
    True
    """
    X = numbers("responses", responses)
    if X.ndim != 3 or len(X) < 2:
        raise DataError(f"responses has shape {X.shape}; give (partitions, images, units) with 2 partitions or more")
    if np.isinf(X).any():
        raise DataError("responses holds infinities; drop or repair such entries first")
    keys = None if images is None else check_keys("responses", images, X.shape[1])
    n_partitions, _, n_units = X.shape
    P = np.eye(n_units) if precision is None else numbers("precision", precision)
    if P.shape != (n_units, n_units) or not np.isfinite(P).all():
        raise DataError(f"precision has shape {P.shape}; give ({n_units}, {n_units}) finite numbers")
    if not np.allclose(P, P.T) or np.linalg.eigvalsh(P)[0] < -1e-8 * np.abs(P).max():
        raise DataError("precision is no inverse covariance: give a symmetric matrix without negative eigenvalues")
    shown = np.isfinite(X).all(axis=2)
    X = np.where(shown[..., None], X, 0.0)
    X -= X.sum(axis=(0, 1)) / max(shown.sum(), 1)
    if shown.all():
        # Pairs a != b: all pairs minus the pairs of a partition with itself.
        total = X.sum(axis=0)
        matrix = _differences(total @ P @ total.T - sum(x @ P @ x.T for x in X))
        matrix /= n_partitions * (n_partitions - 1) * n_units
        return RDM(upper(matrix), "crossnobis", keys)
    matrix, n_pairs = np.zeros((2, X.shape[1], X.shape[1]))
    for a, b in combinations(range(n_partitions), 2):
        both = shown[a] & shown[b]
        of_pair = _differences(X[a] @ P @ X[b].T)
        matrix[np.ix_(both, both)] += of_pair[np.ix_(both, both)]
        n_pairs[np.ix_(both, both)] += 1
    matrix /= np.where(n_pairs > 0, n_pairs, np.nan) * n_units
    return RDM(upper(matrix), "crossnobis", keys)


def _differences(products: np.ndarray) -> np.ndarray:
    """Return (x_i - x_j)' P (z_i - z_j) from the products x_i' P z_j of all images."""
    products = (products + products.T) / 2
    size = np.diagonal(products)
    return size[:, None] + size - 2 * products


def _check_table(name: str, table, images) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Return features, (n_images, n_features), and their image keys."""
    keys = images
    if has_labels(table):
        if images is not None:
            raise DataError(f"{name} already has image keys; omit `images`")
        keys, table = keys_of(name, table), table.values
    X = numbers(name, table)
    if X.ndim != 2 or len(X) < 2 or X.shape[-1] == 0:
        raise DataError(f"{name} has shape {X.shape}; give (images, features) with 2 images or more")
    if np.isinf(X).any():
        row, column = np.argwhere(np.isinf(X))[0]
        raise DataError(f"{name}[{row}, {column}] is infinite; drop or repair such entries first")
    return X, None if keys is None else check_keys(name, keys, len(X))
