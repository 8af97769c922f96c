"""Controls for an RDM correlation: how much of it remains after images are shuffled within labels or recordings.

An RDM correlation does not say *why* two matrices agree. Shuffling the images of the neural RDM within groups preserves
differences between groups and destroys everything else, so the remaining correlation is what the groups alone explain.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.statistics.rsa.rdm import RDM
from analysis.statistics.rsa.similarity import aligned

WITHIN = ("nothing", "block", "label", "label and block")
"""Groups within which images are shuffled; ``nothing``: all images are shuffled freely."""
CARRIED = 0.5
"""If a shuffle leaves this share of rho or more, the correlation counts as carried by the groups it preserves."""
ALPHA = 0.05
"""Significance level of the correlation itself."""
BLOCK_ALPHA = 0.01
"""Significance level of the test of blocks; strict, because flagging a study is an accusation."""
BLOCK_DRAWS = 199
"""Random allocations of images to blocks in the test of blocks."""


@dataclass(frozen=True)
class Shuffled:
    """An RDM correlation, and what remains of it after shuffling.

    Attributes
    ----------
    rho : float
        Spearman correlation of the two RDMs.
    mean : dict of str to float
        Exact means of the correlation over all shuffles within each of `WITHIN`.
    left : dict of str to (n_shuffles,)
        Correlations after random shuffles, for each kind that was requested.
    block_p : float
        p-value of ``mean["block"]`` against random allocation of images to blocks (`block_test`); NaN unless shuffles
        within ``nothing`` were requested.
    """

    rho: float
    mean: dict[str, float]
    left: dict[str, np.ndarray]
    block_p: float

    def share(self, within: str) -> float:
        """Return the share of rho that remains on average; NaN if rho is not positive."""
        return self.mean[within] / self.rho if self.rho > 0 else np.nan

    def p_value(self, within: str) -> float:
        """Return the p-value of rho against the shuffles: (k + 1) / (n + 1)."""
        draws = self.left[within]
        # A shuffle that changes nothing may differ from rho by rounding.
        return float(((draws >= self.rho - 1e-12).sum() + 1) / (len(draws) + 1))

    def interval(self, within: str) -> tuple[float, float]:
        """Return the 2.5 and 97.5 percentiles of the shuffles."""
        low, high = np.quantile(self.left[within], [0.025, 0.975])
        return float(low), float(high)


def combine_codes(label: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return one code for each combination of label and block, (n_images,) int."""
    _, first = np.unique(label, return_inverse=True)
    _, second = np.unique(block, return_inverse=True)
    return first * (second.max(initial=0) + 1) + second


def centred_ranks(rdm: RDM) -> np.ndarray:
    """Return the midranks of an RDM, centred and scaled to unit length, (n_images, n_images), with a zero diagonal.

    Raises
    ------
    DataError
        If a distance is undefined or all are equal.
    """
    if not np.isfinite(rdm.distances).all():
        raise DataError("an RDM has undefined distances (constant rows); leave those images out first")
    ranks = rankdata(rdm.distances) - (len(rdm.distances) + 1) / 2
    length = np.sqrt(ranks @ ranks)
    if length == 0:
        raise DataError("all distances of an RDM are equal: there is nothing to correlate")
    return RDM(ranks / length, rdm.metric).square()


def shuffle(
    model: RDM, neural: RDM, label: np.ndarray, block: np.ndarray, n: int, seed: int, kinds: tuple[str, ...] = WITHIN
) -> Shuffled:
    """Correlate two RDMs, as they are and after shuffling the images of `neural` within groups.

    Parameters
    ----------
    model, neural : RDM
        Over the same images in the same order, all distances defined.
    label, block : (n_images,)
        Label and block of each image, in that order.
    n : int
        Random shuffles of each kind.
    seed : int
    kinds : tuple of str
        Members of `WITHIN` for which random shuffles are drawn; the exact means need none.

    Returns
    -------
    Shuffled

    Raises
    ------
    DataError
        If the numbers of images differ, a distance is undefined or all distances of an RDM are equal.
    """
    model, neural = aligned([model, neural])
    if neural.n_images != len(label) or len(label) != len(block):
        raise DataError(f"RDMs of {neural.n_images} images with {len(label)} labels and {len(block)} blocks")
    first, second = centred_ranks(model), centred_ranks(neural)
    groups = {
        "nothing": np.zeros(len(label), int),
        "block": np.unique(block, return_inverse=True)[1],
        "label": np.unique(label, return_inverse=True)[1],
        "label and block": combine_codes(label, block),
    }
    left = {}
    for within in kinds:
        rng = np.random.default_rng(seed_of(seed, "shuffle", within))
        orders = (permute_within(groups[within], rng) for _ in range(n))
        left[within] = np.array([_product(first, second[order][:, order]) for order in orders])
    means = {within: _product(first, pair_means(second, groups[within])) for within in WITHIN}
    tested = block_test(first, second, groups["block"], seed_of(seed, "allocation")) if "nothing" in kinds else np.nan
    return Shuffled(_product(first, second), means, left, tested)


