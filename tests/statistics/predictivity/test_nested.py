import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from analysis.statistics import crossval
from analysis.statistics.crossval import TooFewImages
from analysis.statistics.predictivity import pls
from analysis.statistics.predictivity.nested import nested_pls, nested_ridge

ALPHAS = (1.0, 30.0, 1000.0)


def data(n=60, p=80, u=4, seed=0):
    """Units that follow few or many of the features, on unlike scales, and two that do not."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.geomspace(100, 0.01, p) + 7
    Z = StandardScaler().fit_transform(X)
    Y = rng.normal(size=(n, u)) + 4
    Y[:, 0] += 3 * Z[:, 0]
    Y[:, 1] += Z @ rng.normal(size=p) / 3
    return X, Y, crossval.group_folds(np.arange(n) // 2, 5, seed)


def fit_ridge(X, y, train, rest, alpha, fitted_on):
    scaler = StandardScaler().fit(X[fitted_on])
    Z = scaler.transform(X)
    return Ridge(alpha).fit(Z[train], y[train]).predict(Z[rest])


def test_ridge_equals_scikit_learn_with_its_penalty_chosen_in_the_other_folds():
    X, Y, folds = data()
    found = nested_ridge(X, Y, folds, alphas=np.array(ALPHAS))
    for fold in range(5):
        outer, inner = folds != fold, set(range(5)) - {fold}
        for k, y in enumerate(Y.T):
            held = np.full((len(ALPHAS), len(y)), np.nan)
            for place, alpha in enumerate(ALPHAS):
                for j in inner:
                    train, rest = outer & (folds != j), folds == j
                    held[place, rest] = fit_ridge(X, y, train, rest, alpha, outer)
            best = np.argmin(((held[:, outer] - y[outer]) ** 2).sum(axis=1))
            expected = fit_ridge(X, y, outer, folds == fold, ALPHAS[best], outer)
            np.testing.assert_allclose(found.predicted[folds == fold, k], expected, atol=1e-8)
            rs = [np.corrcoef(held[best, folds == j], y[folds == j])[0, 1] for j in inner]
            assert found.inner_r[fold, k] == pytest.approx(np.mean(rs), abs=1e-8)


@pytest.mark.parametrize("scale", [True, False])
def test_pls_equals_scikit_learn(scale):
    X, Y, folds = data(seed=1)
    found = nested_pls(X, Y, folds, 2, scale=scale)

    def fit(y, train, rest):
        return PLSRegression(2, scale=scale, tol=1e-12).fit(X[train], y[train]).predict(X[rest]).ravel()

    for fold in range(5):
        for k, y in enumerate(Y.T):
            np.testing.assert_allclose(
                found.predicted[folds == fold, k], fit(y, folds != fold, folds == fold), atol=1e-7
            )
            parts = [(~np.isin(folds, (fold, j)), folds == j) for j in set(range(5)) - {fold}]
            rs = [np.corrcoef(fit(y, train, rest), y[rest])[0, 1] for train, rest in parts]
            assert found.inner_r[fold, k] == pytest.approx(np.mean(rs), abs=1e-7)


def test_the_scale_of_a_feature_decides_nothing_once_features_are_standardised():
    X, Y, folds = data()
    rescaled = X * np.geomspace(1e-4, 1e4, X.shape[1])
    for fit in (nested_ridge, lambda *args, **options: nested_pls(*args, 3, **options)):
        plain, other = fit(X, Y, folds), fit(rescaled, Y, folds)
        np.testing.assert_allclose(other.predicted, plain.predicted, rtol=1e-6, atol=1e-6)
        assert np.abs(fit(rescaled, Y, folds, scale=False).predicted - plain.predicted).max() > 0.1


def test_units_without_signal_are_defined_and_score_about_nothing():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 30)), rng.normal(size=(60, 200))
    folds = crossval.group_folds(np.arange(60), 5, 0)
    found = nested_ridge(X, Y, folds)
    scores = pls.score(Y, found.predicted[None], folds[None])
    assert np.median(scores.r2) > -0.05
    assert abs(scores.pearson_r.mean()) < 0.03
    assert (scores.pearson_r != 0).all()  # a penalty shrinks predictions, and never makes them constant


@pytest.mark.parametrize("fit", [nested_ridge, lambda *args, **options: nested_pls(*args, 3, **options)])
def test_test_rows_take_no_part_in_the_choice(fit):
    X, Y, folds = data()
    spoilt = np.where((folds == 2)[:, None], 1000 * np.random.default_rng(1).normal(size=Y.shape), Y)
    before, after = fit(X, Y, folds), fit(X, spoilt, folds)
    np.testing.assert_array_equal(after.inner_r[2], before.inner_r[2])
    np.testing.assert_array_equal(after.predicted[folds == 2], before.predicted[folds == 2])
    alone = fit(X, Y, folds, tested=[2])
    np.testing.assert_array_equal(alone.inner_r, before.inner_r[2:3])
    assert np.isnan(alone.predicted[folds != 2]).all()
    assert np.isnan(fit(X, Y, folds, inner=False).inner_r).all()


@pytest.mark.parametrize("fit", [nested_ridge, lambda *args, **options: nested_pls(*args, 3, **options)])
def test_units_that_were_not_shown_all_images_are_predicted_from_theirs(fit):
    X, Y, folds = data()
    holes = Y.copy()
    holes[folds == 4, 1] = np.nan
    holes[:5, 1] = np.nan
    found, others = fit(X, holes, folds), fit(X, Y[:, [0, 2, 3]], folds)
    np.testing.assert_allclose(found.predicted[:, [0, 2, 3]], others.predicted, atol=1e-9)
    shown = np.isfinite(holes[:, 1])
    part = fit(X[shown], Y[shown, 1:2], folds[shown])
    np.testing.assert_allclose(found.predicted[shown, 1], part.predicted[:, 0], atol=1e-9)
    np.testing.assert_allclose(found.inner_r[:, 1], [*part.inner_r[:, 0], np.nan], atol=1e-9)


def test_a_feature_that_is_all_but_silent_in_training_does_not_decide_a_prediction():
    X, Y, folds = data()
    silent = np.where(folds == 3, 1.0, 0.0) * (np.arange(60) % 2) + 1e-9 * np.random.default_rng(0).normal(size=60)
    without, found = nested_ridge(X, Y, folds), nested_ridge(np.column_stack([X, silent]), Y, folds)
    assert np.abs(found.predicted - without.predicted).max() < 3 * Y.std()


def test_constant_features_predict_the_mean():
    _, Y, folds = data()
    found = nested_ridge(np.full((60, 3), 2.5), Y, folds)
    np.testing.assert_allclose(found.predicted, crossval.training_means(Y, folds))
    np.testing.assert_array_equal(pls.score(Y, found.predicted[None], folds[None]).pearson_r, 0.0)


def test_too_few_images():
    X, Y, _ = data(20)
    halves = np.arange(20) % 2
    with pytest.raises(TooFewImages, match="10 training images in 1 folds: ridge needs 3 or more, in 2 or more folds"):
        nested_ridge(X, Y, halves)
    found = nested_pls(X, Y, halves, 3)
    assert np.isnan(found.inner_r).all()
    assert np.isfinite(found.predicted).all()
    with pytest.raises(TooFewImages, match="12 components with 10 training images"):
        nested_pls(X, Y, halves, 12)


def test_a_cuda_device_agrees():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device at hand")
    X, Y, _ = data()
    for options in ({}, {"scale": True}, {"per_unit": False}):
        ours, theirs = (
            pls.pls_predict(X, Y, n_components=3, folds=4, device=device, **options) for device in (None, "cuda")
        )
        np.testing.assert_allclose(theirs.predicted, ours.predicted, atol=1e-8)
    single = (torch.from_numpy(table).float().cuda() for table in (X, Y))
    found = pls.fit_predict(*single, np.arange(45), np.arange(45, 60), 3)
    assert found.dtype == torch.float32
    expected = pls.fit_predict(X, Y, np.arange(45), np.arange(45, 60), 3)
    np.testing.assert_allclose(found.cpu().numpy(), expected, atol=1e-3)
