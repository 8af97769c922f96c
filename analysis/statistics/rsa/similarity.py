"""Comparison of RDMs: similarity measures and noise ceilings (`rsa.py` is the door, with the bootstrap)."""

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np

from analysis.core.errors import DataError
from analysis.statistics.keys import as_array, join, shared
from analysis.statistics.rsa.rdm import RDM


def _cosine(a, b):
    size = np.sqrt(a @ a) * np.sqrt(b @ b)
    return float(np.clip(a @ b / size, -1, 1)) if size > 0 else np.nan


def _pearson(a, b):
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    return _cosine(a - a.mean(), b - b.mean())


def midranks(x: np.ndarray) -> np.ndarray:
    """Return the ranks from 1, equal values at the mean of theirs, as ``scipy.stats.rankdata`` does (slow to load)."""
    order = np.argsort(x, kind="stable")
    ordered = x[order]
    new = np.append(True, ordered[1:] != ordered[:-1])
    ranks = np.empty(len(x))
    if new.all():
        ranks[order] = np.arange(1.0, len(x) + 1)
        return ranks
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(x))
    ranks[order] = np.repeat((first + last + 1) / 2, last - first)
    return ranks


def _centred_ranks(x):
    ranks = midranks(x)
    ranks -= (len(x) + 1) / 2
    return ranks


def _spearman(a, b):
    return _cosine(_centred_ranks(a), _centred_ranks(b))


def _rho_a(a, b):
    """Spearman's rho expected under random breaking of ties: ``12 x'y / (n^3 - n) - 3 (n + 1) / (n - 1)``.

    Over midranks x, y, from 1 (Schuett et al. 2023); here they are centred.
    """
    n = float(len(a))
    return float(12 * (_centred_ranks(a) @ _centred_ranks(b)) / (n**3 - n))


def _tau_a(a, b):
    """Kendall's tau without correction for ties, from scipy's tau-b, which divides by the untied pairs instead."""
    n = len(a)
    pairs = n * (n - 1) / 2
    untied = [pairs - sum(c * (c - 1) / 2 for c in np.unique(x, return_counts=True)[1]) for x in (a, b)]
    if min(untied) == 0:
        return 0.0
    from scipy.stats import kendalltau  # slow to load, and needed here alone

    return float(kendalltau(a, b).statistic * np.sqrt(untied[0]) * np.sqrt(untied[1]) / pairs)


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
    """Return the RDMs over the images that all of them hold, in one order.

    Raises
    ------
    DataError
        If some have keys and others not, if they share fewer than 3 images, or if RDMs without keys differ in size.
    """
    rdms = list(rdms)
    for one in rdms:
        if not isinstance(one, RDM):
            raise DataError(
                f"{type(one).__name__} is not an RDM; make one with analysis.statistics.rsa.rdm.rdm(features)"
            )
    keyed = {one.images is not None for one in rdms}
    if keyed == {False}:
        sizes = sorted({one.n_images for one in rdms})
        if len(sizes) > 1:
            raise DataError(f"RDMs of {sizes[0]} and {sizes[-1]} images without keys; give image keys to join them")
        return rdms
    if len(keyed) > 1:
        raise DataError("an RDM with image keys and one without cannot be compared; give both their image keys")
    images, rows = shared(*(one.images for one in rdms))
    if len(images) < 3:
        raise DataError(f"the RDMs share {len(images)} images; at least 3 are needed: compare their keys")
    same = all(one.images == rdms[0].images for one in rdms)
    return rdms if same else [one.take(row) for one, row in zip(rdms, rows, strict=True)]


def vectors(rdms: Sequence[RDM]) -> list[np.ndarray]:
    """Return the distances of aligned RDMs, (n_pairs,) each, without pairs undefined in any of them.

    Raises
    ------
    DataError
        If fewer than 3 pairs are left.
    """
    defined = np.isfinite(rdms[0].distances)
    for one in rdms[1:]:
        defined &= np.isfinite(one.distances)
    n = int(defined.sum())
    if n < 3:
        raise DataError(f"{n} pairs of images are defined in all RDMs; at least 3 are needed")
    return [one.distances if n == len(defined) else one.distances[defined] for one in rdms]


def compare_rdms(rdm_a: RDM, rdm_b: RDM, method: str = "spearman") -> float:
    """Similarity of two RDMs over the pairs of images defined in both.

    Parameters
    ----------
    rdm_a, rdm_b : RDM
        Joined by image key.
    method : str
        ``spearman``; ``rho-a`` or ``tau-a`` when a model has ties (a category model), since tied predictions gain under
        the others; ``cosine``; ``pearson``; ``cka`` (both RDMs squared Euclidean, every image defined).

    Returns
    -------
    float
        NaN where undefined: an RDM without any spread (0 under rho-a and tau-a, to which ties are any order).

    Raises
    ------
    DataError
        If there is no such method, the RDMs share fewer than 3 images or 3 defined pairs, or one has keys and one not.
    """
    a, b = aligned([rdm_a, rdm_b])
    return float(_measure(method, (a, b))(*_checked_vectors((a, b), method)))


def _measure(method: str, rdms: Sequence[RDM]):
    if method not in METHODS:
        raise DataError(f"no comparison {method!r}; there are {', '.join(METHODS)}")
    if method == "cka" and any(one.metric not in ("sqeuclidean", "crossnobis") for one in rdms):
        raise DataError("cka needs squared distances: make the RDMs with metric='sqeuclidean' or crossnobis")
    return METHODS[method]


