"""HMO's image weights and support vector machine, against hand-computed values and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from analysis.models.yamins_hmo import boosting, svm

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


def problem(n=60, d=30, seed=0):
    draw = np.random.default_rng(seed)
    y = np.where(draw.random(n) < 0.4, 1.0, -1.0)
    x = draw.normal(size=(n, d)) * draw.uniform(0.1, 5, d) + 3
    x[:, 0] += 4 * y
    x[:, 1] = 7.0  # never varies
    weights = draw.uniform(0.2, 2, n)
    return x.astype(np.float32), y, weights / weights.sum(), np.arange(n) % 4


def by_sklearn(x, y, weights, C):
    """The same machine from its primal features; the divisor n - 1 of the standard deviation, and sqrt(d), by hand."""
    scaler = StandardScaler().fit(x.astype(float))
    scale = np.sqrt((len(x) - 1) / len(x) / x.shape[1])
    machine = SVC(C=C, kernel="linear")
    machine.fit(scaler.transform(x.astype(float)) * scale, y, sample_weight=weights / weights.mean())
    return lambda rows: machine.decision_function(scaler.transform(rows.astype(float)) * scale)


def test_out_of_fold_decisions_are_sklearns():
    x, y, weights, folds = problem()
    found = svm.out_of_fold(torch.tensor(x), y, weights, folds, 3.0)
    for fold in range(4):
        decide = by_sklearn(x[folds != fold], y[folds != fold], weights[folds != fold], 3.0)
        np.testing.assert_allclose(found[folds == fold], decide(x[folds == fold]), atol=5e-3)


def test_weights_change_the_fit():
    x, y, weights, folds = problem()
    even = svm.out_of_fold(torch.tensor(x), y, np.full(len(y), 1 / len(y)), folds, 3.0)
    assert np.abs(svm.out_of_fold(torch.tensor(x), y, weights, folds, 3.0) - even).max() > 0.05


def test_no_decision_depends_on_its_own_label():
    x, y, weights, folds = problem()
    before = svm.out_of_fold(torch.tensor(x), y, weights, folds, 3.0)
    y = np.where(folds == 2, -y, y)
    after = svm.out_of_fold(torch.tensor(x), y, weights, folds, 3.0)
    np.testing.assert_array_equal(after[folds == 2], before[folds == 2])
    assert (after[folds != 2] != before[folds != 2]).all()


def test_a_margin_takes_part_in_the_decision():
    x, y, weights, folds = problem()
    noise = torch.tensor(np.random.default_rng(1).normal(size=(60, 20)), dtype=torch.float32)
    alone = svm.out_of_fold(noise, y, weights, folds, 3.0)
    margin = svm.out_of_fold(torch.tensor(x), y, weights, folds, 3.0)
    together = svm.out_of_fold(noise, y, weights, folds, 3.0, margin)
    assert np.corrcoef(together, margin)[0, 1] > 0.8 > np.corrcoef(alone, margin)[0, 1]


def test_the_fitted_read_out_decides_as_sklearn_does():
    x, y, weights, _ = problem()
    found = svm.fit(torch.tensor(x), y[None], weights[None], 3.0)
    with np.errstate(invalid="ignore"):
        decision = np.where(np.isfinite(found.std), (x - found.mean) / found.std, 0) @ found.weight[0] + found.bias
    np.testing.assert_allclose(decision, by_sklearn(x, y, weights, 3.0)(x), atol=5e-3)
    assert np.isfinite(found.weight).all()
