"""Bootstrap of RDM comparisons without sorting again in every draw.

A draw of images with multiplicities c gives the pair (i, j) the weight c_i c_j; pairs of an image with itself are left
out. With the RDM sorted once, the midranks of the drawn RDM are sums of weights in that order. The result is exactly
that of an explicit resampling.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from analysis.core.errors import DataError
from analysis.core.numerics import THREADS
from analysis.core.parallel import map_threads
from analysis.statistics.inference import Interval
from analysis.statistics.predictivity.krylov import torch
from analysis.statistics.rsa.ranks import Block, Draw, Ranked, Space, rerank
from analysis.statistics.rsa.rdm import RDM
from analysis.statistics.rsa.similarity import aligned, compare_rdms

RANKED = ("spearman", "rho-a")
METHODS = ("spearman", "rho-a", "pearson", "cosine")
OVER = ("images", "recordings", "both")
BLOCK = 2**17
"""Pairs times draws in one block of draws."""


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


def bootstrap_rsa(
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

    Raises
    ------
    DataError
        If there is no bootstrap for `method` or `over`, nothing to draw, another number of subjects than of data RDMs,
        or the RDMs are not comparable (`similarity.compare`).
    """
    if method not in METHODS:
        raise DataError(f"no bootstrap for {method!r}; there is one for {', '.join(METHODS)}")
    if over not in OVER:
        raise DataError(f"over={over!r}; draw over {', '.join(OVER)}")
    if not model_rdms or not data_rdms:
        raise DataError("no RDM to compare: give at least one model RDM and one data RDM")
    if n_draws < 1:
        raise DataError(f"n_draws={n_draws}; give 1 or more")
    if subjects is not None and len(subjects) != len(data_rdms):
        raise DataError(f"{len(subjects)} subjects for {len(data_rdms)} data RDMs; give one each")
    task = _Task([*model_rdms, *data_rdms], len(model_rdms), method, ceilings, threads)
    clusters = np.arange(task.n_data) if subjects is None else np.unique(subjects, return_inverse=True)[1]

    def drawn(index):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
        counts, copies = np.ones(task.n_images, dtype=np.int32), np.ones(task.n_data, dtype=np.int64)
        if over != "recordings":
            counts = np.bincount(rng.integers(task.n_images, size=task.n_images), minlength=task.n_images)
        if over != "images":
            n = clusters.max() + 1
            copies = np.bincount(rng.integers(n, size=n), minlength=n)[clusters]
        return counts, copies

    if task.ceilings or method not in RANKED:
        torch()  # whose threads can only be limited once it is loaded
        rows = map_threads(lambda index: task.draw(*drawn(index)), range(n_draws), threads)
        each, lower, upper = (np.array(column) for column in zip(*rows, strict=True))
        copies = np.array([drawn(index)[1] for index in range(n_draws)])
    else:
        draws = [drawn(index) for index in range(n_draws)]
        counts, copies = (np.array(column) for column in zip(*draws, strict=True))
        # Drawing recordings leaves every single comparison as it is: they are made once.
        wanted = counts[:1] if over == "recordings" else counts
        size = max(1, BLOCK // len(task.first))
        blocks = [wanted[start : start + size] for start in range(0, len(wanted), size)]
        each = np.concatenate(map_threads(task.block, blocks, threads))
        each = np.where(copies[:, None, :] > 0, each, np.nan)
        lower = upper = np.full(n_draws, np.nan)
    weights = copies / copies.sum(axis=1, keepdims=True)
    # NaN where a drawn comparison is undefined.
    scores = np.where(copies[:, None, :] > 0, each * weights[:, None, :], 0.0).sum(axis=2)
    return Bootstrap(each, scores, lower, upper)


def whole(n_images: int, n_data: int) -> type:
    """Return the type of whole numbers that holds twice the sum of all weights, over all pooled RDMs."""
    return np.int32 if 2 * n_images**2 * n_data < 2**31 else np.int64


class _Task:
    """What all draws share: the defined pairs, and every RDM sorted once."""

    def __init__(self, rdms: list[RDM], n_models: int, method: str, ceilings: bool, threads: int = 1):
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
        values = [one.distances if defined.all() else one.distances[defined] for one in rdms]
        self.rdms = map_threads(Ranked, values, threads) if method in RANKED else values
        self._local, self._whole = threading.local(), whole(self.n_images, self.n_data)

    def block(self, counts: np.ndarray) -> np.ndarray:
        """Compare many draws by ranks: `counts` of each image, (n_draws, n_images); returns (draw, model, data)."""
        counts = np.ascontiguousarray(counts.T, dtype=np.uint8 if counts.max() < 16 else np.int32)
        block = Block(counts, self.first, self.second, self._whole)
        data = [block.ranks(one) for one in self.rdms[self.n_models :]]
        data = [(ranks * block.weights, self._norm(squares, block.total)) for ranks, squares in data]
        out = np.full((counts.shape[1], self.n_models, self.n_data), np.nan)
        for m in range(self.n_models):
            ranks, squares = block.ranks(self.rdms[m])
            norm = self._norm(squares, block.total)
            for s, (weighted, size) in enumerate(data):
                product = (ranks[:, None, :] @ weighted[:, :, None])[:, 0, 0]
                defined = block.enough & (norm > 0) & (size > 0)
                np.divide(product, norm * size, out=out[:, m, s], where=defined)
        return out

    def draw(self, counts: np.ndarray, copies: np.ndarray):
        """Compare one draw, with its ceilings: `counts` of each image, `copies` of each data RDM."""
        counts = counts.astype(np.uint8 if counts.max() < 16 else np.int32)
        if not hasattr(self._local, "space"):
            self._local.space = Space(self._whole)
        space = self._local.space
        draw = Draw(counts, self.first, self.second, space)
        each = np.full((self.n_models, self.n_data), np.nan)
        if len(draw.active) < 3:
            return each, np.nan, np.nan
        drawn = np.flatnonzero(copies)
        data = [self._values(self.rdms[self.n_models + s], draw, f"data {s}") for s in drawn]
        for m in range(self.n_models):
            one, size = self._values(self.rdms[m], draw, "model")
            weighted = self._weighted(one, draw)
            for s, (other, norm) in zip(drawn, data, strict=True):
                each[m, s] = _ratio(_dot(weighted, other), size, norm)
        lower = upper = np.nan
        if self.ceilings and all(norm > 0 for _, norm in data):
            lower, upper = self._bounds(data, draw, copies[drawn])
        return each, lower, upper

    def _values(self, one, draw: Draw, name: str) -> tuple[np.ndarray, float]:
        """Return what of an RDM is multiplied with another's, and its norm."""
        if self.method in RANKED:
            ranks, squares = one.of(draw, name)
            return ranks, float(self._norm(squares, float(draw.total)))
        return self._centred(one.take(draw.active), draw)

    def _centred(self, values: np.ndarray, draw: Draw) -> tuple[np.ndarray, float]:
        least = 0.0
        if self.method == "pearson":
            mean = _dot(values, draw.heavy) / draw.total
            values, least = values - mean, 1e-12 * abs(mean) * np.sqrt(draw.total)
        norm = float(np.sqrt(_dot(values * draw.heavy, values)))
        return values, norm if norm > least else 0.0  # equal values centred leave rounding, not a direction

    def _norm(self, squares, n):
        # doubled ranks of n untied entries have the sum of squares (n^3 - n) / 3
        return np.sqrt((n**3 - n) / 3 if self.method == "rho-a" else squares)

    def _bounds(self, data, draw: Draw, copies):
        """Return the lower and upper ceiling of the draw: pools of ranks, or of values of unit length."""
        ranked = self.method in RANKED
        shares = [int(count) if ranked else count / norm for (_, norm), count in zip(data, copies, strict=True)]
        kind = data[0][0].dtype
        total, pool = (draw.space.array(name, len(draw.active), kind) for name in ("narrow", "model"))
        total.fill(0)
        for (one, _), share in zip(data, shares, strict=True):
            total += np.multiply(one, share, out=pool)
        pool[...] = total
        up = self._against(pool, data, draw)
        low = []
        for one, share in zip(data, shares, strict=True) if len(data) > 1 else ():
            np.multiply(one[0], share, out=pool)
            np.subtract(total, pool, out=pool)
            low += self._against(pool, [one], draw)
        return float(np.average(low, weights=copies)) if low else np.nan, float(np.average(up, weights=copies))

    def _against(self, pool: np.ndarray, data, draw: Draw) -> list[float]:
        """Compare a pool, which is overwritten, with data RDMs."""
        if self.method in RANKED:
            size = self._norm(rerank(pool, draw), float(draw.total))
        else:
            pool, size = self._centred(pool, draw)
        weighted = self._weighted(pool, draw)
        return [_ratio(_dot(weighted, one), size, norm) for one, norm in data]

    def _weighted(self, values: np.ndarray, draw: Draw) -> np.ndarray:
        out = draw.space.array("wide", len(values), np.float64)
        out[...] = values  # whole numbers are widened several times faster alone than within a product
        out *= draw.heavy
        return out


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.dot(a, b))


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

    Raises
    ------
    DataError
        If there are fewer than 2 data RDMs, or as in `bootstrap`.
    """
    if len(data_rdms) < 2:
        raise DataError(f"{len(data_rdms)} data RDM: an interval for other recordings needs those of 2 or more")
    task = {
        over: bootstrap_rsa([model], data_rdms, method, n_draws, over=over, seed=seed, ceilings=False).scores[:, 0]
        for over in OVER
    }
    spread = {over: np.nanvar(scores, ddof=1) for over, scores in task.items()}
    n_images, n_data = aligned([model, *data_rdms])[0].n_images, len(data_rdms)
    # Resampling n things shrinks their variance by (n - 1) / n.
    spread["images"] *= n_images / (n_images - 1)
    spread["recordings"] *= n_data / max(n_data - 1, 1)
    variance = 2 * (spread["images"] + spread["recordings"]) - spread["both"]
    variance = min(max(variance, spread["images"], spread["recordings"]), spread["both"] * n_data / max(n_data - 1, 1))
    estimate = float(np.mean([compare_rdms(model, one, method) for one in data_rdms]))
    reach = float(stdtrit(max(min(n_images, n_data) - 1, 1), (1 + level) / 2) * np.sqrt(variance))
    return Interval(estimate, estimate - reach, estimate + reach)
