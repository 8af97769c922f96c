import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from analysis.core.errors import DataError
from analysis.statistics import crossval
from analysis.statistics.predictivity import pls


def data(n=120, p=90, u=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) * 0.1 + 3
    return X, X @ rng.normal(size=(p, u)) + 3 * rng.normal(size=(n, u)) + 5


def one_by_one(X, Y, train, rest, components, scale):
    fits = [PLSRegression(components, scale=scale, tol=1e-12).fit(X[train], Y[train, k]) for k in range(Y.shape[1])]
    return np.column_stack([fit.predict(X[rest]).ravel() for fit in fits])


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("components", [1, 5, 25])
@pytest.mark.parametrize("shape", [(120, 90), (200, 40)])  # by Gram matrix, and by features
def test_equals_scikit_learn_one_unit_at_a_time(shape, components, scale):
    X, Y = data(*shape)
    train, rest = np.arange(len(X) - 30), np.arange(len(X) - 30, len(X))
    ours = pls.fit_predict(X, Y, train, rest, components, scale=scale)
    np.testing.assert_allclose(ours, one_by_one(X, Y, train, rest, components, scale), atol=1e-6)
    shared = pls.fit_predict(X, Y, train, rest, components, scale=scale, gram=X @ X.T)
    np.testing.assert_allclose(shared, ours, atol=1e-8)


@pytest.mark.parametrize("scale", [False, True])
def test_one_fit_for_all_units_equals_scikit_learns(scale):
    X, Y = data()
    train, rest = np.arange(90), np.arange(90, 120)
    ours = pls.fit_predict(X, Y, train, rest, 6, scale=scale, per_unit=False)
    theirs = PLSRegression(6, scale=scale, tol=1e-15, max_iter=50000).fit(X[train], Y[train]).predict(X[rest])
    np.testing.assert_allclose(ours, theirs, atol=1e-4)  # their power iteration stops early
    assert np.abs(ours - pls.fit_predict(X, Y, train, rest, 6, scale=scale)).max() > 0.01  # another model


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), units=st.integers(1, 70))
def test_units_do_not_depend_on_their_company(seed, units):
    X, Y = data(40, 30, units, seed)
    train, rest = np.arange(30), np.arange(30, 40)
    all_at_once = pls.fit_predict(X, Y, train, rest, 3)
    alone = pls.fit_predict(X, Y[:, -1:], train, rest, 3)
    np.testing.assert_allclose(all_at_once[:, -1:], alone, rtol=1e-9, atol=1e-9)


def test_more_components_than_the_rank_change_nothing():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 30))
    Y = rng.normal(size=(40, 2))
    train, rest = np.arange(30), np.arange(30, 40)
    three, ten = (pls.fit_predict(X, Y, train, rest, k) for k in (3, 10))
    np.testing.assert_allclose(ten, three, atol=1e-7)


def test_whole_numbers_are_features_like_others():
    X, Y = data(60, 40, 4)
    X, train, rest = np.round(3 * X), np.arange(45), np.arange(45, 60)
    counts = pls.fit_predict(X.astype(int), Y, train, rest, 5)
    np.testing.assert_array_equal(counts, pls.fit_predict(X, Y, train, rest, 5))


def test_torch_float64_agrees():
    torch = pytest.importorskip("torch")
    X, Y = data(60, 40, 4)
    ours = pls.pls_predict(X, Y, n_components=5, folds=4, seed=1)
    theirs = pls.pls_predict(X, Y, n_components=5, folds=4, seed=1, device="cpu")
    np.testing.assert_allclose(theirs.predicted, ours.predicted, atol=1e-9)
    single = pls.fit_predict(
        torch.from_numpy(X).float(), torch.from_numpy(Y).float(), torch.arange(45), torch.arange(45, 60), 5
    )
    assert single.dtype == torch.float32


