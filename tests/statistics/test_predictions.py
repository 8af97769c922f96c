import numpy as np
import pytest

from analysis.core.errors import DataError
from analysis.statistics import Predictions, contrast, crossval, pls_predict, predictivity_draws
from analysis.statistics.inference import Factor, predictions


def recording(seed, n_images=40, n_units=7, noise=1.0, **given):
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(n_images, n_units))
    return Predictions(signal + noise * rng.normal(size=signal.shape), signal, **given)


def drawn(counts):
    """Return the rows of a draw, one by one."""
    return np.repeat(np.arange(len(counts)), counts.astype(int))


@pytest.mark.parametrize("aggregate", ["median", "mean"])
@pytest.mark.parametrize("score", ["r", "r2"])
def test_equals_explicit_resampling_of_images_and_units(score, aggregate):
    groups = np.arange(40) // 2
    recordings = [recording(0, groups=groups), recording(1, n_units=4, groups=groups + 10)]  # ten groups are shared
    found = predictivity_draws(recordings, score, aggregate, n_draws=6, seed=3)
    assert (found.n_units, found.n_images) == (11, 30)
    counts = predictions.draw_counts(30, 6, 3)
    index, _ = predictions.draw_rows(np.array([7, 4]), None, 6, 3)
    labels = sorted(str(label) for label in range(30))
    combine = {"median": np.median, "mean": np.mean}[aggregate]
    one_by_one = {"r": crossval.pearson, "r2": crossval.r2_score}[score]
    data = np.concatenate([one_by_one(one.observed, one.predicted) for one in recordings])
    assert found.estimate == pytest.approx(combine(data))
    for draw in range(6):
        of_group = dict(zip(labels, counts[draw], strict=True))
        scores = []
        for one in recordings:
            rows = drawn(np.array([of_group[str(group)] for group in one.groups]))
            scores.append(one_by_one(one.observed[rows], one.predicted[rows]))
        scores = np.concatenate(scores)
        assert found.images[draw] == pytest.approx(combine(scores), abs=1e-10)
        assert found.both[draw] == pytest.approx(combine(scores[index[draw]]), abs=1e-10)
        assert found.units[draw] == pytest.approx(combine(data[index[draw]]), abs=1e-10)


def test_scores_within_folds_are_those_of_the_fit():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 10))
    Y = X[:, :5] @ rng.normal(size=(5, 6)) + rng.normal(size=(60, 6))
    Y[3, 2] = np.nan
    fit = pls_predict(X, Y, n_components=3, folds=4, repeats=2)
    given = Predictions(Y, fit.predicted, fit.folds, scale=np.full(6, 0.5))
    for score, expected in (("r", fit.pearson_r), ("r2", fit.r2)):
        assert predictivity_draws([given], score, "mean", n_draws=2).estimate == pytest.approx(expected.mean() / 0.5)


def test_units_stay_in_their_recording_and_clusters_come_whole():
    sizes = np.array([3, 0, 5, 1])
    index, factor = predictions.draw_rows(sizes, None, 200, 0)
    assert (index[:, :3] < 3).all()
    assert ((index[:, 3:8] >= 3) & (index[:, 3:8] < 8)).all()
    assert (index[:, 8] == 8).all()
    assert (factor.growth, factor.freedom) == (1.5, 6)
    index, factor = predictions.draw_rows(np.array([2, 3, 1, 1, 1, 1, 1]), list("aabcdef"), 200, 0)
    assert factor == Factor.clusters([5, 1, 1, 1, 1, 1])
    for row in index:
        counts = np.bincount(row[row >= 0], minlength=10)
        assert len(set(counts[:5])) == 1  # the two recordings of monkey a come together
    assert len(np.unique(index, axis=0)) > 100


def test_a_draw_does_not_depend_on_their_number_or_the_block(monkeypatch):
    given = [recording(0), recording(1, n_units=3)]
    many = predictivity_draws(given, n_draws=30, seed=5)
    few = predictivity_draws(given, n_draws=8, seed=5)
    monkeypatch.setattr(predictions, "ENTRIES_AT_ONCE", 35)
    blocks = predictivity_draws(given, n_draws=30, seed=5)
    for kind in ("units", "images", "both"):
        np.testing.assert_array_equal(getattr(many, kind)[:8], getattr(few, kind))
        np.testing.assert_allclose(getattr(many, kind), getattr(blocks, kind), atol=1e-12)
    assert predictivity_draws(given, n_draws=8, seed=6).both[0] != few.both[0]


def test_images_shared_by_recordings_are_drawn_together():
    one = recording(0, groups=np.arange(40))
    same, apart = (
        predictivity_draws([one, Predictions(one.observed, one.predicted, groups=names)], aggregate="mean", n_draws=400)
        for names in (np.arange(40), np.arange(40) + 40)
    )
    assert same.images.var() == pytest.approx(2 * apart.images.var(), rel=0.35)


