"""Self-consistency and its permutation test against direct computation, planted truth and the published units."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

from analysis.recordings import repeatability as rep
from analysis.recordings.face_selectivity import visually_selective
from analysis.recordings.read import open_recording, selected
from analysis.recordings.stage import one_recording


def direct_pairs(stimulus, xy, max_dva):
    found = []
    for image in np.unique(stimulus):
        rows = np.flatnonzero(stimulus == image)
        first, second = np.triu_indices(len(rows), 1)
        near = pdist(xy[rows]) <= max_dva
        found += [(rows[a], rows[b]) for a, b in zip(first[near], second[near], strict=True)]
    return sorted(found)


def test_pairs_are_those_of_a_search_over_all():
    rng = np.random.default_rng(1)
    stimulus = np.array([f"{i:032x}" for i in rng.integers(0, 12, 400)])
    xy = rng.uniform(-6, 6, (400, 2))
    xy[:4], stimulus[:4] = [[0, 0], [1, 0], [0, 1.0000001], [np.nan, 0]], "same"
    pairs = [tuple(pair) for pair in rep.return_pairs(stimulus, xy)]
    there = np.isfinite(xy).all(axis=1)
    keep = np.flatnonzero(there)
    expected = [(keep[a], keep[b]) for a, b in direct_pairs(stimulus[there], xy[there], 1.0)]
    assert pairs == expected
    assert (0, 1) in pairs  # exactly 1 dva apart
    assert (0, 2) not in pairs


def test_no_pairs():
    assert rep.return_pairs(np.array([], str), np.zeros((0, 2))).shape == (0, 2)
    assert rep.return_pairs(np.array(["a", "b"]), np.zeros((2, 2))).shape == (0, 2)
    assert np.isnan(rep.self_consistency(np.ones((3, 2)), np.zeros((0, 2), int))).all()
    assert np.isnan(rep.permutation_p(np.ones((3, 2)), np.zeros((0, 2), int), 10, 0)).all()


def test_self_consistency_is_pearson_over_both_orders(monkeypatch):
    rng = np.random.default_rng(2)
    rate, pairs = rng.gamma(2, 3, (60, 4)), rng.integers(0, 60, (300, 2))
    rate[:, 3] = 7.0
    both = np.concatenate([pairs, pairs[:, ::-1]])
    expected = [stats.pearsonr(rate[both[:, 0], u], rate[both[:, 1], u]).statistic for u in range(3)]
    result = rep.self_consistency(rate, pairs)
    np.testing.assert_allclose(result[:3], expected, rtol=1e-12)
    assert np.isnan(result[3])
    monkeypatch.setattr(rep, "PAIRS_PER_BLOCK", 7)
    np.testing.assert_allclose(rep.self_consistency(rate, pairs)[:3], expected, rtol=1e-12)


def test_rotations_are_re_pairings():
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(31, 2)), rng.normal(size=(31, 2))
    sums = rep._rotations(first, second, 1000, np.random.default_rng(5))
    assert len(sums) == 30  # every rotation but none
    again = np.random.default_rng(5)
    order, flip = again.permutation(31), again.integers(0, 2, 31, dtype=bool)[:, None]
    a, b = np.where(flip, second, first)[order], np.where(flip, first, second)[order]
    direct = np.array([(a * np.roll(b, -k, axis=0)).sum(axis=0) for k in range(1, 31)])
    np.testing.assert_allclose(np.sort(sums, axis=0), np.sort(direct, axis=0), atol=1e-12)


def test_p_is_uniform_without_an_effect_and_small_with_one():
    rng = np.random.default_rng(4)
    n_pairs, n_units = 200, 400
    pairs = np.arange(2 * n_pairs).reshape(-1, 2)
    noise = rng.poisson(3, (2 * n_pairs, n_units)).astype(float)
    p = rep.permutation_p(noise, pairs, 999, 1)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert p.min() >= 1 / 1000
    signal = noise + np.repeat(rng.normal(0, 2, (n_pairs, n_units)), 2, axis=0)
    assert (rep.permutation_p(signal, pairs, 999, 1) == 1 / 1000).all()


def test_p_agrees_with_independent_re_pairings():
    rng = np.random.default_rng(6)
    pairs = np.arange(160).reshape(-1, 2)
    rate = rng.normal(size=(160, 12)) + 0.35 * np.repeat(rng.normal(size=(80, 12)), 2, axis=0)
    first, second = rep._standardised(rate, pairs)
    null = np.array([(first * second[rng.permutation(80)]).sum(axis=0) for _ in range(20_000)])
    direct = (null >= (first * second).sum(axis=0)).mean(axis=0)
    np.testing.assert_allclose(rep.permutation_p(rate, pairs, 20_000, 0), direct, atol=0.02)


def test_seed_decides_p_and_many_pairs_are_thinned(monkeypatch):
    rng = np.random.default_rng(8)
    rate, pairs = rng.normal(size=(100, 3)), rng.integers(0, 100, (500, 2))
    monkeypatch.setattr(rep, "MAX_TEST_PAIRS", 50)
    assert (rep.permutation_p(rate, pairs, 500, 1) == rep.permutation_p(rate, pairs, 500, 1)).all()
    assert (rep.permutation_p(rate, pairs, 500, 1) != rep.permutation_p(rate, pairs, 500, 2)).any()


def test_selective_needs_both_size_and_significance():
    rsc = np.array([0.1, 0.0999, 0.5, 0.5, np.nan])
    p = np.array([0.001, 0.001, 0.02, 0.001, np.nan])
    assert visually_selective(rsc, p).tolist() == [True, False, False, True, False]
    # Benjamini and Hochberg: .006 alone of four is q = .024.
    assert not visually_selective(np.full(4, 0.5), np.array([0.006, 0.9, 0.8, 0.7])).any()


@pytest.fixture(scope="module")
def real(reference, tmp_path_factory):
    stem = reference / "000628/sub-An/sub-An_ses-20220105T173929"
    out = tmp_path_factory.mktemp("real") / "an.nc"
    main = stem.with_name(stem.name + "_image.nwb")
    one_recording(main, stem.with_suffix(".nwb"), reference / "annotations", out, "corrected")
    return open_recording(out)


def test_published_visually_selective_units(reference, real):
    published = pd.read_csv(reference / "annotations/db/unit_sel/visually_selective.csv.gz", dtype=str)
    published = set(published.loc[published["Session"] == "An220105", "Unit"])
    assert len(published) == 12
    assert set(real["unit"].values[real["visually_selective"].values]) == published


def test_pairs_of_one_trial_inflate_the_published_measure(real):
    chosen = selected(real)
    pairs = rep.return_pairs(
        chosen["stimulus_id"].values.astype(str), np.column_stack([chosen["x_dva"], chosen["y_dva"]])
    )
    trial = chosen["trial"].values
    within = pairs[trial[pairs[:, 0]] == trial[pairs[:, 1]]]
    across = rep.across_trials(pairs, trial)
    assert len(within) / len(pairs) == pytest.approx(0.35, abs=0.005)
    assert np.median(rep.self_consistency(chosen["rate"].values, within)) == pytest.approx(0.128, abs=0.0005)
    assert np.median(rep.self_consistency(chosen["rate"].values, across)) == pytest.approx(0.050, abs=0.001)
    np.testing.assert_array_equal(real["rsc_across_trials"], rep.self_consistency(chosen["rate"].values, across))


def test_unlabelled_recording_has_no_face_index(real):
    assert np.isnan(real["fsi"]).all()
    assert (real["n_face"] == 0).all()
    assert (real["n_non_face"] == 0).all()
