"""How much of an RDM correlation is due to blocks of images (recordings, sessions), and what holds within blocks.

If recordings differ in anything that all their images share, and the label differs between recordings, two RDMs
correlate without any information about single images. Three quantities reveal this: the correlation over pairs of
images from the same block, the correlation with all differences between blocks removed, and how far blocks determine
the label.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.statistics.inference.intervals import percentile_interval
from analysis.statistics.rsa.rdm import RDM
from analysis.statistics.rsa.similarity import aligned

LEAST_OF_BLOCK = 3
"""Minimum number of images per block: fewer have no two distances to rank."""
COLLINEAR = 0.9
"""Fraction of the label's variance explained by the block from which the two count as collinear: a variance inflation
factor of 10 (Marquardt 1970, Technometrics 12:591)."""
ALPHA = 0.05
BLOCK_ALPHA = 0.01
"""Significance levels of the correlation and of the blocks' share in it (strict, because it discredits a study)."""


@dataclass(frozen=True)
class BlockConfound:
    """An RDM correlation, and what remains of it within blocks (`block_confound`).

    Attributes
    ----------
    rho : float
        Spearman correlation of the two RDMs.
    within : float
        The same over pairs of images within blocks, ranked block by block; NaN if no block has two such pairs.
    partial : float
        Correlation of the ranks of all pairs after removing the mean of each pair of blocks from both; NaN if no
        variance is left.
    carried : float
        Exact mean of rho over all shuffles of images within blocks: the correlation due to blocks alone.
    draws : dict of str to (n_draws,) array
        Bootstrap draws, over images, of ``rho``, ``within`` and ``partial`` (those requested).
    p_value : float
        P-value of rho, against shuffles of all images.
    block_p : float
        P-value of `carried`, against random allocation of images to blocks.
    determined : float
        Fraction of the label's variance that the block explains; 1 if it determines the label.

    Examples
    --------
    >>> none = {"rho": np.array([0.3, 0.5]), "within": np.array([-0.1, 0.1])}
    >>> found = BlockConfound(0.4, 0.0, 0.0, 0.4, none, p_value=0.005, block_p=0.005, determined=0.5)
    >>> found.verdict
    'blocks'
    """

    rho: float
    within: float
    partial: float
    carried: float
    draws: dict[str, np.ndarray]
    p_value: float
    block_p: float
    determined: float

    def interval(self, name: str) -> tuple[float, float]:
        """Return the 95 % bootstrap interval of ``rho``, ``within`` or ``partial``."""
        return percentile_interval(self.draws[name])

    @property
    def identifiable(self) -> bool:
        """Whether the effects of label and block can be separated."""
        return self.determined < COLLINEAR

    @property
    def verdict(self) -> str:
        """What drives the correlation.

        ``none``: rho is not larger than after shuffling all images. ``not identifiable``: label and block coincide, so
        the data cannot separate them. ``within blocks``: the correlation holds within blocks (its interval is above 0).
        ``blocks``: it does not, and blocks yield more of it than random blocks would. ``undecided``: neither.
        """
        if self.p_value >= ALPHA or not self.rho > 0:
            return "none"
        if not self.identifiable:
            return "not identifiable"
        if self.interval("within")[0] > 0:
            return "within blocks"
        return "blocks" if self.block_p < BLOCK_ALPHA else "undecided"


