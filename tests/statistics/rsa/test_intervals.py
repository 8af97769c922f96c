import numpy as np
import pytest

from analysis.core.errors import DataError
from analysis.statistics import contrast, rsa_draws
from analysis.statistics.inference import predictions
from analysis.statistics.rsa import rdm, similarity


def features(n=24, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 12))


def noisy(base, sd, seed, images=None):
    return rdm.rdm(base + sd * np.random.default_rng(seed).normal(size=base.shape), images=images)


def explicit(model, data, counts, group):
    """Compare two RDMs of drawn images, copy by copy, without pairs of copies of one group."""
    rows, copy = [], []
    for row, count in enumerate(counts.astype(int)):
        rows += [row] * count
        copy += list(range(count))
    rows, copy = np.array(rows), np.array(copy)
    i, j = np.triu_indices(len(rows), 1)
    kept = (group[rows[i]] != group[rows[j]]) | ((copy[i] == copy[j]) & (rows[i] != rows[j]))
    vectors = [one.square()[rows[i], rows[j]][kept] for one in (model, data)]
    return similarity.METHODS["spearman"](*vectors)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_equals_explicit_resampling_with_near_duplicates(size):
    base = features()
    keys = [f"image{k:02d}" for k in range(24)]
    group = np.array([f"g{k // size:02d}" for k in range(24)])
    model, data = noisy(base, 0.5, 1, keys), [noisy(base, 1.0, 2, keys), noisy(base, 2.0, 3, keys)]
    found = rsa_draws({"m": [model, model]}, data, groups=dict(zip(keys, group, strict=True)), n_draws=12, seed=4)["m"]
    counts = predictions.draw_counts(24 // size, 12, 4)[:, np.arange(24) // size]
    for draw in range(12):
        expected = np.mean([explicit(model, one, counts[draw], group) for one in data])
        assert found.images[draw] == pytest.approx(expected, abs=1e-10)
    assert found.estimate == pytest.approx(np.mean([similarity.compare_rdms(model, one) for one in data]))
    assert (found.n_units, found.n_images) == (2, 24 // size)
    np.testing.assert_array_equal(found.both, found.images)
    assert np.ptp(found.units) == 0


def test_recordings_of_other_images_are_joined_by_image():
    base = features(30)
    keys = np.array([f"i{k:02d}" for k in range(30)])
    parts = [np.arange(20), np.arange(10, 30)]
    data = [noisy(base[rows], 1.0, 5 + k, keys[rows]) for k, rows in enumerate(parts)]
    model = [noisy(base[rows], 0.5, 8, keys[rows]) for rows in parts]
    found = rsa_draws({"m": model}, data, n_draws=10)["m"]
    counts = predictions.draw_counts(30, 10, 0)
    for draw in range(10):
        each = [explicit(model[k], data[k], counts[draw, rows], np.arange(len(rows))) for k, rows in enumerate(parts)]
        assert found.images[draw] == pytest.approx(np.mean(each), abs=1e-10)


def test_a_contrast_sees_what_overlapping_intervals_hide():
    base = features(40)
    data = [noisy(base, 1.0, 1)]
    near, far = noisy(base, 0.3, 2), noisy(base, 0.8, 3)
    draws = rsa_draws({"near": [near], "far": [far]}, data, "rho-a")
    found = contrast(draws["near"], draws["far"])
    assert found.low > 0
    assert found.p < 0.05
    assert draws["far"].interval().high > draws["near"].interval().low
    assert (found.n_units, found.n_images) == (1, 40)


def test_other_recordings_widen_the_interval():
    base = features(30)
    data = [noisy(base, sd, k) for k, sd in enumerate([0.2, 0.2, 0.3, 3.0, 3.0, 4.0])]
    model = {"m": [noisy(base, 0.5, 9)] * 6}
    these, others = rsa_draws(model, data)["m"], rsa_draws(model, data, clusters=list("abcdef"))["m"]
    assert these.estimate == others.estimate
    np.testing.assert_array_equal(these.images, others.images)
    narrow, wide = these.interval(), others.interval()
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    with pytest.raises(DataError, match="5 recordings or monkeys with defined units"):
        rsa_draws(model, data, clusters=list("abcdee"))


def test_threads_change_nothing_and_a_constant_model_is_undefined():
    base = features()
    data = [noisy(base, 1.0, k) for k in range(2)]
    models = {"m": [noisy(base, 0.5, 9)] * 2, "flat": [rdm.RDM(np.ones(276), "x")] * 2}
    one, two = (rsa_draws(models, data, n_draws=60, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one["m"].both, two["m"].both)
    interval = one["flat"].interval()
    assert np.isnan([interval.estimate, interval.low, interval.high]).all()
    with pytest.raises(DataError, match="scores are not paired: one rests on 2 RDMs"):
        contrast(one["m"], one["flat"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "cosine"}, "method='cosine'; give spearman or rho-a"),
        ({"models": {}}, "no RDM to compare"),
        ({"models": {"m": []}}, "model 'm' has 0 RDMs for 1 recordings; give one for each"),
        ({"groups": {"0": "a"}}, r"groups has no entry for image '1' \(23 missing\)"),
        ({"clusters": [1, 2]}, r"clusters has shape \(2,\)"),
    ],
)
def test_bad_input(change, message):
    base = features()
    given = {"models": {"m": [noisy(base, 0.5, 1)]}, "data": [noisy(base, 1.0, 2)], "n_draws": 5} | change
    with pytest.raises(DataError, match=message):
        rsa_draws(given.pop("models"), given.pop("data"), **given)
