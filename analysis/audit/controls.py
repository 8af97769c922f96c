"""Controls for an RDM correlation: how much of it is left when single images, labels or recordings are shuffled.

An RDM correlation is blind to *why* two matrices agree. Shuffling the rows of the neural table within groups keeps all
that the group says and destroys the rest, so the correlation that is left measures what the group alone explains.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.statistics.rsa.rdm import RDM, upper
from analysis.statistics.rsa.similarity import aligned

WITHIN = ("nothing", "block", "label", "label and block")
"""What a shuffle keeps; ``nothing``: all images are shuffled."""
CARRIED = 0.5
"""Share of rho left by a shuffle from which the correlation counts as carried by what that shuffle keeps."""
ALPHA = 0.05
"""Level at which a correlation counts as one."""
BLOCK_ALPHA = 0.01
"""Level at which what blocks carry counts as more than chance: an audit that flags a study accuses it."""
BLOCK_DRAWS = 199
"""Random allocations of images to blocks of that test."""


@dataclass(frozen=True)
class Shuffled:
    """A correlation and what shuffles leave of it.

    Attributes
    ----------
    rho : float
        Spearman correlation of the two RDMs.
    mean : dict of str to float
        Exact means of the correlation over all shuffles within each of `WITHIN`.
    left : dict of str to (n_shuffles,)
        Correlations after random shuffles within each kind that was asked for.
    block_p : float
        p-value of ``mean["block"]`` against images allocated to blocks at random (`block_test`); NaN where shuffles
        within ``nothing`` were not asked for.
    """

    rho: float
    mean: dict[str, float]
    left: dict[str, np.ndarray]
    block_p: float

    def share(self, within: str) -> float:
        """Return the share of rho that is left on average; NaN where rho is not positive."""
        return self.mean[within] / self.rho if self.rho > 0 else np.nan

    def p_value(self, within: str) -> float:
        """Return the p-value of rho against the shuffles: (k + 1) / (n + 1)."""
        draws = self.left[within]
        # Shuffles that leave the matrix as it is differ from rho by rounding only.
        return float(((draws >= self.rho - 1e-12).sum() + 1) / (len(draws) + 1))

    def interval(self, within: str) -> tuple[float, float]:
        """Return the 2.5 and 97.5 percentiles of the shuffles."""
        low, high = np.quantile(self.left[within], [0.025, 0.975])
        return float(low), float(high)


def category_rdm(values: np.ndarray, images=None) -> RDM:
    """Return the RDM of a category: 0 within, 1 between; images as keys, if given."""
    values = np.asarray(values)
    matrix = (values[:, None] != values[None, :]).astype(np.float64)
    return RDM(upper(matrix), "category", None if images is None else tuple(map(str, images)))


def both(label: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return one code per combination of label and block."""
    _, first = np.unique(label, return_inverse=True)
    _, second = np.unique(block, return_inverse=True)
    return first * (second.max(initial=0) + 1) + second


def centred_ranks(rdm: RDM) -> np.ndarray:
    """Return the centred midranks of an RDM scaled to length 1, (n_images, n_images), zero on the diagonal.

    Raises
    ------
    DataError
        If a distance is undefined or all are equal.
    """
    if not np.isfinite(rdm.distances).all():
        raise DataError("an RDM holds undefined distances (constant rows); leave those images out first")
    ranks = rankdata(rdm.distances) - (len(rdm.distances) + 1) / 2
    length = np.sqrt(ranks @ ranks)
    if length == 0:
        raise DataError("all distances of an RDM are equal: there is nothing to correlate")
    return RDM(ranks / length, rdm.metric).square()


