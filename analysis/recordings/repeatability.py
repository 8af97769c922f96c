"""Repeatability of responses: return-fixation self-consistency (RSC) and its permutation test.

During two fixations on the same image at most 1 dva apart, a unit's receptive field covers nearly the same content;
the correlation of its responses over all such pairs is its RSC (Xiao et al. 2024, scripts 2a and 2d). The authors also
pair fixations of the same trial, which are close in time and share slow rate fluctuations; only pairs across trials
bound what an image-computable model can explain, so both are given.
"""

import numpy as np
from scipy.fft import irfft, rfft
from scipy.spatial import cKDTree

MAX_DISTANCE_DVA = 1.0
"""Largest distance between two fixations that count as a return (Xiao et al. 2024)."""
MAX_TEST_PAIRS = 10_000
"""Largest number of pairs in the permutation test, a random sample if there are more (Xiao et al. 2024)."""
SHIFTS_PER_ORDER = 1000
"""Re-pairings taken from one random order of the pairs."""
PAIRS_PER_BLOCK = 20_000
"""Number of pairs whose responses are in memory at once."""


def return_pairs(stimulus: np.ndarray, xy: np.ndarray, max_dva: float = MAX_DISTANCE_DVA) -> np.ndarray:
    """Return all pairs of fixations on the same image at most `max_dva` apart, (n_pairs, 2), sorted within and across.

    `xy` (n_fixations, 2) is in dva from the image centre; a fixation without a position is in no pair.
    """
    there = np.flatnonzero(np.isfinite(xy).all(axis=1))
    if not len(there):
        return np.zeros((0, 2), np.int64)
    image = np.unique(stimulus[there], return_inverse=True)[1]
    # A third axis keeps images further apart than any pair, so that one search serves all images.
    points = np.column_stack([xy[there], image * (4.0 * max_dva + 1.0)])
    pairs = there[cKDTree(points).query_pairs(max_dva, output_type="ndarray")].reshape(-1, 2)
    pairs = np.sort(pairs, axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def across_trials(pairs: np.ndarray, trial: np.ndarray) -> np.ndarray:
    """Return the pairs whose two fixations belong to different trials."""
    return pairs[trial[pairs[:, 0]] != trial[pairs[:, 1]]]


def self_consistency(rate: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the correlation of responses (n_fixations, n_units) over pairs (n_pairs, 2) of fixations, (n_units,).

    NaN for fewer than two pairs, or for a unit whose responses do not vary. The order of a pair is arbitrary, so each
    pair enters in both orders (Fisher's intraclass correlation): r = 2 sum (a - m)(b - m) / sum ((a - m)^2 + (b - m)^2)
    with m the mean of all a and b. The authors draw the order at random instead; their r scatters around this value.
    """
    if len(pairs) < 2:
        return np.full(rate.shape[1], np.nan)
    times = np.bincount(pairs.ravel(), minlength=len(rate)).astype(float)  # how often each fixation occurs
    rate = rate.astype(float)
    used = times > 0
    mean = times[used] @ rate[used] / times.sum()
    centred = np.where(used[:, None], rate - mean, 0.0)
    squares = times @ centred**2
    products = np.zeros(rate.shape[1])
    for start in range(0, len(pairs), PAIRS_PER_BLOCK):
        first, second = pairs[start : start + PAIRS_PER_BLOCK].T
        products += np.einsum("pu,pu->u", centred[first], centred[second])
    return _divide(2 * products, squares)


def permutation_p(rate: np.ndarray, pairs: np.ndarray, n_permutations: int, seed: int) -> np.ndarray:
    """Return the p-value of each unit's self-consistency against random re-pairings of second fixations, (n_units,).

    The re-pairings are rotations of the randomly ordered pairs: each rotation by k is a random re-pairing, and one
    Fourier transform gives the products sum_i a_i b_(i+k) for all rotations and units. p = (1 + re-pairings at least as
    consistent) / (1 + re-pairings). If there are more than `MAX_TEST_PAIRS` pairs, a random sample is tested.
    """
    random = np.random.default_rng(seed)
    if len(pairs) > MAX_TEST_PAIRS:
        pairs = pairs[np.sort(random.choice(len(pairs), MAX_TEST_PAIRS, replace=False))]
    if len(pairs) < 2:
        return np.full(rate.shape[1], np.nan)
    first, second = _standardised(rate, pairs)
    observed = np.einsum("pu,pu->u", first, second)
    at_least, done = np.zeros(rate.shape[1], np.int64), 0
    while done < n_permutations:
        null = _rotations(first, second, min(SHIFTS_PER_ORDER, n_permutations - done), random)
        # The transform is accurate to about 1e-12 of n; equal sums must count as equal.
        at_least += (null >= observed - 1e-9 * len(pairs)).sum(axis=0)
        done += len(null)
    return np.where(np.isfinite(observed), (1 + at_least) / (1 + done), np.nan)


def _standardised(rate: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return first and second responses (n_pairs, n_units), z-scored with the mean and SD of both together."""
    values = rate[pairs].astype(float)  # (n_pairs, 2, n_units)
    values -= values.mean(axis=(0, 1))
    deviation = np.sqrt((values**2).mean(axis=(0, 1)))
    values /= np.where(deviation > 0, deviation, np.nan)
    return values[:, 0], values[:, 1]


def _rotations(first: np.ndarray, second: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """Return the sums of products (at most n, n_units) of random rotations of the randomly ordered pairs."""
    n_pairs = len(first)
    order, flip = random.permutation(n_pairs), random.integers(0, 2, n_pairs, dtype=bool)[:, None]
    a, b = np.where(flip, second, first)[order], np.where(flip, first, second)[order]
    sums = irfft(np.conj(rfft(a, axis=0)) * rfft(b, axis=0), n_pairs, axis=0)
    shifts = 1 + random.choice(n_pairs - 1, min(n, n_pairs - 1), replace=False)
    return sums[shifts]


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
