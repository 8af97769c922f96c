import numpy as np
import pytest
from rsatoolbox.util.inference_util import _dual_bootstrap
from scipy import stats

from analysis.core.errors import DataError
from analysis.statistics import inference
from analysis.statistics.inference import intervals, two_factor


def test_groups_are_drawn_whole():
    monkeys = np.repeat(["a", "b", "c"], 8)
    counts = inference.cluster_draws(monkeys, 30, seed=0)
    assert (counts.sum(axis=1) == 24).all()
    by_monkey = counts.reshape(30, 3, 8)
    assert (by_monkey == by_monkey[:, :, :1]).all()  # members of a drawn monkey as they are
    assert len(np.unique(counts, axis=0)) > 5
    np.testing.assert_array_equal(inference.cluster_draws(monkeys, 10, seed=0), counts[:10])


def test_few_groups_widen_the_percentiles_as_student_does_the_mean():
    draws = np.random.default_rng(0).normal(size=200_000)
    low, high = inference.percentile_interval(draws, 0.95, n=5)
    assert high == pytest.approx(stats.t.ppf(0.975, 4) * np.sqrt(5 / 4), abs=0.05)
    assert low == pytest.approx(-high, abs=0.1)
    assert inference.percentile_interval(draws)[1] == pytest.approx(1.96, abs=0.02)


def test_percentiles_are_stretched_by_the_number_of_things_drawn():
    assert inference.stretch(6) == pytest.approx(stats.t.ppf(0.975, 5) / stats.norm.ppf(0.975) * np.sqrt(6 / 5))
    assert inference.stretch(None) == inference.stretch(1) == 1.0
    draws = np.random.default_rng(0).gamma(4.0, size=999)
    low, high = inference.percentile_interval(draws)
    middle = np.median(draws)
    wide = inference.percentile_interval(draws, n=6)
    np.testing.assert_allclose(np.subtract(wide, middle), inference.stretch(6) * np.subtract((low, high), middle))


def test_a_stretched_interval_ends_at_the_limits_of_its_statistic():
    shares = np.array([0.9, 0.9, 0.98, 1.0, 1.0, 0.05])
    free = inference.bootstrap_interval(shares, np.mean)
    held = inference.bootstrap_interval(shares, np.mean, limits=(0.7, 1.0))
    assert (free.low < 0.7, free.high > 1) == (True, True)
    assert (held.low, held.high) == (0.7, 1.0)
    assert inference.bootstrap_interval(shares, np.mean, limits=(-9.0, 9.0)) == free
    assert np.isnan(inference.percentile_interval(np.array([1.0]), limits=(0.0, 1.0))).all()


def test_six_groups_cover_as_students_interval_does():
    hits, label = [], np.repeat(np.arange(6), 5)
    for run in range(200):
        rng = np.random.default_rng(run)
        values = rng.normal(size=6)[label] + 0.2 * rng.normal(size=30)
        found = inference.bootstrap_interval(values, np.median, (label,), n_draws=300, seed=run)
        hits.append(found.low <= 0 <= found.high)
    assert 0.9 <= np.mean(hits) <= 0.985


def test_the_outermost_level_with_six_groups_is_drawn():
    rng = np.random.default_rng(0)
    monkey, recording = np.repeat(np.arange(6), 8), np.repeat(np.arange(12), 4)
    values = 5.0 * rng.normal(size=6)[monkey] + rng.normal(size=48)
    by_monkey, by_recording, both, units, few = (
        inference.bootstrap_interval(values, np.mean, levels)
        for levels in ((monkey,), (recording,), (monkey, recording), (), (np.minimum(monkey, 4),))
    )
    assert both == by_monkey  # its recordings come with a monkey: drawing them too would count them twice
    assert few == units  # five monkeys do not stand for others
    assert inference.bootstrap_interval(values, np.mean, (np.minimum(monkey, 4), recording)) == by_recording
    assert by_monkey.high - by_monkey.low > 1.3 * (units.high - units.low)


def test_rows_are_summarised_over_what_is_defined():
    rows = np.random.default_rng(0).normal(size=(60, 9))
    rows[np.random.default_rng(1).random(rows.shape) < 0.4] = np.nan
    rows[0] = np.nan
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(intervals.median_rows(rows)[1:], np.nanmedian(rows[1:], axis=1))
        np.testing.assert_allclose(intervals.mean_rows(rows)[1:], np.nanmean(rows[1:], axis=1))
    for summarise in (intervals.median_rows, intervals.mean_rows):
        assert np.isnan(summarise(rows)[0])
        assert np.isnan(summarise(np.empty((2, 0)))).all()


def random_table(rng, n, m, rows, columns, rest):
    return rows * rng.normal(size=(n, 1)) + columns * rng.normal(size=(1, m)) + rest * rng.normal(size=(n, m))


def draws_of(table, n_draws, seed):
    """Return the bootstrap of a table's mean: over rows, over columns, over both."""
    rng = np.random.default_rng(seed)
    n, m = table.shape
    a, b = (rng.multinomial(size, np.full(size, 1 / size), size=n_draws) / size for size in (n, m))
    return a @ table.mean(axis=1), b @ table.mean(axis=0), np.einsum("dn,nm,dm->d", a, table, b)


