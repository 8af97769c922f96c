import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from analysis.core.errors import DataError
from analysis.statistics import inference
from analysis.statistics.rsa import significance, similarity
from analysis.statistics.rsa.rdm import rdm


def layers(n=20, seed=0):
    """A population's RDM, and those of a layer like it and of one unlike it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 8))
    return rdm(X), [rdm(X + rng.normal(size=X.shape)), rdm(rng.normal(size=X.shape))]


def test_permuted_correlations_equal_those_of_permuted_rdms():
    neural, models = layers()
    found = significance.null_correlations(models, neural, 30, seed=3)
    assert found.shape == (31, 2)
    keys = np.random.default_rng(3).random((30, 20))
    pairs = np.triu_indices(20, 1)
    for k, order in enumerate([np.arange(20), *np.argsort(keys, axis=1)]):
        moved = neural.square()[np.ix_(order, order)][pairs]
        expected = [spearmanr(moved, one.distances).statistic for one in models]
        np.testing.assert_allclose(found[k], expected, atol=1e-12)
    alone = significance.null_correlations(models[1:], neural, 10, seed=3)
    np.testing.assert_allclose(alone[:, 0], found[:11, 1], atol=1e-12)  # whatever the company and the number


def test_images_that_a_layer_does_not_distinguish_are_left_out_for_it_alone():
    neural, models = layers()
    features = np.random.default_rng(1).normal(size=(20, 8))
    features[4] = 7.0  # constant: no correlation distance
    found = significance.null_correlations([models[0], rdm(features)], neural, 5, seed=3)
    whole = significance.null_correlations(models[:1], neural, 5, seed=3)
    np.testing.assert_allclose(found[:, 0], whole[:, 0], atol=1e-12)
    rows = np.delete(np.arange(20), 4)
    pairs = np.triu_indices(19, 1)
    expected = spearmanr(neural.take(rows).distances, rdm(features[rows]).square()[pairs]).statistic
    assert found[0, 1] == pytest.approx(expected, abs=1e-12)
    assert np.isfinite(found).all()
    constant = significance.null_correlations([rdm(np.ones((20, 3)))], neural, 5, seed=3)
    assert np.isnan(constant).all()


def test_a_layer_with_ties_gains_nothing_by_them():
    neural, _ = layers()
    category = rdm(np.eye(3)[np.arange(20) % 3], "sqeuclidean")
    found = significance.null_correlations([category], neural, 3, seed=0)[0, 0]
    assert found == pytest.approx(similarity.compare_rdms(category, neural, "rho-a"), abs=1e-12)
    assert abs(found) < abs(similarity.compare_rdms(category, neural, "spearman")) - 0.001


def test_too_few_images_are_no_test_and_other_images_are_refused():
    neural, models = layers(3)
    assert np.isnan(significance.null_correlations(models, neural, 5, seed=0)).all()
    X = np.random.default_rng(0).normal(size=(5, 4))
    with pytest.raises(DataError, match="the model RDMs and the neural RDM differ in their images or their order"):
        significance.null_correlations([rdm(X, images=list("abcde"))], rdm(X, images=list("edcba")), 5, seed=0)


def test_blocks_of_permutations_change_nothing(monkeypatch):
    neural, models = layers()
    whole = significance.null_correlations(models, neural, 30, seed=3)
    monkeypatch.setattr(significance, "PERMUTATIONS_AT_ONCE", 7)
    np.testing.assert_allclose(significance.null_correlations(models, neural, 30, seed=3), whole, atol=1e-14)


def test_areas_average_the_recordings_that_are_defined():
    a, b = np.arange(6.0).reshape(3, 2), np.full((3, 2), 10.0)
    b[0, 1] = np.nan
    found = significance.mean_by_area([a, b, a], ["V1", "V1", "AIT"], ["V1", "V4", "AIT"])
    np.testing.assert_allclose(found[:, 0, 0], (a[:, 0] + 10) / 2)
    np.testing.assert_allclose(found[:, 1, 0], a[:, 1])
    assert np.isnan(found[:, :, 1]).all()
    np.testing.assert_allclose(found[:, :, 2], a)


def test_p_values_are_corrected_over_all_tests():
    rng = np.random.default_rng(0)
    null = rng.normal(size=(199, 6)) * [1, 1, 1, 5, 5, 5]
    rows = pd.DataFrame(
        {name: list("abcdef") for name in ("model", "protocol", "layer", "region")}
        | {"recordings": 1, "rho": [4.0, 0.1, np.nan, 30.0, 2.0, -9.0]}
    )
    found = significance.add_p_values(rows, null)
    assert list(found.columns) == significance.COLUMNS
    p = [(np.sum(null[:, k] >= rows.rho[k]) + 1) / 200 for k in range(6)]
    np.testing.assert_allclose(found.p.drop(2), np.delete(p, 2))
    assert np.isnan(found.p[2])
    np.testing.assert_allclose(found.p_bh, inference.fdr(found.p)[1])
    np.testing.assert_allclose(found.p_tsbh, inference.fdr(found.p, method="tsbh")[1])
    assert (found.p_max.drop(2) >= found.p.drop(2) - 1e-12).all()
    assert found.p_max[0] < 0.05  # 4 of spread 1 stands out beside spreads of 5 ...
    assert found.p_max[4] > 0.5  # ... and 2 of spread 5 does not


def test_a_permutation_that_does_as_well_counts_against_it():
    rows = pd.DataFrame({"rho": [0.5]}).assign(model="", protocol="", layer="", region="", recordings=1)
    assert significance.add_p_values(rows, np.array([[0.5], [0.2], [0.1]])).p.item() == 2 / 4


def test_false_alarms_of_many_layers_and_areas_are_kept_to_their_rate():
    hits = 0
    for run in range(60):
        rng = np.random.default_rng(run)
        found = [
            significance.null_correlations([rdm(rng.normal(size=(12, 5))) for _ in range(6)], neural, 49, seed=run)
            for neural in (rdm(rng.normal(size=(12, 5))) for _ in range(2))
        ]
        means = significance.mean_by_area(found, ["V1", "AIT"], ["V1", "AIT"]).reshape(50, -1)
        rows = pd.DataFrame({"rho": means[0]}).assign(model="", protocol="", layer="", region="", recordings=1)
        hits += significance.add_p_values(rows, means[1:]).p_max.min() <= 0.1
    assert hits <= 13  # 6 expected; 13 or more in one of 200 such tests
