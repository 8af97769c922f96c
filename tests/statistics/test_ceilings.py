"""Reliability against planted truth, hand-computed cases and the expected shapes of its errors."""

import numpy as np
import pytest
import scipy.stats

from analysis.core.errors import DataError
from analysis.statistics import ceilings

COUNTS = {
    "3": np.full(120, 3),
    "2": np.full(120, 2),
    "half 1, half 8": np.repeat([1, 8], 60),
    "geometric": np.random.default_rng(1).geometric(1 / 2.85, 120),
}


def simulate(counts, snr=1.0, fixations=(1, 2, 3, 6), n_units=400, seed=0, shared=0.5, grows=False):
    """Responses of units to images shown `counts` times, with unequal fixations per presentation.

    `shared` is the share of the noise variance of a fixation that all fixations of the presentation have in common.
    If it `grows`, the responses are skewed and the noise variance is proportional to them.
    Returns rates, images, trials and the noise-free responses, (n_images, n_units).
    """
    rng = np.random.default_rng(seed)
    shape = (len(counts), n_units)
    truth = rng.gamma(1.0, size=shape) if grows else rng.normal(size=shape)
    of_trial = np.repeat(np.arange(len(counts)), counts)
    trial = np.repeat(np.arange(len(of_trial)), rng.choice(fixations, len(of_trial)))
    noise = np.sqrt(shared) * rng.normal(size=(len(of_trial), n_units))[trial]
    noise += np.sqrt(1 - shared) * rng.normal(size=(len(trial), n_units))
    if grows:
        noise *= np.sqrt(truth)[of_trial[trial]]
    return truth[of_trial[trial]] + noise / np.sqrt(snr), of_trial[trial], trial, truth


def correlation(a, b):
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))


