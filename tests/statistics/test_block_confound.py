"""What blocks of images carry of an RDM correlation, against scipy, hand-computed cases and planted studies."""

import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from analysis.core.errors import DataError
from analysis.statistics import block_confound as confound
from analysis.statistics.block_confound import block_confound
from analysis.statistics.rsa.rdm import RDM, rdm, upper


@pytest.fixture
def pair():
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(40, 5))
    model = rdm(shared @ rng.normal(size=(5, 20)) + rng.normal(size=(40, 20)))
    neural = rdm(shared @ rng.normal(size=(5, 30)) + rng.normal(size=(40, 30)))
    return model, neural


LABEL, BLOCK = np.arange(40) % 2, np.repeat([0, 1, 2, 3], [4, 10, 11, 15])


def test_rho_is_spearmans_and_one_block_leaves_all_of_it_within(pair):
    model, neural = pair
    rho = spearmanr(model.distances, neural.distances).statistic
    found = block_confound(*pair, LABEL, BLOCK)
    assert found.rho == pytest.approx(rho)
    assert found.p_value == 1 / 200
    assert block_confound(*pair, LABEL, np.zeros(40)).within == pytest.approx(rho)


def test_within_blocks_pairs_are_ranked_block_by_block(pair):
    model, neural = (one.square() for one in pair)
    parts: list = [[], []]
    for block in range(4):
        rows = np.flatnonzero(block == BLOCK)
        for part, matrix in zip(parts, (model, neural), strict=True):
            ranks = rankdata(upper(matrix[np.ix_(rows, rows)]))
            part.append((ranks - ranks.mean()) / len(ranks))
    expected = pearsonr(*map(np.concatenate, parts)).statistic
    assert block_confound(*pair, LABEL, BLOCK).within == pytest.approx(expected)


def test_partial_is_the_correlation_of_ranks_with_indicators_of_block_pairs_regressed_out(pair):
    first, second = np.triu_indices(40, 1)
    codes = np.sort(np.stack([BLOCK[first], BLOCK[second]]), axis=0)
    known = ((10 * codes[0] + codes[1])[:, None] == np.unique(10 * codes[0] + codes[1])).astype(float)
    ranks = [rankdata(one.distances) for one in pair]
    rest = [one - known @ np.linalg.lstsq(known, one, rcond=None)[0] for one in ranks]
    assert block_confound(*pair, LABEL, BLOCK).partial == pytest.approx(pearsonr(*rest).statistic)


def test_carried_is_the_mean_over_shuffles_within_blocks(pair):
    model, neural = map(confound.centred_ranks, pair)
    rng, shuffled = np.random.default_rng(0), []
    for _ in range(400):
        order = np.lexsort((rng.random(40), BLOCK))
        shuffled.append(np.sum(model * neural[np.ix_(order, order)]) / 2)
    carried = block_confound(*pair, LABEL, BLOCK).carried
    assert carried == pytest.approx(np.mean(shuffled), abs=4 * np.std(shuffled) / 20)
    # all orders of three images by hand
    matrix = np.array([[0.0, 1, 5], [1, 0, 9], [5, 9, 0]])
    assert np.allclose(confound.pair_means(matrix, np.array([0, 0, 1])), [[0, 1, 7], [1, 0, 7], [7, 7, 0]])


