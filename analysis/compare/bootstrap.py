"""Bootstrap of RDM comparisons without sorting again in every draw.

A draw of images with multiplicities c gives the pair (i, j) the weight c_i c_j; pairs of an image with itself are left
out. With the RDM sorted once, the midranks of the drawn RDM are sums of weights in that order. The result is exactly
that of an explicit resampling.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from analysis.compare.inference import Interval
from analysis.compare.rdm import RDM
from analysis.compare.similarity import aligned, compare
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

    def centred(self, weights: np.ndarray, active: np.ndarray, space: "_Space", name: str) -> np.ndarray:
        """Twice the weighted midranks less their mean, of the pairs `active`: whole numbers (in `space`, by `name`)."""
        # mode="clip" lets numpy write to `out` directly
        w = weights.take(self.order, out=space.array("sorted", len(self.order), weights.dtype), mode="clip")
        after = np.cumsum(w, out=space.array("after", len(w), space.whole))
        place = self.place.take(active, out=space.array("place", len(active), self.place.dtype), mode="clip")
        doubled = _doubled(after, w, self.ties)
        return doubled.take(place, out=space.array(name, len(active), space.whole), mode="clip")


class _Space:
    """Arrays that one thread uses again in every draw: fresh pages cost more than the sums written to them."""

    def __init__(self, whole: type):
        self.whole = whole
        self._arrays: dict = {}

    def array(self, name: str, n: int, dtype) -> np.ndarray:
        """Return an array of `n` entries, of any content, that is valid until the name is asked for again."""
        held = self._arrays.get(name)
        if held is None or len(held) < n or held.dtype != dtype:
            held = self._arrays[name] = np.empty(int(1.1 * n), dtype)
        return held[:n]


class _Ties:
    """Runs of equal values in a sorted sequence."""

    def __init__(self, new: np.ndarray):
        first = np.flatnonzero(new)
        self.last = np.append(first[1:], len(new)) - 1
        self.length = np.diff(np.append(first, len(new)))


def _doubled(after: np.ndarray, w: np.ndarray, ties: _Ties | None) -> np.ndarray:
    """Twice the centred midranks of a sorted sequence with weights `w`, whose running sum is `after` (overwritten).

    A run of equal values whose weights fill the ranks s + 1 to e has the midrank (s + e + 1) / 2; the mean midrank is
    (total + 1) / 2.
    """
    total = after[-1].copy()
    if ties is None:
        after *= 2
        after -= w
        after -= total
        return after
    ends = after.take(ties.last)
    value = ends - total
    value[1:] += ends[:-1]
    return np.repeat(value, ties.length)


def _order(values: np.ndarray) -> np.ndarray:
    """Return the order that sorts whole numbers of at least 0.

    numpy sorts keys of 8 and 16 bits by radix, so two or three stable passes are several times faster than one argsort
    of long keys.
    """
    order = np.argsort(values.astype(np.uint16), kind="stable")
    bits = int(values.max()).bit_length()
    for shift in range(16, bits, 16):
        digits = (values >> shift).astype(np.uint8 if bits - shift <= 8 else np.uint16)
        order = order.take(np.argsort(digits.take(order), kind="stable"))
    return order


def _rerank(pool: np.ndarray, w: np.ndarray, space: _Space) -> np.ndarray:
    """Twice the centred weighted midranks of the whole numbers `pool`, in their order, as floats (in `space`)."""
    n = len(pool)
    values = np.subtract(pool, pool.min(), out=space.array("values", n, pool.dtype))
    order = _order(values)
    values = values.take(order, out=space.array("sorted values", n, pool.dtype), mode="clip")
    sorted_w = w.take(order, out=space.array("sorted", n, w.dtype), mode="clip")
    after = np.cumsum(sorted_w, out=space.array("after", n, space.whole))
    # Few sums of ranks are equal: all are ranked as if none were, then the runs of equal ones are put right.
    equal = np.flatnonzero(values[1:] == values[:-1])
    if len(equal):
        breaks = np.flatnonzero(np.diff(equal) != 1)
        first, last = equal[np.append(0, breaks + 1)], equal[np.append(breaks, len(equal) - 1)] + 1
        length = last - first + 1
        value = after[last] + after[first] - sorted_w[first] - after[-1]
        place = np.repeat(first - np.cumsum(length) + length, length) + np.arange(length.sum())
    after = _doubled(after, sorted_w, None)
    if len(equal):
        after[place] = np.repeat(value, length)
    ranks = space.array("ranks", n, np.float64)
    ranks[order] = after
    return ranks


def _dot(*factors: np.ndarray) -> float:
    """Sum of products, in this thread: the threads are busy with other draws."""
    return float(np.einsum(",".join("i" * len(factors)) + "->", *factors))


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
    # Drawing recordings leaves every single comparison as it is: without ceilings they are made once.
    fixed = None
    if over == "recordings" and not task.ceilings:
        fixed = task.draw(np.ones(task.n_images, dtype=np.int32), np.ones(task.n_data, dtype=np.int64))[0]

    def draw(index):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
        counts, copies = np.ones(task.n_images, dtype=np.int32), np.ones(task.n_data, dtype=np.int64)
        if over != "recordings":
            counts = np.bincount(rng.integers(task.n_images, size=task.n_images), minlength=task.n_images)
        if over != "images":
            n = clusters.max() + 1
            copies = np.bincount(rng.integers(n, size=n), minlength=n)[clusters]
        if fixed is not None:
            each = np.where(copies > 0, fixed, np.nan)
            return each, _mean_score(each, copies), np.nan, np.nan
        return task.draw(counts.astype(np.int32), copies)

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
        # Twice the sum of all weights, over all pooled RDMs, must fit.
        fits = 2 * self.n_images**2 * max(self.n_data, 1) < 2**31
        self._local, self._whole = threading.local(), np.int32 if fits else np.int64

    def draw(self, counts: np.ndarray, copies: np.ndarray):
        """Compare one draw: `counts` of each image, `copies` of each data RDM."""
        counts = counts.astype(np.uint8 if counts.max() < 16 else np.int32)
        if not hasattr(self._local, "space"):
            self._local.space = _Space(self._whole)
        space, n = self._local.space, len(self.first)
        w = counts.take(self.first, out=space.array("weights", n, counts.dtype), mode="clip")
        w *= counts.take(self.second, out=space.array("second", n, counts.dtype), mode="clip")
        active = np.flatnonzero(w != 0)
        each = np.full((self.n_models, self.n_data), np.nan)
        if len(active) < 3:
            return each, np.full(self.n_models, np.nan), np.nan, np.nan
        drawn = np.flatnonzero(copies)
        small = w.take(active)
        weights = small.astype(np.float64)
        raw = [self._values(self.rdms[self.n_models + s], w, active, weights, space, f"data {s}") for s in drawn]
        weighted = [
            np.multiply(weights, one, out=space.array(f"weighted {s}", len(one), np.float64))
            for s, one in zip(drawn, raw, strict=True)
        ]
        norms = [
            self._norm(_dot(one.astype(np.float64, copy=False), other), weights)
            for one, other in zip(raw, weighted, strict=True)
        ]
        for m in range(self.n_models):
            one = self._values(self.rdms[m], w, active, weights, space, "model").astype(np.float64, copy=False)
            size = self._norm(_dot(weights, one, one), weights)
            for s, other, norm in zip(drawn, weighted, norms, strict=True):
                each[m, s] = _ratio(_dot(one, other), size, norm)
        scores = _mean_score(each, copies)
        lower = upper = np.nan
        if self.ceilings:
            lower, upper = self._bounds(raw, weighted, norms, small, weights, copies[drawn], space)
        return each, scores, lower, upper

    def _values(self, one, w, active, weights, space, name):
        if self.method in RANKED:
            return one.centred(w, active, space, name)
        values = one.take(active)
        if self.method == "pearson":
            values -= _dot(weights, values) / weights.sum()
        return values

    def _norm(self, sum_of_squares, weights):
        if self.method != "rho-a":
            return np.sqrt(sum_of_squares)
        n = float(weights.sum())  # doubled ranks of n untied entries have the sum of squares (n^3 - n) / 3
        return np.sqrt((n**3 - n) / 3)

    def _bounds(self, raw, weighted, norms, small, weights, copies, space):
        if self.method in RANKED:
            parts = [one if count == 1 else one * count for one, count in zip(raw, copies, strict=True)]
        else:
            parts = [one * (count / norm) for one, count, norm in zip(raw, copies, norms, strict=True)]
        total = sum(parts[1:], parts[0])
        everyone = self._pooled(total, small, weights, space)
        up = [_ratio(_dot(everyone[0], other), everyone[1], norm) for other, norm in zip(weighted, norms, strict=True)]
        upper = float(np.average(up, weights=copies))
        if len(raw) < 2:
            return np.nan, upper
        low = []
        for part, other, norm in zip(parts, weighted, norms, strict=True):
            rest = self._pooled(total - part, small, weights, space)
            low.append(_ratio(_dot(rest[0], other), rest[1], norm))
        return float(np.average(low, weights=copies)), upper

    def _pooled(self, pool, small, weights, space):
        """Rank a pool of ranks; return it with its norm."""
        if self.method in RANKED:
            pool = _rerank(pool, small, space)
        elif self.method == "pearson":
            pool = pool - _dot(weights, pool) / weights.sum()
        return pool, self._norm(_dot(weights, pool, pool), weights)


def _mean_score(each: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Return the mean over the drawn data RDMs, (n_models,); NaN if the model is undefined in one of them."""
    drawn = np.flatnonzero(copies)
    return each[:, drawn] @ copies[drawn] / copies[drawn].sum()


