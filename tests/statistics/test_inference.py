import numpy as np
import pytest
from scipy import stats

from analysis.core.errors import DataError
from analysis.statistics import inference


def test_bca_equals_scipy():
    values = np.random.default_rng(0).gamma(1.0, size=40)
    ours = inference.bootstrap_interval(values, np.mean, n_draws=20000, method="bca")
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20000, method="BCa", rng=np.random.default_rng(1))
    np.testing.assert_allclose((ours.low, ours.high), theirs.confidence_interval, atol=0.02)
    plain = inference.bootstrap_interval(values, np.mean, n_draws=20000)
    assert ours.high > plain.high + 0.01  # a skewed sample: the correction moves the interval up
    assert ours.estimate == pytest.approx(values.mean())


def test_bca_of_the_same_draws_equals_its_formula():
    rng = np.random.default_rng(0)
    values, draws = rng.gamma(1.0, size=30), rng.normal(1, 0.2, 999)
    out = np.array([np.delete(values, k).mean() for k in range(30)])
    low, high = inference.bca_interval(1.05, draws, out)
    z0 = stats.norm.ppf((draws < 1.05).mean())
    a = stats.skew(-out) / 6 / np.sqrt(30)
    z = stats.norm.ppf([0.025, 0.975])
    ends = stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))
    np.testing.assert_allclose((low, high), np.quantile(draws, ends), atol=1e-10)


def test_groups_are_drawn_whole():
    monkeys = np.repeat(["a", "b", "c"], 8)
    counts = inference.cluster_draws(monkeys, 30, seed=0)
    assert (counts.sum(axis=1) == 24).all()
    by_monkey = counts.reshape(30, 3, 8)
    assert (by_monkey == by_monkey[:, :, :1]).all()  # members of a drawn monkey as they are
    assert len(np.unique(counts, axis=0)) > 5
    np.testing.assert_array_equal(inference.cluster_draws(monkeys, 10, seed=0), counts[:10])


def test_medians_of_draws_equal_those_of_repeated_values():
    rng = np.random.default_rng(0)
    values = np.round(rng.normal(size=31), 1)
    counts = rng.integers(0, 3, (50, 31))
    expected = [np.median(np.repeat(values, one)) for one in counts]
    np.testing.assert_allclose(inference.medians(values, counts), expected)


def test_few_groups_widen_the_percentiles_as_student_does_the_mean():
    draws = np.random.default_rng(0).normal(size=200_000)
    low, high = inference.percentile_interval(draws, 0.95, n=5)
    assert high == pytest.approx(stats.t.ppf(0.975, 4) * np.sqrt(5 / 4), abs=0.05)
    assert low == pytest.approx(-high, abs=0.1)
    assert inference.percentile_interval(draws)[1] == pytest.approx(1.96, abs=0.02)


def test_both_kinds_of_interval_are_stretched_by_the_number_of_things_drawn():
    assert inference.stretch(6) == pytest.approx(stats.t.ppf(0.975, 5) / stats.norm.ppf(0.975) * np.sqrt(6 / 5))
    assert inference.stretch(None) == inference.stretch(1) == 1.0
    rng = np.random.default_rng(0)
    draws = rng.gamma(4.0, size=999)
    low, high = inference.percentile_interval(draws)
    middle = np.median(draws)
    wide = inference.percentile_interval(draws, n=6)
    np.testing.assert_allclose(np.subtract(wide, middle), inference.stretch(6) * np.subtract((low, high), middle))
    out = rng.normal(size=6)
    plain, few = (inference.bca_interval(4.0, draws, out, n=n) for n in (None, 6))
    np.testing.assert_allclose(np.subtract(few, 4.0), inference.stretch(6) * np.subtract(plain, 4.0))


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_a_stretched_interval_ends_at_the_limits_of_its_statistic(method):
    shares = np.array([0.9, 0.9, 0.98, 1.0, 1.0, 0.05])
    free = inference.bootstrap_interval(shares, np.mean, method=method)
    held = inference.bootstrap_interval(shares, np.mean, method=method, limits=(0.7, 1.0))
    assert (free.low < 0.7, free.high > 1) == (True, True)
    assert (held.low, held.high) == (0.7, 1.0)
    wide = inference.bootstrap_interval(shares, np.mean, method=method, limits=(-9.0, 9.0))
    assert wide == free
    assert np.isnan(inference.percentile_interval(np.array([1.0]), limits=(0.0, 1.0))).all()


def test_six_groups_cover_as_students_interval_does():
    hits, label = [], np.repeat(np.arange(6), 5)
    for run in range(200):
        rng = np.random.default_rng(run)
        values = rng.normal(size=6)[label] + 0.2 * rng.normal(size=30)
        found = inference.bootstrap_interval(values, np.median, (label,), n_draws=300, seed=run)
        hits.append(found.low <= 0 <= found.high)
    assert 0.9 <= np.mean(hits) <= 0.985


