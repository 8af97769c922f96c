import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from analysis.audit.table import blocks, rdm_controls, rdms, simulated_studies, table_audit
from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.statistics.rsa.rdm import RDM, rdm


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
    found = rdm_controls.shuffle(model, neural, label, block, 50, seed=0)
    assert found.rho == pytest.approx(spearmanr(model.distances, neural.distances).statistic)
    assert found.p_value("nothing") == pytest.approx(1 / 51)
    assert abs(found.left["nothing"].mean()) < 0.05


def test_one_shuffle_is_the_correlation_of_the_reordered_rdm(pair):
    model, neural = pair
    order = np.random.default_rng(0).permutation(40)
    ranks = rdm_controls.centred_ranks(neural)[np.ix_(order, order)]
    found = np.sum(rdm_controls.centred_ranks(model) * ranks) / 2
    assert found == pytest.approx(spearmanr(model.distances, neural.take(order).distances).statistic)


def test_shuffles_stay_within_their_groups():
    groups = np.array([2, 0, 1, 0, 2, 2, 1, 0])
    rng = np.random.default_rng(0)
    orders = [rdm_controls.permute_within(groups, rng) for _ in range(60)]
    assert all((groups[order] == groups).all() for order in orders)
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert len({tuple(order) for order in orders}) > 20  # of 3! 2! 3! = 72


def test_shuffle_within_singletons_changes_nothing(pair):
    found = rdm_controls.shuffle(*pair, np.arange(40), np.zeros(40), 5, seed=0)
    assert np.allclose(found.left["label"], found.rho)
    assert found.mean["label"] == pytest.approx(found.rho)
    assert found.share("label") == pytest.approx(1.0)


def test_p_values_are_uniform_without_agreement():
    rng = np.random.default_rng(2)
    label, block = np.arange(30) % 2, np.arange(30) // 10
    p = []
    for number in range(150):
        a, b = rdm(rng.normal(size=(30, 8))), rdm(rng.normal(size=(30, 8)))
        p.append(rdm_controls.shuffle(a, b, label, block, 19, seed=number).p_value("block"))
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.07)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.12)


def test_partial_spearman_is_the_correlation_of_residual_ranks(pair):
    model, neural = pair
    label = rdms.category_rdm(np.arange(40) % 2)
    ranks = [rankdata(one.distances) for one in (model, neural, label)]
    known = np.column_stack([np.ones(len(ranks[0])), ranks[2]])
    rest = [one - known @ np.linalg.lstsq(known, one, rcond=None)[0] for one in ranks[:2]]
    assert rdm_controls.partial_spearman(model, neural, [label]) == pytest.approx(pearsonr(*rest).statistic)
    assert np.isnan(rdm_controls.partial_spearman(label, neural, [label]))


def test_undefined_distances_are_refused(pair):
    model, neural = pair
    broken = RDM(np.where(np.arange(len(neural.distances)) == 3, np.nan, neural.distances), "correlation")
    with pytest.raises(DataError, match="undefined"):
        rdm_controls.shuffle(model, broken, np.zeros(40), np.zeros(40), 2, seed=0)


def test_pair_means_are_the_mean_over_shuffles(pair):
    model, neural = pair
    label, block = np.arange(40) % 2, np.repeat([0, 1, 2, 3], [4, 10, 11, 15])
    found = rdm_controls.shuffle(model, neural, label, block, 400, seed=0)
    for within, draws in found.left.items():
        assert found.mean[within] == pytest.approx(draws.mean(), abs=4 * draws.std() / 20)
    assert found.share("block") == found.mean["block"] / found.rho
    # all orders of three images by hand
    matrix = np.array([[0.0, 1, 5], [1, 0, 9], [5, 9, 0]])
    assert np.allclose(rdm_controls.pair_means(matrix, np.array([0, 0, 1])), [[0, 1, 7], [1, 0, 7], [7, 7, 0]])


def test_blocks_unrelated_to_the_model_pass_their_test_at_the_nominal_rate():
    rng = np.random.default_rng(4)
    p = []
    for number in range(200):
        block = rng.integers(4, size=40)
        model = rdm_controls.centred_ranks(rdm(rng.normal(size=(40, 6))))
        neural = rdm_controls.centred_ranks(rdm(3 * rng.normal(size=(4, 12))[block] + rng.normal(size=(40, 12))))
        p.append(rdm_controls.block_test(model, neural, block, seed=number))
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.065)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.11)


def test_blocks_that_agree_by_chance_are_no_confound():
    """Blocks may carry half of a small rho by chance; a study is flagged only if the test of blocks is significant."""
    left = dict.fromkeys(rdm_controls.WITHIN, np.zeros(99))
    mean = {"nothing": 0.0, "block": 0.06, "label": 0.0, "label and block": 0.0}
    assert rdm_controls.verdict(rdm_controls.Shuffled(0.1, mean, left, block_p=0.2)) == "image"
    assert rdm_controls.verdict(rdm_controls.Shuffled(0.1, mean, left, block_p=0.005)) == "block"


def test_confounded_studies_are_distinguished_from_clean_ones():
    """The studies of the default stage, with seeds that were not used to develop the generator and the rule."""
    table = simulated_studies.judge_studies(40, 100, seed_of(628, "unseen studies"))
    found = simulated_studies.summarise(table)
    assert found["detected"] >= 0.95
    assert found["false_alarms"] <= 0.05
    assert found["detected_low"] > 0.9 > 0.1 > found["false_alarms_high"]
    confounded, clean = table[table["confounded"]], table[~table["confounded"]]
    # nearly all of rho remains when images are shuffled within blocks
    assert confounded["rho"].min() > 0.1
    assert confounded["left_block"].mean() == pytest.approx(confounded["rho"].mean(), abs=0.05)
    assert abs(clean["left_block"].mean()) < 0.1 * clean["rho"].mean()
    assert (clean["verdict"] != "none").mean() > 0.8  # most clean studies have a correlation that could be flagged


def test_label_predicts_the_block_in_confounded_studies_only():
    one, again = simulated_studies.simulate(True, 4), simulated_studies.simulate(True, 4)
    assert np.array_equal(one.responses, again.responses)
    for number in range(10):
        confounded, clean = simulated_studies.simulate(True, number), simulated_studies.simulate(False, number)
        faces = confounded.block[confounded.label == 1] == 0
        assert faces.mean() > 0.8
        assert (confounded.block[confounded.label == 0] == 0).mean() < 0.15
        assert (
            abs(table_audit.cramers_v(clean.label, clean.block))
            < 0.5
            < table_audit.cramers_v(confounded.label, confounded.block)
        )
        for study in (confounded, clean):
            explained = blocks.variance_explained(study.responses, study.block)
            assert 0.7 < np.median(explained) < 0.97
            assert np.isfinite(study.responses).all()


def test_filled_cells_of_studies_are_those_of_the_reports_table():
    filled = [blocks.filled_cells(simulated_studies.simulate(k % 2 == 0, k).responses).mean() for k in range(40)]
    assert np.mean(filled) == pytest.approx(0.134, abs=0.03)
