"""Decoding, kernel analysis and the choice of layers."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import LeaveOneOut

from analysis.compare import crossval, decoding, kernel_analysis, layer_choice
from analysis.errors import DataError


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


def test_decoder_refuses_too_few_of_a_class():
    X, labels = faces(12)
    with pytest.raises(DataError, match="labels holds 4 groups of class 1; 5 folds"):
        decoding.decode(X, labels)
    with pytest.raises(DataError, match="labels must hold 1, 0 or -1"):
        decoding.decode(X, labels + 5)


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


def test_best_of_many_useless_layers_is_not_flattered():
    rng = np.random.default_rng(0)
    honest, flattered = [], []
    for _ in range(15):
        Y = rng.normal(size=(60, 2))
        layers = {f"layer{k}": rng.normal(size=(60, 8)) for k in range(10)}
        folds = crossval.group_folds(np.arange(60), 5, 0)[None]
        choice = layer_choice.best_layer(layers, Y, folds, 2)
        honest.append(np.median(choice.prediction.pearson_r))
        from analysis.compare import pls

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
    choice = layer_choice.best_layer(layers, Y, folds, 3)
    assert choice.layers == ("layer2",) * 4
    assert (choice.prediction.r2 > 0.3).all()
    spoiled = Y.copy()
    spoiled[folds[0] == 1] = rng.normal(size=spoiled[folds[0] == 1].shape) * 100
    again = layer_choice.best_layer(layers, spoiled, folds, 3)
    rows = folds[0] == 1
    np.testing.assert_array_equal(again.prediction.predicted[0, rows], choice.prediction.predicted[0, rows])