def test_recordings_that_differ_widen_the_interval():
    rng = np.random.default_rng(0)
    recording = np.repeat(np.arange(8), 25)
    values = rng.normal(size=8)[recording] + 0.1 * rng.normal(size=200)
    flat = inference.bootstrap_interval(values, np.mean)
    nested = inference.bootstrap_interval(values, np.mean, (recording,))
    assert nested.high - nested.low > 3 * (flat.high - flat.low)


def test_the_outermost_level_that_has_groups_is_drawn():
    rng = np.random.default_rng(0)
    monkey, recording = np.repeat(np.arange(4), 12), np.repeat(np.arange(12), 4)
    values = 5.0 * rng.normal(size=4)[monkey] + rng.normal(size=48)
    for method in ("percentile", "bca"):
        by_monkey, by_recording, both, none_outside = (
            inference.bootstrap_interval(values, np.mean, levels, method=method)
            for levels in ((monkey,), (recording,), (monkey, recording), (np.zeros(48), recording))
        )
        assert both == by_monkey  # its recordings come with a monkey: drawing them too would count them twice
        assert none_outside == by_recording
        assert by_monkey.high - by_monkey.low > by_recording.high - by_recording.low


def test_bca_counts_half_of_the_draws_that_equal_the_estimate():
    draws = np.concatenate([np.linspace(0, 1, 31), np.ones(38), np.linspace(1, 2, 31)])
    ends = inference.bca_interval(1.0, draws, np.arange(5.0))  # no bias, no skew: the percentiles
    np.testing.assert_allclose(ends, inference.percentile_interval(draws))


def test_bca_without_draws_on_one_side_is_the_percentile_interval():
    draws = np.random.default_rng(0).normal(size=99)
    for estimate in (-9.0, 9.0):
        assert inference.bca_interval(estimate, draws, np.arange(5.0)) == inference.percentile_interval(draws)


def test_undefined_draws_are_left_out():
    draws = np.random.default_rng(0).gamma(2.0, size=200)
    holes = np.concatenate([[np.nan] * 50, draws, [np.inf]])
    assert inference.percentile_interval(holes) == inference.percentile_interval(draws)
    assert inference.bca_interval(2.0, holes, draws[:9]) == inference.bca_interval(2.0, draws, draws[:9])
    assert np.isnan(inference.bca_interval(2.0, [np.nan, 1.0], draws[:9])).all()


def test_nan_units_are_left_out_and_none_left_is_undefined():
    found = inference.bootstrap_interval(np.array([1.0, np.nan, 3.0]), np.mean, n_draws=50)
    assert found.estimate == 2.0
    assert np.isnan(inference.bootstrap_interval(np.array([np.nan]), np.mean).estimate)


def test_p_values_by_hand():
    null = np.array([0.1, 0.2, 0.3, 0.4])
    assert inference.p_value(0.3, null) == pytest.approx(3 / 5)  # 0.3 itself counts
    assert inference.p_value(0.5, null) == pytest.approx(1 / 5)
    assert inference.p_value(0.1, null, "less") == pytest.approx(2 / 5)
    assert inference.p_value(-0.4, null, "two-sided") == pytest.approx(2 / 5)
    assert np.isnan(inference.p_value(np.nan, null))
    assert inference.p_value(0.3, [*null, np.nan]) == pytest.approx(3 / 5)  # an undefined statistic is no permutation
    assert inference.p_value(0.3, [0.1 + 0.2]) == inference.p_value(0.1 + 0.2, [0.3]) == 1  # equal but for rounding


def test_permutation_test_agrees_with_scipy():
    rng = np.random.default_rng(0)
    x = rng.normal(size=6)
    y = 0.4 * x + rng.normal(size=6)
    observed, p, null = inference.permutation_test(lambda order: np.corrcoef(x[order], y)[0, 1], 6, n_permutations=4999)
    # Six items have 720 orders: scipy goes through all of them, and its p is the exact one.
    exact = stats.permutation_test(
        (x,), lambda z: np.corrcoef(z, y)[0, 1], permutation_type="pairings", alternative="greater", n_resamples=4999
    )
    assert len(exact.null_distribution) == 720
    assert observed == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert p == pytest.approx(exact.pvalue, abs=0.02)
    assert len(null) == 4999


def test_permutations_stay_within_groups():
    groups = np.array([0, 0, 0, 1, 1, 1])
    seen = []
    inference.permutation_test(lambda order: seen.append(order) or 0.0, 6, groups=groups, n_permutations=20)
    assert all((groups[order] == groups).all() for order in seen)
    assert len({tuple(order) for order in seen}) > 5
    # Names of groups do as well, and the first permutations are the same whatever their number.
    again = []
    inference.permutation_test(lambda order: again.append(order) or 0.0, 6, groups=list("aaabbb"), n_permutations=9)
    np.testing.assert_array_equal(again, seen[:10])


