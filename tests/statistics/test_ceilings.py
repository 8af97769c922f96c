import numpy as np
import pytest

from analysis.core.errors import DataError
from analysis.statistics import ceilings


def simulate(n_images=300, repeats=4, fixations=3, n_units=10, seed=0, shared=1.0, signal=1.0):
    """Fixations of one presentation share noise; returns rates, images, trials and planted explainable variance."""
    rng = np.random.default_rng(seed)
    truth = signal * rng.normal(size=(n_images, n_units))
    image = np.repeat(np.arange(n_images), repeats * fixations)
    trial = np.repeat(np.arange(n_images * repeats), fixations)
    rates = truth[image] + shared * rng.normal(size=(trial.max() + 1, n_units))[trial]
    rates = rates + 2 * rng.normal(size=rates.shape)
    noise = (shared**2 + 4 / fixations) / repeats
    return rates, image, trial, signal**2 / (signal**2 + noise)


@pytest.mark.parametrize("repeats", [4, 10, 50])
def test_unbiased_at_few_and_many_repeats(repeats):
    rates, image, trial, planted = simulate(repeats=repeats, n_units=20)
    found = ceilings.reliability(rates, image, trial, n_splits=20)
    assert found.n_images == 300
    assert abs(found.value.mean() - planted) < 0.02


def test_splitting_fixations_of_one_presentation_would_flatter():
    rates, image, trial, planted = simulate(shared=2.0, n_units=20)
    right = ceilings.reliability(rates, image, trial).value.mean()
    wrong = ceilings.reliability(rates, image, np.arange(len(trial))).value.mean()
    assert abs(right - planted) < 0.03
    assert wrong > planted + 0.1


def test_halves_share_no_presentation_and_hold_all_of_them():
    rates = np.arange(12.0)[:, None]
    rates[4:6] += 1
    image = np.array([0] * 6 + [1] * 4 + [2] * 2)
    trial = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    halves = ceilings.Halves(rates, image, trial)
    np.testing.assert_array_equal(halves.n_presentations, [3, 2, 1])
    np.testing.assert_allclose(halves.means()[:, 0], [17 / 6, 7.5, 10.5])
    by_trial = [0.5, 2.5, 5.5]
    seen = set()
    for seed in range(40):
        a, b = halves.draw(np.random.default_rng(seed))
        assert np.isnan(a[2, 0]) != np.isnan(b[2, 0])  # one presentation goes to one half
        small, large = sorted([a[0, 0], b[0, 0]], key=lambda v: v not in by_trial)
        assert small in by_trial
        assert small + 2 * large == pytest.approx(8.5)
        seen.add((small, a[0, 0] == small))
        assert sorted([a[1, 0], b[1, 0]]) == [6.5, 8.5]
    assert len(seen) == 6  # every presentation alone, in either half


def test_unequal_fixations_weigh_presentations_as_the_mean_does():
    rates = np.array([[1.0], [1.0], [1.0], [5.0]])
    halves = ceilings.Halves(rates, np.zeros(4), np.array([0, 0, 0, 1]))
    assert halves.means()[0, 0] == 2.0
    assert sorted(half[0, 0] for half in halves.draw(np.random.default_rng(0))) == [1.0, 5.0]


def test_correlations_are_averaged_before_they_are_corrected():
    rates, image, trial, _ = simulate(n_images=12, repeats=2, n_units=6, signal=0.2)
    halves, rng = ceilings.Halves(rates, image, trial), np.random.default_rng(3)
    drawn = [halves.draw(rng) for _ in range(9)]
    r = np.array([[np.corrcoef(a[:, k], b[:, k])[0, 1] for k in range(6)] for a, b in drawn])
    found = ceilings.reliability(rates, image, trial, n_splits=9, seed=3)
    mean = r.mean(axis=0)
    np.testing.assert_allclose(found.halves, mean)
    np.testing.assert_allclose(found.value, 2 * mean / (1 + mean))
    assert found.value.min() < 0  # not cut off, which would raise the mean


def test_a_unit_that_never_varies_is_undefined():
    rates, image, trial, _ = simulate(n_images=20)
    rates[:, 3] = 4.0
    value = ceilings.reliability(rates, image, trial).value
    assert np.isnan(value).tolist() == [k == 3 for k in range(10)]


def test_spearman_brown_and_normalisation():
    np.testing.assert_allclose(ceilings.spearman_brown([0.0, 0.5, 1.0]), [0, 2 / 3, 1])
    assert np.isnan(ceilings.spearman_brown(-1.0))
    np.testing.assert_allclose(ceilings.normalised([0.5, -0.5, 0.5], [0.5, 0.25, 0.05]), [0.5, -1.0, np.nan])


def test_parts_are_disjoint_and_complete():
    rates, image, trial, _ = simulate(n_images=5, repeats=6, fixations=1)
    parts = ceilings.Halves(rates, image, trial).partitions(3, np.random.default_rng(0))
    assert parts.shape == (3, 5, 10)
    np.testing.assert_allclose(parts.mean(axis=0), ceilings.Halves(rates, image, trial).means())


def test_bad_input():
    rates, image, trial, _ = simulate(n_images=5, repeats=1)
    with pytest.raises(DataError, match="0 images were shown twice or more"):
        ceilings.reliability(rates, image, trial)
    with pytest.raises(DataError, match="give one row per fixation"):
        ceilings.reliability(rates, image[:-1], trial)
    rates[3, 1] = np.nan
    with pytest.raises(DataError, match=r"rates\[3, 1\] = nan; drop or repair"):
        ceilings.reliability(rates, image, trial)
