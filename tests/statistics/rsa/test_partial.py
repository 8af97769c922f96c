import numpy as np
import pytest
from scipy.stats import spearmanr

from analysis.core.errors import DataError
from analysis.statistics import bootstrap_rsa, label_rdms, partial_rho, rdm
from analysis.statistics.rsa.rdm import RDM

FACE = np.resize(["face", "face", "object"], 45)


def sharing_the_label(seed, n=45, images=None):
    """Two RDMs that share the label of the images and nothing else."""
    rng, face = np.random.default_rng(seed), np.resize(FACE, n) == "face"
    return [rdm(rng.normal(size=(n, 15)) + 2 * np.outer(face, rng.normal(size=15)), images=images) for _ in range(2)]


def test_given_one_rdm_it_is_the_textbook_formula():
    model, neural = sharing_the_label(0)
    other = rdm(np.random.default_rng(9).normal(size=(45, 15)) + 2 * (FACE == "face")[:, None])
    found = partial_rho(model, neural, [other], n_permutations=0)
    xy, xz, yz = (spearmanr(a.distances, b.distances)[0] for a, b in ((model, neural), (model, other), (neural, other)))
    assert found.rho == pytest.approx(xy, abs=1e-12)
    assert found.partial == pytest.approx((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)), abs=1e-12)
    assert np.isnan(found.p)


def test_given_several_it_is_that_of_the_inverse_correlation_matrix():
    model, neural = sharing_the_label(1)
    others = [rdm(np.random.default_rng(k).normal(size=(45, 6))) for k in (5, 6)] + label_rdms(FACE)[:1]
    precision = np.linalg.inv(spearmanr(np.stack([m.distances for m in (model, neural, *others)], axis=1))[0])
    expected = -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])
    assert partial_rho(model, neural, others, n_permutations=0).partial == pytest.approx(expected, abs=1e-10)


def test_labels_alone_correlate_but_not_given_the_label():
    found = [
        partial_rho(*sharing_the_label(seed), label_rdms(FACE), strata=FACE, n_permutations=99, n_draws=100, seed=seed)
        for seed in range(60)
    ]
    assert np.mean([one.rho for one in found]) > 0.4
    assert abs(np.mean([one.partial for one in found])) < 0.02
    assert np.mean([one.p <= 0.2 for one in found]) == pytest.approx(0.2, abs=0.13)
    assert np.mean([one.low < 0 < one.high for one in found]) >= 0.9


def test_one_mean_for_each_pair_of_labels_is_needed():
    # Faces are close to each other and objects are not: 0 within and 1 between labels misses that.
    between = RDM(1 - label_rdms(FACE)[0].distances - label_rdms(FACE)[2].distances, "label")
    one, pairs = (
        np.mean([partial_rho(*sharing_the_label(seed), given, n_permutations=0).partial for seed in range(10)])
        for given in ([between], label_rdms(FACE))
    )
    assert one > 0.3
    assert abs(pairs) < 0.05


def test_a_relation_within_labels_is_found():
    rng = np.random.default_rng(3)
    signal = rng.normal(size=(45, 4)) @ rng.normal(size=(4, 15))
    pair = [rdm(signal + rng.normal(size=(45, 15)) + 2.0 * (FACE == "face")[:, None]) for _ in range(2)]
    found = partial_rho(*pair, label_rdms(FACE), strata=FACE, n_permutations=199)
    assert found.p == 1 / 200
    assert 0 < found.low < found.partial < found.high < 1


def test_images_are_permuted_within_strata_alone():
    pair = sharing_the_label(4)
    assert partial_rho(*pair, strata=np.arange(45), n_permutations=50).p == 1.0  # nothing can move
    assert partial_rho(*pair, n_permutations=50).p == 1 / 51  # the label alone does it
    assert partial_rho(*pair, strata=FACE, n_permutations=50).p > 1 / 51


def sharing_more(seed):
    """Two RDMs of units that see the label and three more features, each in its own fixed way."""
    rng = np.random.default_rng(seed)
    signal = np.hstack([rng.normal(size=(45, 3)), (FACE == "face")[:, None] * 2.0])
    return [rdm(signal @ w + rng.normal(size=(45, 15))) for w in np.random.default_rng(0).normal(size=(2, 4, 15))]


