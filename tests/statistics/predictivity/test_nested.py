import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression

from analysis.core.errors import DataError
from analysis.statistics import crossval
from analysis.statistics.predictivity import nested as nested_module
from analysis.statistics.predictivity import pls
from analysis.statistics.predictivity.nested import nested

NUMBERS = [0, 1, 3, 6]


def data(n=60, p=20, u=4, seed=0):
    """Two units that follow the features, by few and by many of them, and two that do not."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.linspace(3, 0.3, p)
    Y = rng.normal(size=(n, u)) + 4
    Y[:, 0] += 2 * X[:, 0]
    Y[:, 1] += 3 * X @ rng.normal(size=p)
    return X, Y, crossval.group_folds(np.arange(n) // 2, 5, seed)


def predict(X, y, train, rest, number):
    if number == 0:
        return np.full(rest.sum(), y[train].mean())
    return PLSRegression(number, scale=False, tol=1e-12).fit(X[train], y[train]).predict(X[rest]).ravel()


def test_one_fit_gives_the_predictions_of_every_number_of_components():
    X, Y, folds = data()
    train, rest = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    for per_unit in (True, False):
        together = pls.fit_predict(X, Y, train, rest, NUMBERS, per_unit=per_unit)
        np.testing.assert_allclose(together[0], np.tile(Y[train].mean(axis=0), (len(rest), 1)))
        for number, found in zip(NUMBERS[1:], together[1:], strict=True):
            np.testing.assert_array_equal(found, pls.fit_predict(X, Y, train, rest, number, per_unit=per_unit))


def test_equals_the_plain_nested_cross_validation():
    X, Y, folds = data(seed=1)
    found = nested(X, Y, folds, NUMBERS)
    assert set(found.components.ravel()) == set(NUMBERS)
    for fold in range(5):
        held = np.full((len(NUMBERS), *Y.shape), np.nan)
        for inner in set(range(5)) - {fold}:
            train, rest = ~np.isin(folds, (fold, inner)), folds == inner
            for place, number in enumerate(NUMBERS):
                for k, y in enumerate(Y.T):
                    held[place, rest, k] = predict(X, y, train, rest, number)
        inside = folds != fold
        variance = np.mean((held[:, inside] - Y[inside]) ** 2, axis=1)
        shared = np.argmax(-inside.sum() / 2 * np.log(variance).sum(axis=1))  # the likelihood at its best variances
        for k, y in enumerate(Y.T):
            own = np.argmin(variance[:, k])
            gain = (held[shared, inside, k] - y[inside]) ** 2 - (held[own, inside, k] - y[inside]) ** 2
            best = own if gain.mean() > np.sqrt(np.mean(gain**2) / len(gain)) else shared
            assert found.components[fold, k] == NUMBERS[best]
            parts = [folds == inner for inner in set(range(5)) - {fold}]
            rs = [np.corrcoef(held[best, rows, k], y[rows])[0, 1] if NUMBERS[best] else 0.0 for rows in parts]
            assert found.inner_r[fold, k] == pytest.approx(np.mean(rs), abs=1e-8)
            expected = predict(X, y, folds != fold, folds == fold, NUMBERS[best])
            np.testing.assert_allclose(found.predicted[folds == fold, k], expected, atol=1e-7)


def test_units_without_signal_score_about_nothing_and_stay_defined():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 30)), rng.normal(size=(60, 40))
    chosen, fixed = (pls.pls_predict(X, Y, n_components=numbers, seed=1) for numbers in ([0, 1, 2, 5], 5))
    assert np.median(chosen.r2) == pytest.approx(0, abs=0.02)
    assert np.median(fixed.r2) < -0.4
    assert np.isfinite(chosen.pearson_r).all()
    assert (chosen.components == 0).mean() > 0.5
    means = (chosen.components[0] == 0).all(axis=0)
    assert means.any()
    np.testing.assert_array_equal(chosen.pearson_r[means], 0.0)
    np.testing.assert_array_equal(chosen.r2[means], 0.0)


def test_units_share_a_number_and_leave_it_for_one_that_is_clearly_better():
    n = 64
    flat = np.ones((2, n))  # squared errors of two numbers, alike
    slightly = np.stack([np.ones(n), np.where(np.arange(n) % 2, 0.0, 1.9)])  # better with the second, not by one SE
    clearly = np.stack([np.ones(n), np.full(n, 0.7)])
    worse = np.stack([np.full(n, 1e-3), np.full(n, 2e-3)])  # small errors weigh as much as large ones
    size = np.ones(4)
    assert nested_module.chosen(np.stack([slightly], axis=2), size[:1]).tolist() == [1]  # alone, a unit decides
    found = nested_module.chosen(np.stack([flat, slightly, clearly, worse], axis=2), size)
    assert found.tolist() == [0, 0, 1, 0]
    constant = np.stack([np.full(n, 1e-30), np.full(n, 1e-33)])  # rounding has no say
    found = nested_module.chosen(np.stack([constant, slightly, worse], axis=2), size[:3])
    assert found[1:].tolist() == [0, 0]


def test_test_rows_take_no_part_in_the_choice():
    X, Y, folds = data()
    spoilt = np.where((folds == 2)[:, None], 1000 * np.random.default_rng(1).normal(size=Y.shape), Y)
    before, after = nested(X, Y, folds, NUMBERS), nested(X, spoilt, folds, NUMBERS)
    np.testing.assert_array_equal(after.components[2], before.components[2])
    np.testing.assert_array_equal(after.inner_r[2], before.inner_r[2])
    np.testing.assert_array_equal(after.predicted[folds == 2], before.predicted[folds == 2])
    alone = nested(X, Y, folds, NUMBERS, tested=[2])
    np.testing.assert_array_equal(alone.components, before.components[2:3])
    assert np.isnan(alone.predicted[folds != 2]).all()


def test_units_that_were_not_shown_all_images_are_chosen_from_theirs():
    X, Y, folds = data()
    holes = Y.copy()
    holes[folds == 4, 1] = np.nan
    holes[:5, 1] = np.nan
    found, others = nested(X, holes, folds, NUMBERS), nested(X, Y[:, [0, 2, 3]], folds, NUMBERS)
    np.testing.assert_allclose(found.predicted[:, [0, 2, 3]], others.predicted, atol=1e-9)
    shown = np.isfinite(holes[:, 1])
    part = nested(X[shown], Y[shown, 1:2], folds[shown], NUMBERS)
    np.testing.assert_allclose(found.predicted[shown, 1], part.predicted[:, 0], atol=1e-9)
    assert found.components[:, 1].tolist() == [*part.components[:, 0], -1]


def test_numbers_that_the_images_cannot_bear():
    X, Y, folds = data(20)
    found = nested(X, Y, folds, [0, 1, 40])
    assert found.components.max() == 1
    single = nested(X, Y, np.arange(20) % 2, [3])
    assert np.isnan(single.inner_r).all()
    assert np.isfinite(single.predicted).all()
    with pytest.raises(DataError, match=r"components \[0, 1\] with 20 images, 20 features and 2 folds: give smaller"):
        nested(X, Y, np.arange(20) % 2, [0, 1])
    with pytest.raises(DataError, match=r"components \[3, 1\]: give one or more numbers in rising order"):
        nested(X, Y, folds, [3, 1])


def test_torch_agrees():
    torch = pytest.importorskip("torch")
    X, Y, folds = data()
    ours = nested(X, Y, folds, NUMBERS)
    theirs = nested(torch.from_numpy(X), torch.from_numpy(Y), folds, NUMBERS)
    np.testing.assert_array_equal(theirs.components, ours.components)
    np.testing.assert_allclose(theirs.predicted, ours.predicted, atol=1e-9)


def test_a_cuda_device_agrees():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device at hand")
    X, Y, _ = data()
    for options in ({}, {"scale": True}, {"per_unit": False}):
        for numbers in (3, NUMBERS):
            ours, theirs = (
                pls.pls_predict(X, Y, n_components=numbers, folds=4, device=device, **options)
                for device in (None, "cuda")
            )
            np.testing.assert_allclose(theirs.predicted, ours.predicted, atol=1e-8)
    single = (torch.from_numpy(table).float().cuda() for table in (X, Y))
    found = pls.fit_predict(*single, np.arange(45), np.arange(45, 60), 3)
    assert found.dtype == torch.float32
    expected = pls.fit_predict(X, Y, np.arange(45), np.arange(45, 60), 3)
    np.testing.assert_allclose(found.cpu().numpy(), expected, atol=1e-3)