def test_undefined_units_and_constant_predictions():
    given = recording(0, n_units=5)
    given.observed[:, 1] = 2.5
    given.predicted[:, 3] = 0.1
    found = predictivity_draws([given], aggregate="mean", n_draws=20)
    assert found.n_units == 4
    r = [np.corrcoef(given.observed[:, k], given.predicted[:, k])[0, 1] for k in (0, 2, 4)]
    assert found.estimate == pytest.approx(sum(r) / 4)  # a prediction that never varies explains nothing: r is 0
    assert np.isfinite([found.units, found.images, found.both]).all()
    given.observed[:] = 1.0
    none = predictivity_draws([given], n_draws=20).interval()
    assert np.isnan([none.estimate, none.low, none.high]).all()
    alone = predictivity_draws([recording(0, n_units=1)], n_draws=20).interval()
    assert np.isfinite(alone.estimate)
    assert np.isnan(alone.low)  # one unit does not tell how units vary


def test_images_that_were_never_tested_do_not_count():
    given = recording(0)
    given.predicted[:25] = np.nan
    assert predictivity_draws([given], n_draws=5).n_images == 15


def test_other_recordings_widen_the_interval():
    many = [recording(k, noise=[0.3, 3.0][k % 2]) for k in range(6)]
    these = predictivity_draws(many, aggregate="mean")
    others = predictivity_draws(many, aggregate="mean", clusters=range(6))
    assert these.estimate == others.estimate
    wide, narrow = ((found.high - found.low) for found in (others.interval(), these.interval()))
    assert wide > 3 * narrow
    with pytest.raises(DataError, match="5 recordings or monkeys with defined units: 6 are needed"):
        predictivity_draws(many, clusters=[0, 0, 1, 2, 3, 4])


def test_a_contrast_is_paired():
    rng = np.random.default_rng(1)
    hard = rng.normal(size=(80, 12)) * rng.gamma(1.0, size=(80, 1))  # what both models miss
    signal = rng.normal(size=(80, 12))
    first, second = (Predictions(signal + hard, signal + sd * rng.normal(size=(80, 12))) for sd in (0.2, 0.5))
    a, b = (predictivity_draws([one], aggregate="mean") for one in (first, second))
    found, back = contrast(a, b), contrast(b, a)
    assert found.difference == pytest.approx(a.estimate - b.estimate)
    assert (found.low, found.high, found.p) == pytest.approx((-back.high, -back.low, back.p))
    of_a = a.interval()
    assert found.high - found.low < 0.6 * (of_a.high - of_a.low)
    assert found.low > 0  # although the intervals of the two overlap
    assert b.interval().high > of_a.low
    assert found.p < 0.05
    same = contrast(a, a)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_the_interval_excludes_zero_where_p_is_small_and_p_has_a_floor():
    rng = np.random.default_rng(0)
    observed = rng.normal(size=(60, 9))
    base = predictivity_draws([Predictions(observed, observed + rng.normal(size=observed.shape))], n_draws=300)
    seen = []
    for sd in np.linspace(0.6, 1.4, 9):
        other = predictivity_draws(
            [Predictions(observed, observed + sd * rng.normal(size=observed.shape))], n_draws=300
        )
        found = contrast(base, other)
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)
        seen.append(found.p < 0.05)
    assert 0 < sum(seen) < 9
    perfect = predictivity_draws([Predictions(observed, observed)], n_draws=300)
    noise = predictivity_draws([Predictions(observed, rng.normal(size=observed.shape))], n_draws=300)
    assert contrast(perfect, noise).p == 1 / 301


def test_only_scores_of_the_same_draws_are_paired():
    draws = predictivity_draws([recording(0)], n_draws=10)
    others = [
        predictivity_draws([recording(0)], n_draws=10, seed=1),
        predictivity_draws([recording(0)], n_draws=11),
        predictivity_draws([recording(0, groups=np.arange(40) // 2)], n_draws=10),
        predictivity_draws([recording(0, n_units=6)], n_draws=10),
    ]
    for other in others:
        with pytest.raises(DataError, match="scores are not paired: one rests on 7 units, 40 images"):
            contrast(draws, other)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ([], {}, "no recordings: give at least one"),
        ([recording(0)], {"score": "rho"}, "score='rho'; give r or r2"),
        ([recording(0)], {"aggregate": "sum"}, "aggregate='sum'; give median, mean or a function"),
        ([Predictions(np.ones((4, 2)), np.ones((4, 3)))], {}, r"4 images x 2 units observed, but predictions of shape"),
        ([recording(0, groups=[1, 2])], {}, r"groups of recording 0 has shape \(2,\)"),
        (
            [recording(0, folds=np.zeros(3))],
            {},
            r"folds of recording 0 has shape \(3,\); give a fold for each image, \(40,\)",
        ),
        ([recording(0, scale=np.ones(3))], {}, r"scale of recording 0 has shape \(3,\); give one per unit, \(7,\)"),
        ([recording(0, scale=np.zeros(7))], {}, "scale of recording 0 holds 0.0; give numbers above 0"),
        ([recording(0)], {"clusters": [1, 2]}, r"clusters has shape \(2,\)"),
    ],
)
def test_bad_input(given, options, message):
    with pytest.raises(DataError, match=message):
        predictivity_draws(given, **options)
