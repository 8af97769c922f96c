"""Comparison of RDMs: similarity measures and noise ceilings."""

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
import scipy

from analysis.core.errors import DataError
from analysis.statistics.keys import as_array, check_number, join, shared
from analysis.statistics.midranks import midranks
from analysis.statistics.rsa.rdm import RDM


def _cosine(a, b):
    size = np.sqrt(a @ a) * np.sqrt(b @ b)
    return float(np.clip(a @ b / size, -1, 1)) if size > 0 else np.nan


def _pearson(a, b):
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    return _cosine(a - a.mean(), b - b.mean())


def _centred_ranks(x):
    ranks = midranks(x)
    ranks -= (len(x) + 1) / 2
    return ranks


def _spearman(a, b):
    return _cosine(_centred_ranks(a), _centred_ranks(b))


def _rho_a(a, b):
    """Return Spearman's rho expected when ties are broken at random (Schuett et al. 2023).

    ``12 x'y / (n^3 - n) - 3 (n + 1) / (n - 1)`` for midranks x, y from 1; here centred, without the last term.
    """
    n = float(len(a))
    return float(12 * (_centred_ranks(a) @ _centred_ranks(b)) / (n**3 - n))


def _tau_a(a, b):
    """Kendall's tau without correction for ties, from scipy's tau-b, which divides by the untied pairs."""
    n = len(a)
    pairs = n * (n - 1) / 2
    untied = [pairs - sum(c * (c - 1) / 2 for c in np.unique(x, return_counts=True)[1]) for x in (a, b)]
    if min(untied) == 0:
        return 0.0
    return float(scipy.stats.kendalltau(a, b).statistic * np.sqrt(untied[0]) * np.sqrt(untied[1]) / pairs)


def _cka(a, b):
    """Linear CKA (Kornblith et al. 2019) of two squared Euclidean RDMs: cosine of their doubly centred matrices."""
    grams = []
    for vector in (a, b):
        matrix = RDM(vector, "sqeuclidean").square()
        matrix = matrix - matrix.mean(axis=0)
        grams.append((matrix - matrix.mean(axis=1, keepdims=True)).ravel())
    return _cosine(*grams)


METHODS = {
    "spearman": _spearman,
    "rho-a": _rho_a,
    "tau-a": _tau_a,
    "cosine": _cosine,
    "pearson": _pearson,
    "cka": _cka,
}


def aligned(rdms: Sequence[RDM]) -> list[RDM]:
    """Return the RDMs restricted to the images they share, in the same order.

    Raises
    ------
    DataError
        If only some have keys, if they share fewer than 3 images, or if RDMs without keys differ in size.
    """
    rdms = list(rdms)
    for matrix in rdms:
        if not isinstance(matrix, RDM):
            raise DataError(f"{type(matrix).__name__} is not an RDM; make one with analysis.statistics.rdm(features)")
    keyed = {matrix.images is not None for matrix in rdms}
    if keyed == {False}:
        sizes = sorted({matrix.n_images for matrix in rdms})
        if len(sizes) > 1:
            raise DataError(f"RDMs of {sizes[0]} and {sizes[-1]} images without keys; give image keys to join them")
        return rdms
    if len(keyed) > 1:
        raise DataError("an RDM with image keys and one without cannot be compared; give both their image keys")
    images, rows = shared(*(matrix.images for matrix in rdms))
    if len(images) < 3:
        raise DataError(f"the RDMs share {len(images)} images; at least 3 are needed: compare their keys")
    if all(matrix.images == rdms[0].images for matrix in rdms):
        return rdms
    return [matrix.take(row) for matrix, row in zip(rdms, rows, strict=True)]


def vectors(rdms: Sequence[RDM]) -> list[np.ndarray]:
    """Return the distances of aligned RDMs, (n_pairs,) each, without pairs undefined in any of them.

    Raises
    ------
    DataError
        If fewer than 3 pairs are left.
    """
    defined = np.isfinite(rdms[0].distances)
    for matrix in rdms[1:]:
        defined &= np.isfinite(matrix.distances)
    n = int(defined.sum())
    if n < 3:
        raise DataError(f"{n} pairs of images are defined in all RDMs; at least 3 are needed")
    return [matrix.distances if n == len(defined) else matrix.distances[defined] for matrix in rdms]