def block_confound(
    model: RDM,
    neural: RDM,
    label,
    block,
    *,
    groups=None,
    resampled: tuple[str, ...] = ("rho", "within", "partial"),
    draws: int = 200,
    permutations: int = 199,
    seed: int = 0,
) -> BlockConfound:
    """Separate the RDM correlation within blocks of images from that due to blocks alone.

    Parameters
    ----------
    model, neural : RDM
        Over the same images in the same order, all distances defined.
    label, block : (n_images,) sequence
        Label, and block (recording or session), of each image.
    groups : (n_images,) sequence, optional
        Near-duplicate group of each image; groups are resampled as a whole. Default: each image is its own group.
    resampled : tuple of str
        Quantities to bootstrap; the verdict needs ``within``.
    draws : int
        Number of bootstrap draws of images. Each pair is weighted by the product of its images' counts, pairs of an
        image with itself are left out, and the ranks stay those of the data.
    permutations : int
        Number of random orders of the images in the two tests.
    seed : int

    Returns
    -------
    BlockConfound

    Raises
    ------
    DataError
        If the numbers of images differ, a distance is undefined or all distances of an RDM are equal.

    Examples
    --------
    >>> from analysis.statistics.rsa.rdm import rdm
    >>> rng = np.random.default_rng(0)
    >>> block, shift = np.arange(60) % 2, rng.normal(size=(2, 30))
    >>> model, neural = rdm(rng.normal(size=(60, 30)) + shift[block]), rdm(rng.normal(size=(60, 30)) - shift[block])
    >>> found = block_confound(model, neural, label=np.arange(60) // 30, block=block)
    >>> found.rho > 0.3, abs(found.within) < 0.1, found.verdict
    (True, True, 'blocks')
    """
    model, neural = aligned([model, neural])
    n = neural.n_images
    if len(label) != n or len(block) != n:
        raise DataError(f"RDMs of {n} images with {len(label)} labels and {len(block)} blocks: give one for each image")
    codes = np.unique(block, return_inverse=True)[1]
    ranks = centred_ranks(model), centred_ranks(neural)
    pairs = {
        "rho": ranks,
        "within": tuple(_ranks_within(matrix, codes) for matrix in ranks),
        "partial": tuple(_without_diagonal(matrix - pair_means(matrix, codes)) for matrix in ranks),
    }
    counts = _bootstrap_counts(np.arange(n) if groups is None else groups, draws, seed_of(seed, "images"))
    once = np.ones((1, n))
    p_value, block_p, carried = _permutation_tests(*ranks, codes, permutations, seed_of(seed, "orders"))
    return BlockConfound(
        **{name: float(_correlation(*both, once)[0]) for name, both in pairs.items()},
        carried=carried,
        draws={name: _correlation(*pairs[name], counts) for name in resampled},
        p_value=p_value,
        block_p=block_p,
        determined=determination(label, codes),
    )


def centred_ranks(rdm: RDM) -> np.ndarray:
    """Return the midranks of an RDM, centred and scaled to unit length, (n_images, n_images), with a zero diagonal.

    Raises
    ------
    DataError
        If a distance is undefined or all are equal.
    """
    if not np.isfinite(rdm.distances).all():
        raise DataError("an RDM has undefined distances (constant rows): leave those images out first")
    ranks = rankdata(rdm.distances) - (len(rdm.distances) + 1) / 2
    length = np.sqrt(ranks @ ranks)
    if length == 0:
        raise DataError("all distances of an RDM are equal: there is nothing to correlate")
    return RDM(ranks / length, rdm.metric).square()


def determination(label, block) -> float:
    """Return the fraction of a label's variance (pooled over its indicators) that the block explains, 0 to 1."""
    indicators = np.unique(label)[:, None] == np.asarray(label)  # (n_labels, n_images)
    codes = np.unique(block, return_inverse=True)[1]
    means = np.stack([np.bincount(codes, row) / np.bincount(codes) for row in indicators])
    total = ((indicators - indicators.mean(axis=1, keepdims=True)) ** 2).sum()
    left = ((indicators - means[:, codes]) ** 2).sum()
    return float(1 - left / total) if total > 0 else 0.0  # a label that never varies is no confound


