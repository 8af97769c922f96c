"""Scores of out-of-fold predictions by hand: missing rows, constant columns, folds."""

import numpy as np
import pytest
from scipy import stats

from analysis import statistics
from analysis.core.errors import DataError
from analysis.statistics import crossval

NAN = np.nan


def test_rows_that_either_lacks_are_left_out_of_r():
    a = np.array([[1.0, 1.0], [2.0, NAN], [4.0, 3.0], [NAN, 7.0], [5.0, 2.0]])
    b = np.array([[2.0, 5.0], [1.0, 1.0], [NAN, 4.0], [9.0, 9.0], [6.0, NAN]])
    expected = [stats.pearsonr([1, 2, 5], [2, 1, 6]).statistic, stats.pearsonr([1, 3, 7], [5, 4, 9]).statistic]
    np.testing.assert_allclose(crossval.pearson(a, b), expected)


def test_rows_that_either_lacks_are_left_out_of_r2():
    observed, predicted = np.array([[1.0], [2.0], [NAN], [6.0]]), np.array([[1.5], [2.0], [3.0], [NAN]])
    np.testing.assert_allclose(crossval.r2_score(observed, predicted), 1 - 0.25 / 0.5)  # about the mean of 1 and 2
    reference = np.array([[0.0], [0.0], [0.0], [NAN]])
    np.testing.assert_allclose(crossval.r2_score(observed, predicted, reference), 1 - 0.25 / 5)


@pytest.mark.parametrize("constant", [0.0, 7.3, 1 / 3, 1e9 / 7])
def test_columns_that_do_not_vary_are_undefined(constant):
    flat, other = np.full((11, 1), constant), np.arange(11.0)[:, None]
    assert np.isnan(crossval.pearson(flat, other))
    assert np.isnan(crossval.pearson(other, flat))
    assert np.isnan(crossval.r2_score(flat, other))
    folds = np.arange(11) % 3
    assert np.isnan(crossval.r2_score(flat, other, crossval.training_means(flat, folds)))
    assert np.isnan(crossval.mean_pearson(flat, other, folds))
    np.testing.assert_array_equal(crossval.mean_pearson(other, flat, folds), 0.0)  # a constant prediction says nothing


def test_r_is_the_mean_over_the_folds_in_which_it_is_defined():
    observed = np.array([1.0, 2, 3, 5, 5, 5, 1, 3, 2, 8])[:, None]
    predicted = np.array([1.0, 2, 3, 1, 2, 3, 1, 2, 3, 0])[:, None]
    folds = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, -1])  # r is 1, undefined and 0.5; the last row only trains
    np.testing.assert_allclose(crossval.mean_pearson(observed, predicted, folds), 0.75)


@pytest.mark.parametrize("predict", [statistics.pls_predict, statistics.ridge_predict, statistics.decode])
def test_at_least_one_repeat_is_asked_for(predict):
    X, labels = np.random.default_rng(0).normal(size=(60, 10)), np.resize([0, 1], 60)
    with pytest.raises(DataError, match="repeats=0; give a whole number of at least 1"):
        predict(X, labels if predict is statistics.decode else X, repeats=0)


def test_too_few_images_are_told_apart_from_faults():
    X, labels = np.random.default_rng(0).normal(size=(20, 30)), np.resize([0, 1], 20)
    for call in (
        lambda: statistics.pls_predict(X, X, n_components=16),
        lambda: statistics.pls_predict(X, X, groups=labels, n_components=1),
        lambda: statistics.decode(X, labels, folds=11),
    ):
        with pytest.raises(statistics.TooFewImages):
            call()
    with pytest.raises(DataError, match="folds=1") as fault:
        statistics.pls_predict(X, X, folds=1)
    assert not isinstance(fault.value, statistics.TooFewImages)