@pytest.mark.parametrize("snr", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
@pytest.mark.parametrize("fixations", [(1,), (1, 2, 3, 6)], ids=["one fixation", "unequal fixations"])
def test_it_is_the_expected_squared_correlation_of_a_noise_free_model(counts, snr, fixations):
    rates, image, trial, truth = simulate(counts, snr, fixations, n_units=1000, seed=int(20 + 10 * snr))
    shown = ceilings.Presentations(rates, image, trial)
    r = correlation(truth, shown.means())
    found = shown.reliability()
    assert (found.n_images, found.n_repeated) == (120, (counts >= 2).sum())
    assert abs(found.value.mean() - np.mean(r**2)) < 0.02
    assert np.mean(found.standard_error) == pytest.approx(found.value.std(), rel=0.12)


REAL = {
    "An220105": np.repeat([1, 2, 3, 4], [1, 57, 233, 9]),
    "158 of 802 once": np.append(np.ones(158, int), np.random.default_rng(2).integers(2, 8, 644)),
}


def of_a_noise_free_model(counts, snr, fixations, grows=False, n_units=20_000, seed=5):
    """Squared r of the noise-free responses with the mean responses of many units, and their reliability."""
    squared, found = [], []
    for batch in range(n_units // 2000):
        rates, image, trial, truth = simulate(counts, snr, fixations, 2000, [seed, batch], grows=grows)
        shown = ceilings.Presentations(rates, image, trial)
        squared.append(correlation(truth, shown.means()) ** 2)
        found.append(shown.reliability())
    values = (np.concatenate([getattr(one, name) for one in found]) for name in ("value", "ceiling"))
    return np.concatenate(squared), *values


@pytest.mark.parametrize("snr", [0.1, 1.0])
@pytest.mark.parametrize("counts", (COUNTS | REAL).values(), ids=COUNTS | REAL)
@pytest.mark.parametrize("fixations", [(1,), (1, 2, 3, 6)], ids=["one fixation", "unequal fixations"])
def test_a_perfect_model_scores_one(counts, snr, fixations):
    few = len(counts) > 120 or snr == 1
    squared, _, ceiling = of_a_noise_free_model(counts, snr, fixations, n_units=2000 if few else 20_000)
    assert abs(np.median(ceilings.noise_corrected(np.sqrt(squared), ceiling)) - 1) < 0.02
    assert abs(np.median(ceilings.normalised(np.sqrt(squared), ceiling)) - 1) < 0.04


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_a_perfect_model_scores_one_where_noise_grows_with_the_response(counts):
    squared, value, ceiling = of_a_noise_free_model(counts, 0.1, (1, 2, 3), grows=True)
    assert abs(np.median(ceilings.noise_corrected(np.sqrt(squared), ceiling)) - 1) < 0.02
    assert np.median(ceilings.noise_corrected(np.sqrt(squared), value)) < 0.99  # right on average, too high in most


def test_a_noise_free_model_exceeds_its_ceiling_as_often_as_not():
    # With few repeats the noise is underestimated in most units; with few images chance correlates signal and noise.
    for counts in (np.repeat([1, 2], [60, 12]), np.repeat([1, 3], [100, 20]), np.repeat([3], 12), np.repeat([2], 24)):
        squared, value, ceiling = of_a_noise_free_model(counts, 0.5, (1,), n_units=10_000)
        assert abs(np.mean(squared > ceiling) - 0.5) < 0.025
        assert np.mean(squared > value) < 0.48


def test_the_ceiling_of_equal_numbers_is_the_median_of_an_f_ratio():
    n, p = 40, 4
    rates, image, trial, _ = simulate(np.full(n, p), fixations=(1,), n_units=20_000, snr=0.3)
    found = ceilings.reliability(rates, image, trial)
    responses = rates.reshape(n, p, -1)
    noise, total = responses.var(axis=1, ddof=1).mean(axis=0) / p, responses.mean(axis=1).var(axis=0) * n
    exact = 1 - (n - 2) * scipy.stats.f.median(n - 2, n * (p - 1)) * noise / total
    assert abs(np.median(found.ceiling - exact)) < 1e-3
    assert np.std(found.ceiling - exact) < 0.03 * np.std(exact)


def test_value_and_ceiling_agree_where_images_are_many_or_noise_is_little():
    for counts, snr, gap in ((np.full(3000, 3), 0.3, 2e-3), (np.full(100, 3), 300.0, 1e-4)):
        found = ceilings.reliability(*simulate(counts, snr, (1,), n_units=20)[:3])
        assert 0 < np.abs(found.value - found.ceiling).max() < gap


def test_the_median_needs_the_units_of_low_reliability():
    rates, image, trial, truth = simulate(np.full(300, 2), 0.1, (1,), n_units=3000, seed=2)
    shown = ceilings.Presentations(rates, image, trial)
    r, found = correlation(truth, shown.means()), shown.reliability()
    corrected = ceilings.noise_corrected(r, found.ceiling)
    assert np.mean(found.ceiling <= 0) > 0.02
    assert np.isinf(corrected[found.ceiling < 0]).all()
    assert abs(np.median(corrected) - 1) < 0.02
    assert np.median(corrected[~found.low]) < 0.9


def test_equal_single_fixations_give_the_plain_ratio_of_variances_with_its_jackknife():
    rates, image, trial, _ = simulate(np.full(40, 4), fixations=(1,), n_units=5)
    shown = ceilings.Presentations(rates, image, trial)
    responses = rates.reshape(40, 4, 5)

    def ratio(x):
        return 1 - x.var(axis=1, ddof=1).mean(axis=0) / 4 / x.mean(axis=1).var(axis=0, ddof=1)

    parts = np.stack([ratio(np.delete(responses, i, axis=0)) for i in range(40)])
    found = shown.reliability()
    np.testing.assert_allclose(found.value, 40 * ratio(responses) - 39 * parts.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found.standard_error, np.sqrt(39) * parts.std(axis=0), rtol=1e-10)


def test_order_names_and_scale_do_not_matter():
    rates, image, trial, _ = simulate(COUNTS["geometric"], n_units=5)
    one = ceilings.reliability(rates, image, trial)
    order = np.random.default_rng(0).permutation(len(trial))
    names = np.random.default_rng(1).permutation(len(trial))  # of trials, none of which is shared by two images
    two = ceilings.reliability(1e3 + 7 * rates[order], [f"i{k}" for k in image[order]], names[trial[order]], seed=9)
    np.testing.assert_allclose(one.value, two.value, rtol=1e-8)
    np.testing.assert_allclose(one.ceiling, two.ceiling, rtol=1e-8)
    np.testing.assert_allclose(one.standard_error, two.standard_error, rtol=1e-8)


def test_presentations_are_repeats_and_fixations_of_one_are_not():
    rates, image, trial, truth = simulate(np.full(300, 4), 0.5, (3,), n_units=20, shared=0.9)
    shown = ceilings.Presentations(rates, image, trial)
    planted = np.mean(correlation(truth, shown.means()) ** 2)
    assert abs(shown.reliability().value.mean() - planted) < 0.02
    assert ceilings.reliability(rates, image, np.arange(len(trial))).value.mean() > planted + 0.1


def test_of_few_images_every_unit_is_flagged_and_no_value_moves():
    rng = np.random.default_rng(3)
    image = np.repeat(np.arange(11), 3)
    rates = rng.normal(size=(11, 50))[image] * 5 + rng.normal(size=(33, 50))
    ten = ceilings.reliability(rates[:30], image[:30], np.arange(30))
    eleven = ceilings.reliability(rates, image, np.arange(33))
    assert ten.low.all()
    assert eleven.low.mean() < 0.2
    assert np.nanmedian(ten.value) > 0.9


def test_low_and_negative_values_are_linear_and_flagged():
    image, trial = np.repeat(np.arange(7), 2), np.arange(14)
    rates = np.random.default_rng(0).normal(size=(14, 2000))
    few = ceilings.reliability(rates, image, trial)
    assert few.value.min() < 0
    assert np.isfinite(few.ceiling).all()
    assert np.mean(few.low) > 0.8
    none = np.random.default_rng(3).normal(size=(900, 3000))
    found = ceilings.reliability(none, np.repeat(np.arange(300), 3), np.arange(900))
    assert abs(found.value.mean()) < 0.01  # not cut off at 0, which would raise the mean
    assert -1 < found.value.min() < -0.3
    assert np.mean(found.low) > 0.95


@pytest.mark.parametrize(("n_images", "n_shown"), [(4, 2), (6, 2), (3, 40)])
def test_too_few_images_give_no_value_however_often_they_were_shown(n_images, n_shown):
    image = np.repeat(np.arange(n_images), n_shown)
    rates = np.random.default_rng(0).normal(size=(len(image), 5))
    with pytest.raises(DataError, match=f"^{n_images} images; a reliability needs 7: with fewer, noise alone gives"):
        ceilings.reliability(rates, image, np.arange(len(image)))


def test_noise_free_units_are_perfect_and_constant_units_undefined():
    rates = np.repeat(np.random.default_rng(0).normal(size=(20, 3)), 2, axis=0)
    rates[:, 1] = 4.0
    rates[:, 2] = rates[:, 2] * (np.arange(40) < 2)  # responds to one image alone: nothing is left without it
    found = ceilings.reliability(rates, np.repeat(np.arange(20), 2), np.arange(40))
    assert found.value[0] == pytest.approx(1)
    assert found.ceiling[0] == 1
    for numbers in (found.value, found.ceiling, found.standard_error):
        assert np.isnan(numbers).tolist() == [False, True, True]
    assert found.low.tolist() == [False, True, True]


def test_means_and_partitions_hold_whole_presentations():
    rates = np.arange(12.0)[:, None]
    rates[4:6] += 1
    image = np.array([0] * 6 + [1] * 4 + [2] * 2)
    shown = ceilings.Presentations(rates, image, np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]))
    np.testing.assert_array_equal(shown.n_presentations, [3, 2, 1])
    np.testing.assert_allclose(shown.means()[:, 0], [17 / 6, 7.5, 10.5])
    by_trial = [0.5, 2.5, 5.5]
    seen = set()
    for seed in range(40):
        a, b = shown.partitions(2, np.random.default_rng(seed))
        assert np.isnan(a[2, 0]) != np.isnan(b[2, 0])  # one presentation goes to one half
        small, large = sorted([a[0, 0], b[0, 0]], key=lambda v: v not in by_trial)
        assert small in by_trial
        assert small + 2 * large == pytest.approx(8.5)
        seen.add((small, a[0, 0] == small))
        assert sorted([a[1, 0], b[1, 0]]) == [6.5, 8.5]
    assert len(seen) == 6  # every presentation alone, in either half
    rates, image, trial, _ = simulate(np.full(5, 6), fixations=(1,), n_units=3)
    parts = ceilings.Presentations(rates, image, trial).partitions(3, np.random.default_rng(0))
    assert parts.shape == (3, 5, 3)
    np.testing.assert_allclose(parts.mean(axis=0), ceilings.Presentations(rates, image, trial).means())


