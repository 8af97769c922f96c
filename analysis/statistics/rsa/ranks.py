"""Weighted midranks of RDMs that are sorted only once, for the bootstrap.

In a draw of images with multiplicities c, the pair (i, j) has weight c_i c_j. With T the sum of the weights w and A
their cumulative sum in sorted order, twice the centred midranks are 2 A - w - T: integers, hence without rounding.
Their weighted sum of squares is (T^3 - sum t^3) / 3, with t the total weight of each run of ties.
"""

from functools import cached_property

import numpy as np

from analysis.statistics.predictivity.krylov import torch

PAIRS_AT_ONCE = 2**16
"""Pairs whose weights are gathered at once, which bounds the memory: numpy copies every index to 64 bits."""
TORCH_FROM = 2**15
"""Length from which torch is faster than numpy: it uses radix sort and gathers with fewer checks."""


class Workspace:
    """Buffers that a thread reuses in every draw: fresh pages cost more than the sums written to them."""

    def __init__(self, whole: type):
        self.whole = whole
        self._buffers: dict[str, np.ndarray] = {}

    def array(self, name: str, n: int, dtype) -> np.ndarray:
        """Return an uninitialised array of length `n`, valid until the same name is requested again."""
        size = n * np.dtype(dtype).itemsize
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < size:
            buffer = self._buffers[name] = np.empty(size, np.uint8)
        return buffer[:size].view(dtype)