def test_cross_validation_scores():
    X, Y = data(90, 20, 3)
    groups = np.arange(90) // 2
    found = pls.pls_predict(X, Y, groups, 4, folds=5, repeats=2, seed=3)
    assert found.predicted.shape == (2, 90, 3)
    for r in range(2):
        folds = found.folds[r]
        assert all(len(set(folds[groups == g])) == 1 for g in set(groups))
        for fold in range(5):
            rows = folds == fold
            expected = one_by_one(X, Y, ~rows, rows, 4, False)
            np.testing.assert_allclose(found.predicted[r, rows], expected, atol=1e-6)
    assert (found.folds[0] != found.folds[1]).any()
    each = zip(found.predicted, found.folds, strict=True)
    np.testing.assert_allclose(found.r2, np.mean([out_of_sample(Y, p, f) for p, f in each], axis=0))
    plain = pls.score(Y, found.predicted, found.folds, against="test")
    expected = [np.mean([r2_score(Y[:, k], p[:, k]) for p in found.predicted]) for k in range(3)]
    np.testing.assert_allclose(plain.r2, expected)


def out_of_sample(Y, predicted, folds):
    """r2 over the predictions that scikit-learn's mean-only model makes in the same folds."""
    model, split = DummyRegressor(strategy="mean"), PredefinedSplit(folds)
    mean = np.column_stack([cross_val_predict(model, np.zeros((len(y), 1)), y, cv=split) for y in Y.T])
    ours, theirs = (mean_squared_error(Y, guess, multioutput="raw_values") for guess in (predicted, mean))
    return 1 - ours / theirs


def test_a_model_that_says_the_training_mean_scores_nothing():
    rng = np.random.default_rng(0)
    Y = rng.normal(size=(40, 6)) + 5
    Y[::3, 2] = np.nan
    folds = crossval.group_folds(np.arange(40), 5, 0)
    means = crossval.training_means(Y, folds)
    assert means[7, 2] == pytest.approx(np.nanmean(Y[folds != folds[7], 2]))
    np.testing.assert_array_equal(crossval.r2_score(Y, means, means), 0.0)
    assert (crossval.r2_score(Y, means) < 0).all()  # against the mean of the tested rows, which it cannot know
    one_split = np.where(folds == 0, 0, -1)
    assert np.isnan(crossval.training_means(Y, one_split)[folds != 0]).all()


def test_r2_of_the_truth_itself_is_the_share_that_is_not_noise():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(60, 400))
    Y = truth + rng.normal(size=truth.shape)
    folds = crossval.group_folds(np.arange(60), 5, 0)
    found = crossval.r2_score(Y, truth, crossval.training_means(Y, folds))
    assert np.median(found) == pytest.approx(0.5, abs=0.02)


def test_images_not_shown_to_a_unit_are_left_out_for_it_alone():
    X, Y = data(80, 30, 3)
    holes = Y.copy()
    holes[:20, 1] = np.nan
    found = pls.pls_predict(X, holes, n_components=3, folds=4, seed=0)
    whole = pls.pls_predict(X, Y, n_components=3, folds=4, seed=0)
    np.testing.assert_allclose(found.predicted[0][:, [0, 2]], whole.predicted[0][:, [0, 2]], atol=1e-10)
    folds = found.folds[0]
    assert np.isnan(found.predicted[0, :20, 1]).all()
    train, rest = (
        np.flatnonzero((folds != 0) & (np.arange(80) >= 20)),
        np.flatnonzero((folds == 0) & (np.arange(80) >= 20)),
    )
    np.testing.assert_allclose(found.predicted[0, rest, 1], one_by_one(X, Y, train, rest, 3, False)[:, 1], atol=1e-6)


def test_constant_units_are_undefined():
    X, Y = data(60, 20, 3)
    Y[:, 1] = 7.3
    found = pls.pls_predict(X, Y, n_components=3)
    assert np.isnan(found.r2).tolist() == [False, True, False]
    assert np.isnan(found.pearson_r).tolist() == [False, True, False]
    np.testing.assert_allclose(found.predicted[0][:, 1], 7.3)