@pytest.mark.parametrize("sds", [(1.0, 0.5, 2.0), (0.3, 1.0, 1.0), (0.0, 0.0, 1.0)])
def test_two_factor_variance_equals_the_analysis_of_variance(sds):
    table = random_table(np.random.default_rng(0), 5, 12, *sds)
    found, df = inference.two_factor_variance(
        *draws_of(table, 60_000, 1), (inference.Factor.units(5, 1), inference.Factor.units(12, 1))
    )
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    rest = ((table - rows - columns + table.mean()) ** 2).sum() / 44 / 60
    of_rows, of_columns = rows.var(ddof=1) / 5, columns.var(ddof=1) / 12
    rest = min(rest, of_rows, of_columns)
    expected = of_rows + of_columns - rest
    assert found == pytest.approx(expected, rel=0.05)
    assert df == pytest.approx(expected**2 / (of_rows**2 / 4 + of_columns**2 / 11 + rest**2 / 44), rel=0.1)


def test_two_factor_variance_is_rsatoolboxs_where_nothing_is_capped():
    table = random_table(np.random.default_rng(3), 30, 40, 0.2, 0.3, 3.0)
    draws = draws_of(table, 4000, 2)
    found, _ = inference.two_factor_variance(*draws, (inference.Factor.units(30, 1), inference.Factor.units(40, 1)))
    variances = np.array([np.var(draws[k], ddof=1) for k in (2, 0, 1)])
    assert found == pytest.approx(_dual_bootstrap(variances, 30, 40), rel=1e-12)
    assert found < 0.98 * variances[0]
    # Few rows that differ: theirs is capped at the variance of the draws, half of what it should be.
    draws = draws_of(random_table(np.random.default_rng(0), 2, 40, 1.0, 0.0, 0.0), 4000, 2)
    found, _ = inference.two_factor_variance(*draws, (inference.Factor.units(2, 1), inference.Factor.units(40, 1)))
    variances = np.array([np.var(draws[k], ddof=1) for k in (2, 0, 1)])
    assert found == pytest.approx(2 * _dual_bootstrap(variances, 2, 40))


def test_clusters_of_unequal_sizes_by_their_matrix():
    sizes = np.array([8, 12, 16, 20, 30, 40])
    h = sizes / sizes.sum()
    centre = np.eye(6) - np.outer(np.ones(6), h)
    A = centre.T @ np.diag(h**2) @ centre
    found = inference.Factor.clusters(sizes)
    assert found.growth == pytest.approx((h**2).sum() / np.trace(A))
    assert found.freedom == pytest.approx(np.trace(A) ** 2 / np.trace(A @ A))
    alike, units = inference.Factor.clusters([3] * 9), inference.Factor.units(9, 1)
    assert (alike.growth, alike.freedom) == pytest.approx((units.growth, units.freedom))
    assert inference.Factor.clusters([4]).freedom == inference.Factor.units(3, 3).freedom == 0


def test_a_fixed_factor_adds_nothing():
    images = np.random.default_rng(0).normal(size=500)
    factors = (two_factor.FIXED, inference.Factor.units(20, 1))
    found, df = inference.two_factor_variance(np.full(500, 0.3), images, images, factors)
    assert found == pytest.approx(images.var(ddof=1) * 20 / 19)
    assert df == pytest.approx(19)
    assert np.isnan(
        inference.two_factor_variance(images, images, images, (inference.Factor.units(1, 1), factors[1]))
    ).all()
    assert np.isnan(inference.two_factor_variance(images * np.nan, images, images, factors)).all()


def test_holm_by_hand():
    np.testing.assert_allclose(inference.holm([[0.02, np.nan], [0.01, 0.6]]), [[0.04, np.nan], [0.03, 0.6]])
    assert inference.holm([0.4, 0.5]).tolist() == [0.8, 0.8]  # never below a smaller p's, never above 1
    assert inference.holm([0.9, 0.8, 0.7]).tolist() == [1, 1, 1]
    p = np.random.default_rng(0).random(50) ** 4
    assert ((inference.holm(p) <= 0.05).sum()) >= ((p * 50) <= 0.05).sum() > 0


def test_undefined_draws_are_left_out():
    draws = np.random.default_rng(0).gamma(2.0, size=200)
    holes = np.concatenate([[np.nan] * 50, draws, [np.inf]])
    assert inference.percentile_interval(holes) == inference.percentile_interval(draws)
    assert np.isnan(inference.percentile_interval([np.nan, 1.0])).all()


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
    assert adjusted.tobytes() == stats.false_discovery_control(p).tobytes()
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
        (lambda: inference.holm([0.1, -0.2]), "p holds values outside 0 to 1"),
        (
            lambda: inference.bootstrap_interval([1.0, 2.0], levels=(["a"],)),
            r"levels\[0\] has shape \(1,\); give one per row, \(2,\)",
        ),
        (lambda: inference.max_t(np.ones(2), np.ones((5, 3))), r"null has shape \(5, 3\)"),
        (
            lambda: inference.paired_test([1.0, 2.0], [0.0, 0.0], [1]),
            r"clusters has shape \(1,\); give one per row, \(2,\)",
        ),
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