def gather(values: np.ndarray, places: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Write ``values[places]`` to `out` and return it."""
    if len(places) < TORCH_FROM:
        return values.take(places, out=out, mode="clip")  # "clip" lets it write to `out` directly
    tensor = torch().from_numpy
    torch().index_select(tensor(values), 0, tensor(places), out=tensor(out))
    return out


def scatter(out: np.ndarray, places: np.ndarray, values: np.ndarray) -> None:
    """Write ``out[places] = values``; places are int64."""
    if len(places) < TORCH_FROM:
        out[places] = values
        return
    tensor = torch().from_numpy
    tensor(out).scatter_(0, tensor(places), tensor(values))


class Draw:
    """The pairs of images in one bootstrap draw.

    Parameters
    ----------
    counts : (n_images,) uint8 or int32
        How often each image was drawn; the type must hold the weight of every pair.
    first, second : (n_pairs,) int
        Images of each pair.
    workspace : Workspace

    Attributes
    ----------
    active : (n,) int
        Pairs with a weight above 0.
    small, heavy : (n,)
        Their weights, as integers and as floating-point numbers.
    total, cubes : int, float
        Sums of the weights and of their cubes.
    """

    def __init__(self, counts: np.ndarray, first: np.ndarray, second: np.ndarray, workspace: Workspace):
        self.workspace, n = workspace, len(first)
        weights, other = workspace.array("after", n, counts.dtype), workspace.array("sorted", n, counts.dtype)
        for start in range(0, n, PAIRS_AT_ONCE):
            chunk = slice(start, start + PAIRS_AT_ONCE)
            counts.take(first[chunk], out=weights[chunk], mode="clip")  # "clip" lets it write to `out` directly
            counts.take(second[chunk], out=other[chunk], mode="clip")
        weights *= other
        active = np.flatnonzero(np.not_equal(weights, 0, out=workspace.array("sorted", n, bool)))
        self.active = active.astype(np.int32)
        self.small = gather(weights, self.active, workspace.array("small", len(active), counts.dtype))
        self.heavy = workspace.array("heavy", len(active), np.float64)
        self.heavy[...] = self.small
        self.total, self.cubes = int(self.heavy.sum()), float(np.square(self.heavy) @ self.heavy)

    def squares(self, cubes: float) -> float:
        """Return the sum of squares of doubled midranks, given the sum of cubed weights of runs of ties."""
        return (float(self.total) ** 3 - float(cubes)) / 3


class RankedRDM:
    """One RDM, sorted once.

    Attributes
    ----------
    place : (n_pairs,) int32
        Rank of the run of ties to which each pair belongs.
    tied : bool
        Whether any run is longer than one pair; otherwise `place` is the position of each pair in ascending order.
    """

    def __init__(self, values: np.ndarray):
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        run = np.zeros(len(order), dtype=np.int32)
        np.cumsum(ordered[1:] != ordered[:-1], out=run[1:])
        self.tied = bool(run[-1] + 1 < len(run))
        self.place = np.empty_like(run)
        self.place[order] = run

    @cached_property
    def order(self) -> np.ndarray:
        """Pairs in ascending order, (n_pairs,)."""
        return np.argsort(self.place, kind="stable")

    @cached_property
    def last(self) -> np.ndarray:
        """Last position of each run of ties in ascending order."""
        return np.cumsum(np.bincount(self.place)) - 1

    def midranks(self, draw: Draw, name: str) -> tuple[np.ndarray, float]:
        """Return twice the centred midranks of the active pairs (in the buffer `name`) and their sum of squares."""
        workspace, n = draw.workspace, len(draw.active)
        place = workspace.array("wide", n, np.int64)
        place[...] = gather(self.place, draw.active, workspace.array("narrow", n, np.int32))
        ranks, cubes = workspace.array(name, n, workspace.whole), draw.cubes
        if self.tied:
            runs = np.bincount(place, weights=draw.small)
            cubes = np.einsum("i,i,i->", runs, runs, runs)
            doubled = 2 * np.cumsum(runs) - runs
            gather(doubled.astype(workspace.whole), place, ranks)
        else:
            # Pairs that were not drawn have weight 0, so the cumulative sum over all pairs is that over drawn pairs.
            ordered = workspace.array("sorted", len(self.place), draw.small.dtype)
            ordered.fill(0)
            scatter(ordered, place, draw.small)
            after = np.cumsum(ordered, out=workspace.array("after", len(ordered), workspace.whole))
            gather(after, place, ranks)
            ranks *= 2
            ranks -= draw.small
        ranks -= ranks.dtype.type(draw.total)
        return ranks, draw.squares(cubes)


def sort_integers(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return integers in ascending order and the order that sorts them stably, by radix sort."""
    if len(values) >= TORCH_FROM:
        return tuple(tensor.numpy() for tensor in torch().sort(torch().from_numpy(values), stable=True))
    # numpy uses radix sort for 8- and 16-bit keys: two or three passes are several times faster than sorting long keys.
    digits = values - values.min()
    bits, order = int(digits.max()).bit_length(), np.argsort(digits.astype(np.uint16), kind="stable")
    for shift in range(16, bits, 16):
        digit = (digits >> shift).astype(np.uint8 if bits - shift <= 8 else np.uint16)
        order = order.take(np.argsort(digit.take(order), kind="stable"))
    return values.take(order), order


def rerank(pool: np.ndarray, draw: Draw) -> float:
    """Replace a sum of ranks by twice its centred midranks.

    Parameters
    ----------
    pool : (n,) int
        Sum of ranks of each active pair; overwritten.
    draw : Draw

    Returns
    -------
    float
        Weighted sum of squares of the midranks.
    """
    ranks, order = sort_integers(pool)
    equal = np.flatnonzero(ranks[1:] == ranks[:-1])
    w = gather(draw.small, order, draw.workspace.array("sorted", len(pool), draw.small.dtype))
    cubes = draw.cubes + _midranks(w, draw.total, equal, ranks)
    scatter(pool, order, ranks)
    return draw.squares(cubes)


def _midranks(w: np.ndarray, total: int, equal: np.ndarray, after: np.ndarray) -> int:
    """Write twice the centred midranks of a sorted sequence with weights `w` to `after`.

    `equal` holds the positions whose value equals the next one. Returns by how much the cubed weights of runs exceed
    those of their members.
    """
    np.cumsum(w, out=after)
    excess = 0
    if len(equal):
        breaks = np.flatnonzero(np.diff(equal) != 1)
        first, ends = equal[np.append(0, breaks + 1)], equal[np.append(breaks, len(equal) - 1)] + 1
        before, upto = after[first].astype(np.int64) - w[first], after[ends]
        middle = before + upto - total
        excess = _cubes(upto - before) - _cubes(w[ends]) - _cubes(w[equal])
    after *= 2
    after -= w
    after -= after.dtype.type(total)
    if len(equal):
        after[ends] = middle
        after[equal] = np.repeat(middle, ends - first)
    return excess


def _cubes(values: np.ndarray) -> int:
    values = values.astype(np.int64)
    return int(values * values @ values)


class DrawBlock:
    """Many draws at once, without noise ceilings: one row of weights per draw.

    Parameters
    ----------
    counts : (n_images, n_draws) uint8 or int32
    first, second : (n_pairs,) int
        Images of each pair.
    whole : type
        Integer type that can hold twice the sum of weights; summing integers is several times faster than floats.
    """

    def __init__(self, counts: np.ndarray, first: np.ndarray, second: np.ndarray, whole: type):
        self.whole = whole
        # One column per draw: whole rows are gathered several times faster than entries of a row.
        self._columns = counts.take(first, axis=0)
        self._columns *= counts.take(second, axis=0)
        self.weights = self._columns.T.astype(np.float64, order="C")
        self.total = self.weights.sum(axis=1)
        self.cubes = np.einsum("dp,dp,dp->d", self.weights, self.weights, self.weights)
        self.enough = np.count_nonzero(self.weights, axis=1) >= 3

    def ranks(self, ranked: RankedRDM) -> tuple[np.ndarray, np.ndarray]:
        """Return twice the centred midranks of all pairs, (n_draws, n_pairs), and their sums of squares, (n_draws,)."""
        w = np.ascontiguousarray(self._columns.take(ranked.order, axis=0).T)
        after = np.cumsum(w, axis=1, dtype=self.whole)
        cubes = self.cubes
        if ranked.tied:
            ends = after.take(ranked.last, axis=1)
            runs = np.diff(ends, axis=1, prepend=0)
            cubes = (runs.astype(np.float64) ** 3).sum(axis=1)
            after = 2 * ends - runs
        else:
            after *= 2
            after -= w
        after -= self.total.astype(self.whole)[:, None]
        return after.take(ranked.place, axis=1).astype(np.float64), (self.total**3 - cubes) / 3