def compare_rdms(rdm_a: RDM, rdm_b: RDM, method: str = "spearman") -> float:
    """Return the similarity of two RDMs over the pairs of images defined in both.

    Parameters
    ----------
    rdm_a, rdm_b : RDM
        Joined by image key.
    method : {"spearman", "rho-a", "tau-a", "cosine", "pearson", "cka"}
        Use ``rho-a`` (Schuett et al. 2023) or ``tau-a`` (Nili et al. 2014) if a model has ties (e.g. a category model),
        since the others favour tied predictions; ``cka`` is linear CKA (Kornblith et al. 2019) of squared Euclidean
        RDMs in which every image is defined.

    Returns
    -------
    float
        NaN where an RDM is constant (0 under rho-a and tau-a, which break ties at random).

    Raises
    ------
    DataError
        If the method is unknown, the RDMs share fewer than 3 images or 3 defined pairs, or only one has keys.

    Examples
    --------
    >>> from analysis.statistics import rdm
    >>> line = rdm([[0.0], [1.0], [3.0]], "euclidean")  # distances 1, 3, 2
    >>> compare_rdms(line, rdm([[0.0], [1.0], [5.0]], "euclidean"), "rho-a")  # 1, 5, 4: the same order
    1.0
    """
    a, b = aligned([rdm_a, rdm_b])
    return float(_measure(method, (a, b))(*_checked_vectors((a, b), method)))


def _measure(method: str, rdms: Sequence[RDM]):
    if method not in METHODS:
        raise DataError(f"method={method!r}; give {', '.join(METHODS)}")
    if method == "cka" and any(matrix.metric not in ("sqeuclidean", "crossnobis") for matrix in rdms):
        raise DataError("cka needs squared distances: make the RDMs with metric='sqeuclidean' or crossnobis")
    return METHODS[method]


def _checked_vectors(rdms: Sequence[RDM], method: str) -> list[np.ndarray]:
    distances = vectors(rdms)
    if method == "cka" and len(distances[0]) < len(rdms[0].distances):
        raise DataError("cka needs every image defined: remove images with NaN or constant features")
    return distances


def cka(X: np.ndarray, Y: np.ndarray) -> float:
    """Return the linear CKA of two feature tables, ``||Y'X||^2 / (||X'X|| ||Y'Y||)`` (Kornblith et al. 2019).

    Parameters
    ----------
    X, Y : (n_images, n_features), (n_images, n_units) array of float
        Plain arrays, or both ``xarray.DataArray`` with dimension ``image``, joined by image.

    Returns
    -------
    float
        0 to 1; NaN if all rows of a table are identical.

    Raises
    ------
    DataError
        If shapes or keys disagree or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(20, 5))
    >>> round(cka(X, 3 * X[:, ::-1] + 1), 6)  # rotation, scale and mean do not matter
    1.0
    """
    X, Y = join(X, Y)[:2]
    X, Y = (Z - Z.mean(axis=0) for Z in (X, as_array("Y", Y, 2)))
    return _cosine((X @ X.T).ravel(), (Y @ Y.T).ravel())


def _unit(x):
    return x / np.sqrt(np.mean(x**2))


POOLS = {
    "spearman": midranks,
    "rho-a": midranks,
    "tau-a": midranks,
    "cosine": _unit,
    "pearson": lambda vector: _unit(vector - vector.mean()),
    "cka": None,
}
"""Transform of each subject's distances before averaging for which the pool scores best: ranks for rank measures."""