def _ratio(product, norm_a, norm_b):
    return product / (norm_a * norm_b) if norm_a > 0 and norm_b > 0 else np.nan


def both_interval(
    model: RDM, data_rdms: Sequence[RDM], method: str = "spearman", *, n_draws: int = 1000, seed: int = 0, level=0.95
):
    """Interval of a model's mean similarity for other images and other recordings at once.

    Drawing both counts the noise of single RDM entries twice; Schuett et al. (2023) correct it by
    ``V = 2 (V_images + V_recordings) - V_both``, kept between the larger of the first two and the last. The interval
    is ``estimate +- t sqrt(V)`` with the degrees of freedom of the scarcer of the two.

    Parameters
    ----------
    model, data_rdms : RDM, sequence of RDM
    method, n_draws, seed
        As in `bootstrap`.
    level : float

    Returns
    -------
    inference.Interval
    """
    task = {
        over: bootstrap([model], data_rdms, method, n_draws, over=over, seed=seed, ceilings=False).scores[:, 0]
        for over in OVER
    }
    spread = {over: np.nanvar(scores, ddof=1) for over, scores in task.items()}
    n_images, n_data = aligned([model, *data_rdms])[0].n_images, len(data_rdms)
    # Resampling n things shrinks their variance by (n - 1) / n.
    spread["images"] *= n_images / (n_images - 1)
    spread["recordings"] *= n_data / max(n_data - 1, 1)
    variance = 2 * (spread["images"] + spread["recordings"]) - spread["both"]
    variance = min(max(variance, spread["images"], spread["recordings"]), spread["both"] * n_data / max(n_data - 1, 1))
    estimate = float(np.mean([compare(model, one, method) for one in data_rdms]))
    reach = float(student.ppf((1 + level) / 2, max(min(n_images, n_data) - 1, 1)) * np.sqrt(variance))
    return Interval(estimate, estimate - reach, estimate + reach)
