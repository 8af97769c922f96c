"""Weighted midranks of RDMs that were sorted once, for the bootstrap.

In a draw of images with multiplicities c the pair (i, j) has the weight c_i c_j. With T the sum of weights and A the
running sum of the weights w in sorted order, twice the centred midranks are 2 A - w - T: whole numbers, so that nothing
is rounded. Their weighted sum of squares is (T^3 - sum t^3) / 3 with t the weights of the runs of equal values.
"""

from functools import cached_property

import numpy as np

from analysis.statistics.predictivity.krylov import torch

CHUNK = 2**16
FEW = 2**15
"""Numbers up to which numpy is faster; torch sorts more of them by radix, and moves them with fewer checks."""


class Space:
    """Memory that one thread uses again in every draw: fresh pages cost more than the sums written to them."""

    def __init__(self, whole: type):
        self.whole = whole
        self._held: dict[str, np.ndarray] = {}

    def array(self, name: str, n: int, dtype) -> np.ndarray:
        """Return an array of this length, of any content, that is valid until the name is asked for again."""
        size = n * np.dtype(dtype).itemsize
        held = self._held.get(name)
        if held is None or len(held) < size:
            held = self._held[name] = np.empty(size, np.uint8)
        return held[:size].view(dtype)


def taken(values: np.ndarray, places: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Write the values at some places to `out`."""
    if len(places) < FEW:
        return values.take(places, out=out, mode="clip")  # "clip" lets it write to `out` directly
    tensor = torch().from_numpy
    torch().index_select(tensor(values), 0, tensor(places), out=tensor(out))
    return out


def put(out: np.ndarray, places: np.ndarray, values: np.ndarray) -> None:
    """Write values to some places (int64) of `out`."""
    if len(places) < FEW:
        out[places] = values
        return
    tensor = torch().from_numpy
    tensor(out).scatter_(0, tensor(places), tensor(values))


class Draw:
    """The pairs that one draw of images holds.

    Parameters
    ----------
    counts : (n_images,) uint8 or int32
        How often each image was drawn; pairs must not weigh more than the type holds.
    first, second : (n_pairs,) int
        Images of each pair.
    space : Space

    Attributes
    ----------
    active : (n,) int
        Pairs whose weight is not 0.
    small, heavy : (n,)
        Their weights, as whole and as floating point numbers.
    total, cubes : int, float
        Sums of the weights and of their third powers.
    """

    def __init__(self, counts: np.ndarray, first: np.ndarray, second: np.ndarray, space: Space):
        self.space, n = space, len(first)
        weights, other = space.array("after", n, counts.dtype), space.array("sorted", n, counts.dtype)
        for part in range(0, n, CHUNK):  # numpy makes a copy of 64 bits of every index
            chunk = slice(part, part + CHUNK)
            counts.take(first[chunk], out=weights[chunk], mode="clip")  # "clip" lets it write to `out` directly
            counts.take(second[chunk], out=other[chunk], mode="clip")
        weights *= other
        active = np.flatnonzero(np.not_equal(weights, 0, out=space.array("sorted", n, bool)))
        self.active = active.astype(np.int32)
        self.small = taken(weights, self.active, space.array("small", len(active), counts.dtype))
        self.heavy = space.array("heavy", len(active), np.float64)
        self.heavy[...] = self.small
        self.total, self.cubes = int(self.heavy.sum()), float(np.square(self.heavy) @ self.heavy)

    def squares(self, cubes: float) -> float:
        """Return the sum of squares of doubled midranks; `cubes`: of the weights of runs of equal values."""
        return (float(self.total) ** 3 - float(cubes)) / 3


class Ranked:
    """One RDM, sorted once.

    Attributes
    ----------
    place : (n_pairs,) int32
        Number of the run of equal values that each pair is in, in rising order.
    tied : bool
        Whether any run is longer than one pair; else `place` is the place of each pair in the order.
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
        """Pairs in rising order, (n_pairs,)."""
        return np.argsort(self.place, kind="stable")

    @cached_property
    def last(self) -> np.ndarray:
        """Last place in the order of each run of equal values."""
        return np.cumsum(np.bincount(self.place)) - 1

    def of(self, draw: Draw, name: str) -> tuple[np.ndarray, float]:
        """Return twice the centred midranks of the active pairs (kept by `name`) and their sum of squares."""
        space, n = draw.space, len(draw.active)
        place = space.array("wide", n, np.int64)
        place[...] = taken(self.place, draw.active, space.array("narrow", n, np.int32))
        ranks, cubes = space.array(name, n, space.whole), draw.cubes
        if self.tied:
            runs = np.bincount(place, weights=draw.small)
            cubes = np.einsum("i,i,i->", runs, runs, runs)
            doubled = 2 * np.cumsum(runs) - runs
            taken(doubled.astype(space.whole), place, ranks)
        else:
            # Pairs that were not drawn weigh nothing, so that the running sum over all places is that of the drawn.
            ordered = space.array("sorted", len(self.place), draw.small.dtype)
            ordered.fill(0)
            put(ordered, place, draw.small)
            after = np.cumsum(ordered, out=space.array("after", len(ordered), space.whole))
            taken(after, place, ranks)
            ranks *= 2
            ranks -= draw.small
        ranks -= ranks.dtype.type(draw.total)
        return ranks, draw.squares(cubes)


def sort_whole(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whole numbers in rising order, and the order that sorts them stably; by radix."""
    if len(values) >= FEW:
        return tuple(one.numpy() for one in torch().sort(torch().from_numpy(values), stable=True))
    # numpy sorts keys of 8 and 16 bits by radix: two or three passes are several times faster than one of long keys.
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
    pool : (n,) whole numbers
        Of the active pairs; overwritten.
    draw : Draw

    Returns
    -------
    float
        Weighted sum of squares of the midranks.
    """
    ranks, order = sort_whole(pool)
    equal = np.flatnonzero(ranks[1:] == ranks[:-1])
    w = taken(draw.small, order, draw.space.array("sorted", len(pool), draw.small.dtype))
    cubes = draw.cubes + _midranks(w, draw.total, equal, ranks)
    put(pool, order, ranks)
    return draw.squares(cubes)


def _midranks(w: np.ndarray, total: int, equal: np.ndarray, after: np.ndarray) -> int:
    """Write twice the centred midranks of a sorted sequence with weights `w` to `after`.

    `equal` holds the places whose value equals the next one. Returns the excess of the cubed weights of runs.
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
        cubes = self.cubes
        if one.tied:
            ends = after.take(one.last, axis=1)
            runs = np.diff(ends, axis=1, prepend=0)
            cubes = (runs.astype(np.float64) ** 3).sum(axis=1)
            after = 2 * ends - runs
        else:
            after *= 2
            after -= w
        after -= self.total.astype(self.whole)[:, None]
        return after.take(one.place, axis=1).astype(np.float64), (self.total**3 - cubes) / 3
