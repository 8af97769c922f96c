"""Weighted midranks of RDMs that were sorted once, for the bootstrap.

In a draw of images with multiplicities c the pair (i, j) has the weight c_i c_j. With T the sum of weights and A the
running sum of the weights w in sorted order, twice the centred midranks are 2 A - w - T: whole numbers, so that nothing
is rounded. Their weighted sum of squares is (T^3 - sum t^3) / 3 with t the weights of the runs of equal values.
"""

from functools import cached_property

import numpy as np

CHUNK = 2**16


class Space:
    """Arrays that one thread uses again in every draw: fresh pages cost more than the sums written to them."""

    def __init__(self, whole: type):
        self.whole = whole
        self._arrays: dict = {}

    def array(self, name: str, shape: int | tuple[int, int], dtype) -> np.ndarray:
        """Return an array of this shape, of any content, that is valid until the name is asked for again."""
        n = int(np.prod(shape))
        held = self._arrays.get(name)
        if held is None or len(held) < n or held.dtype != dtype:
            held = self._arrays[name] = np.empty(n, dtype)
        return held[:n].reshape(shape)


class Draw:
    """The pairs that one draw of images holds.

    Attributes
    ----------
    weights : (n_pairs,) uint8 or int32
    active : (n,) int
        Pairs whose weight is not 0.
    small : (n,)
        Their weights.
    total, cubes : int
        Sums of the weights and of their third powers.
    """

    def __init__(self, weights: np.ndarray, space: Space):
        self.weights, self.space = weights, space
        self.active = np.flatnonzero(weights != 0).astype(np.int32)
        self.small = weights.take(self.active)
        counts = np.bincount(self.small)
        self.total = int(counts @ np.arange(len(counts)))
        self.cubes = int(counts @ np.arange(len(counts)) ** 3)
        self.place = space.array("place", len(weights), np.int32)
        self.place[self.active] = np.arange(len(self.active), dtype=np.int32)

    def squares(self, excess: int = 0) -> float:
        """Return the sum of squares of doubled midranks; `excess`: of the third powers of runs over those of pairs."""
        return (float(self.total) ** 3 - float(self.cubes + excess)) / 3


def _midranks(w: np.ndarray, total: int, equal: np.ndarray, after: np.ndarray) -> int:
    """Write twice the centred midranks of a sorted sequence with weights `w` to `after`.

    `equal` holds the places whose value equals the next one. Returns the excess of the cubed weights of runs.
    """
    np.cumsum(w, out=after)
    runs = None
    if len(equal):
        breaks = np.flatnonzero(np.diff(equal) != 1)
        first, last = equal[np.append(0, breaks + 1)], equal[np.append(breaks, len(equal) - 1)] + 1
        length = last - first + 1
        place = np.repeat(first - np.cumsum(length) + length, length) + np.arange(length.sum())
        before = after[first].astype(np.int64) - w[first]
        runs = after[last] - before, after[last] + before - total
    after *= 2
    after -= w
    after -= after.dtype.type(total)
    if runs is None:
        return 0
    after[place] = np.repeat(runs[1], length)
    return int(np.sum(runs[0] ** 3) - np.sum(w[place].astype(np.int64) ** 3))


class Ranked:
    """One RDM, sorted once.

    Attributes
    ----------
    order : (n_pairs,) int32
    run : (n_pairs,) int32 or None
        Number of the run of equal values of each place in the order; None where all values differ.
    """

    def __init__(self, values: np.ndarray):
        order = np.argsort(values, kind="stable")
        self.order = order.astype(np.int32)
        new = np.empty(len(order), dtype=bool)
        new[0] = True
        np.not_equal(values[order[1:]], values[order[:-1]], out=new[1:])
        self.run = None if new.all() else np.cumsum(new, dtype=np.int32) - np.int32(1)

    @cached_property
    def place(self) -> np.ndarray:
        """Place of each pair in the order, (n_pairs,)."""
        return np.argsort(self.order)

    @cached_property
    def last(self) -> np.ndarray:
        """Last place of each run of equal values."""
        return np.append(np.flatnonzero(np.diff(self.run)), len(self.run) - 1)

    def of(self, draw: Draw, name: str) -> tuple[np.ndarray, float]:
        """Return twice the centred midranks of the active pairs (kept by `name`) and their sum of squares."""
        space, n = draw.space, len(draw.active)
        w = space.array("sorted", len(self.order), draw.weights.dtype)
        for part in range(0, len(w), CHUNK):  # numpy makes a copy of 64 bits of every index
            chunk = slice(part, part + CHUNK)
            draw.weights.take(self.order[chunk], out=w[chunk], mode="clip")  # "clip" lets it write to `out` directly
        kept = np.flatnonzero(w != 0)
        equal = np.empty(0, int)
        if self.run is not None:
            run = self.run.take(kept)
            equal = np.flatnonzero(run[1:] == run[:-1])
        after = space.array("after", n, space.whole)
        excess = _midranks(w.take(kept), draw.total, equal, after)
        out = space.array(name, n, space.whole)
        kept = draw.place.take(self.order.take(kept)).astype(np.intp)
        out[kept] = after
        return out, draw.squares(excess)