def test_determination_is_the_r2_of_a_regression_on_blocks():
    label, block = np.array([0, 0, 0, 1, 1, 1, 1, 0]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    # each block holds one image of the other label: variance within 3/16, in all 1/4
    assert confound.determination(label, block) == pytest.approx(1 / 4)
    assert confound.determination(label, label) == 1
    assert confound.determination(np.zeros(8), block) == 0


def test_label_and_block_that_coincide_are_not_identifiable(pair):
    found = block_confound(*pair, BLOCK > 1, BLOCK)
    assert not found.identifiable
    assert found.verdict == "not identifiable"
    assert block_confound(*pair, LABEL, BLOCK).verdict == "within blocks"


def test_what_is_decided_when():
    below, above = {"within": np.array([-0.1, 0.1])}, {"within": np.array([0.1, 0.2])}

    def verdict(draws, p_value=0.01, block_p=0.005, determined=0.0):
        return confound.BlockConfound(0.3, 0.0, 0.0, 0.3, draws, p_value, block_p, determined).verdict

    assert verdict(below, p_value=0.05) == "none"
    assert verdict(above, determined=0.9) == "not identifiable"
    assert verdict(above) == "within blocks"
    assert verdict(below) == "blocks"
    assert verdict(below, block_p=0.01) == "undecided"


def planted(rng: np.random.Generator, shared: float, n: int = 60) -> tuple[RDM, RDM, np.ndarray]:
    """RDMs of the same model and units for other images; they share some content, and four blocks add offsets."""
    units = np.random.default_rng(0)
    block, content, tables = rng.integers(4, size=n), rng.normal(size=(n, 4)), []
    for width in (20, 30):
        weights, offsets = shared * units.normal(size=(4, width)), 4 * units.normal(size=(4, width))
        tables.append(content @ weights + offsets[block] + rng.normal(size=(n, width)))
    return rdm(tables[0]), rdm(tables[1]), block


@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_intervals_within_blocks_cover_the_value_of_many_images(shared):
    rng = np.random.default_rng(3)
    label = np.arange(600) % 2
    many = (planted(rng, shared, 600) for _ in range(6))
    truth = np.mean([block_confound(*two, label, block, resampled=(), permutations=0).within for *two, block in many])
    covered = []
    for number in range(150):
        model, neural, block = planted(rng, shared)
        found = block_confound(model, neural, label[:60], block, resampled=("within",), permutations=0, seed=number)
        low, high = found.interval("within")
        covered.append(low <= truth <= high)
    assert np.mean(covered) > 0.89  # 95 % of 150, less three standard errors


def test_near_duplicates_are_resampled_together(pair):
    twice = [one.take(np.repeat(np.arange(40), 2)) for one in pair]
    label, block, groups = (np.repeat(values, 2) for values in (LABEL, np.zeros(40), np.arange(40)))
    widths = [
        np.ptp(block_confound(*twice, label, block, groups=g, permutations=0, seed=1).interval("within"))
        for g in (groups, None)
    ]
    single = np.ptp(block_confound(*pair, LABEL, np.zeros(40), permutations=0, seed=1).interval("within"))
    assert widths[0] == pytest.approx(single, rel=0.3)
    assert widths[1] < 0.85 * widths[0]


def test_blocks_unrelated_to_the_model_pass_their_test_at_the_nominal_rate():
    rng, p, p_block = np.random.default_rng(4), [], []
    for number in range(200):
        block = rng.integers(4, size=40)
        model = rdm(rng.normal(size=(40, 6)))
        neural = rdm(3 * rng.normal(size=(4, 12))[block] + rng.normal(size=(40, 12)))
        found = block_confound(model, neural, LABEL, block, resampled=(), permutations=99, seed=number)
        p.append(found.p_value)
        p_block.append(found.block_p)
    for values in (p, p_block):
        assert np.mean(np.array(values) <= 0.1) == pytest.approx(0.1, abs=0.065)
        assert np.mean(np.array(values) <= 0.5) == pytest.approx(0.5, abs=0.11)


def test_undefined_distances_and_missing_labels_are_refused(pair):
    model, neural = pair
    broken = RDM(np.where(np.arange(len(neural.distances)) == 3, np.nan, neural.distances), "correlation")
    with pytest.raises(DataError, match="undefined"):
        block_confound(model, broken, LABEL, BLOCK)
    with pytest.raises(DataError, match="40 images with 39 labels"):
        block_confound(model, neural, LABEL[1:], BLOCK)
