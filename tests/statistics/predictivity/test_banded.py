import numpy as np
import pytest
from sklearn.linear_model import Ridge

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.statistics import TooFewImages, banded_predict, group_folds
from analysis.statistics.predictivity import banded

RNG = np.random.default_rng(0)
FEW, MANY = RNG.normal(size=(50, 3)) * [1, 5, 20], RNG.normal(size=(50, 120))
Y = FEW @ RNG.normal(size=(3, 4)) + MANY[:, :4] + RNG.normal(size=(50, 4))
FOLDS = np.arange(50) % 5


def standardised(X, train):
    Z = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
    Z = np.clip(Z, Z[train].min(axis=0), Z[train].max(axis=0))
    return Z / np.sqrt((Z[train] ** 2).sum(axis=1).mean())


def ridge(spaces, weights, alpha, train, rest, y):
    Z = np.hstack(
        [np.sqrt(w) * standardised(X, np.isin(np.arange(50), train)) for X, w in zip(spaces, weights, strict=True)]
    )
    return Ridge(alpha, solver="svd").fit(Z[train], y[train]).predict(Z[rest])


@pytest.mark.parametrize(("spaces", "weights"), [([MANY], [1.0]), ([FEW, MANY], [0.3, 0.7])])
def test_with_one_weight_and_penalty_it_is_scikit_learns_ridge(monkeypatch, spaces, weights):
    monkeypatch.setattr(banded, "WEIGHTS", (0.3,))
    monkeypatch.setattr(banded, "ALPHAS", (0.5,))
    found = banded_predict(spaces, Y, FOLDS)
    for fold in range(5):
        train, rest = (np.flatnonzero(rows) for rows in (FOLDS - fold != 0, FOLDS - fold == 0))
        mixed = sum(weights)
        np.testing.assert_allclose(found[rest], ridge(spaces, weights, 0.5 * mixed, train, rest, Y), atol=1e-8)


def test_weight_and_penalty_are_those_with_the_least_error_in_the_inner_folds(monkeypatch):
    monkeypatch.setattr(banded, "WEIGHTS", (0.0, 0.5, 1.0))
    monkeypatch.setattr(banded, "ALPHAS", (0.01, 1.0))
    found = banded_predict([FEW, MANY], Y, FOLDS, seed=2)
    train, rest = np.flatnonzero(FOLDS != 3), np.flatnonzero(FOLDS == 3)
    inner = group_folds(train, 10, seed_of(2, "inner", 3))
    errors = {}
    Z = [standardised(X, FOLDS != 3) for X in (FEW, MANY)]
    for w in (0.0, 0.5, 1.0):
        both = np.hstack([np.sqrt(w) * Z[0], np.sqrt(1 - w) * Z[1]])
        for alpha in (0.01, 1.0):
            left_out = np.empty((40, 4))
            for k in range(10):
                fit = Ridge(alpha, solver="svd").fit(both[train][inner != k], Y[train][inner != k])
                left_out[inner == k] = fit.predict(both[train][inner == k])
            errors[w, alpha] = ((left_out - Y[train]) ** 2).sum(axis=0)
    for unit in range(4):
        w, alpha = min(errors, key=lambda choice: errors[choice][unit])
        expected = ridge([FEW, MANY], [w, 1 - w], alpha, train, rest, Y)[:, unit]
        np.testing.assert_allclose(found[rest, unit], expected, atol=1e-8)


def test_a_large_set_does_not_drown_a_small_one():
    y = FEW @ [[1.0], [0.2], [0.05]]
    joint, banded_r = (
        np.corrcoef(banded_predict(spaces, y, FOLDS)[:, 0], y[:, 0])[0, 1]
        for spaces in ([np.hstack([FEW, MANY])], [FEW, MANY])
    )
    assert banded_r > 0.95 > joint


def test_near_duplicates_of_tested_images_never_train():
    groups = np.arange(50) // 2
    folds = np.where(np.arange(50) % 2 == 0, 0, -1)  # one of each pair is tested, the other would train
    with pytest.raises(TooFewImages, match="fold 0 leaves 0 groups to train on; 4 are needed"):
        banded_predict([MANY], Y, folds, groups)
    assert np.isnan(banded_predict([MANY], Y, folds)[1::2]).all()


def test_a_feature_that_hardly_varies_in_training_is_not_extrapolated():
    X = np.hstack([FEW, np.zeros((50, 1))])
    X[0, 3], X[FOLDS == 1, 3] = 1e-6, 1.0
    assert np.abs(banded_predict([X], Y, FOLDS)).max() < 3 * np.abs(Y).max()


def test_constant_features_predict_the_training_mean():
    found = banded_predict([np.ones((50, 2))], Y, FOLDS)
    np.testing.assert_allclose(found[FOLDS == 2], np.broadcast_to(Y[FOLDS != 2].mean(axis=0), (10, 4)))


def test_wrong_input_is_named():
    with pytest.raises(DataError, match="3 sets of features; give one or two"):
        banded_predict([FEW] * 3, Y, FOLDS)
    with pytest.raises(DataError, match=r"sets of \[10\] rows for 50 rows of Y"):
        banded_predict([FEW[:10]], Y, FOLDS)
    with pytest.raises(DataError, match=r"folds has shape \(3,\)"):
        banded_predict([FEW], Y, [0, 1, 2])
