import numpy as np
import pytest
from scipy.stats import pearsonr

from analysis.candidates import joint
from analysis.candidates.joint import Outcome, Predicted


def outcome(rng, n_images=60, n_candidates=40, slopes=(("V1", 0.0), ("AIT", 3.0)), n_units=12, vary=0.0) -> Outcome:
    """Simulate candidates whose quality raises accuracy and, by a slope per area, how well its units are predicted."""
    quality = rng.normal(size=n_candidates)
    correct = rng.random((n_images, n_candidates)) < 1 / (1 + np.exp(-(1 + quality)))
    populations = []
    for area, slope in slopes:
        signal = rng.normal(size=(n_images, n_units))
        error = rng.normal(size=(n_images, n_candidates, n_units))
        slopes_of_units = slope + vary * rng.normal(size=n_units)
        predicted = np.exp(0.3 * quality[:, None] * slopes_of_units) * signal[:, None] + 2 * error
        observed = signal + rng.normal(size=signal.shape)
        populations.append(Predicted((area,), np.arange(n_images), observed, predicted, np.full(n_units, 0.5)))
    return Outcome(correct, np.arange(n_images) % 2 == 0, np.arange(n_images), populations)


def test_the_correlation_is_that_of_balanced_accuracy_with_the_median_corrected_r():
    made = outcome(np.random.default_rng(0))
    found = joint.correlate(made, 50, 1).set_index("region")
    accuracy = (made.correct[::2].mean(axis=0) + made.correct[1::2].mean(axis=0)) / 2
    expected = {}
    for one in made.populations:
        r = np.array([
            [pearsonr(one.observed[:, unit], predicted[:, unit]).statistic for unit in range(12)]
            for predicted in one.predicted.transpose(1, 0, 2)
        ])  # fmt: skip
        expected[one.areas[0]] = pearsonr(accuracy, np.median(r / np.sqrt(0.5), axis=1)).statistic
    for area, r in expected.items():
        assert found.loc[area, "r"] == pytest.approx(r)
    assert found.loc["AIT", "over_v1"] == pytest.approx(expected["AIT"] - expected["V1"])
    assert np.isnan(found.loc["V1", "over_v1"])
    assert (found["candidates"] == 40).all()


def test_an_area_that_follows_performance_differs_from_one_that_does_not():
    found = joint.correlate(outcome(np.random.default_rng(1)), 200, 1).set_index("region")
    assert found.loc["AIT", "ci_low"] > 0.3
    assert found.loc["V1", "ci_low"] < 0 < found.loc["V1", "ci_high"]
    assert found.loc["AIT", "over_v1_low"] > 0


def test_intervals_widen_with_fewer_images_units_and_candidates():
    def reach(**sizes):
        row = joint.correlate(outcome(np.random.default_rng(2), **sizes), 200, 1).set_index("region").loc["AIT"]
        return np.arctanh(row["ci_high"]) - np.arctanh(row["ci_low"])

    assert reach(n_candidates=8) > reach(n_candidates=40)
    assert reach(n_units=3, vary=3.0) > reach(n_units=40, vary=3.0)
    assert reach(n_images=16, n_candidates=200) > reach(n_images=200, n_candidates=200)


def test_near_duplicates_are_drawn_together():
    made = outcome(np.random.default_rng(3), n_images=30)
    twice = Outcome(
        np.repeat(made.correct, 2, axis=0), np.repeat(made.is_face, 2), np.repeat(made.groups, 2),
        [
            Predicted(one.areas, np.repeat(one.groups, 2), np.repeat(one.observed, 2, axis=0),
                      np.repeat(one.predicted, 2, axis=0), one.ceiling)
            for one in made.populations
        ],
    )  # fmt: skip
    a, b = (joint.correlate(one, 100, 1).drop(columns="region").to_numpy(float) for one in (made, twice))
    np.testing.assert_allclose(a, b)


def test_units_that_do_not_vary_count_for_nothing():
    made = outcome(np.random.default_rng(4))
    before = joint.correlate(made, 2, 1)["r"].to_numpy()
    for one in made.populations:
        one.observed[:, :2] = 3.0
    kept = [
        Predicted(one.areas, one.groups, one.observed[:, 2:], one.predicted[:, :, 2:], one.ceiling[2:])
        for one in made.populations
    ]
    after = joint.correlate(made, 2, 1)["r"].to_numpy()
    assert not np.array_equal(after, before)
    np.testing.assert_allclose(
        after, joint.correlate(Outcome(made.correct, made.is_face, made.groups, kept), 2, 1)["r"]
    )


def test_unreliable_units_stay_in_the_median_with_the_least_ceiling():
    made = outcome(np.random.default_rng(4))
    for one in made.populations:
        one.ceiling[0] = -0.2
    unreliable = joint.correlate(made, 2, 1)["r"].to_numpy()
    for one in made.populations:
        one.ceiling[0] = 0.01
    np.testing.assert_array_equal(unreliable, joint.correlate(made, 2, 1)["r"])
    for one in made.populations:
        one.ceiling[0] = np.nan
    assert not np.array_equal(unreliable, joint.correlate(made, 2, 1)["r"])
