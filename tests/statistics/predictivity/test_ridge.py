import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV

from analysis.core.errors import DataError
from analysis.statistics.predictivity import ridge

ALPHAS = 10.0 ** np.arange(-1, 5)


def data(n=60, p=90, u=5):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p)) + 3
    return X, X @ rng.normal(size=(p, u)) * 0.3 + rng.normal(size=(n, u)) * 4 + 2


@pytest.mark.parametrize("shape", [(60, 90), (90, 20)])
@pytest.mark.parametrize("intercept", [True, False])
def test_leave_one_out_equals_ridgecv(shape, intercept):
    X, Y = data(*shape)
    train, rest = np.arange(len(X) - 15), np.arange(len(X) - 15, len(X))
    theirs = RidgeCV(ALPHAS, fit_intercept=intercept, alpha_per_target=True).fit(X[train], Y[train])
    predicted, chosen = ridge.fit_predict(X, Y, train, rest, ALPHAS, intercept=intercept)
    np.testing.assert_array_equal(chosen, theirs.alpha_)
    np.testing.assert_allclose(predicted, theirs.predict(X[rest]), atol=1e-8)
    assert len(set(chosen)) > 1


@pytest.mark.parametrize("shape", [(60, 90), (90, 20)])
def test_leave_group_out_errors_equal_explicit_fits(shape):
    X, Y = data(*shape)
    folds = np.random.default_rng(1).integers(0, 5, len(X))
    ours = ridge.leave_out_errors(ridge.Decomposition.of(X), Y, ALPHAS, folds)
    explicit = np.zeros_like(ours)
    for a, alpha in enumerate(ALPHAS):
        for fold in range(5):
            out = folds == fold
            explicit[a] += ((Y[out] - Ridge(alpha).fit(X[~out], Y[~out]).predict(X[out])) ** 2).sum(axis=0)
    np.testing.assert_allclose(ours, explicit, rtol=1e-9)


def test_nested_choice_never_sees_the_test_fold():
    X, Y = data(80, 30, 3)
    found = ridge.ridge_predict(X, Y, np.arange(80) // 2, ALPHAS, folds=4, seed=1)
    rows = found.folds[0] == 0
    moved = Y.copy()
    moved[rows] += 100 * np.random.default_rng(0).normal(size=moved[rows].shape)
    other = ridge.ridge_predict(X, moved, np.arange(80) // 2, ALPHAS, folds=4, seed=1)
    np.testing.assert_array_equal(other.predicted[0, rows], found.predicted[0, rows])
    assert found.alphas.shape == (1, 4, 3)
    assert found.r2.mean() > -0.1


def test_near_duplicates_left_out_alone_mislead_the_choice():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(40, 200)), 2, axis=0)
    Y = np.repeat(rng.normal(size=(40, 30)), 2, axis=0)  # nothing to predict but the duplicate
    rows = np.arange(80)
    by_group = ridge.fit_predict(X, Y, rows, rows[:0], ALPHAS, rows // 2 % 5)[1]
    by_row = ridge.fit_predict(X, Y, rows, rows[:0], ALPHAS)[1]
    assert np.median(by_group) > 100 * np.median(by_row)


def test_bad_input():
    X, Y = data()
    with pytest.raises(DataError, match="alphas holds values that are not positive"):
        ridge.ridge_predict(X, Y, alphas=[0.0, 1.0])
    Y[0, 0] = np.nan
    with pytest.raises(DataError, match="Y holds NaN"):
        ridge.ridge_predict(X, Y)
