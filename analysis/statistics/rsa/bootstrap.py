"""Bootstrap of RDM comparisons without sorting in every draw.

A draw of images with multiplicities c gives the pair (i, j) the weight c_i c_j; pairs of an image with itself are left
out (Schuett et al. 2023). Once an RDM is sorted, the midranks of the drawn RDM are sums of weights in that order. The
result equals that of explicit resampling exactly.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.core.numerics import THREADS
from analysis.core.parallel import map_threads
from analysis.statistics.keys import check_number, one_per_row
from analysis.statistics.predictivity.krylov import torch
from analysis.statistics.rsa.ranks import Draw, DrawBlock, RankedRDM, Workspace, rerank
from analysis.statistics.rsa.rdm import RDM
from analysis.statistics.rsa.similarity import aligned

RANKED = ("spearman", "rho-a")
METHODS = ("spearman", "rho-a", "pearson", "cosine")
OVER = ("images", "recordings", "both")
BLOCK_ENTRIES = 2**17
"""Pairs times draws per block, which bounds the memory."""


@dataclass(frozen=True)
class Bootstrap:
    """Bootstrap draws of an RDM comparison (`bootstrap_rsa`).

    Attributes
    ----------
    each : (n_draws, n_models, n_data) array of float
        Similarity of each model RDM with each data RDM; NaN where the latter was not drawn or is constant.
    scores : (n_draws, n_models) array of float
        Mean over the drawn data RDMs.
    lower, upper : (n_draws,) array of float
        Noise ceilings of each draw; NaN if it contains fewer than 2 (lower) or no distinct data RDMs.

    Examples
    --------
    >>> import numpy as np
    >>> from analysis.statistics import rdm
    >>> rng = np.random.default_rng(0)
    >>> model, monkeys = rdm(rng.normal(size=(10, 5))), [rdm(rng.normal(size=(10, 5))) for _ in range(3)]
    >>> draws = bootstrap_rsa([model], monkeys, n_draws=50)
    >>> draws.each.shape, draws.scores.shape, draws.upper.shape
    ((50, 1, 3), (50, 1), (50,))
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
    """Resample images, recordings or both with replacement and compare the resampled RDMs (Nili et al. 2014).

    Parameters
    ----------
    model_rdms, data_rdms : sequence of RDM
        Joined by image key; pairs undefined in any of them are left out.
    method : {"spearman", "rho-a", "pearson", "cosine"}
    n_draws, seed : int
        Each draw has its own random stream, so that results do not depend on `threads`.
    over : {"images", "recordings", "both"}
        ``recordings`` resamples whole data RDMs (or whole `subjects`).
    subjects : sequence, optional
        Subject of each data RDM: RDMs of one subject are drawn together.
    ceilings : bool
        Also compute the noise ceilings of each draw (2 data RDMs or more; otherwise NaN).
    threads : int
        Number of threads; does not change the result.

    Returns
    -------
    Bootstrap

    Raises
    ------
    DataError
        If `method` or `over` is unknown, there is nothing to draw, subjects do not match the data RDMs, or the RDMs are
        not comparable (`compare_rdms`).

    Examples
    --------
    >>> import numpy as np
    >>> from analysis.statistics import percentile_interval, rdm
    >>> rng = np.random.default_rng(0)
    >>> features = rng.normal(size=(20, 30))
    >>> monkeys = [rdm(features + rng.normal(size=(20, 30))) for _ in range(3)]
    >>> draws = bootstrap_rsa([rdm(features)], monkeys, n_draws=200)
    >>> low, high = percentile_interval(draws.scores[:, 0], n=20)
    >>> 0 < low < high < 1
    True
    """
    if method not in METHODS:
        raise DataError(f"method={method!r}; the bootstrap has {', '.join(METHODS)}")
    if over not in OVER:
        raise DataError(f"over={over!r}; give {', '.join(OVER)}")
    if not model_rdms or not data_rdms:
        raise DataError("no RDM to compare: give at least one model RDM and one data RDM")
    check_number("n_draws", n_draws, 1)
    if subjects is not None:
        subjects = one_per_row("subjects", subjects, len(data_rdms))
    task = Comparison([*model_rdms, *data_rdms], len(model_rdms), method, ceilings, threads)
    clusters = np.arange(task.n_data) if subjects is None else np.unique(subjects, return_inverse=True)[1]

    def draw_counts(index):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
        counts, copies = np.ones(task.n_images, dtype=np.int32), np.ones(task.n_data, dtype=np.int64)
        if over != "recordings":
            counts = np.bincount(rng.integers(task.n_images, size=task.n_images), minlength=task.n_images)
        if over != "images":
            n = clusters.max() + 1
            copies = np.bincount(rng.integers(n, size=n), minlength=n)[clusters]
        return counts, copies

    if task.ceilings or method not in RANKED:
        torch()  # load it first: only then can its threads be limited
        rows = map_threads(lambda index: task.draw(*draw_counts(index)), range(n_draws), threads)
        each, lower, upper = (np.array(column) for column in zip(*rows, strict=True))
        copies = np.array([draw_counts(index)[1] for index in range(n_draws)])
    else:
        draws = [draw_counts(index) for index in range(n_draws)]
        counts, copies = (np.array(column) for column in zip(*draws, strict=True))
        # Resampling recordings does not change the comparisons, so they are computed once.
        distinct = counts[:1] if over == "recordings" else counts
        size = max(1, BLOCK_ENTRIES // len(task.first))
        blocks = [distinct[start : start + size] for start in range(0, len(distinct), size)]
        each = np.concatenate(map_threads(task.block, blocks, threads))
        each = np.where(copies[:, None, :] > 0, each, np.nan)
        lower = upper = np.full(n_draws, np.nan)
    weights = copies / copies.sum(axis=1, keepdims=True)
    # NaN where a drawn comparison is undefined.
    scores = np.where(copies[:, None, :] > 0, each * weights[:, None, :], 0.0).sum(axis=2)
    return Bootstrap(each, scores, lower, upper)


def integer_type(n_images: int, n_data: int) -> type:
    """Return an integer type that can hold twice the sum of all weights over all pooled RDMs."""
    return np.int32 if 2 * n_images**2 * n_data < 2**31 else np.int64


class Comparison:
    """The data that all draws share: the defined pairs of images and the RDMs, sorted once."""

    def __init__(self, rdms: list[RDM], n_models: int, method: str, ceilings: bool, threads: int = 1):
        rdms = aligned(rdms)
        self.method, self.n_models, self.n_data = method, n_models, len(rdms) - n_models
        self.ceilings = ceilings and self.n_data >= 2
        self.images, self.n_images = rdms[0].images, rdms[0].n_images
        small = np.uint16 if self.n_images < 2**16 else np.int32
        sizes = np.arange(self.n_images - 1, -1, -1)
        defined = np.logical_and.reduce([np.isfinite(matrix.distances) for matrix in rdms])
        self.first = np.repeat(np.arange(self.n_images, dtype=small), sizes)
        self.second = np.concatenate([np.arange(i + 1, self.n_images, dtype=small) for i in range(self.n_images)])
        if not defined.all():
            self.first, self.second = self.first[defined], self.second[defined]
        if len(self.first) < 3:
            raise DataError(f"{len(self.first)} pairs of images are defined in all RDMs; at least 3 are needed")
        distances = [matrix.distances if defined.all() else matrix.distances[defined] for matrix in rdms]
        self.rdms = map_threads(RankedRDM, distances, threads) if method in RANKED else distances
        self._local, self._whole = threading.local(), integer_type(self.n_images, self.n_data)

    def block(self, counts: np.ndarray, second: np.ndarray | None = None) -> np.ndarray:
        """Compare many draws by ranks; from (n_draws, n_images) counts to (n_draws, n_models, n_data) similarities.

        `second` optionally gives another column of `counts` for the second image of each pair.
        """
        counts = np.ascontiguousarray(counts.T, dtype=np.uint8 if counts.max() < 16 else np.int32)
        block = DrawBlock(counts, self.first, self.second if second is None else second, self._whole)
        data = [block.ranks(ranked) for ranked in self.rdms[self.n_models :]]
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
        """Return similarities and ceilings of one draw, from the `counts` of images and the `copies` of data RDMs."""
        counts = counts.astype(np.uint8 if counts.max() < 16 else np.int32)
        if not hasattr(self._local, "workspace"):
            self._local.workspace = Workspace(self._whole)
        draw = Draw(counts, self.first, self.second, self._local.workspace)
        each = np.full((self.n_models, self.n_data), np.nan)
        if len(draw.active) < 3:
            return each, np.nan, np.nan
        drawn = np.flatnonzero(copies)
        data = [self._vector(self.rdms[self.n_models + s], draw, f"data {s}") for s in drawn]
        for m in range(self.n_models):
            vector, size = self._vector(self.rdms[m], draw, "model")
            weighted = self._weighted(vector, draw)
            for s, (other, norm) in zip(drawn, data, strict=True):
                each[m, s] = _ratio(_dot(weighted, other), size, norm)
        lower = upper = np.nan
        if self.ceilings and all(norm > 0 for _, norm in data):
            lower, upper = self._bounds(data, draw, copies[drawn])
        return each, lower, upper

    def _vector(self, distances, draw: Draw, name: str) -> tuple[np.ndarray, float]:
        """Return the vector whose weighted dot product with another's gives the similarity, and its norm."""
        if self.method in RANKED:
            ranks, squares = distances.midranks(draw, name)
            return ranks, float(self._norm(squares, float(draw.total)))
        return self._centre(distances.take(draw.active), draw)

    def _centre(self, values: np.ndarray, draw: Draw) -> tuple[np.ndarray, float]:
        least = 0.0
        if self.method == "pearson":
            mean = _dot(values, draw.heavy) / draw.total
            values, least = values - mean, 1e-12 * abs(mean) * np.sqrt(draw.total)
        norm = float(np.sqrt(_dot(values * draw.heavy, values)))
        return values, norm if norm > least else 0.0  # a centred constant is only rounding error

    def _norm(self, squares, n):
        # the doubled ranks of n untied entries have sum of squares (n^3 - n) / 3
        return np.sqrt((n**3 - n) / 3 if self.method == "rho-a" else squares)

    def _bounds(self, data, draw: Draw, copies):
        """Return the lower and upper ceiling of the draw, from pooled ranks or pooled vectors of unit length."""
        ranked = self.method in RANKED
        shares = [int(count) if ranked else count / norm for (_, norm), count in zip(data, copies, strict=True)]
        kind = data[0][0].dtype
        total, pool = (draw.workspace.array(name, len(draw.active), kind) for name in ("narrow", "model"))
        total.fill(0)
        for (vector, _), share in zip(data, shares, strict=True):
            total += np.multiply(vector, share, out=pool)
        pool[...] = total
        upper = self._compare_pool(pool, data, draw)
        lower = []
        for subject, share in zip(data, shares, strict=True) if len(data) > 1 else ():
            np.multiply(subject[0], share, out=pool)
            np.subtract(total, pool, out=pool)
            lower += self._compare_pool(pool, [subject], draw)
        return float(np.average(lower, weights=copies)) if lower else np.nan, float(np.average(upper, weights=copies))

    def _compare_pool(self, pool: np.ndarray, data, draw: Draw) -> list[float]:
        """Compare a pool, which is overwritten, with data RDMs."""
        if self.method in RANKED:
            size = self._norm(rerank(pool, draw), float(draw.total))
        else:
            pool, size = self._centre(pool, draw)
        weighted = self._weighted(pool, draw)
        return [_ratio(_dot(weighted, vector), size, norm) for vector, norm in data]

    def _weighted(self, values: np.ndarray, draw: Draw) -> np.ndarray:
        out = draw.workspace.array("wide", len(values), np.float64)
        out[...] = values  # integers are converted several times faster alone than within a product
        out *= draw.heavy
        return out


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.dot(a, b))


def _ratio(product, norm_a, norm_b):
    return product / (norm_a * norm_b) if norm_a > 0 and norm_b > 0 else np.nan