def test_keyed_tables_are_joined_by_image_whatever_their_order():
    X, Y = data(50, 20, 2)
    keys = np.array([f"i{k:02d}" for k in range(50)])
    rng = np.random.default_rng(0)
    a, b = rng.permutation(50), rng.permutation(50)[:45]
    keyed = [
        xr.DataArray(table[rows], dims=("image", "column"), coords={"image": keys[rows]})
        for table, rows in ((X, a), (Y, b))
    ]
    groups = {key: k // 2 for k, key in enumerate(keys)}
    found = pls.pls_predict(*keyed, groups, 3, folds=4, seed=2)
    rows = np.sort(b)
    plain = pls.pls_predict(X[rows], Y[rows], rows // 2, 3, folds=4, seed=2)
    assert found.images == tuple(keys[rows])
    np.testing.assert_allclose(found.predicted, plain.predicted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, Y: (X[:-1], Y), r"X has 59 rows and Y 60"),
        (lambda X, Y: (np.where(np.arange(60)[:, None] == 7, np.nan, X), Y), r"X\[7, 0\] = nan"),
        (lambda X, Y: (X, np.where(np.arange(60)[:, None] == 7, np.inf, Y)), r"Y\[7, 0\] = inf"),
        (lambda X, Y: (X[:, 0], Y), r"X has shape \(60,\)"),
        (lambda X, Y: (X[:4], Y[:4]), r"X has 4 images; at least 5"),
        (lambda X, Y: (X[:6], Y[:6]), r"5 components with 4 training images and 20 features: give 1 to 3"),
        (lambda X, Y: (xr.DataArray(X, dims=("image", "f")), Y), r"Y has no image keys"),
    ],
)
def test_bad_input_names_the_array(change, message):
    X, Y = change(*data(60, 20, 3))
    with pytest.raises(DataError, match=message):
        pls.pls_predict(X, Y, n_components=5, folds=5)


def test_duplicate_or_unknown_keys_are_refused():
    X, Y = data(10, 5, 2)
    keys = [f"i{k}" for k in range(10)]
    table = xr.DataArray(X, dims=("image", "f"), coords={"image": [*keys[:9], "i0"]})
    other = xr.DataArray(Y, dims=("image", "u"), coords={"image": keys})
    with pytest.raises(DataError, match="X holds image 'i0' twice"):
        pls.pls_predict(table, other, n_components=1, folds=2)
    with pytest.raises(DataError, match="X and Y share 0 images"):
        pls.pls_predict(other.assign_coords(image=[f"z{k}" for k in range(10)]), other, n_components=1, folds=2)
    with pytest.raises(DataError, match="groups has no entry for image 'i0'"):
        pls.pls_predict(other, other, {"i1": 0}, n_components=1, folds=2)


def test_folds_never_split_a_group_and_are_even():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 200)
    folds = crossval.group_folds(groups, 5, seed=1)
    assert all(len(set(folds[groups == g])) == 1 for g in set(groups))
    assert np.ptp(np.bincount(folds)) <= 5
    assert (folds != crossval.group_folds(groups, 5, seed=2)).any()
    with pytest.raises(crossval.TooFewImages, match="5 folds need at least 5 groups, not 2"):
        crossval.group_folds(np.array([0, 0, 1, 1]), 5, seed=0)


def test_mean_pearson_is_not_biased_for_a_model_that_knows_nothing():
    rng = np.random.default_rng(0)
    Y = rng.normal(size=(60, 400))
    found = pls.pls_predict(rng.normal(size=(60, 10)), Y, n_components=2, folds=5)
    assert abs(np.mean(found.pearson_r)) < 0.02
    pooled = crossval.pearson(Y, found.predicted[0])
    assert np.mean(pooled) < -0.02  # what the mean over folds avoids


@pytest.mark.parametrize("per_unit", [True, False])
def test_one_fit_gives_the_predictions_of_every_number_of_components(per_unit):
    rng = np.random.default_rng(0)
    X, Y, folds = rng.normal(size=(60, 20)), rng.normal(size=(60, 4)), crossval.group_folds(np.arange(60), 5, 0)
    train, rest = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    together = pls.fit_predict(X, Y, train, rest, [0, 1, 3, 6], per_unit=per_unit)
    np.testing.assert_allclose(together[0], np.tile(Y[train].mean(axis=0), (len(rest), 1)))
    both = pls.cross_predict(X, Y, folds, [3, 6], per_unit=per_unit)
    for number, found, crossed in zip((3, 6), together[2:], both, strict=True):
        np.testing.assert_array_equal(found, pls.fit_predict(X, Y, train, rest, number, per_unit=per_unit))
        np.testing.assert_array_equal(crossed, pls.cross_predict(X, Y, folds, number, per_unit=per_unit))
