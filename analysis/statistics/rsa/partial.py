"""Partial rank correlation of two RDMs, controlling for other RDMs such as that of the labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from analysis.core.errors import DataError
from analysis.core.parallel import one_thread
from analysis.statistics.inference import cluster_draws, p_value
from analysis.statistics.keys import check_keys, check_number, has_labels, of_images, one_per_row
from analysis.statistics.midranks import midranks
from analysis.statistics.rsa.rdm import RDM, upper
from analysis.statistics.rsa.significance import _undefined_images
from analysis.statistics.rsa.similarity import aligned

EXPLAINED = 1e-9
"""A residual shorter than this fraction of its vector is rounding error: the other RDMs explain the vector fully."""
LEAST = 4
"""Minimum number of images: fewer have too few pairs."""
PERMUTATIONS_AT_ONCE = 16
"""Permutations in one matrix product, which bounds the memory."""


@dataclass(frozen=True)
class PartialRho:
    """A rank correlation of two RDMs, controlling for others (`partial_rho`).

    Attributes
    ----------
    rho, partial : float
        Spearman's correlation without and with the other RDMs held constant.
    p : float
        One-sided p-value of `partial` under permutations of images; NaN if none were requested.
    error : float
        Bootstrap standard error of `partial` over images.
    low, high : float
        95 % interval of `partial`: partial -+ t error, with n - 1 degrees of freedom for n resampled images.
    n_images : int
        Images with all distances defined.

    Examples
    --------
    >>> PartialRho(rho=0.5, partial=0.1, p=0.04, error=0.05, low=0.0, high=0.2, n_images=60).partial
    0.1
    """

    rho: float
    partial: float
    p: float
    error: float
    low: float
    high: float
    n_images: int


def label_rdms(labels: Sequence, images: Sequence | None = None) -> list[RDM]:
    """Return an RDM for every pair of labels: 1 between images of these two labels, 0 elsewhere.

    Held constant together, they allow each pair of labels its own mean dissimilarity. A single RDM that is 0 within and
    1 between labels does not: faces may resemble each other more than objects do.

    Parameters
    ----------
    labels : (n_images,) sequence
        Label, category or recording of each image.
    images : sequence of str, optional
        Keys of the images.

    Returns
    -------
    list of RDM
        Pairs of labels without a pair of images are omitted.

    Raises
    ------
    DataError
        If there are fewer than 2 labels, or keys do not name each image once.

    Examples
    --------
    >>> [matrix.distances.tolist() for matrix in label_rdms(["face", "face", "object"])]
    [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    """
    codes = np.unique(one_per_row("labels", labels).astype(str), return_inverse=True)[1]
    if len(codes) < 2:
        raise DataError(f"labels holds {len(codes)} entry; an RDM needs 2 images or more")
    keys = None if images is None else check_keys("labels", images, len(codes))
    n = codes.max() + 1
    pairs = upper(np.minimum(codes[:, None], codes) * n + np.maximum(codes[:, None], codes))
    return [RDM((pairs == pair).astype(np.float64), "label", keys) for pair in np.unique(pairs)]


def partial_rho(
    model: RDM,
    neural: RDM,
    given: Sequence[RDM] = (),
    *,
    strata: Sequence | Mapping | None = None,
    clusters: Sequence | Mapping | None = None,
    n_permutations: int = 999,
    n_draws: int = 500,
    seed: int = 0,
) -> PartialRho:
    """Correlate two RDMs by rank, with other RDMs held constant.

    The partial Spearman correlation: Pearson's correlation of the residuals of both RDMs' ranks after linear regression
    on the ranks of `given` (Conover 1999; between distance matrices, Smouse, Long & Sokal 1986). For the null
    distribution, the images of the model's residual RDM are permuted and the result regressed on `given` again (double
    semipartialing: Dekker, Krackhardt & Snijders 2007). The bootstrap resamples images, weights each pair by the
    product of its counts, and expands the correlation to first order in these (infinitesimal jackknife: Efron 1982),
    which avoids ranking again.

    Parameters
    ----------
    model, neural : RDM
        Joined by image key.
    given : sequence of RDM
        RDMs to hold constant, such as the `label_rdms` of labels, categories or recordings. An RDM that is constant or
        linearly dependent on the others has no effect.
    strata : (n_images,) sequence or mapping from image key, optional
        Images are permuted only within strata: with the labels as strata, the test asks whether the model carries
        information beyond the labels. A sequence is in the order of the images of `model`.
    clusters : (n_images,) sequence or mapping from image key, optional
        Near-duplicate group of each image, drawn together in the bootstrap.
    n_permutations, n_draws, seed : int
        Number of permutations and of bootstrap draws (0: none), and their seed.

    Returns
    -------
    PartialRho
        All NaN if fewer than 4 images are defined, or an RDM is constant or fully explained by `given`.

    Raises
    ------
    DataError
        If the RDMs are not comparable (`compare_rdms`), or strata or clusters do not name every image.

    Examples
    --------
    >>> import numpy as np
    >>> from analysis.statistics import rdm
    >>> rng = np.random.default_rng(0)
    >>> face = np.resize([0, 1], 60)
    >>> model, units = (rdm(rng.normal(size=(60, 20)) + 2 * np.outer(face, rng.normal(size=20))) for _ in range(2))
    >>> found = partial_rho(model, units, label_rdms(face), strata=face)  # they share the label and nothing else
    >>> found.rho > 0.4, abs(found.partial) < 0.15, found.p > 0.05
    (True, True, True)
    """
    check_number("n_permutations", n_permutations, 0)
    rdms = aligned([model, neural, *given])
    strata, clusters = _of_images("strata", strata, model, rdms[0]), _of_images("clusters", clusters, model, rdms[0])
    squares = [matrix.square() for matrix in rdms]
    rows = np.flatnonzero(~_undefined_images(sum(squares)))
    if len(rows) < LEAST:
        return _undefined(len(rows))
    vectors = [_centred_ranks(upper(square[np.ix_(rows, rows)])) for square in squares]
    basis = _basis(vectors[2:], len(vectors[0]))
    residuals = [vector - basis @ (basis.T @ vector) for vector in vectors[:2]]
    sizes = [np.sqrt(residual @ residual) for residual in residuals]
    if any(size <= EXPLAINED * np.sqrt(vector @ vector) for size, vector in zip(sizes, vectors, strict=False)):
        return _undefined(len(rows))
    rho, partial = _cosine(*vectors[:2]), _cosine(*residuals)
    strata = np.zeros(len(rows)) if strata is None else strata[rows]
    clusters = np.arange(len(rows)) if clusters is None else clusters[rows]
    null = _permuted(residuals, basis, strata, n_permutations, seed)
    draws, n = _resampled(vectors[:2], residuals, clusters, n_draws, seed), len(np.unique(clusters))
    error = float(np.std(draws, ddof=1) * np.sqrt(n / (n - 1))) if len(draws) > 1 and n > 1 else np.nan
    reach = float(stdtrit(max(n - 1, 1), 0.975)) * error
    ends = np.clip([partial - reach, partial + reach], -1, 1).tolist()
    return PartialRho(rho, partial, p_value(partial, null), error, *ends, len(rows))


def _of_images(name: str, per, model: RDM, first: RDM) -> np.ndarray | None:
    """Return one entry per image of the aligned RDMs."""
    if per is None:
        return None
    if isinstance(per, Mapping) or (first.images is not None and has_labels(per)):
        if first.images is None:
            raise DataError(f"{name} has image keys but the RDMs have none: give one entry per image, in their order")
        return of_images(name, per, first.images)
    per = one_per_row(name, per, model.n_images)
    if first.images == model.images:
        return per
    row_of = {image: row for row, image in enumerate(model.images)}
    return per[[row_of[image] for image in first.images]]


def _undefined(n_images: int) -> PartialRho:
    return PartialRho(*[np.nan] * 6, n_images)


def _centred_ranks(distances: np.ndarray) -> np.ndarray:
    # Equal distances of a label model may differ by rounding error, which must not order them.
    scale = np.abs(distances).max() or 1.0
    return midranks(np.round(distances / scale, 12)) - (len(distances) + 1) / 2


def _basis(vectors: list[np.ndarray], n: int) -> np.ndarray:
    """Return orthonormal columns that span the vectors, (n, rank), by Gram-Schmidt."""
    columns: list[np.ndarray] = []
    for vector in vectors:
        rest = vector
        for _ in range(2):  # one pass leaves rounding error
            rest = rest - sum(column * (column @ rest) for column in columns)
        size = np.sqrt(rest @ rest)
        if size > EXPLAINED * max(np.sqrt(vector @ vector), 1.0):
            columns.append(rest / size)
    return np.stack(columns, axis=1) if columns else np.empty((n, 0))


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))


def _permuted(residuals, basis: np.ndarray, strata: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return the partial correlation under permutations of images within strata, (n,)."""
    codes = np.unique(strata, return_inverse=True)[1]
    keys = np.random.default_rng(seed).random((n, len(codes)))
    places = np.argsort(codes, kind="stable")  # images grouped by stratum
    square = RDM(residuals[0], "residual").square()
    # Full matrices are cheaper to permute than vectors of pairs.
    targets = np.stack([RDM(vector, "residual").square().ravel() for vector in (residuals[1], *basis.T)]) / 2
    length, null = residuals[0] @ residuals[0], np.empty(n)
    with one_thread():
        for start in range(0, n, PERMUTATIONS_AT_ONCE):
            orders = np.empty((len(keys[start : start + PERMUTATIONS_AT_ONCE]), len(codes)), dtype=np.intp)
            orders[:, places] = np.argsort(codes + keys[start : start + PERMUTATIONS_AT_ONCE], axis=1)
            permuted = np.stack([square[order].take(order, axis=1).ravel() for order in orders])
            products = permuted @ targets.T
            rest = length - (products[:, 1:] ** 2).sum(axis=1)
            size = np.sqrt(np.maximum(rest, EXPLAINED * length) * (residuals[1] @ residuals[1]))
            null[start : start + PERMUTATIONS_AT_ONCE] = products[:, 0] / size
    return null


