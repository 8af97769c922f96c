import numpy as np
import pytest
import rsatoolbox
from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling
from rsatoolbox.rdm import RDMs
from scipy.stats import rankdata

from analysis.core.errors import DataError
from analysis.statistics import compare_rdms
from analysis.statistics.rsa import rdm, similarity

THEIRS = {"spearman": "spearman", "rho-a": "rho-a", "tau-a": "tau-a", "cosine": "cosine", "pearson": "corr"}


def some(k=4, n=14, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, 20))
    found = [rdm.rdm(base + rng.normal(size=base.shape)) for _ in range(k)]
    return [rdm.RDM(np.round(one.distances, 1), "tied") for one in found] if ties else found


def stack(rdms):
    return RDMs(np.stack([one.distances for one in rdms]))


@pytest.mark.parametrize("method", list(THEIRS))
@pytest.mark.parametrize("ties", [False, True])
def test_comparisons_and_ceilings_equal_rsatoolbox(method, ties):
    rdms = some(ties=ties)
    theirs = rsatoolbox.rdm.compare(stack(rdms[:1]), stack(rdms[1:]), THEIRS[method])[0]
    np.testing.assert_allclose([compare_rdms(rdms[0], one, method) for one in rdms[1:]], theirs, atol=1e-8)
    np.testing.assert_allclose(
        similarity.noise_ceiling(rdms, method), boot_noise_ceiling(stack(rdms), THEIRS[method]), atol=1e-8
    )


def test_hand_computed_with_ties():
    a, b = (rdm.RDM(np.array(x, float), "x") for x in ([1, 1, 2], [1, 2, 3]))
    # midranks 1.5 1.5 3 and 1 2 3, centred -.5 -.5 1 and -1 0 1: product 1.5, lengths sqrt(1.5), sqrt(2)
    assert compare_rdms(a, b, "spearman") == pytest.approx(1.5 / np.sqrt(3))
    assert compare_rdms(a, b, "rho-a") == pytest.approx(12 * 1.5 / 24)
    assert compare_rdms(a, b, "tau-a") == pytest.approx(2 / 3)  # one of three pairs tied, two concordant
    assert compare_rdms(a, b, "cosine") == pytest.approx(9 / np.sqrt(6 * 14))
    x, y = rankdata([1, 1, 2]), rankdata([1, 2, 3])
    assert compare_rdms(a, b, "rho-a") == pytest.approx(12 * x @ y / (27 - 3) - 3 * 4 / 2)


def test_no_spread_is_undefined():
    flat, other = rdm.RDM(np.ones(6), "x"), rdm.RDM(np.arange(6.0), "x")
    assert np.isnan(compare_rdms(flat, other, "spearman"))
    assert np.isnan(compare_rdms(flat, other, "pearson"))
    assert compare_rdms(flat, other, "rho-a") == 0
    assert compare_rdms(flat, other, "tau-a") == 0
    assert np.isnan(similarity.noise_ceiling([flat, other])).all()
    thirds = rdm.RDM(np.full(10, 1 / 3), "x")  # whose mean is not quite 1 / 3
    assert np.isnan(compare_rdms(thirds, rdm.RDM(np.arange(10.0), "x"), "pearson"))
    for method in ("spearman", "pearson"):
        assert np.isnan(similarity.upper_bound([thirds, rdm.RDM(np.arange(10.0), "x")], method))
    assert np.isnan(similarity.upper_bound([rdm.RDM(np.zeros(10), "x"), thirds], "cosine"))


def test_cka_of_rdms_equals_that_of_features_and_its_definition():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(15, 6)), rng.normal(size=(15, 4))
    Y[:, 0] += X[:, 0]
    by_rdm = compare_rdms(rdm.rdm(X, "sqeuclidean"), rdm.rdm(Y, "sqeuclidean"), "cka")
    Xc, Yc = X - X.mean(0), Y - Y.mean(0)
    norm = np.linalg.norm
    assert by_rdm == pytest.approx(norm(Yc.T @ Xc) ** 2 / norm(Xc.T @ Xc) / norm(Yc.T @ Yc), abs=1e-10)
    assert similarity.cka(X, Y) == pytest.approx(by_rdm, abs=1e-10)
    Y[3] = np.nan
    with pytest.raises(DataError, match="cka needs every image defined"):
        compare_rdms(rdm.rdm(X, "sqeuclidean"), rdm.rdm(Y, "sqeuclidean"), "cka")
    with pytest.raises(DataError, match=r"Y\[3, 0\] = nan"):
        similarity.cka(X, Y)
    with pytest.raises(DataError, match="cka needs squared distances"):
        compare_rdms(rdm.rdm(X), rdm.rdm(Y), "cka")


def test_rdms_are_joined_by_key_never_by_position():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(20, 8)), rng.normal(size=(20, 8))
    Y += X
    keys = np.array([f"i{k:02d}" for k in range(20)])
    a, b = rng.permutation(20), rng.permutation(20)[:15]
    shuffled = compare_rdms(rdm.rdm(X[a], images=keys[a]), rdm.rdm(Y[b], images=keys[b]))
    rows = np.sort(b)
    assert shuffled == pytest.approx(compare_rdms(rdm.rdm(X[rows]), rdm.rdm(Y[rows])), abs=1e-12)
    assert shuffled != pytest.approx(compare_rdms(rdm.rdm(X[a][:15]), rdm.rdm(Y[b])), abs=0.01)
    with pytest.raises(DataError, match="with image keys and one without"):
        compare_rdms(rdm.rdm(X, images=keys), rdm.rdm(Y))
    with pytest.raises(DataError, match="RDMs of 15 and 20 images without keys"):
        compare_rdms(rdm.rdm(X), rdm.rdm(Y[:15]))
    with pytest.raises(DataError, match="share 0 images"):
        compare_rdms(rdm.rdm(X, images=keys), rdm.rdm(Y, images=[f"z{k}" for k in range(20)]))


