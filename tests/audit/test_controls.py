import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from analysis.audit import controls, studies
from analysis.compare.rdm import RDM, rdm
from analysis.errors import DataError


@pytest.fixture
def pair():
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(40, 5))
    model = rdm(shared @ rng.normal(size=(5, 20)) + rng.normal(size=(40, 20)))
    neural = rdm(shared @ rng.normal(size=(5, 30)) + rng.normal(size=(40, 30)))
    return model, neural


def test_rho_is_spearman(pair):
    model, neural = pair
    label, block = np.arange(40) % 2, np.arange(40) // 10
    found = controls.shuffle(model, neural, label, block, 50, seed=0)
    assert found.rho == pytest.approx(spearmanr(model.distances, neural.distances).statistic)
    assert found.p_value("nothing") == pytest.approx(1 / 51)
    assert abs(found.left["nothing"].mean()) < 0.05


def test_one_shuffle_is_the_correlation_of_the_reordered_rdm(pair):
    model, neural = pair
    order = np.random.default_rng(0).permutation(40)
    ranks = controls.centred_ranks(neural)[np.ix_(order, order)]
    found = np.sum(controls.centred_ranks(model) * ranks) / 2
    assert found == pytest.approx(spearmanr(model.distances, neural.take(order).distances).statistic)


def test_shuffles_stay_within_their_groups():
    groups = np.array([2, 0, 1, 0, 2, 2, 1, 0])
    rng = np.random.default_rng(0)
    orders = [controls.permute_within(groups, rng) for _ in range(60)]
    assert all((groups[order] == groups).all() for order in orders)
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert len({tuple(order) for order in orders}) > 20  # of 3! 2! 3! = 72


def test_shuffle_within_singletons_changes_nothing(pair):
    found = controls.shuffle(*pair, np.arange(40), np.zeros(40), 5, seed=0)
    assert np.allclose(found.left["label"], found.rho)
    assert found.share("label") == pytest.approx(1.0)


def test_p_values_are_uniform_without_agreement():
    rng = np.random.default_rng(2)
    label, block = np.arange(30) % 2, np.arange(30) // 10
    p = []
    for number in range(150):
        a, b = rdm(rng.normal(size=(30, 8))), rdm(rng.normal(size=(30, 8)))
        p.append(controls.shuffle(a, b, label, block, 19, seed=number).p_value("block"))
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.07)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.12)


def test_partial_spearman_is_the_correlation_of_residual_ranks(pair):
    model, neural = pair
    label = controls.category_rdm(np.arange(40) % 2)
    ranks = [rankdata(one.distances) for one in (model, neural, label)]
    known = np.column_stack([np.ones(len(ranks[0])), ranks[2]])
    rest = [one - known @ np.linalg.lstsq(known, one, rcond=None)[0] for one in ranks[:2]]
    assert controls.partial_spearman(model, neural, [label]) == pytest.approx(pearsonr(*rest).statistic)
    assert np.isnan(controls.partial_spearman(label, neural, [label]))


def test_undefined_distances_are_refused(pair):
    model, neural = pair
    broken = RDM(np.where(np.arange(len(neural.distances)) == 3, np.nan, neural.distances), "correlation")
    with pytest.raises(DataError, match="undefined"):
        controls.shuffle(model, broken, np.zeros(40), np.zeros(40), 2, seed=0)


def test_confounded_studies_are_told_from_clean_ones():
    table = studies.rates(40, 100, seed=628)
    flagged = table.groupby("confounded")["flagged"].mean()
    assert flagged[True] >= 0.95
    assert flagged[False] <= 0.05
    confounded = table[table["confounded"]]
    assert (confounded["rho"] > 0).all()
    # what the model is said to share with the units is all left when images are shuffled within blocks
    assert confounded["left_block"].mean() == pytest.approx(confounded["rho"].mean(), abs=0.05)
    clean = table[~table["confounded"]]
    assert clean["left_block"].mean() < 0.1 * clean["rho"].mean()


def test_studies_are_repeatable_and_confounds_are_real():
    one, again = studies.simulate(True, 4), studies.simulate(True, 4)
    assert np.array_equal(one.responses, again.responses)
    for block in np.unique(one.block):
        share = one.label[one.block == block].mean()
        assert share < 0.3 or share > 0.7 or (one.block == block).sum() < 10
