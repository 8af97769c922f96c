"""Variance partitioning, and predictions within labels and for labels not trained on."""

import numpy as np
import pytest

from analysis.core.errors import DataError
from analysis.statistics import (
    HeldOut,
    banded_predict,
    partition_variance,
    predict_unseen,
    predict_within,
    r2_score,
    two_way_interval,
)
from analysis.statistics.crossval import training_means

LABELS = np.resize(["face", "house", "tool"], 90)
FOLDS = np.arange(90) // 3 % 5
ONE_HOT = (LABELS[:, None] == np.unique(LABELS)).astype(float)


def simulate(seed, of_labels=1.0, of_features=0.0, noise=0.5):
    """Features that carry the label and more, and units driven by the labels, the features, or both."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(90, 40)) + ONE_HOT @ rng.normal(size=(3, 40))
    within = X - ONE_HOT @ np.linalg.lstsq(ONE_HOT, X, rcond=None)[0]
    Y = (
        of_labels * ONE_HOT @ rng.normal(size=(3, 10))
        + of_features * within[:, :10]
        + noise * rng.normal(size=(90, 10))
    )
    return X, Y


def test_fractions_are_differences_of_cross_validated_r2():
    X, Y = simulate(0, of_features=1.0)
    found, means = partition_variance(X, LABELS, Y, FOLDS).fractions(), training_means(Y, FOLDS)
    sets = {"model": [X], "labels": [ONE_HOT], "both": [X, ONE_HOT]}
    r2 = {name: r2_score(Y, banded_predict(spaces, Y, FOLDS), means) for name, spaces in sets.items()}
    for name in sets:
        np.testing.assert_allclose(found[name], r2[name])
    np.testing.assert_allclose(found["unique_model"], r2["both"] - r2["labels"])
    np.testing.assert_allclose(found["unique_labels"], r2["both"] - r2["model"])
    np.testing.assert_allclose(found["shared"] + found["unique_model"] + found["unique_labels"], r2["both"])


def test_draws_of_images_are_those_of_the_drawn_rows():
    X, Y = simulate(1, of_features=1.0)
    part = partition_variance(X, LABELS, Y, FOLDS)
    counts = np.random.default_rng(0).multinomial(90, np.ones(90) / 90)
    rows = np.repeat(np.arange(90), counts)
    predicted, means = banded_predict([X], Y, FOLDS), training_means(Y, FOLDS)
    expected = r2_score(Y[rows], predicted[rows], means[rows])
    np.testing.assert_allclose(part.fraction("model", counts[None])[0], expected)


def test_a_model_of_the_labels_is_unique_by_nothing():
    unique = [partition_variance(*insert_labels(simulate(seed)), FOLDS).fractions() for seed in range(10)]
    assert -0.02 < np.mean([one["unique_model"] for one in unique]) <= 0.002
    assert np.mean([one["labels"] for one in unique]) > 0.5


def test_what_each_adds_is_found():
    part = partition_variance(*insert_labels(simulate(2, of_labels=1.0, of_features=1.0, noise=0.2)), FOLDS)
    found = part.fractions()
    assert found["unique_model"].mean() > 0.3
    assert (found["both"] > found["labels"]).all()
    interval, error = two_way_interval(lambda counts: part.fraction("unique_model", counts), np.arange(90))
    assert 0 < interval.low < interval.estimate < interval.high < 1
    assert error > 0


def test_units_that_do_not_vary_are_undefined():
    X, Y = simulate(3)
    Y[:, 0] = 7.0
    found = partition_variance(X, LABELS, Y, FOLDS).fractions()["both"]
    assert np.isnan(found[0])
    assert np.isfinite(found[1:]).all()


def insert_labels(pair):
    return pair[0], LABELS, pair[1]


def test_correlation_of_one_cell_is_pearsons():
    rng = np.random.default_rng(0)
    y, z = rng.normal(size=(30, 4)), rng.normal(size=(30, 4))
    held = HeldOut(np.arange(30), np.zeros(30), y, z)
    counts = rng.multinomial(30, np.ones(30) / 30)
    rows = np.repeat(np.arange(30), counts)
    expected = [np.corrcoef(y[rows, k], z[rows, k])[0, 1] for k in range(4)]
    np.testing.assert_allclose(held.correlation(counts[None])[0], expected)


def test_means_of_cells_do_not_count():
    y = np.array([[0.0], [1.0], [10.0], [11.0]])
    held = HeldOut(np.arange(4), np.array([0, 0, 1, 1]), y, np.array([[1.0], [0.0], [11.0], [10.0]]))
    assert held.correlation(np.ones((1, 4)))[0, 0] == pytest.approx(-1.0)


def test_a_constant_prediction_counts_as_0_and_a_constant_response_is_undefined():
    y, z = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]]), np.array([[3.0, 1.0], [3.0, 2.0], [3.0, 3.0]])
    found = HeldOut(np.arange(3), np.zeros(3), y, z).correlation(np.ones((1, 3)))[0]
    assert found[0] == 0.0
    assert np.isnan(found[1])


def test_a_model_that_knows_nothing_within_labels_scores_0():
    rng, scores = np.random.default_rng(0), []
    for seed in range(25):
        held = predict_within(rng.normal(size=(90, 20)), rng.normal(size=(90, 20)), LABELS, seed=seed)
        scores += [one.correlation(np.ones((1, 30))).mean() for one in held.values()]
    assert len(scores) == 75
    assert abs(np.mean(scores)) < 0.03  # of pooled predictions: -0.1


def test_fits_within_a_label_see_no_other_image():
    X, Y = simulate(4, of_features=1.0)
    changed_X, changed_Y = X.copy(), Y.copy()
    changed_X[LABELS != "face"] += 100
    changed_Y[LABELS != "face"] *= -7
    first, second = (predict_within(*pair, LABELS)["face"] for pair in ((X, Y), (changed_X, changed_Y)))
    np.testing.assert_array_equal(first.predicted, second.predicted)
    np.testing.assert_array_equal(LABELS[first.rows], "face")
    assert first.correlation(np.ones((1, 30))).mean() > 0.2


def test_labels_without_enough_images_are_not_scored():
    X, Y = simulate(5)
    labels = np.where(np.arange(90) < 8, "rare", "common")
    assert list(predict_within(X, Y, labels)) == ["common"]
    assert len(np.unique(predict_within(X[:20], Y[:20], ["a"] * 20)["a"].cells)) == 3  # folds of 6 images or more
    assert predict_unseen(X, Y, ["one"] * 90) is None


def test_fits_for_an_unseen_label_do_not_see_it():
    X, Y = simulate(6, of_features=1.0)
    changed = Y.copy()
    changed[LABELS == "tool"] = 1000.0
    first, second = (predict_unseen(X, table, LABELS) for table in (Y, changed))
    tool = first.cells == np.unique(LABELS).tolist().index("tool")
    np.testing.assert_array_equal(first.predicted[tool], second.predicted[tool])
    assert not np.allclose(first.predicted[~tool], second.predicted[~tool])
    assert first.correlation(np.ones((1, 90))).mean() > 0.3
    labels_alone = predict_unseen(X, simulate(6)[1], LABELS)
    assert abs(labels_alone.correlation(np.ones((1, 90))).mean()) < 0.1


def test_groups_across_labels_never_train_for_each_other():
    X, Y = simulate(7)
    X[1], Y[1] = X[0], 1e3  # a near-duplicate with another label and a telling response
    groups = np.maximum(np.arange(90), 1)
    held = predict_unseen(X, Y, LABELS, groups)
    assert abs(held.predicted[0]).max() < 100


def test_wrong_input_is_named():
    X, Y = simulate(8)
    with pytest.raises(DataError, match=r"labels has shape \(3,\)"):
        predict_within(X, Y, ["a", "b", "c"])
    with pytest.raises(DataError, match=r"labels has shape \(3,\)"):
        partition_variance(X, ["a", "b", "c"], Y, FOLDS)