def test_paired_test_enumerates_all_signs():
    a, b = np.array([3.0, 2.0, 4.0]), np.array([1.0, 1.0, 1.0])
    difference, p = inference.paired_test(a, b)
    assert difference == pytest.approx(2.0)
    assert p == pytest.approx(2 / 8)  # only all plus and all minus are as extreme
    assert inference.paired_test(a, b, tail="greater")[1] == pytest.approx(1 / 8)
    # Two recordings: units within one flip together.
    assert inference.paired_test(np.arange(10.0) + 1, np.zeros(10), [0] * 5 + [1] * 5)[1] == pytest.approx(2 / 4)
    # The mean of the clusters' means, however many units each has; a unit that one model leaves undefined is left out.
    difference, p = inference.paired_test([4.0, 1, 1, 1, np.nan], [0.0, 0, 0, 0, 9], list("abbbb"))
    assert (difference, p) == (2.5, 0.5)
    many = inference.paired_test(np.ones(40) + 0.1 * np.arange(40), np.zeros(40), n_permutations=999)
    assert many[1] == pytest.approx(1 / 1000)


@pytest.mark.parametrize("q", [0.01, 0.05, 0.2])
def test_fdr_equals_scipy_and_its_definition(q):
    rng = np.random.default_rng(0)
    p = np.concatenate([rng.random(40), rng.random(20) / 500])
    rejected, adjusted = inference.fdr(p, q)
    np.testing.assert_allclose(adjusted, stats.false_discovery_control(p), atol=1e-12)
    np.testing.assert_array_equal(rejected, adjusted <= q)
    two, _ = inference.fdr(p, q, "tsbh")
    first = stats.false_discovery_control(p) <= q / (1 + q)
    second = stats.false_discovery_control(p) <= q / (1 + q) * len(p) / (len(p) - first.sum())
    np.testing.assert_array_equal(two, second)
    assert two.sum() >= rejected.sum() or q < 0.05


def test_the_first_of_two_stages_is_stricter():
    # 0.0245 x 2 = 0.049 passes 0.05 but not 0.05 / 1.05: both hypotheses count as true, and 0.049 x 1.05 is too large.
    rejected, adjusted = inference.fdr([0.0245, 0.9], 0.05, "tsbh")
    np.testing.assert_allclose(adjusted, [0.049 * 1.05, 0.945])
    assert not rejected.any()
    # 0.047 passes it: one hypothesis is left, and 0.7 need only be half as small.
    np.testing.assert_allclose(inference.fdr([0.0235, 0.7], 0.05, "tsbh")[1], [0.047 * 1.05 / 2, 0.7 * 1.05 / 2])
    assert inference.fdr([0.0245, 0.9])[0].tolist() == [True, False]


def test_fdr_keeps_shape_and_leaves_undefined_tests_out():
    p = np.array([[0.001, np.nan], [0.04, 0.5]])
    rejected, adjusted = inference.fdr(p)
    np.testing.assert_allclose(adjusted, [[0.003, np.nan], [0.06, 0.5]])
    assert rejected.tolist() == [[True, False], [False, False]]


def test_max_t_by_hand_and_over_any_shape():
    null = np.array([[[1.0, 5.0]], [[2.0, 0.0]], [[0.0, 3.0]]])
    adjusted = inference.max_t(np.array([[4.0, 6.0]]), null)
    np.testing.assert_allclose(adjusted, [[2 / 4, 1 / 4]])
    # What is no test, and an undefined permutation, take no part in the maximum.
    np.testing.assert_allclose(inference.max_t(np.array([[np.nan, 1.5]]), null), [[np.nan, 3 / 4]])
    null[1, 0, 0] = np.nan
    np.testing.assert_allclose(inference.max_t(np.array([[1.5, 1.5]]), null), [[3 / 4, 3 / 4]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inference.fdr([0.1, 1.2]), "p holds values outside 0 to 1"),
        (lambda: inference.fdr([0.1], method="holm"), "method='holm'"),
        (lambda: inference.p_value(1.0, [1.0], "both"), "tail='both'"),
        (lambda: inference.bootstrap_interval([1.0], method="basic"), "method='basic'"),
        (lambda: inference.bootstrap_interval([1.0, 2.0], levels=(["a"],)), "2 values but 1 labels"),
        (lambda: inference.max_t(np.ones(2), np.ones((5, 3))), r"null has shape \(5, 3\)"),
        (lambda: inference.paired_test([1.0, 2.0], [0.0, 0.0], [1]), "2 scores but 1 clusters"),
        (lambda: inference.paired_test([1.0, 2.0], [0.0]), r"a has shape \(2,\) and b \(1,\); give the scores"),
        (lambda: inference.permutation_test(np.sum, 4, groups=[0, 1]), r"groups has shape \(2,\); give one per row"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(DataError, match=message):
        call()


def test_students_interval_is_scipys():
    values = np.random.default_rng(5).normal(size=7)
    found = inference.student_interval(values)
    expected = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.estimate == pytest.approx(values.mean())
    alone, none = inference.student_interval([2.0]), inference.student_interval([])
    assert alone.estimate == 2
    assert np.isnan([alone.low, alone.high, none.estimate, none.low]).all()


def test_student_interval_of_equal_values_has_no_width():
    assert inference.student_interval([0.25] * 4) == inference.Interval(0.25, 0.25, 0.25)
