import numpy as np
import pytest

from analysis.core.errors import DataError
from analysis.statistics import TooFewImages, decode, learning_curve

LABELS = np.resize([0, 1, 1, -1], 120)


def task(seed=0, shift=0.6):
    return np.random.default_rng(seed).normal(size=(120, 10)) + shift * (LABELS == 1)[:, None]


def test_accuracy_rises_with_training_to_that_of_the_full_read_out():
    curve = learning_curve(task(), LABELS, sizes=[4, 8, 16, 48], draws=8)
    assert curve.sizes.tolist() == [4, 8, 16, 48]  # 30 negatives leave 24 to train on
    assert (np.diff(curve.accuracy) > 0).all()
    assert curve.accuracy[-1] == pytest.approx(decode(task(), LABELS).balanced_accuracy, abs=0.06)
    assert curve.deviation[0] > curve.deviation[-1] > 0


def test_without_information_it_stays_at_chance():
    accuracy = [learning_curve(task(seed, 0.0), LABELS, sizes=[8, 32], draws=3).accuracy for seed in range(12)]
    np.testing.assert_allclose(np.mean(accuracy, axis=0), 0.5, atol=0.04)


def test_sizes_too_large_for_the_rarer_class_are_left_out():
    assert learning_curve(task(), LABELS, sizes=[64, 8], draws=1).sizes.tolist() == [8]
    assert learning_curve(task(), LABELS, sizes=[64], draws=1).accuracy.shape == (0,)


def test_systems_with_one_seed_train_on_the_same_images():
    X = task()
    first, second = (learning_curve(table, LABELS, draws=2, seed=5) for table in (X, 3 * X + 1))
    np.testing.assert_allclose(first.accuracy, second.accuracy)
    assert not np.allclose(first.accuracy, learning_curve(X, LABELS, draws=2, seed=6).accuracy)


def test_near_duplicates_are_never_on_both_sides():
    # Features name the image alone, so that a duplicate in training gives the label away.
    X = np.repeat(np.random.default_rng(0).normal(size=(60, 400)), 2, axis=0)
    labels = np.repeat(np.random.default_rng(1).permutation(np.resize([0, 1], 60)), 2)
    split = learning_curve(X, labels, sizes=[64], draws=2).accuracy[0]
    kept = learning_curve(X, labels, np.arange(120) // 2, sizes=[64], draws=2).accuracy[0]
    assert split > 0.7 > kept


def test_wrong_input_is_named():
    with pytest.raises(DataError, match="sizes holds 7; give multiples of 2, the number of classes, of at least 4"):
        learning_curve(task(), LABELS, sizes=[8, 7])
    with pytest.raises(TooFewImages, match="5 folds need at least 5 groups of class 0, not 0; use fewer folds"):
        learning_curve(task(), np.ones(120, int))