def test_rank_pooling_bounds_every_model_and_raw_pooling_does_not():
    rng = np.random.default_rng(0)
    data = [rdm.RDM(rng.gamma(1, 10.0**k, 15), "x") for k in range(3)]  # of very different spread
    _, upper = similarity.noise_ceiling(data, "spearman")
    raw = rdm.RDM(np.mean([one.distances for one in data], axis=0), "x")
    assert np.mean([compare_rdms(raw, one) for one in data]) < upper - 0.05
    best = max(
        np.mean([compare_rdms(rdm.RDM(rng.permutation(15).astype(float), "x"), one) for one in data])
        for _ in range(400)
    )
    assert best < upper


def every_ranking(n):
    """All rankings of n entries, ties included, as midranks."""
    values = np.indices((n,) * n).reshape(n, -1).T
    below = (values[:, None, :] < values[:, :, None]).sum(axis=2)
    equal = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    return np.unique(below + (equal + 1) / 2, axis=0)


def test_no_model_of_all_there_are_passes_the_bound_ties_included():
    models = every_ranking(6)  # of the 6 pairs of 4 images
    assert len(models) == 4683
    centred = models - 3.5
    size = np.linalg.norm(centred, axis=1)
    passed = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        data = [rdm.RDM(rng.permutation(6).astype(float), "x") for _ in range(3)]
        ranks = np.stack([one.distances - 2.5 for one in data])
        with np.errstate(invalid="ignore"):
            best = np.nanmax((centred @ ranks.T / size[:, None]).mean(axis=1)) / np.linalg.norm(ranks[0])
        assert best <= similarity.upper_bound(data) + 1e-12
        passed += best > similarity.noise_ceiling(data)[1] + 1e-9
        rho_a = (12 * centred @ ranks.T / (6**3 - 6)).mean(axis=1).max()
        assert rho_a <= similarity.upper_bound(data, "rho-a") + 1e-12
        assert rho_a == pytest.approx(similarity.noise_ceiling(data, "rho-a")[1])  # and one reaches it
    assert passed > 0  # ties can pass the pool that was ranked again


@pytest.mark.parametrize("method", ["spearman", "pearson", "cosine"])
def test_the_bound_lies_at_or_above_the_ceiling(method):
    data = some(4, n=9)
    upper = similarity.noise_ceiling(data, method)[1]
    assert upper <= similarity.upper_bound(data, method) + 1e-12
    assert similarity.upper_bound(data, method) == pytest.approx(upper, abs=0.03)
    with pytest.raises(DataError, match="no bound for 'tau-a'"):
        similarity.upper_bound(data, "tau-a")


def test_ceiling_at_equal_numbers_of_subjects():
    rdms = some(6, n=10)
    lower, upper = similarity.noise_ceiling(rdms, n_subjects=3)
    from itertools import combinations

    explicit = np.mean([similarity.noise_ceiling([rdms[i] for i in c]) for c in combinations(range(6), 3)], axis=0)
    np.testing.assert_allclose((lower, upper), explicit, atol=1e-12)
    assert lower < similarity.noise_ceiling(rdms)[0]  # more subjects, higher lower bound
    with pytest.raises(DataError, match="n_subjects=7 of 6"):
        similarity.noise_ceiling(rdms, n_subjects=7)


def test_many_subjects_are_drawn_without_one_of_them_twice():
    rdms = some(8, n=10)
    found = similarity.noise_ceiling(rdms, n_subjects=4, n_subsets=9, seed=5)  # of 70 subsets
    rng = np.random.default_rng(5)
    subsets = [rng.choice(8, 4, replace=False) for _ in range(9)]
    explicit = np.mean([similarity.noise_ceiling([rdms[i] for i in subset]) for subset in subsets], axis=0)
    np.testing.assert_allclose(found, explicit, atol=1e-12)
    assert found == similarity.noise_ceiling(rdms, n_subjects=4, n_subsets=9, seed=5)


def test_bad_input():
    rdms = some(2)
    with pytest.raises(DataError, match="method='kendall'"):
        compare_rdms(*rdms, "kendall")
    with pytest.raises(DataError, match="a noise ceiling needs RDMs of 2 or more subjects or recordings; got 1"):
        similarity.noise_ceiling(rdms[:1])
    with pytest.raises(DataError, match="ndarray is not an RDM"):
        compare_rdms(rdms[0].square(), rdms[1])
    with pytest.raises(DataError, match="no noise ceiling for cka"):
        similarity.noise_ceiling([rdm.rdm(np.eye(4), "sqeuclidean")] * 2, "cka")
    with pytest.raises(DataError, match="no RDMs given"):
        similarity.upper_bound([])
    with pytest.raises(DataError, match="0 pairs of images are defined in all RDMs; at least 3"):
        compare_rdms(rdms[0], rdm.RDM(np.full(91, np.nan), "x"))
