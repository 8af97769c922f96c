import numpy as np
import pytest
from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling
from rsatoolbox.rdm import RDMs
from rsatoolbox.rdm import compare as their_compare
from scipy import stats

from analysis.core.errors import DataError
from analysis.statistics.rsa import bootstrap as boot
from analysis.statistics.rsa import ranks, rdm, similarity

THEIRS = {"spearman": "spearman", "rho-a": "rho-a", "cosine": "cosine", "pearson": "corr"}


def some(k, n=16, ties=False, seed=0):
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, 12))
    found = [rdm.rdm(base + rng.normal(size=base.shape)) for _ in range(k)]
    return [rdm.RDM(np.round(one.distances, 1), "tied") for one in found] if ties else found


def stack(rdms):
    return RDMs(np.stack([one.distances for one in rdms]))


def stream(seed, draw):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(draw,)))


@pytest.mark.parametrize("method", list(THEIRS))
@pytest.mark.parametrize("ties", [False, True])
def test_equals_explicit_resampling_by_rsatoolbox(method, ties):
    rdms = some(5, ties=ties)
    found = boot.bootstrap_rsa(rdms[:2], rdms[2:], method, 8, seed=4)
    for draw in range(8):
        chosen = stream(4, draw).integers(16, size=16)
        model, data = (stack(part).subsample_pattern("index", chosen) for part in (rdms[:2], rdms[2:]))
        each = their_compare(model, data, THEIRS[method])
        np.testing.assert_allclose(found.each[draw], each, atol=1e-8)
        np.testing.assert_allclose(found.scores[draw], each.mean(axis=1), atol=1e-8)
        bounds = boot_noise_ceiling(data, THEIRS[method])
        np.testing.assert_allclose((found.lower[draw], found.upper[draw]), bounds, atol=1e-8)


def test_drawing_recordings_equals_explicit_resampling():
    rdms = some(6)
    found = boot.bootstrap_rsa(rdms[:1], rdms[1:], "spearman", 20, over="recordings", seed=1)
    rho = np.array([similarity.compare_rdms(rdms[0], one) for one in rdms[1:]])
    for draw in range(20):
        chosen = stream(1, draw).integers(5, size=5)
        assert found.scores[draw, 0] == pytest.approx(rho[chosen].mean(), abs=1e-12)
        # Every copy counts in the mean, as it does in the model's score (rsatoolbox counts each recording once).
        drawn = [rdms[1 + k] for k in chosen]
        assert found.upper[draw] == pytest.approx(similarity.noise_ceiling(drawn)[1], abs=1e-12)
        ranks = np.stack([similarity.POOLS["spearman"](one.distances) for one in drawn])
        low = [similarity.METHODS["spearman"](ranks[chosen != k].sum(axis=0), rdms[1 + k].distances) for k in chosen]
        assert found.lower[draw] == pytest.approx(np.mean(low), abs=1e-12)


def test_drawing_recordings_without_ceilings_gives_the_same_scores():
    rdms = some(6)
    fast, full = (
        boot.bootstrap_rsa(rdms[:2], rdms[2:], n_draws=30, over="recordings", seed=1, ceilings=ceilings)
        for ceilings in (False, True)
    )
    np.testing.assert_allclose(fast.scores, full.scores, atol=1e-12)
    np.testing.assert_allclose(fast.each, full.each, atol=1e-12)
    assert np.isnan(fast.upper).all()


def test_subjects_are_drawn_whole():
    rdms = some(5)
    found = boot.bootstrap_rsa(rdms[:1], rdms[1:], n_draws=40, over="recordings", subjects=["a", "a", "b", "b"], seed=0)
    drawn = np.isfinite(found.each[:, 0])
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn[:, 2] == drawn[:, 3]).all()
    assert not drawn.all()


