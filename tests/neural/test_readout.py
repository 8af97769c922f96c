"""Decoding, kernel analysis and the choice of layers."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import LeaveOneOut

from analysis.core.errors import DataError
from analysis.statistics import crossval
from analysis.statistics.predictivity import decoding, kernel_analysis, layer_choice
from analysis.statistics.predictivity.nested import Nested


def faces(n=90, seed=0, signal=1.0):
    rng = np.random.default_rng(seed)
    labels = np.resize([1, 0, 0], n)
    X = rng.normal(size=(n, 20))
    X[:, 0] += 2 * signal * (labels - 0.5)
    X[:, 1] += 2 * signal * (labels - 0.5)
    return X, labels


def test_decodes_what_is_there_and_nothing_else():
    X, labels = faces()
    assert decoding.decode(X, labels).balanced_accuracy > 0.8
    none = [decoding.decode(*faces(seed=k, signal=0.0)).balanced_accuracy for k in range(20)]
    assert abs(np.mean(none) - 0.5) < 0.05


def test_the_rarer_class_is_called_as_often_as_the_other():
    rng = np.random.default_rng(0)
    labels = np.resize([1, 0, 0, 0, 0, 0, 0], 210)
    X = rng.normal(size=(210, 4)) + 0.7 * labels[:, None]
    found = decoding.decode(X, labels, repeats=3)
    assert found.positive_rate["positive"] > 0.7
    assert found.positive_rate["negative"] < 0.3
    right = (found.score > 0) == labels
    assert found.accuracy == right.mean()
    assert found.balanced_accuracy == (right[labels == 1].mean() + right[labels == 0].mean()) / 2
    assert (found.score != decoding.decode(X, labels).score).all()  # each repeat has folds of its own


def test_units_of_measurement_do_not_matter_to_the_decoder():
    X, labels = faces()
    scaled = X * 10.0 ** np.random.default_rng(0).integers(-4, 5, 20) + 3
    np.testing.assert_allclose(decoding.decode(scaled, labels).score, decoding.decode(X, labels).score, atol=1e-8)


def test_near_duplicates_stay_together_in_the_decoders_choice_of_penalties(monkeypatch):
    X, labels = faces(60)
    groups, fits, fit = np.arange(60) // 6, [], decoding.fit_predict
    labels = groups % 2

    def seen(Z, y, train, rest, alphas, inner):
        fits.append((train, inner))
        return fit(Z, y, train, rest, alphas, inner)

    monkeypatch.setattr(decoding, "fit_predict", seen)
    decoding.decode(X, labels, groups)
    assert len(fits) == 5
    for train, inner in fits:
        assert all(len(set(inner[groups[train] == one])) == 1 for one in set(groups[train]))


def test_duplicates_do_not_leak_between_folds():
    X, labels = faces(60, signal=0.0)
    X, labels, groups = np.repeat(X, 3, axis=0), np.repeat(labels, 3), np.repeat(np.arange(60), 3)
    assert decoding.decode(X, labels).accuracy > 0.8  # a leak: the other copies give the label away
    assert decoding.decode(X, labels, groups).balanced_accuracy < 0.65


def test_unlabelled_images_are_read_out_but_train_nothing():
    X, labels = faces()
    levels = np.where(labels == 1, "face", "object").astype(object)
    labels[:9], levels[:9] = -1, "pareidolia"
    found = decoding.decode(X, labels, levels=levels, seed=3)
    assert found.n == {"face": 27, "object": 54, "pareidolia": 9}
    assert found.positive_rate["face"] > 0.7 > 0.3 > found.positive_rate["object"]
    moved = X.copy()
    moved[:9] *= -50
    again = decoding.decode(moved, labels, levels=levels, seed=3)
    np.testing.assert_allclose(again.score[9:], found.score[9:])
    assert (again.score[:9] != found.score[:9]).all()


def test_matched_noise_has_the_reliability_of_the_units():
    features = np.random.default_rng(0).normal(size=(4000, 50)) * 7 + 3
    noisy = decoding.match_noise(features, np.array([0.25]), 30, seed=1)
    assert noisy.shape == (4000, 30)
    best = np.abs(np.corrcoef(noisy.T, features.T)[:30, 30:]).max(axis=1) ** 2
    assert best.mean() == pytest.approx(0.25, abs=0.02)
    with pytest.raises(DataError, match="features do not vary"):
        decoding.match_noise(np.ones((5, 3)), np.array([0.5]), 2, seed=0)


def test_matched_features_vary_and_differ_while_there_are_enough():
    rng = np.random.default_rng(0)
    features = np.full((50, 10), 3.0)
    features[:, [1, 4, 7]] = rng.normal(size=(50, 3))
    found = decoding.match_noise(features, np.array([1.0]), 3, seed=0)  # without noise
    z = (features - features.mean(axis=0))[:, [1, 4, 7]] / features.std(axis=0)[[1, 4, 7]]
    assert sorted(found[0]) == pytest.approx(sorted(z[0]))
    many = decoding.match_noise(rng.normal(size=(4000, 2)), np.array([np.nan, -0.5]), 40, seed=0)
    assert many.var(axis=0).mean() == pytest.approx(1 / 0.01, rel=0.02)  # an undefined reliability counts as 0.01
    for bad, message in (
        (features[:, 0], r"features has shape \(50,\)"),
        (np.full((5, 3), np.nan), r"features\[0, 0\] = nan"),
    ):
        with pytest.raises(DataError, match=message):
            decoding.match_noise(bad, np.array([0.5]), 2, seed=0)
    with pytest.raises(DataError, match=r"reliability has shape \(0,\)"):
        decoding.match_noise(features, np.array([]), 2, seed=0)


def test_decoder_refuses_too_few_of_a_class():
    X, labels = faces(12)
    with pytest.raises(DataError, match="5 folds need at least 5 groups of class 1, not 4"):
        decoding.decode(X, labels)
    for wrong in (labels + 5, labels + 0.5, np.where(labels, "face", "car")):
        with pytest.raises(DataError, match="labels must hold 1, 0 or -1"):
            decoding.decode(X, wrong)
    for wrong in (labels - 2, labels + 0.5, np.where(labels, "face", "car")):
        with pytest.raises(DataError, match=r"labels must hold .* or -1 \(unlabelled\)"):
            decoding.decode_classes(X, wrong)
    X, labels = faces()
    with pytest.raises(DataError, match=r"groups has shape \(3,\); give one per row, \(90,\)"):
        decoding.decode(X, labels, np.arange(3))
    with pytest.raises(DataError, match=r"levels has shape \(1,\); give one per row"):
        decoding.decode(X, labels, levels=["all"])


def several(n=120, classes=4, signal=2.0, seed=0):
    labels = np.arange(n) % classes
    return np.random.default_rng(seed).normal(size=(n, 8)) + signal * np.eye(classes, 8)[labels], labels


def test_several_classes_are_decoded_and_noise_is_not():
    X, labels = several()
    assert (decoding.decode_classes(X, labels) == labels).mean() > 0.75
    none = [np.mean(decoding.decode_classes(*(case := several(signal=0, seed=k))) == case[1]) for k in range(10)]
    assert abs(np.mean(none) - 0.25) < 0.05


def test_two_classes_are_called_by_the_binary_decoder():
    X, labels = faces(signal=0.3)
    labels[::7] = -1
    np.testing.assert_array_equal(
        decoding.decode_classes(X, labels, seed=3), decoding.decode(X, labels, seed=3).score > 0
    )


def test_rare_classes_weigh_as_much_as_the_others():
    X, labels = several(400)
    kept = (labels != 1) | (np.arange(400) < 80)
    called, labels = decoding.decode_classes(X[kept], labels[kept]), labels[kept]
    assert [(called == label)[labels == label].mean() > 0.6 for label in range(4)] == [True] * 4


def test_the_decoder_of_classes_never_sees_an_image_or_its_duplicates_in_training(monkeypatch):
    X, labels = several(60, 3)
    groups, fit, tested = np.arange(60) // 6 + 10 * labels, decoding.fit_predict, []

    def seen(Z, y, train, rest, alphas, inner):
        assert y.shape == (60, 3)
        fresh = rest[: len(rest) - len(train)]
        assert not set(groups[train]) & set(groups[fresh])
        tested.extend(fresh)
        return fit(Z, y, train, rest, alphas, inner)

    monkeypatch.setattr(decoding, "fit_predict", seen)
    decoding.decode_classes(X, labels, groups)
    assert sorted(tested) == list(range(60))


def test_curves_of_several_classes_rise_from_balanced_training_sets(monkeypatch):
    X, labels = several(200)
    fit, sizes = decoding.fit_predict, []

    def seen(Z, y, train, rest, alphas, inner):
        sizes.append(np.bincount(labels[train]).tolist())
        return fit(Z, y, train, rest, alphas, inner)

    monkeypatch.setattr(decoding, "fit_predict", seen)
    curve = decoding.learning_curve(X, labels, sizes=[8, 128, 4000], draws=2)
    assert curve.sizes.tolist() == [8, 128]
    assert {tuple(one) for one in sizes} == {(2,) * 4, (32,) * 4}
    assert curve.accuracy[1] > curve.accuracy[0] > 0.25
    for wrong in (4, 10):
        with pytest.raises(DataError, match=f"sizes holds {wrong}; give multiples of 4, the number of classes, of at"):
            decoding.learning_curve(X, labels, sizes=[wrong])


def test_kernel_analysis_equals_explicit_kernel_ridge():
    X, labels = faces(25)
    curve = kernel_analysis.kernel_analysis(X, labels, lambdas=[10.0, 0.1], widths=[0.5])
    y = np.where(labels == 1, 1.0, -1.0)
    width = np.median(((X[:, None] - X) ** 2).sum(-1)[np.triu_indices(25, 1)])
    kernel = np.exp(-((X[:, None] - X) ** 2).sum(-1) / width)
    centre = np.eye(25) - 1 / 25
    kernel = centre @ kernel @ centre
    for place, lam in enumerate((10.0, 0.1)):
        hat = kernel @ np.linalg.inv(kernel + lam * np.eye(25)) + 1 / 25
        residual = (y - hat @ y) / (1 - np.diagonal(hat))
        assert curve.precision[place] == pytest.approx(1 - np.sum(residual**2) / np.sum((y - y.mean()) ** 2), abs=1e-9)
    assert curve.complexity.tolist() == [0.1, 10.0]
    # The identity of leave-one-out residuals, once explicitly, for a model without intercept.
    raw = np.exp(-((X[:, None] - X) ** 2).sum(-1) / width)
    out = np.array(
        [
            y[i] - KernelRidge(alpha=0.1, kernel="precomputed").fit(raw[np.ix_(t, t)], y[t]).predict(raw[np.ix_(i, t)])
            for t, i in LeaveOneOut().split(X)
        ]
    ).ravel()
    hat = raw @ np.linalg.inv(raw + 0.1 * np.eye(25))
    np.testing.assert_allclose(out, (y - hat @ y) / (1 - np.diagonal(hat)), atol=1e-9)


def test_classes_are_columns_and_each_complexity_has_its_best_width():
    X, _ = faces(24)
    labels = np.resize(["a", "b", "c"], 24)
    X[:, 2] += 2 * (labels == "c")
    curve = kernel_analysis.kernel_analysis(X, labels, lambdas=[1.0], widths=[0.5])
    squared = ((X[:, None] - X) ** 2).sum(-1)
    kernel = np.exp(-squared / np.median(squared[np.triu_indices(24, 1)]))
    centre = np.eye(24) - 1 / 24
    hat = centre @ kernel @ centre @ np.linalg.inv(centre @ kernel @ centre + np.eye(24)) + 1 / 24
    Y = np.where(labels[:, None] == ["a", "b", "c"], 1.0, -1.0)
    errors = ((Y - hat @ Y) / (1 - np.diagonal(hat))[:, None]) ** 2
    assert curve.precision == pytest.approx(1 - errors.sum() / np.sum((Y - Y.mean(axis=0)) ** 2), abs=1e-9)
    narrow, wide, either = (
        kernel_analysis.kernel_analysis(X, labels, widths=widths) for widths in ([0.1], [0.9], [0.1, 0.9])
    )
    assert 0 < (narrow.precision > wide.precision).sum() < 17  # neither is best everywhere
    np.testing.assert_array_equal(either.precision, np.maximum(narrow.precision, wide.precision))
    assert either.area == pytest.approx(either.precision.mean())


def test_kernel_curves_rank_representations_and_respect_groups():
    X, labels = faces(80)
    good = kernel_analysis.kernel_analysis(X, labels)
    bad = kernel_analysis.kernel_analysis(*faces(80, signal=0.0))
    assert good.area > bad.area + 0.1
    assert (good.precision <= 1).all()
    assert bad.precision.max() < 0.15
    twice, groups = np.repeat(faces(40, signal=0.0)[0], 2, axis=0), np.repeat(np.arange(40), 2)
    y = np.repeat(faces(40)[1], 2)
    assert kernel_analysis.kernel_analysis(twice, y).precision.max() > 0.5  # the twin gives the label away
    assert kernel_analysis.kernel_analysis(twice, y, groups).precision.max() < 0.2
    with pytest.raises(DataError, match="labels holds 1 class"):
        kernel_analysis.kernel_analysis(X, np.ones(80))
    with pytest.raises(DataError, match="all rows of X are identical"):
        kernel_analysis.kernel_analysis(np.ones((80, 3)), labels)
    with pytest.raises(DataError, match="lambdas holds 0; give positive penalties"):
        kernel_analysis.kernel_analysis(X, labels, lambdas=[0.0, 1.0])
    with pytest.raises(DataError, match=r"labels has shape \(79,\); give one per row, \(80,\)"):
        kernel_analysis.kernel_analysis(X, labels[1:])


def test_best_of_many_useless_layers_is_not_flattered():
    rng = np.random.default_rng(0)
    honest, flattered = [], []
    for _ in range(15):
        Y = rng.normal(size=(60, 2))
        layers = {f"layer{k}": rng.normal(size=(60, 8)) for k in range(10)}
        folds = crossval.group_folds(np.arange(60), 5, 0)[None]
        choice = layer_choice.best_layer(layers, Y, folds, 2, scale=False)
        honest.append(np.median(choice.prediction.pearson_r))
        from analysis.statistics.predictivity import pls

        scores = [
            np.median(pls.score(Y, pls.cross_predict(X, Y, folds[0], 2)[None], folds).pearson_r)
            for X in layers.values()
        ]
        flattered.append(max(scores))
    assert abs(np.mean(honest)) < 0.06
    assert np.mean(flattered) > 0.12


def test_the_planted_layer_is_chosen_and_its_test_rows_untouched():
    rng = np.random.default_rng(1)
    layers = {f"layer{k}": rng.normal(size=(80, 10)) for k in range(4)}
    Y = layers["layer2"] @ rng.normal(size=(10, 6)) + rng.normal(size=(80, 6))
    folds = crossval.group_folds(np.arange(80), 4, 0)[None]
    choice = layer_choice.best_layer(layers, Y, folds)
    assert choice.layers == ("layer2",) * 4
    assert (choice.prediction.r2 > 0.3).all()
    spoiled = Y.copy()
    spoiled[folds[0] == 1] = rng.normal(size=spoiled[folds[0] == 1].shape) * 100
    again = layer_choice.best_layer(layers, spoiled, folds)
    rows = folds[0] == 1
    np.testing.assert_array_equal(again.prediction.predicted[0, rows], choice.prediction.predicted[0, rows])


def test_each_fold_of_each_repeat_has_the_layer_that_was_best_in_its_own_training_images():
    folds = np.array([[0, 0, 1, 1], [1, 0, 1, 0]])
    Y = np.random.default_rng(0).normal(size=(4, 3))

    def fits(value, *inner_r):  # a layer's fits: of each repeat, r of 3 units within the training images of 2 folds
        return [Nested(np.full((4, 3), value), np.array(r)) for r in inner_r]

    nothing = [np.nan] * 3
    layers = {
        "a": fits(1.0, [[0.5, 0.5, 0.0], [0.1, 0.1, 0.9]], [nothing, [0.2, 0.2, 0.2]]),
        "b": fits(2.0, [[0.4, 0.4, 0.9], [0.2, 0.2, np.nan]], [[-0.5] * 3, nothing]),  # by the median over units
        "c": fits(3.0, [nothing, nothing], [nothing, nothing]),
    }
    choice = layer_choice.choose(layers, Y, folds)
    assert choice.layers == ("a", "b", "b", "a")
    np.testing.assert_array_equal(choice.prediction.predicted[:, :, 0], [[1, 1, 2, 2], [1, 2, 1, 2]])
    others = {layer: np.full((2, 4, 3), 10 * value) for layer, value in (("a", 1.0), ("b", 2.0), ("c", 3.0))}
    found = layer_choice.of_chosen_layers(choice.layers, others, folds)
    np.testing.assert_array_equal(found, 10 * choice.prediction.predicted)


def test_layers_of_other_images_are_refused():
    X, Y, folds = np.ones((20, 3)), np.ones((20, 2)), np.arange(20)[None] % 4
    with pytest.raises(DataError, match="top has 19 rows and Y 20; give the same images in both"):
        layer_choice.best_layer({"first": X, "top": X[1:]}, Y, folds, 1)
    with pytest.raises(DataError, match=r"folds has shape \(20,\); give a row per repeat"):
        layer_choice.best_layer({"top": X}, Y, folds[0], 1)
    with pytest.raises(DataError, match=r"top\[2, 1\] = nan"):
        layer_choice.best_layer({"top": np.where(np.arange(60).reshape(20, 3) == 7, np.nan, X)}, Y, folds, 1)
    with pytest.raises(DataError, match="features holds no layer"):
        layer_choice.best_layer({}, Y, folds, 1)