def noise_ceiling(
    rdms: Sequence[RDM],
    method: str = "spearman",
    *,
    n_subjects: int | None = None,
    n_subsets: int = 200,
    seed: int = 0,
) -> tuple[float, float]:
    """Return bounds on the mean similarity of the true model with the subjects' RDMs (Nili et al. 2014).

    Upper: mean similarity of each subject with the pool of all; lower: with the pool of the others. For rank measures
    the pool is the mean of the ranks (as in rsatoolbox; optimal for rho-a, and for Spearman among models without ties).
    Both bounds depend on the number of subjects: compare areas at equal numbers.

    Parameters
    ----------
    rdms : sequence of RDM
        One per subject or recording, 2 or more; joined by image key.
    method : {"spearman", "rho-a", "tau-a", "cosine", "pearson"}
    n_subjects : int, optional
        Average over subsets of this many RDMs (all subsets, or `n_subsets` random ones where there are more), so that
        areas with different numbers of recordings can be compared.
    n_subsets, seed : int
        Number of random subsets and their seed.

    Returns
    -------
    lower, upper : float

    Raises
    ------
    DataError
        If there are fewer than 2 RDMs or than `n_subjects`, there is no ceiling for this method, or the RDMs are not
        comparable (`compare_rdms`).

    Examples
    --------
    >>> import numpy as np
    >>> from analysis.statistics import rdm
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.normal(size=(20, 30))
    >>> monkeys = [rdm(signal + rng.normal(size=(20, 30))) for _ in range(4)]
    >>> lower, upper = noise_ceiling(monkeys)
    >>> 0 < lower < upper < 1
    True
    """
    if n_subjects is not None:
        return _ceiling_of_subsets(list(rdms), method, n_subjects, n_subsets, seed)
    if len(rdms) < 2:
        raise DataError(f"a noise ceiling needs RDMs of 2 or more subjects or recordings; got {len(rdms)}")
    rdms = aligned(rdms)
    measure = _measure(method, rdms)
    if POOLS[method] is None:
        raise DataError(f"no noise ceiling for {method}; there is one for spearman, rho-a, tau-a, cosine, pearson")
    subjects = vectors(rdms)
    pool = np.zeros(len(subjects[0]))
    for distances in subjects:
        pool += POOLS[method](distances)
    upper = [measure(pool, distances) for distances in subjects]
    # Each subject's share of the pool is recomputed: keeping all of them would double the memory.
    lower = []
    for distances in subjects:
        share = POOLS[method](distances)
        lower.append(measure(np.subtract(pool, share, out=share), distances))
    return float(np.mean(lower)), float(np.mean(upper))


def upper_bound(rdms: Sequence[RDM], method: str = "spearman") -> float:
    """Return an upper bound on the mean similarity of any model, with or without ties, with the subjects' RDMs.

    The upper noise ceiling of Spearman's correlation ranks the pool again, which makes it the best model without ties;
    a model whose ties match the pool more closely can exceed it. All these measures are inner products of a unit vector
    of the model with one of the subject, so that their mean cannot exceed the length of the subjects' mean vector
    (Cauchy-Schwarz). For rho-a, under which ties are no advantage, the ranked pool is the best of all models.

    Parameters
    ----------
    rdms : sequence of RDM
        One per subject or recording; joined by image key.
    method : {"spearman", "rho-a", "pearson", "cosine"}

    Returns
    -------
    float
        NaN where an RDM is constant.

    Raises
    ------
    DataError
        If there is no RDM, there is no bound for this method, or the RDMs are not comparable (`compare_rdms`).

    Examples
    --------
    >>> import numpy as np
    >>> from analysis.statistics import rdm
    >>> rng = np.random.default_rng(0)
    >>> monkeys = [rdm(rng.normal(size=(20, 30))) for _ in range(4)]
    >>> bool(noise_ceiling(monkeys)[1] <= upper_bound(monkeys) <= 1)
    True
    """
    if method == "rho-a":
        return noise_ceiling(rdms, method)[1]
    prepare = {"spearman": _centred_ranks, "pearson": lambda x: x - x.mean(), "cosine": lambda x: x}
    if method not in prepare:
        raise DataError(f"no bound for {method!r}; there is one for rho-a, {', '.join(prepare)}")
    if not rdms:
        raise DataError("no RDMs given; pass one per subject or recording")
    subjects = vectors(aligned(rdms))
    if not all(map(np.any if method == "cosine" else np.ptp, subjects)):  # a constant RDM
        return np.nan
    prepared = [prepare[method](distances) for distances in subjects]
    return float(np.linalg.norm(np.mean([vector / np.linalg.norm(vector) for vector in prepared], axis=0)))


def _ceiling_of_subsets(rdms, method, n_subjects, n_subsets, seed):
    if not 2 <= n_subjects <= len(rdms):
        raise DataError(f"n_subjects={n_subjects} of {len(rdms)} RDMs; give 2 to {len(rdms)}")
    check_number("n_subsets", n_subsets, 1)
    if comb(len(rdms), n_subjects) <= n_subsets:
        subsets = list(combinations(range(len(rdms)), n_subjects))
    else:
        rng = np.random.default_rng(seed)
        subsets = [rng.choice(len(rdms), n_subjects, replace=False) for _ in range(n_subsets)]
    bounds = [noise_ceiling([rdms[i] for i in subset], method) for subset in subsets]
    lower, upper = np.mean(bounds, axis=0)
    return float(lower), float(upper)
