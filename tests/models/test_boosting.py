import numpy as np
import pytest

from analysis.models.yamins_hmo import boosting

Y = np.array([1.0, 1.0, -1.0, -1.0, -1.0])


def test_balanced_weights_give_both_classes_one_half():
    np.testing.assert_allclose(boosting.balanced(Y), [1 / 4, 1 / 4, 1 / 6, 1 / 6, 1 / 6])


def test_one_round_by_hand():
    """e = 1/4 for the one face taken for none, a = log(3) / 2, so its weight is tripled against the others'."""
    weights = np.array([1 / 4, 1 / 4, 1 / 6, 1 / 6, 1 / 6])
    decision = np.array([2.0, -1.0, -0.5, -3.0, 0.0])  # a decision of 0 is one for no face
    assert boosting.weighted_error(weights, Y, decision) == pytest.approx(1 / 4)
    # 1/4 sqrt(3) = 0.433013; 1/4 / sqrt(3) = 0.144338; 1/6 / sqrt(3) = 0.096225; Z = 0.866025
    np.testing.assert_allclose(boosting.reweighted(weights, Y, decision), [1 / 6, 1 / 2, 1 / 9, 1 / 9, 1 / 9])


def test_after_a_round_its_own_decision_is_worth_nothing():
    weights = boosting.balanced(Y)
    decision = np.array([1.0, 1.0, -1.0, 1.0, -1.0])
    assert boosting.weighted_error(boosting.reweighted(weights, Y, decision), Y, decision) == pytest.approx(1 / 2)


def test_errors_are_bounded():
    """No mistake leaves the weights in proportion; more than one half does not reward mistakes."""
    weights = boosting.balanced(Y)
    np.testing.assert_allclose(boosting.reweighted(weights, Y, Y), weights)
    ratio = boosting.reweighted(weights, Y, -Y * [1, 1, 1, 1, -1]) / weights
    assert ratio[0] / ratio[4] == pytest.approx(0.51 / 0.49)
