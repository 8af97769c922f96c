import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.stats import spearmanr
from sklearn.decomposition import PCA

from analysis.core.errors import DataError
from analysis.statistics import TooFewImages, category_rdm, rdm, reweighted_rho
from analysis.statistics.crossval import group_folds
from analysis.statistics.rsa import reweighted
from analysis.statistics.rsa.rdm import upper


def planted(seed=0, n=60):
    """Features of four latent variables, of which the two with the fewest features make the area's geometry."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 4))
    return np.repeat(latent, [5, 10, 20, 40], axis=1) + 0.3 * rng.normal(size=(n, 75)), rdm(latent[:, :2], "euclidean")


def test_it_is_the_plain_way_with_scikit_learn_and_scipy(monkeypatch):
    monkeypatch.setattr(reweighted, "PENALTY", 1e-12)
    X, neural = planted()
    found = reweighted_rho(X, neural, folds=4, components=5, seed=3)
    folds, square, scores = group_folds(np.arange(60), 4, 3), neural.square(), []
    for fold in range(4):
        train, rest = folds != fold, folds == fold
        Z = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
        Z = PCA(5, svd_solver="full").fit(Z[train]).transform(Z)
        A, test = (
            (lambda z: np.stack([upper((c[:, None] - c) ** 2) for c in z.T], 1))(Z[rows]) for rows in (train, rest)
        )
        target = upper(square[np.ix_(train, train)])
        weights = nnls(A - A.mean(axis=0), target - target.mean())[0]
        np.testing.assert_allclose(found.weights[fold], weights, atol=1e-6)
        held_out = upper(square[np.ix_(rest, rest)])
        scores.append([spearmanr(predicted, held_out)[0] for predicted in (test.sum(axis=1), test @ weights)])
    assert [found.fixed, found.reweighted] == pytest.approx(np.mean(scores, axis=0), abs=1e-6)


def test_weights_help_where_features_differ_in_worth():
    X, neural = planted()
    found = reweighted_rho(X, neural)
    assert found.reweighted > found.fixed + 0.2
    assert (found.weights >= 0).all()


def test_noise_is_not_fitted():
    scores = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scores.append(reweighted_rho(rng.normal(size=(40, 30)), rdm(rng.normal(size=(40, 10)))).reweighted)
    assert abs(np.mean(scores)) < 0.04


def test_near_duplicates_are_never_split():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(25, 30)), rng.normal(size=(25, 10))
    twice = np.repeat(np.arange(25), 2)
    found = reweighted_rho(X[twice], rdm(Y[twice], "euclidean"), np.arange(50) // 2)
    duplicates = [reweighted_rho(X[twice], rdm(Y[twice], "euclidean"), seed=seed).reweighted for seed in range(3)]
    assert found.reweighted < min(duplicates) + 0.3
    with pytest.raises(TooFewImages, match="10 groups of images; 5 folds need 20"):
        reweighted_rho(X[:20], rdm(Y[:20]), np.arange(20) // 2)


def test_images_without_a_geometry_are_left_out_and_constant_features_predict_nothing():
    X, neural = planted()
    square = neural.square()
    square[7] = square[:, 7] = np.nan
    rest = np.delete(np.arange(60), 7)
    holed = type(neural)(upper(square), "euclidean")
    assert reweighted_rho(X, holed).reweighted == reweighted_rho(X[rest], neural.take(rest)).reweighted
    assert reweighted_rho(np.ones((60, 3)), neural).reweighted == 0.0


def test_wrong_input_is_named():
    X, neural = planted()
    with pytest.raises(DataError, match="features has 10 rows and neural 60 images"):
        reweighted_rho(X[:10], neural)
    with pytest.raises(DataError, match="method='cka'"):
        reweighted_rho(X, neural, method="cka")


def test_category_rdm_is_that_of_the_means_of_standardised_features():
    rng = np.random.default_rng(0)
    X, names = rng.normal(size=(30, 4)) * [1, 10, 100, 1], np.resize(["b", "a", "c"], 30)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    means = np.stack([Z[names == name].mean(axis=0) for name in "abc"])
    found = category_rdm(X, names)
    assert found.images == ("a", "b", "c")
    np.testing.assert_allclose(found.distances, 1 - np.corrcoef(means)[np.triu_indices(3, 1)])


def test_rare_categories_are_left_out():
    X = np.random.default_rng(0).normal(size=(10, 4))
    assert category_rdm(X, [*"aabbccdde", "f"]).images == ("a", "b", "c", "d")
    with pytest.raises(TooFewImages, match="2 categories of 2 images or more; an RDM needs 3"):
        category_rdm(X[:5], [*"aabbc"])
    with pytest.raises(DataError, match="metric='l1'"):
        category_rdm(X, [*"aabbccdde", "f"], "l1")