def _resampled(ranks, residuals, clusters: np.ndarray, n_draws: int, seed: int) -> np.ndarray:
    """Return the partial correlation in defined bootstrap draws of images, to first order in their counts.

    The covariance s of two rank residuals a, b is a triple sum over pairs of images, because each rank is itself a sum
    over the other pairs. Changing the weight of a pair q changes s by a_q b_q and by what its comparisons add to the
    ranks of the other pairs. The slopes on the other RDMs can stay fixed: s does not depend on them to first order.
    """
    counts = cluster_draws(clusters, n_draws, seed).astype(np.float64)  # (n_draws, n_images)

    def total(pairs: np.ndarray) -> np.ndarray:
        """Return the sum over pairs in each draw, weighted by the counts of both images."""
        return np.einsum("di,di->d", counts @ RDM(pairs, "pairs").square(), counts) / 2

    n, (a, b) = len(ranks[0]), residuals
    runs = [np.unique(vector, return_inverse=True)[1] for vector in ranks]
    influence = [
        a * b + _of_rank(runs[0], b) + _of_rank(runs[1], a),
        a * a + 2 * _of_rank(runs[0], a),
        b * b + 2 * _of_rank(runs[1], b),
    ]
    with one_thread(), np.errstate(invalid="ignore", divide="ignore"):
        weight = total(np.ones(n))
        ab, aa, bb = (
            total(pairs) / weight - 2 * (x @ y) / n
            for pairs, (x, y) in zip(influence, ((a, b), (a, a), (b, b)), strict=True)
        )
        draws = np.where((aa > 0) & (bb > 0), ab / np.sqrt(aa * bb), np.nan)
    return draws[np.isfinite(draws)]


def _of_rank(runs: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the sum of `other` over the pairs that rank higher, counting ties half; `runs` are dense ranks from 0."""
    sums = np.bincount(runs, weights=other)
    return (other.sum() - np.cumsum(sums) + sums / 2)[runs]
