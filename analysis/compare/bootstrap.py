"""Bootstrap of RDM comparisons without sorting again in every draw.

A draw of images with multiplicities c gives the pair (i, j) the weight c_i c_j; pairs of an image with itself are left
out. With the RDM sorted once, the midranks of the drawn RDM are sums of weights in that order. The result is exactly
that of an explicit resampling.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from analysis.compare.rdm import RDM
from analysis.compare.rsa import aligned
from analysis.errors import DataError
from analysis.runtime import THREADS

RANKED = ("spearman", "rho-a")
METHODS = ("spearman", "rho-a", "pearson", "cosine")
OVER = ("images", "recordings", "both")


@dataclass(frozen=True)
class Bootstrap:
    """Draws of an RDM comparison.

    Attributes
    ----------
    each : (n_draws, n_models, n_data)
        Similarity of each model RDM with each data RDM; NaN where that was not drawn or has no spread.
    scores : (n_draws, n_models)
        Mean over the drawn data RDMs.
    lower, upper : (n_draws,)
        Noise ceilings of the draw; NaN if it holds fewer than 2 (lower) or no distinct data RDMs.
    """

    each: np.ndarray
    scores: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


class _Ranks:
    """One RDM, sorted once."""

    def __init__(self, values: np.ndarray):
        order = np.argsort(values, kind="stable")
        self.order = order.astype(np.int32)
        self.place = np.empty_like(self.order)
        self.place[order] = np.arange(len(order), dtype=np.int32)
        new = np.empty(len(order), dtype=bool)
        new[0] = True
        np.not_equal(values[order[1:]], values[order[:-1]], out=new[1:])
        self.ties = None if new.all() else _Ties(new)

    def centred(self, weights: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Twice the weighted midranks less their mean, of the pairs `active`: integers."""
        w = weights[self.order]
        after = np.cumsum(w, dtype=np.int64)
        return _doubled(after, w, self.ties)[self.place[active]]


class _Ties:
    """Runs of equal values in a sorted sequence."""

    def __init__(self, new: np.ndarray):
        first = np.flatnonzero(new)
        self.last = np.append(first[1:], len(new)) - 1
        self.length = np.diff(np.append(first, len(new)))


def _doubled(after: np.ndarray, w: np.ndarray, ties: _Ties | None) -> np.ndarray:
    """Twice the centred midranks in sorted order, from the cumulative weights `after` (w is overwritten).

    A run of equal values whose weights fill the ranks s + 1 to e has the midrank (s + e + 1) / 2; the mean midrank is
    (total + 1) / 2.
    """
    total = after[-1]
    if ties is None:
        after *= 2
        after -= w
        after -= total
        return after
    ends = after[ties.last]
    value = ends - total
    value[1:] += ends[:-1]
    return np.repeat(value, ties.length)