def shuffle(
    model: RDM, neural: RDM, label: np.ndarray, block: np.ndarray, n: int, seed: int, kinds: tuple[str, ...] = WITHIN
) -> Shuffled:
    """Correlate two RDMs, and again after shuffling the images of `neural` within groups.

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
        Which of `WITHIN` are drawn; the means need no draws.
    """
    model, neural = aligned([model, neural])
    if neural.n_images != len(label) or len(label) != len(block):
        raise DataError(f"RDMs of {neural.n_images} images with {len(label)} labels and {len(block)} blocks")
    first, second = centred_ranks(model), centred_ranks(neural)
    groups = {
        "nothing": np.zeros(len(label), int),
        "block": np.unique(block, return_inverse=True)[1],
        "label": np.unique(label, return_inverse=True)[1],
        "label and block": both(label, block),
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
    """Return the sum of `matrix` over each pair of groups, and the number of pairs of different images in it."""
    size = member.sum(axis=0)
    return member.T @ matrix @ member, np.outer(size, size) - np.diag(size)


def pair_means(matrix: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the mean of a symmetric matrix with zero diagonal over all shuffles of its rows within groups.

    Each entry becomes the mean over its pair of groups, of different images.

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
    """Test whether blocks agree with a model by more than chance.

    The product of `first` with `pair_means` of `second` is what blocks alone carry. Where blocks have nothing to do
    with the model, images are exchangeable between them, so the same product with images in random order is its
    distribution: whatever the responses hold, a study without confound passes for one in at most the nominal share of
    cases.

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
        (k + 1) / (`BLOCK_DRAWS` + 1), with k the random orders that reach the product.
    """
    rng = np.random.default_rng(seed)
    member = np.eye(block.max(initial=0) + 1)[block]
    sums, pairs = _sums(second, member)
    means = np.divide(sums, pairs, out=np.zeros_like(sums), where=pairs > 0)
    orders = [np.arange(len(block)), *(rng.permutation(len(block)) for _ in range(BLOCK_DRAWS))]
    shuffled = member[np.stack(orders)]  # (n_draws + 1, n, n_blocks)
    # One product for all orders: many small ones wait for the threads of BLAS.
    spread = first @ np.moveaxis(shuffled, 0, 1).reshape(len(block), -1)
    sums = spread.reshape(len(block), len(orders), -1).transpose(1, 2, 0) @ shuffled
    carried = (sums * means).sum(axis=(1, 2))
    return float((carried >= carried[0] - 1e-12).mean())


def _product(first: np.ndarray, second: np.ndarray) -> float:
    # Not a BLAS product: starting its threads takes longer than a product of this size.
    value = float(np.einsum("ij,ij", first, second) / 2)
    return value if abs(value) > 1e-15 else 0.0  # centred ranks sum to rounding


def permute_within(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an order of the rows in which every row goes to a row of its own group, shape (n,)."""
    rows = np.argsort(groups, kind="stable")
    order = np.empty(len(groups), int)
    order[rows] = np.lexsort((rng.random(len(groups)), groups))
    return order


def partial_spearman(model: RDM, neural: RDM, given: list[RDM]) -> float:
    """Return the Spearman correlation of two RDMs with the ranks of others regressed out of both.

    NaN if the given RDMs explain one of the two completely.
    """
    ranks = [rankdata(one.distances) for one in aligned([model, neural, *given])]
    ranks = [one - one.mean() for one in ranks]
    known = np.column_stack(ranks[2:]) if given else np.zeros((len(ranks[0]), 1))
    target = np.column_stack(ranks[:2])
    rest = target - known @ np.linalg.lstsq(known, target, rcond=None)[0]
    size = np.sqrt((rest**2).sum(axis=0))
    if (size <= 1e-9 * np.sqrt((target**2).sum(axis=0))).any():
        return np.nan
    return float(rest[:, 0] @ rest[:, 1] / (size[0] * size[1]))


def verdict(found: Shuffled) -> str:
    """Say what carries a correlation.

    Returns
    -------
    str
        ``none``: no larger than after shuffling all images (p >= 0.05). ``block``: half of it or more is left when
        images are shuffled within blocks, and that is more than chance allocation to blocks gives (p < 0.01), so it
        needs no information on single images, nor on labels within a block. ``label``: half or more is left within
        label and block, so it is a difference between labels. ``image``: else.
    """
    if found.p_value("nothing") >= ALPHA or not found.rho > 0:
        return "none"
    if found.share("block") >= CARRIED and found.block_p < BLOCK_ALPHA:
        return "block"
    return "label" if found.share("label and block") >= CARRIED else "image"
