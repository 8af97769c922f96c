"""The rank correlation of performance and predictivity over models, against scipy and planted cases."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from analysis.statistics.inference import Predictions, predictivity_draws
from analysis.summary.performance import against_predictivity, spearman

NOISE = {"a": 0.5, "b": 1.0, "c": 2.0, "d": 4.0, "e": 8.0, "f": 16.0}


@pytest.fixture(scope="module")
def draws():
    """Draws of six models that predict the same units, each worse than the one before."""
    rng = np.random.default_rng(0)
    observed = rng.normal(size=(80, 20))
    noise = rng.normal(size=observed.shape)
    return {
        name: predictivity_draws([Predictions(observed, observed + sd * noise)], "r", "median", n_draws=100, seed=1)
        for name, sd in NOISE.items()
    }


def test_spearman_is_that_of_scipy_with_ties():
    rng = np.random.default_rng(2)
    x, scores = rng.integers(0, 4, 9).astype(float), rng.normal(size=(9, 5))
    assert spearman(x, scores) == pytest.approx([spearmanr(x, column)[0] for column in scores.T])
    assert np.isnan(spearman(np.ones(9), scores)).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_models_that_do_the_task_better_predict_better_or_worse(draws, sign):
    accuracy = {name: 0.75 + sign * 0.02 * (3 - k) for k, name in enumerate(NOISE)}
    found = against_predictivity(accuracy, draws, seed=0)
    assert found["rho"] == pytest.approx(sign)
    assert -1 <= found["low"] <= found["rho"] <= found["high"] <= 1
    assert min(sign * found["low"], sign * found["high"]) > 0.5
    assert found["p"] == pytest.approx(2 / 720, abs=0.002)  # of the 720 orders, this one and its reverse
    assert found["models"] == list(NOISE)


def test_close_models_leave_the_order_open():
    rng = np.random.default_rng(3)
    observed = rng.normal(size=(40, 8))
    close = {
        name: predictivity_draws([Predictions(observed, observed + rng.normal(size=observed.shape))], "r", seed=1)
        for name in NOISE
    }
    found = against_predictivity({name: k / 10 for k, name in enumerate(NOISE)}, close, seed=0)
    assert found["high"] - found["low"] > 0.5


def test_too_few_models_or_none_with_a_score_are_undefined(draws):
    assert against_predictivity({"a": 0.5, "b": 0.6, "c": 0.7}, draws, seed=0) is None
    assert against_predictivity(dict.fromkeys(NOISE, 0.5), draws, seed=0) is None
    assert against_predictivity({"a": 0.5, "b": 0.6, "c": 0.7, "d": np.nan}, draws, seed=0) is None
