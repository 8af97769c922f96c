from itertools import combinations

import numpy as np
import pytest
import rsatoolbox
import xarray as xr
from rsatoolbox.data import Dataset
from scipy.spatial.distance import pdist

from analysis.core.errors import DataError
from analysis.statistics.rsa import rdm, similarity


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(30, 12)) + 2


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean", "sqeuclidean"])
def test_equals_scipy(features, metric):
    found = rdm.rdm(features, metric)
    np.testing.assert_allclose(found.distances, pdist(features, metric), atol=1e-10)
    assert found.n_images == 30
    np.testing.assert_array_equal(rdm.upper(found.square()), found.distances)


def test_equals_rsatoolbox(features):
    data = Dataset(features.copy())
    theirs = rsatoolbox.rdm.calc_rdm(data, "correlation").get_vectors()[0]
    np.testing.assert_allclose(rdm.rdm(features).distances, theirs, atol=1e-8)
    theirs = rsatoolbox.rdm.calc_rdm(data, "euclidean").get_vectors()[0]  # squared, per channel
    np.testing.assert_allclose(rdm.rdm(features, "sqeuclidean").distances / 12, theirs, atol=1e-8)


def test_crossnobis_equals_rsatoolbox():
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(4, 9, 6))
    root = rng.normal(size=(6, 6))
    precision = root @ root.T + np.eye(6)
    data = Dataset(
        parts.reshape(36, 6),
        obs_descriptors={"image": np.tile(np.arange(9), 4), "part": np.repeat(np.arange(4), 9)},
    )
    for matrix in (None, precision):
        theirs = rsatoolbox.rdm.calc_rdm_crossnobis(data, "image", noise=matrix, cv_descriptor="part")
        found = rdm.crossnobis(parts, matrix)
        np.testing.assert_allclose(found.distances, theirs.get_vectors()[0], atol=1e-8)


def test_crossnobis_is_unbiased_by_noise_where_squared_distances_are_not():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(6, 20))
    true = rdm.rdm(truth, "sqeuclidean").distances / 20
    cross, plain = [], []
    for _ in range(300):
        parts = truth + 2 * rng.normal(size=(3, 6, 20))
        cross.append(rdm.crossnobis(parts).distances)
        plain.append(rdm.rdm(parts.mean(axis=0), "sqeuclidean").distances / 20)
    assert abs(np.mean(cross) - true.mean()) < 0.05
    assert np.mean(plain) - true.mean() > 2


def test_undefined_images_are_undefined_in_every_pair(features):
    features[3] = 5.0
    features[4] = np.nan
    square = rdm.rdm(features).square()
    for image in (3, 4):
        assert np.isnan(np.delete(square[image], image)).all()
    rest = np.delete(np.arange(30), [3, 4])
    np.testing.assert_allclose(rdm.upper(square[np.ix_(rest, rest)]), pdist(features[rest], "correlation"), atol=1e-10)
    other = rdm.rdm(np.random.default_rng(1).normal(size=(30, 5)))
    assert similarity.compare_rdms(rdm.rdm(features), other) == pytest.approx(
        similarity.compare_rdms(rdm.rdm(features[rest]), other.take(rest)), abs=1e-12
    )
    features[3] = np.arange(12)
    features[4] = 0.0
    assert np.isnan(rdm.rdm(features, "cosine").square()[4, :4]).all()
    assert np.isfinite(rdm.rdm(features, "euclidean").distances).all()
    features[4] = np.nan
    assert np.isfinite(rdm.rdm(features, "euclidean").distances).sum() == 29 * 28 // 2


@pytest.mark.parametrize("constant", [0.1, 2.3, 1e6 / 7])
def test_a_constant_image_is_undefined_whatever_rounding_leaves_of_it(constant):
    features = np.random.default_rng(0).normal(size=(6, 13))
    features[2] = constant
    assert constant != np.full(13, constant).mean()
    assert np.isnan(rdm.rdm(features).square()[2]).sum() == 5


def test_distances_far_from_the_origin_keep_their_digits(features):
    np.testing.assert_allclose(rdm.rdm(features + 1e7, "euclidean").distances, pdist(features), rtol=1e-6)


@pytest.mark.parametrize("metric", list(rdm.METRICS))
def test_images_that_are_alike_are_no_distance_apart(metric):
    features = np.repeat(np.random.default_rng(1).normal(size=(20, 7)), 2, axis=0)
    distances = rdm.rdm(features, metric).square()
    assert np.isfinite(distances).all()
    assert (distances >= 0).all()
    np.testing.assert_allclose(distances[np.arange(0, 40, 2), np.arange(1, 40, 2)], 0, atol=1e-6)