def test_unequal_fixations_weigh_presentations_as_the_mean_does():
    shown = ceilings.Presentations(np.array([[1.0], [1.0], [1.0], [5.0]]), np.zeros(4), np.array([0, 0, 0, 1]))
    assert shown.means()[0, 0] == 2.0
    assert sorted(half[0, 0] for half in shown.partitions(2, np.random.default_rng(0))) == [1.0, 5.0]


def test_stepping_up():
    np.testing.assert_allclose(ceilings.step_up([0.0, 0.5, 1.0]), [0, 2 / 3, 1])  # Spearman-Brown
    r = np.linspace(-1, 1, 21)
    np.testing.assert_allclose(ceilings.step_up(r), -ceilings.step_up(-r))
    assert np.abs(ceilings.step_up(r, 0.2)).max() == 1
    assert np.isnan(ceilings.step_up(np.nan))
    # Noise variance 3 in the whole and 12 in a half: r = 1 / (1 + 12) of the halves, 1 / (1 + 3) of the whole.
    assert ceilings.step_up(1 / 13, 3 / 12) == pytest.approx(1 / 4)
    counts = np.array([4, 4, 3, 1])
    image = np.repeat(np.arange(4), counts)
    shown = ceilings.Presentations(np.ones((12, 1)), image, np.arange(12))
    assert shown.length_ratio() == pytest.approx(np.mean([1 / 4, 1 / 4, 1 / 3, 1]) / np.mean([1 / 2, 1 / 2, 3 / 4]))
    assert np.isnan(ceilings.Presentations(np.ones((2, 1)), [0, 1], [0, 1]).length_ratio())


def test_noise_correction():
    value = np.array([0.25, 0.25, -0.1, 0.0, -0.1, np.nan])
    r = np.array([0.5, -0.5, 0.2, -0.2, 0.0, 0.3])
    np.testing.assert_allclose(ceilings.noise_corrected(r, value), [1, -1, np.inf, -np.inf, 0, np.nan])
    np.testing.assert_allclose(ceilings.normalised([0.5, -0.5], [0.5, 0.25]), [0.5, -1.0])
    assert np.isnan(ceilings.normalised(np.nan, 0.5))


def test_bad_input():
    rates, image, trial, _ = simulate(np.repeat([2, 1], [2, 8]), n_units=3, fixations=(1,))
    with pytest.raises(DataError, match="2 images were shown twice or more; a reliability needs 3"):
        ceilings.reliability(rates, image, trial)
    with pytest.raises(DataError, match="give one row per fixation"):
        ceilings.reliability(rates, image[:-1], trial)
    rates[3, 1] = np.nan
    with pytest.raises(DataError, match=r"rates\[3, 1\] = nan; drop or repair"):
        ceilings.reliability(rates, image, trial)