def test_both_varies_more_than_either():
    rdms = some(6, n=20)
    spread = {
        over: boot.bootstrap_rsa(rdms[:1], rdms[1:], n_draws=200, over=over, ceilings=False).scores.std()
        for over in boot.OVER
    }
    assert spread["both"] > max(spread["images"], spread["recordings"])


def test_independent_of_threads_and_of_the_number_of_draws():
    rdms = some(4)
    one = boot.bootstrap_rsa(rdms[:1], rdms[1:], n_draws=30, over="both", threads=1)
    many = boot.bootstrap_rsa(rdms[:1], rdms[1:], n_draws=60, over="both", threads=4)
    for name in ("each", "scores", "lower", "upper"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name)[:30])


def test_independent_of_how_many_draws_are_made_at_once(monkeypatch):
    rdms = some(4)
    whole = boot.bootstrap_rsa(rdms[:2], rdms[2:], n_draws=30, ceilings=False)
    monkeypatch.setattr(boot, "BLOCK_ENTRIES", 7 * 120)  # of 120 pairs each
    parts = boot.bootstrap_rsa(rdms[:2], rdms[2:], n_draws=30, ceilings=False, threads=1)
    np.testing.assert_array_equal(parts.each, whole.each)


def test_undefined_pairs_are_left_out():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(15, 8)), rng.normal(size=(15, 8))
    keys = [f"i{k:02d}" for k in range(15)]
    whole = rdm.rdm(X, images=keys)
    holes = Y.copy()
    holes[4] = np.nan
    found = boot.bootstrap_rsa([whole], [rdm.rdm(holes, images=keys)], n_draws=5, seed=2)
    for draw in range(5):
        chosen = stream(2, draw).integers(15, size=15)
        chosen = chosen[chosen != 4]
        pairs = [(i, j) for k, i in enumerate(chosen) for j in chosen[k + 1 :] if i != j]
        a, b = (np.array([rdm.rdm(Z).square()[i, j] for i, j in pairs]) for Z in (X, Y))
        expected = similarity.METHODS["spearman"](a, b)
        assert found.scores[draw, 0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("size", [3000, ranks.TORCH_FROM])
def test_radix_order_is_a_stable_sort(size):
    rng = np.random.default_rng(0)
    for top in (5, 70_000, 2**21, 2**40):
        values = rng.integers(-top // 2, top, size)
        ordered, order = ranks.sort_integers(values)
        np.testing.assert_array_equal(order, np.argsort(values, kind="stable"))
        np.testing.assert_array_equal(ordered, values[order])


@pytest.mark.parametrize("top", [5, 70_000, 2**28])
@pytest.mark.parametrize("whole", [np.int32, np.int64])
@pytest.mark.parametrize("n_images", [60, 450])  # few and many pairs are sorted by other means
def test_ranks_of_a_pool_are_those_of_its_resampled_pairs(top, whole, n_images):
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(n_images, 1)
    counts = rng.integers(0, 3, n_images).astype(np.uint8)
    draw = ranks.Draw(counts, first.astype(np.uint16), second.astype(np.uint16), ranks.Workspace(whole))
    pool = rng.integers(-top, top, len(draw.active)).astype(whole)
    weights = counts[first].astype(int) * counts[second]
    assert (len(pool) >= ranks.TORCH_FROM) == (n_images > 60)
    repeated = np.repeat(pool, weights[weights > 0])
    expected = 2 * stats.rankdata(repeated) - 1 - len(repeated)
    squares = ranks.rerank(pool, draw)
    np.testing.assert_array_equal(np.repeat(pool, weights[weights > 0]), expected)
    assert squares == pytest.approx(np.sum(expected**2), rel=1e-12)


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_an_undefined_comparison_makes_the_score_undefined(method):
    model, data = some(2)
    flat = rdm.RDM(np.full(120, 1 / 3), "x")
    for ceilings in (False, True):
        found = boot.bootstrap_rsa([model], [data, flat], method, n_draws=9, ceilings=ceilings)
        assert np.isfinite(found.each[:, 0, 0]).all()
        assert np.isnan(found.each[:, 0, 1]).all()
        assert np.isnan([*found.scores[:, 0], *found.lower, *found.upper]).all()


def test_one_recording_alone_has_no_lower_ceiling():
    rdms = some(3)
    found = boot.bootstrap_rsa(rdms[:1], rdms[1:], n_draws=30, over="recordings")
    alone = np.isnan(found.each[:, 0]).any(axis=1)  # one of the two was drawn twice
    assert 0 < alone.sum() < 30
    np.testing.assert_array_equal(np.isnan(found.lower), alone)
    np.testing.assert_allclose(found.upper[alone], 1)


def test_draws_of_too_few_pairs_are_undefined():
    three = some(3, n=3)  # of which a draw of three images often holds fewer than three pairs
    for ceilings in (False, True):
        found = boot.bootstrap_rsa(three[:1], three[1:], n_draws=40, ceilings=ceilings)
        distinct = [len(set(stream(0, draw).integers(3, size=3))) for draw in range(40)]
        np.testing.assert_array_equal(np.isfinite(found.scores[:, 0]), np.array(distinct) == 3)
    model, data = some(2)
    hole = data.square()
    hole[1, 2] = np.nan
    task = boot.Comparison([model, rdm.RDM(rdm.upper(hole), "x")], 1, "spearman", False)
    for counts, defined in ([1, 1, 1] + [0] * 13, False), ([1, 1, 1, 1] + [0] * 12, True):  # of 2 pairs, and of 5
        counts = np.array(counts)
        assert np.isfinite(task.draw(counts, np.ones(1, int))[0]).item() == defined
        assert np.isfinite(task.block(counts[None])).item() == defined


@pytest.mark.parametrize("ties", [False, True])
def test_an_image_that_was_drawn_very_often_weighs_that_much(ties):
    rdms = some(3, ties=ties)
    counts = np.array([40, 17, 2, 1] + [0] * 12)  # pairs weigh up to 680: more than a byte holds
    task = boot.Comparison(rdms, 1, "spearman", True)
    rows = np.repeat(np.arange(16), counts)
    pairs = [(i, j) for k, i in enumerate(rows) for j in rows[k + 1 :] if i != j]
    values = [np.array([one.square()[pair] for pair in pairs]) for one in rdms]
    expected = [stats.spearmanr(values[0], one).statistic for one in values[1:]]
    np.testing.assert_allclose(task.draw(counts, np.ones(2, int))[0][0], expected, atol=1e-12)
    np.testing.assert_allclose(task.block(counts[None])[0, 0], expected, atol=1e-12)


def test_sums_of_weights_fit_their_type():
    assert boot.integer_type(16383, 4) is np.int32
    assert boot.integer_type(16384, 4) is np.int64  # 2 * 16384^2 * 4 = 2^31


def test_bad_input():
    rdms = some(3)
    with pytest.raises(DataError, match="method='tau-a'"):
        boot.bootstrap_rsa(rdms[:1], rdms[1:], "tau-a")
    with pytest.raises(DataError, match="over='units'"):
        boot.bootstrap_rsa(rdms[:1], rdms[1:], over="units")
    with pytest.raises(DataError, match=r"subjects has shape \(3,\); give one per row, \(2,\)"):
        boot.bootstrap_rsa(rdms[:1], rdms[1:], subjects=list("abc"))
    with pytest.raises(DataError, match="no RDM to compare"):
        boot.bootstrap_rsa([], rdms)
    with pytest.raises(DataError, match="n_draws=0; give a whole number of at least 1"):
        boot.bootstrap_rsa(rdms[:1], rdms[1:], n_draws=0)
    holes = rdm.RDM(np.where(np.arange(120) < 2, 0.5, np.nan), "x")
    with pytest.raises(DataError, match="2 pairs of images are defined in all RDMs; at least 3"):
        boot.bootstrap_rsa(rdms[:1], [holes])