def _rerank(pool: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Twice the centred weighted midranks of integers `pool`, in their order.

    Value and place share one 64-bit key, as sorting integers is several times faster than an argsort.
    """
    bits = len(pool).bit_length()
    keys = (pool - pool.min()) << bits
    keys |= np.arange(len(pool))
    keys.sort()
    place = keys & ((1 << bits) - 1)
    keys >>= bits
    new = np.empty(len(keys), dtype=bool)
    new[0] = True
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    sorted_w = w[place]
    ranks = np.empty_like(keys)
    ranks[place] = _doubled(np.cumsum(sorted_w, dtype=np.int64), sorted_w, None if new.all() else _Ties(new))
    return ranks


def bootstrap(
    model_rdms: Sequence[RDM],
    data_rdms: Sequence[RDM],
    method: str = "spearman",
    n_draws: int = 1000,
    *,
    over: str = "images",
    subjects: Sequence | None = None,
    seed: int = 0,
    ceilings: bool = True,
    threads: int = THREADS,
) -> Bootstrap:
    """Draw images, recordings or both with replacement and compare the drawn RDMs.

    Parameters
    ----------
    model_rdms, data_rdms : sequences of RDM
        Joined by image key; pairs undefined in any of them are left out.
    method : str
        ``spearman``, ``rho-a``, ``pearson`` or ``cosine``.
    n_draws, seed : int
        Every draw has a random stream of its own, so that results depend neither on `threads` nor on their order.
    over : str
        ``images``, ``recordings`` (whole data RDMs, or whole `subjects`) or ``both``.
    subjects : sequence, optional
        Subject of each data RDM: RDMs of one subject are drawn together.
    ceilings : bool
        Also compute the noise ceilings of each draw (2 data RDMs or more; else NaN).
    threads : int
        Threads; does not change the result.

    Returns
    -------
    Bootstrap
    """
    if method not in METHODS:
        raise DataError(f"no bootstrap for {method!r}; there is one for {', '.join(METHODS)}")
    if over not in OVER:
        raise DataError(f"over={over!r}; draw over {', '.join(OVER)}")
    if not model_rdms or not data_rdms:
        raise DataError("no RDM to compare: give at least one model RDM and one data RDM")
    if subjects is not None and len(subjects) != len(data_rdms):
        raise DataError(f"{len(subjects)} subjects for {len(data_rdms)} data RDMs; give one each")
    task = _Task([*model_rdms, *data_rdms], len(model_rdms), method, ceilings)
    clusters = np.arange(task.n_data) if subjects is None else np.unique(subjects, return_inverse=True)[1]

    def draw(index):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
        counts, copies = np.ones(task.n_images, dtype=np.int32), np.ones(task.n_data, dtype=np.int64)
        if over != "recordings":
            counts = np.bincount(rng.integers(task.n_images, size=task.n_images), minlength=task.n_images)
        if over != "images":
            n = clusters.max() + 1
            copies = np.bincount(rng.integers(n, size=n), minlength=n)[clusters]
        return task.compare(counts.astype(np.int32), copies)

    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        rows = list(pool.map(draw, range(n_draws)))
    each, scores, lower, upper = (np.array(column) for column in zip(*rows, strict=True))
    return Bootstrap(each, scores, lower, upper)


class _Task:
    """What all draws share: the defined pairs, and every RDM sorted once."""

    def __init__(self, rdms: list[RDM], n_models: int, method: str, ceilings: bool):
        rdms = aligned(rdms)
        self.method, self.n_models, self.n_data = method, n_models, len(rdms) - n_models
        self.ceilings = ceilings and self.n_data >= 2
        self.n_images = rdms[0].n_images
        small = np.uint16 if self.n_images < 2**16 else np.int32
        sizes = np.arange(self.n_images - 1, -1, -1)
        defined = np.logical_and.reduce([np.isfinite(one.distances) for one in rdms])
        self.first = np.repeat(np.arange(self.n_images, dtype=small), sizes)
        self.second = np.concatenate([np.arange(i + 1, self.n_images, dtype=small) for i in range(self.n_images)])
        if not defined.all():
            self.first, self.second = self.first[defined], self.second[defined]
        if len(self.first) < 3:
            raise DataError(f"{len(self.first)} pairs of images are defined in all RDMs; at least 3 are needed")
        self.rdms = [one.distances if defined.all() else one.distances[defined] for one in rdms]
        if method in RANKED:
            self.rdms = [_Ranks(values) for values in self.rdms]

    def compare(self, counts: np.ndarray, copies: np.ndarray):
        """Compare one draw: `counts` of each image, `copies` of each data RDM."""
        w = counts[self.first]
        w *= counts[self.second]
        active = np.flatnonzero(w)
        each = np.full((self.n_models, self.n_data), np.nan)
        if len(active) < 3:
            return each, np.full(self.n_models, np.nan), np.nan, np.nan
        drawn = np.flatnonzero(copies)
        table = [self._values(one, w, active) for one in self.rdms[: self.n_models]]
        data = [self._values(self.rdms[self.n_models + s], w, active) for s in drawn]
        weights = w[active]
        weighted = [weights * one for one in data]
        norms = [self._norm(one @ other, weights) for one, other in zip(data, weighted, strict=True)]
        for m, one in enumerate(table):
            size = self._norm(np.dot(weights * one, one), weights)
            for s, other, norm in zip(drawn, weighted, norms, strict=True):
                each[m, s] = _ratio(one @ other, size, norm)
        scores = np.nansum(each[:, drawn] * copies[drawn], axis=1) / copies[drawn].sum()
        scores[np.isnan(each[:, drawn]).any(axis=1)] = np.nan
        lower, upper = (
            self._bounds(data, weighted, norms, weights, copies[drawn]) if self.ceilings else (np.nan, np.nan)
        )
        return each, scores, lower, upper

    def _values(self, one, w, active):
        if self.method in RANKED:
            return one.centred(w, active).astype(np.float64)
        values = one[active]
        if self.method == "pearson":
            weights = w[active]
            values = values - (weights @ values) / weights.sum()
        return values

    def _norm(self, sum_of_squares, weights):
        if self.method != "rho-a":
            return np.sqrt(sum_of_squares)
        n = float(weights.sum())  # doubled ranks of n untied entries have the sum of squares (n^3 - n) / 3
        return np.sqrt((n**3 - n) / 3)

    def _bounds(self, data, weighted, norms, weights, copies):
        if self.method in RANKED:
            parts = [one * count for one, count in zip(data, copies, strict=True)]
        else:
            parts = [one * (count / norm) for one, count, norm in zip(data, copies, norms, strict=True)]
        total = sum(parts)
        everyone = self._pooled(total, weights)
        up = [_ratio(everyone[0] @ other, everyone[1], norm) for other, norm in zip(weighted, norms, strict=True)]
        upper = float(np.average(up, weights=copies))
        if len(data) < 2:
            return np.nan, upper
        low = []
        for part, other, norm in zip(parts, weighted, norms, strict=True):
            rest = self._pooled(total - part, weights)
            low.append(_ratio(rest[0] @ other, rest[1], norm))
        return float(np.average(low, weights=copies)), upper

    def _pooled(self, pool, weights):
        """Rank a pool of ranks; return it with its norm."""
        if self.method in RANKED:
            pool = _rerank(pool.astype(np.int64), weights).astype(np.float64)
        elif self.method == "pearson":
            pool = pool - (weights @ pool) / weights.sum()
        return pool, self._norm(np.dot(weights * pool, pool), weights)


def _ratio(product, norm_a, norm_b):
    return product / (norm_a * norm_b) if norm_a > 0 and norm_b > 0 else np.nan