def _checked_vectors(rdms: Sequence[RDM], method: str) -> list[np.ndarray]:
    table = vectors(rdms)
    if method == "cka" and len(table[0]) < len(rdms[0].distances):
        raise DataError("cka needs every image defined: leave images with NaN or constant features out")
    return table


def cka(X: np.ndarray, Y: np.ndarray) -> float:
    """Linear CKA of two feature tables, (n_images, ...) each: ||Y'X||^2 / (||X'X|| ||Y'Y||).

    Rows are joined as in `pls.pls_predict`; NaN where all rows of a table are alike.
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
"""What is averaged over subjects so that the pool scores best: ranks for rank measures, never raw distances."""


def noise_ceiling(
    rdms: Sequence[RDM],
    method: str = "spearman",
    *,
    n_subjects: int | None = None,
    n_subsets: int = 200,
    seed: int = 0,
) -> tuple[float, float]:
    """Bounds on the mean similarity that the true model can have with the subjects' RDMs (Nili et al. 2014).

    upper = mean over subjects of sim(pool of all, subject); lower = mean of sim(pool of the others, subject). The pool
    is the mean of ranks for rank measures (rank of that mean, as rsatoolbox has it; exact for rho-a, and for Spearman
    among models without ties). Both depend on the number of subjects: compare areas at equal numbers.

    Parameters
    ----------
    rdms : sequence of RDM
        One per subject or recording, 2 or more; joined by image key.
    method : str
        As in `compare`, except ``cka``.
    n_subjects : int, optional
        Mean over subsets of so many RDMs (all subsets, or `n_subsets` random ones where there are more), so that areas
        with different numbers of recordings can be compared.
    n_subsets, seed : int

    Returns
    -------
    lower, upper : float

    Raises
    ------
    DataError
        If there are fewer than 2 RDMs or `n_subjects`, no ceiling for this method, or the RDMs are not comparable
        (`compare`).
    """
    if n_subjects is not None:
        return _ceiling_of_subsets(list(rdms), method, n_subjects, n_subsets, seed)
    if len(rdms) < 2:
        raise DataError(f"{len(rdms)} RDM: a noise ceiling needs those of 2 or more subjects or recordings")
    rdms = aligned(rdms)
    measure = _measure(method, rdms)
    if POOLS[method] is None:
        raise DataError(f"no noise ceiling for {method}; there is one for spearman, rho-a, tau-a, cosine, pearson")
    table = vectors(rdms)
    total = np.zeros(len(table[0]))
    for one in table:
        total += POOLS[method](one)
    up = [measure(total, one) for one in table]
    # What each adds to the pool is worked out again: keeping it for all would double the memory.
    low = []
    for one in table:
        part = POOLS[method](one)
        low.append(measure(np.subtract(total, part, out=part), one))
    return float(np.mean(low)), float(np.mean(up))


def upper_bound(rdms: Sequence[RDM], method: str = "spearman") -> float:
    """Bound on the mean similarity with the subjects' RDMs that no model can pass, with ties or without.

    The upper ceiling of Spearman's correlation ranks the pool again and so is the best of the models without ties; one
    whose ties copy the pool more closely can pass it. All the measures here are products of a vector of the model, of
    length 1, with one of the subject; so the mean cannot be above the length of the subjects' mean vector
    (Cauchy-Schwarz). For rho-a the ranked pool is the best of all models, as ties gain nothing under it.

    Parameters
    ----------
    rdms : sequence of RDM
        As in `noise_ceiling`.
    method : str
        ``spearman``, ``rho-a``, ``pearson`` or ``cosine``.

    Returns
    -------
    float
        NaN where an RDM has no spread.

    Raises
    ------
    DataError
        If there is no RDM, no bound for this method, or the RDMs are not comparable (`compare`).
    """
    if method == "rho-a":
        return noise_ceiling(rdms, method)[1]
    prepare = {"spearman": _centred_ranks, "pearson": lambda x: x - x.mean(), "cosine": lambda x: x}
    if method not in prepare:
        raise DataError(f"no bound for {method!r}; there is one for rho-a, {', '.join(prepare)}")
    if not rdms:
        raise DataError("no RDM to bound a model by: give one per subject or recording")
    table = vectors(aligned(rdms))
    if not all(map(np.any if method == "cosine" else np.ptp, table)):  # an RDM without any spread
        return np.nan
    parts = [prepare[method](one) for one in table]
    return float(np.linalg.norm(np.mean([one / np.linalg.norm(one) for one in parts], axis=0)))


def _ceiling_of_subsets(rdms, method, n_subjects, n_subsets, seed):
    if not 2 <= n_subjects <= len(rdms):
        raise DataError(f"n_subjects: {n_subjects} subjects of {len(rdms)}; give 2 to {len(rdms)}")
    if comb(len(rdms), n_subjects) <= n_subsets:
        subsets = list(combinations(range(len(rdms)), n_subjects))
    else:
        rng = np.random.default_rng(seed)
        subsets = [rng.choice(len(rdms), n_subjects, replace=False) for _ in range(n_subsets)]
    bounds = [noise_ceiling([rdms[i] for i in subset], method) for subset in subsets]
    lower, upper = np.mean(bounds, axis=0)
    return float(lower), float(upper)
