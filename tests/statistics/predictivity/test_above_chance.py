import numpy as np
import pytest

from analysis.core.errors import DataError
from analysis.statistics.crossval import group_folds, mean_pearson
from analysis.statistics.predictivity.above_chance import chance_p_values
from analysis.statistics.predictivity.nested import nested_pls, nested_ridge


@pytest.mark.parametrize("n_features", [1, 3, 200])
@pytest.mark.parametrize("regression", ["ridge", "pls"])
def test_units_that_features_do_not_predict_are_rarely_called_predicted(n_features, regression):
    rng, p = np.random.default_rng(n_features), []
    for repeat in range(8):
        X = rng.normal(size=(60, n_features)) * np.arange(1, n_features + 1) ** -0.7
        Y, folds = rng.normal(size=(60, 250)), group_folds(np.arange(60), 5, repeat)
        if regression == "ridge":
            fit = nested_ridge(X, Y, folds, inner=False)
        else:
            fit = nested_pls(X, Y, folds, min(5, n_features), inner=False)
        p.append(chance_p_values(Y, fit.predicted, folds))
    p = np.concatenate(p)
    assert 0.01 < (p < 0.05).mean() < 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(p))
    assert (p < 0.01).mean() < 0.01 + 2 * np.sqrt(0.01 * 0.99 / len(p))


def test_folds_that_were_taken_as_independent_would_mislead():
    rng, p = np.random.default_rng(0), []
    for repeat in range(8):
        X, Y = rng.normal(size=(60, 200)), rng.normal(size=(60, 250))
        folds = group_folds(np.arange(60), 5, repeat)
        predicted = nested_ridge(X, Y, folds, inner=False).predicted
        p.append(mean_pearson(Y, predicted, folds) * np.sqrt(5 * 11) > 1.645)
    assert np.concatenate(p).mean() > 0.08


def test_by_hand():
    rng = np.random.default_rng(1)
    Y, predicted, folds = rng.normal(size=(20, 3)), rng.normal(size=(20, 3)), np.repeat([0, 1], 10)
    predicted[:, 1] += 5 * Y[:, 1]
    predicted[:10, 2] = 1.0  # constant in a fold: r is 0 there
    from scipy.stats import norm

    r = mean_pearson(Y, predicted, folds)
    np.testing.assert_allclose(chance_p_values(Y, predicted, folds), norm.sf(r / np.sqrt(2 * (1 / 9 + 1 / 9) / 4)))
    pairs = np.arange(20) // 2
    np.testing.assert_allclose(
        chance_p_values(Y, predicted, folds, pairs), norm.sf(r / np.sqrt(2 * (1 / 4 + 1 / 4) / 4))
    )
    single = np.where(folds == 0, -1, 0)
    r = mean_pearson(Y, predicted, single)
    np.testing.assert_allclose(chance_p_values(Y, predicted, single), norm.sf(r * np.sqrt(9)))
    assert np.isnan(chance_p_values(np.ones((20, 3)), predicted, folds)).all()
    with pytest.raises(DataError, match=r"predicted \(1, 19, 3\)"):
        chance_p_values(Y, predicted[1:], folds)