def test_error_is_that_of_the_bootstrap_with_ranks_taken_anew():
    found = []
    for seed in range(6):
        model, neural = sharing_more(seed)
        exact = bootstrap_rsa([model], [neural], n_draws=1000, ceilings=False).scores[:, 0].std(ddof=1)
        found.append(partial_rho(model, neural, n_permutations=0, n_draws=1000).error / (exact * np.sqrt(45 / 44)))
    assert np.mean(found) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("given", [[], label_rdms(FACE)])
def test_error_and_interval_hold_over_samples_of_images(given):
    found = [partial_rho(*sharing_more(seed), given, n_permutations=0, n_draws=200, seed=seed) for seed in range(80)]
    values = np.array([one.partial for one in found])
    assert np.mean([one.error for one in found]) == pytest.approx(values.std(ddof=1), rel=0.3)
    assert np.mean([one.low < values.mean() < one.high for one in found]) >= 0.9


def test_near_duplicates_are_drawn_together():
    model, neural = (matrix.take(np.repeat(np.arange(45), 2)) for matrix in sharing_the_label(6))
    alone, together = (
        partial_rho(model, neural, clusters=clusters, n_permutations=0).error for clusters in (None, np.arange(90) // 2)
    )
    assert together > 1.2 * alone


def test_images_are_joined_by_key():
    names = [f"i{k:02}" for k in range(45)]
    model, neural = sharing_the_label(7, images=names)
    order = np.random.default_rng(0).permutation(45)
    straight = partial_rho(model, neural, label_rdms(FACE, names), strata=FACE, n_permutations=20)
    shuffled = partial_rho(
        model.take(order),
        neural,
        label_rdms(FACE, names),
        strata=dict(zip(names, FACE, strict=True)),
        n_permutations=20,
    )
    by_row = partial_rho(model.take(order), neural, label_rdms(FACE, names), strata=FACE[order], n_permutations=20)
    assert straight == shuffled == by_row


def test_undefined_images_are_left_out():
    model, neural = sharing_the_label(8)
    square = model.square()
    square[3] = square[:, 3] = np.nan
    holed = RDM(square[np.triu_indices(45, 1)], "correlation")
    rest = np.delete(np.arange(45), 3)
    found = partial_rho(holed, neural, n_permutations=0)
    assert found.n_images == 44
    assert found.partial == pytest.approx(spearmanr(model.take(rest).distances, neural.take(rest).distances)[0])


def test_a_model_of_the_given_labels_has_no_partial_correlation():
    neural = sharing_the_label(9)[0]
    observer = rdm(np.eye(3)[(FACE == "face").astype(int)])
    rounded = RDM(observer.distances + np.linspace(0, 1e-15, 990), "correlation")
    assert np.isnan(partial_rho(rounded, neural, label_rdms(FACE)).partial)
    found = partial_rho(observer, neural, label_rdms(FACE), strata=FACE)
    assert np.isnan([found.partial, found.p, found.error]).all()
    assert partial_rho(observer, neural).rho > 0.3


def test_one_label_changes_nothing():
    pair = sharing_the_label(10)
    same = partial_rho(*pair, label_rdms(["one"] * 45), n_permutations=0)
    assert same == partial_rho(*pair, n_permutations=0)
    assert same.partial == pytest.approx(same.rho, abs=1e-12)


def test_wrong_input_is_named():
    pair = sharing_the_label(11)
    with pytest.raises(DataError, match=r"strata has shape \(3,\); give one per row, \(45,\)"):
        partial_rho(*pair, strata=[1, 2, 3])
    with pytest.raises(DataError, match="strata has image keys but the RDMs have none"):
        partial_rho(*pair, strata={"a": 1})
    keyed = sharing_the_label(11, images=list(map(str, range(45))))
    with pytest.raises(DataError, match=r"clusters has no entry for image '1' \(44 missing\)"):
        partial_rho(*keyed, clusters={"0": 1})
    with pytest.raises(DataError, match="labels holds 1 entry"):
        label_rdms(["a"])