def sort_whole(values: np.ndarray) -> np.ndarray:
    """Return the order that sorts whole numbers of at least 0, stably.

    numpy sorts keys of 8 and 16 bits by radix, so two or three stable passes are several times faster than one argsort
    of long keys.
    """
    order = np.argsort(values.astype(np.uint16), kind="stable")
    bits = int(values.max()).bit_length()
    for shift in range(16, bits, 16):
        digits = (values >> shift).astype(np.uint8 if bits - shift <= 8 else np.uint16)
        digits = np.argsort(digits.take(order), kind="stable")
        order = order.take(digits)
    return order


def rerank(pool: np.ndarray, draw: Draw) -> tuple[np.ndarray, np.ndarray, float]:
    """Rank a sum of ranks.

    Parameters
    ----------
    pool : (n,) whole numbers
        Of the active pairs; overwritten.
    draw : Draw

    Returns
    -------
    order : (n,) int
    weighted : (n,)
        Weights times twice the centred midranks of the pool, in that order.
    squares : float
        Weighted sum of squares of the latter.
    """
    space, n = draw.space, len(pool)
    pool -= pool.min()
    order = sort_whole(pool)
    ordered = pool.take(order, out=space.array("ordered", n, pool.dtype), mode="clip")
    equal = np.flatnonzero(ordered[1:] == ordered[:-1])
    w = draw.small.take(order)
    after = ordered  # not needed any more
    excess = _midranks(w, draw.total, equal, after)
    weighted = np.multiply(after, w, out=space.array("product", n, np.float64), dtype=np.float64)
    return order, weighted, draw.squares(excess)


class Block:
    """Many draws at once, without their noise ceilings: a row of weights for each.

    Parameters
    ----------
    counts : (n_images, n_draws) uint8 or int32
    first, second : (n_pairs,) int
        Images of each pair.
    whole : type
        Of whole numbers (whose running sums are several times faster) that hold twice the sum of weights.
    """

    def __init__(self, counts: np.ndarray, first: np.ndarray, second: np.ndarray, whole: type):
        self.whole = whole
        # A column for each draw, as rows move several times faster than entries of a row.
        self._columns = counts.take(first, axis=0)
        self._columns *= counts.take(second, axis=0)
        self.weights = self._columns.T.astype(np.float64, order="C")
        self.total = self.weights.sum(axis=1)
        self.cubes = np.einsum("dp,dp,dp->d", self.weights, self.weights, self.weights)
        self.enough = np.count_nonzero(self.weights, axis=1) >= 3

    def ranks(self, one: Ranked) -> tuple[np.ndarray, np.ndarray]:
        """Return twice the centred midranks of all pairs, (n_draws, n_pairs), and their sums of squares, (n_draws,)."""
        w = np.ascontiguousarray(self._columns.take(one.order, axis=0).T)
        after = np.cumsum(w, axis=1, dtype=self.whole)
        cubes, place = self.cubes, one.place
        if one.run is None:
            after *= 2
            after -= w
        else:
            ends = after.take(one.last, axis=1)
            runs = np.diff(ends, axis=1, prepend=0)
            cubes, place = (runs.astype(np.float64) ** 3).sum(axis=1), one.run.take(place)
            after = 2 * ends - runs
        after -= self.total.astype(self.whole)[:, None]
        return after.take(place, axis=1).astype(np.float64), (self.total**3 - cubes) / 3