def test_an_image_missing_from_one_part_has_crossnobis_distances_from_the_others():
    parts = np.random.default_rng(0).normal(size=(4, 8, 5))
    precision = np.diag([1.0, 2.0, 0.5, 1.0, 3.0])
    holed = parts.copy()
    holed[1, 2] = np.nan
    holed[3, 6, 1] = np.nan  # of one unit
    found = rdm.crossnobis(holed, precision, images=list("abcdefgh"))
    for i, j, (left, right) in zip(*np.triu_indices(8, 1), combinations("abcdefgh", 2), strict=True):
        there = np.isfinite(holed[:, [i, j]]).all(axis=(1, 2))
        difference = parts[there, i] - parts[there, j]
        pairs = [a @ precision @ b for a, b in combinations(difference, 2)]
        assert found.square()[i, j] == pytest.approx(np.mean(pairs) / 5), (left, right)
    holed[2:, 2] = np.nan  # in one partition alone
    assert np.isnan(rdm.crossnobis(holed).square()[2]).sum() == 7
    holed[:, 2] = np.nan
    whole = rdm.crossnobis(np.delete(holed, 2, axis=1))
    np.testing.assert_allclose(rdm.crossnobis(holed).take(np.delete(np.arange(8), 2)).distances, whole.distances)
    assert found.take([5, 0]).images == ("f", "a")


def test_the_two_forms_of_crossnobis_agree():
    parts = 1e3 + np.random.default_rng(0).normal(size=(3, 6, 5))
    more = np.concatenate([parts, np.full((1, 6, 5), np.nan)])  # a partition without images
    np.testing.assert_allclose(rdm.crossnobis(more).distances, rdm.crossnobis(parts).distances, atol=1e-9)


@pytest.mark.parametrize(
    ("distances", "images", "message"),
    [
        (np.ones(4), None, r"distances has shape \(4,\); give the upper triangle of n images, n \(n - 1\) / 2"),
        (np.ones(7), ("a", "b", "c", "d"), r"distances has shape \(7,\)"),
        (np.ones((3, 3)), None, r"distances has shape \(3, 3\)"),
        (np.ones(3), ("a", "b"), "the RDM has 3 rows but 2 image keys"),
        (np.ones(3), ("a", "b", "a"), "the RDM holds image 'a' twice"),
        (np.ma.masked_equal([1.0, 2.0, 3.0], 2.0), None, "distances has 1 masked entries"),
    ],
)
def test_distances_and_keys_of_an_rdm_fit_each_other(distances, images, message):
    with pytest.raises(DataError, match=message):
        rdm.RDM(distances, "euclidean", images)


def test_small_rdms():
    assert [rdm.RDM(np.ones(n * (n - 1) // 2), "x").n_images for n in range(1, 50)] == list(range(1, 50))
    assert rdm.RDM([1.0, 2.0, 3.0], "x", [0, 1, 2]).images == ("0", "1", "2")


def test_keys_of_a_table_are_those_of_its_rdm(features):
    names = [f"i{k}" for k in range(30)]
    table = xr.DataArray(features, dims=("image", "feature"), coords={"image": names})
    assert rdm.rdm(table).images == tuple(names)
    with pytest.raises(DataError, match="already has image keys"):
        rdm.rdm(table, images=names)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X: rdm.rdm(X, "hamming"), "metric='hamming'"),
        (lambda X: rdm.rdm(X[:1]), r"features has shape \(1, 12\)"),
        (lambda X: rdm.rdm(X[:, :1]), "features has 1 column"),
        (lambda X: rdm.rdm(np.where(X > 4, np.inf, X)), "is infinite"),
        (lambda X: rdm.rdm(X, images=["a"]), "features has 30 rows but 1 image keys"),
        (lambda X: rdm.rdm(X, images=["a"] * 30), "features holds image 'a' twice"),
        (lambda X: rdm.crossnobis(X), r"responses has shape \(30, 12\)"),
        (lambda X: rdm.crossnobis(np.stack([X, X]), np.eye(3)), r"precision has shape \(3, 3\)"),
        (lambda X: rdm.crossnobis(np.stack([X, X]), np.full((12, 12), np.nan)), r"give \(12, 12\) finite"),
        (lambda X: rdm.crossnobis(np.stack([X, X * np.inf])), "responses holds infinities"),
    ],
)
def test_bad_input(features, call, message):
    with pytest.raises(DataError, match=message):
        call(features)