def pair_means(matrix: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the mean of a symmetric matrix with zero diagonal over all shuffles of its images within groups.

    Each entry becomes the mean over pairs of different images from its pair of groups.

    Parameters
    ----------
    matrix : (n_images, n_images)
    groups : (n_images,) int
        Group codes from 0.
    """
    return _without_diagonal(_group_means(matrix, np.eye(groups.max(initial=0) + 1)[groups])[np.ix_(groups, groups)])


def _group_means(matrix: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Return the mean of `matrix` over the pairs of different images of each pair of groups, (n_groups, n_groups)."""
    size = member.sum(axis=0)
    sums, pairs = member.T @ matrix @ member, np.outer(size, size) - np.diag(size)
    return np.divide(sums, pairs, out=np.zeros_like(sums), where=pairs > 0)


def _without_diagonal(matrix: np.ndarray) -> np.ndarray:
    np.fill_diagonal(matrix, 0.0)
    return matrix


def _ranks_within(matrix: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return the ranks of the distances within each block, centred and divided by their number; 0 between blocks."""
    out = np.zeros_like(matrix)
    for code in range(block.max(initial=0) + 1):
        rows = np.flatnonzero(block == code)
        if len(rows) < LEAST_OF_BLOCK:
            continue
        above = np.triu_indices(len(rows), 1)
        ranks = rankdata(matrix[np.ix_(rows, rows)][above])
        part = np.zeros((len(rows), len(rows)))
        part[above] = (ranks - ranks.mean()) / len(ranks)
        out[np.ix_(rows, rows)] = part + part.T
    return out


def _bootstrap_counts(groups, draws: int, seed: int) -> np.ndarray:
    """Return how often each image is drawn if groups of images are drawn with replacement, (n_draws, n_images)."""
    codes = np.unique(groups, return_inverse=True)[1]
    n = codes.max(initial=0) + 1
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)[:, codes].astype(np.float64)


def _correlation(first: np.ndarray, second: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the correlation of two centred matrices for each draw of images, (n_draws,); NaN where nothing varies."""

    def total(matrix: np.ndarray) -> np.ndarray:
        return np.einsum("bi,bi->b", counts @ matrix, counts)

    size = total(first**2) * total(second**2)
    r = total(first * second) / np.sqrt(np.where(size > 1e-24, size, np.nan))
    return np.where(np.abs(r) > 1e-12, r, 0.0 * r)  # rounding: centred ranks sum to zero


def _products(first: np.ndarray, second: np.ndarray, orders: np.ndarray) -> Iterator[float]:
    """Yield the summed product of `first` with `second`, both (n, n), its rows and columns in each order."""
    rows, both = np.empty(second.shape), np.empty(second.shape)  # reused: they cost more to allocate than to fill
    for order in orders:
        second.take(order, axis=0, out=rows, mode="clip")
        rows.take(order, axis=1, out=both, mode="clip")
        yield first.ravel() @ both.ravel()


def _permutation_tests(
    first: np.ndarray, second: np.ndarray, block: np.ndarray, n: int, seed: int
) -> tuple[float, float, float]:
    """Return the p-values of rho and of the correlation due to blocks alone, and the latter correlation.

    The product of `first` with the `pair_means` of `second` is the correlation due to blocks alone. If blocks are
    unrelated to the model, images are exchangeable between blocks, and the same product with images in random order
    gives the null distribution. The false-positive rate is at most nominal for any responses.
    """
    rng = np.random.default_rng(seed)
    member = np.eye(block.max(initial=0) + 1)[block]
    means = _group_means(second, member)
    orders = np.stack([np.arange(len(block)), *(rng.permutation(len(block)) for _ in range(n))])
    rho = np.array(list(_products(first, second, orders)))
    shuffled = member[orders]  # (n + 1, n_images, n_blocks)
    # One product for all orders: with many small ones, BLAS threads spend their time waiting.
    products = (first @ np.moveaxis(shuffled, 0, 1).reshape(len(block), -1)).reshape(len(block), len(orders), -1)
    sums = products.transpose(1, 2, 0) @ shuffled
    carried = (sums * means).sum(axis=(1, 2)) / 2
    p_value, block_p = (float((values >= values[0] - 1e-12).mean()) for values in (rho, carried))
    return p_value, block_p, float(carried[0])