def _sums(matrix: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of `matrix` over each pair of groups, and the number of pairs of different images in each."""
    size = member.sum(axis=0)
    return member.T @ matrix @ member, np.outer(size, size) - np.diag(size)


def pair_means(matrix: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the mean of a symmetric matrix with zero diagonal over all shuffles of its images within groups.

    Each entry becomes the mean over pairs of different images from its pair of groups.

    Parameters
    ----------
    matrix : (n_images, n_images)
    groups : (n_images,) int
        Codes from 0.
    """
    member = np.eye(groups.max(initial=0) + 1)[groups]  # (n, n_groups)
    sums, pairs = _sums(matrix, member)
    means = np.divide(sums, pairs, out=np.zeros_like(sums), where=pairs > 0)[np.ix_(groups, groups)]
    np.fill_diagonal(means, 0.0)
    return means


def block_test(first: np.ndarray, second: np.ndarray, block: np.ndarray, seed: int) -> float:
    """Test whether blocks agree with a model more than expected by chance.

    The product of `first` with the `pair_means` of `second` is the correlation that blocks alone carry. If blocks are
    unrelated to the model, images are exchangeable between blocks, and the same product with images in random order
    gives the null distribution. Whatever the responses are, the false-positive rate is at most nominal.

    Parameters
    ----------
    first, second : (n_images, n_images)
        `centred_ranks` of model and neural RDM.
    block : (n_images,) int
        Codes from 0.
    seed : int

    Returns
    -------
    float
        (k + 1) / (`BLOCK_DRAWS` + 1), with k the number of random orders whose product is at least the observed one.
    """
    rng = np.random.default_rng(seed)
    member = np.eye(block.max(initial=0) + 1)[block]
    sums, pairs = _sums(second, member)
    means = np.divide(sums, pairs, out=np.zeros_like(sums), where=pairs > 0)
    orders = [np.arange(len(block)), *(rng.permutation(len(block)) for _ in range(BLOCK_DRAWS))]
    shuffled = member[np.stack(orders)]  # (n_draws + 1, n, n_blocks)
    # One product for all orders: with many small ones, BLAS threads spend their time waiting.
    products = first @ np.moveaxis(shuffled, 0, 1).reshape(len(block), -1)
    sums = products.reshape(len(block), len(orders), -1).transpose(1, 2, 0) @ shuffled
    carried = (sums * means).sum(axis=(1, 2))
    return float((carried >= carried[0] - 1e-12).mean())


def _product(first: np.ndarray, second: np.ndarray) -> float:
    # Not a BLAS product: starting its threads would take longer than the product.
    value = float(np.einsum("ij,ij", first, second) / 2)
    return value if abs(value) > 1e-15 else 0.0  # rounding: centred ranks sum to zero


def permute_within(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random order of the rows in which each position keeps its group, (n,) int."""
    rows = np.argsort(groups, kind="stable")
    order = np.empty(len(groups), int)
    order[rows] = np.lexsort((rng.random(len(groups)), groups))
    return order


def partial_spearman(model: RDM, neural: RDM, given: list[RDM]) -> float:
    """Return the Spearman correlation of two RDMs with the ranks of others regressed out of both.

    NaN if the given RDMs explain either of the two completely.
    """
    ranks = [rankdata(rdm.distances) for rdm in aligned([model, neural, *given])]
    ranks = [rank - rank.mean() for rank in ranks]
    known = np.column_stack(ranks[2:]) if given else np.zeros((len(ranks[0]), 1))
    target = np.column_stack(ranks[:2])
    residual = target - known @ np.linalg.lstsq(known, target, rcond=None)[0]
    size = np.sqrt((residual**2).sum(axis=0))
    if (size <= 1e-9 * np.sqrt((target**2).sum(axis=0))).any():
        return np.nan
    return float(residual[:, 0] @ residual[:, 1] / (size[0] * size[1]))


def verdict(shuffled: Shuffled) -> str:
    """Decide what carries a correlation.

    Returns
    -------
    str
        ``none``: rho is not larger than after shuffling all images (p >= 0.05). ``block``: at least half of rho remains
        when images are shuffled within blocks, which is more than random allocation to blocks gives (p < 0.01); the
        correlation then needs no information about single images, nor about labels within a block. ``label``: at least
        half remains when images are shuffled within label and block; it is a difference between labels. ``image``:
        otherwise.
    """
    if shuffled.p_value("nothing") >= ALPHA or not shuffled.rho > 0:
        return "none"
    if shuffled.share("block") >= CARRIED and shuffled.block_p < BLOCK_ALPHA:
        return "block"
    return "label" if shuffled.share("label and block") >= CARRIED else "image"
