"""Scores against regions, curves, randomisation and intervals, on cases worked out by hand."""

import numpy as np
import pytest

from analysis.explain.maps import baseline_maps, faithfulness
from analysis.explain.maps.localisation import iou, mass, pointing
from analysis.explain.mean_intervals import bootstrap_means
from analysis.statistics.inference import bootstrap_interval


def test_scores_by_hand():
    map_ = np.array([[4.0, 1, 0], [4, 2, -3], [0, 1, 0]])
    region = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
    assert pointing(map_, region) == 0.5  # one of two equal maxima
    assert mass(map_, region) == pytest.approx(7 / 12)
    assert iou(map_, region) == pytest.approx(2 / 4)  # the highest three: both 4s and the 2
    assert np.isnan(mass(-map_ * (map_ > 0), region))


def test_iou_shares_out_equal_pixels():
    map_ = np.array([3.0, 1, 1, 1, 1, 0])
    region = np.array([1, 1, 0, 0, 0, 1], bool)
    both = 1 + 2 / 4  # the 3, and two of the four 1s, one of which lies inside
    assert iou(map_, region) == pytest.approx(both / (6 - both))
    assert iou(region.astype(float), region) == 1


def test_baseline_maps():
    centre = baseline_maps.centre(9)
    assert np.unravel_index(centre.argmax(), centre.shape) == (4, 4)
    image = np.zeros((3, 8, 8))
    image[:, :, 4:] = 1
    edges = baseline_maps.edges(image)
    assert (edges[:, 3:5] > 0).all()
    assert (edges[:, [0, 1, 2, 5, 6, 7]] == 0).all()


def test_deletion_falls_and_insertion_rises_at_once_along_the_right_order(watcher, pictures, region):
    right, wrong = (np.repeat(one[None].astype(float), 2, 0) for one in (region, ~region))
    found = faithfulness.curves(watcher, pictures, right, 6, 0)
    other = faithfulness.curves(watcher, pictures, wrong, 6, 0)
    assert found.shape == (2, 2, 7)
    share = region.mean()
    assert share < 1 / 3
    whole, empty = found[:, 0, 0], found[:, 0, -1]
    assert (whole > empty).all()
    np.testing.assert_allclose(found[:, 0, 2:], empty[:, None].repeat(5, 1), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1, 2:], whole[:, None].repeat(5, 1), rtol=1e-5)
    assert (faithfulness.area_under(found[:, 0]) < faithfulness.area_under(other[:, 0])).all()
    assert (faithfulness.area_under(found[:, 1]) > faithfulness.area_under(other[:, 1])).all()
    assert faithfulness.area_under(np.array([1.0, 1, 0])) == pytest.approx(0.75)


def test_maps_that_ignore_the_weights_fail_the_randomisation_check(pictures):
    edges = np.stack([baseline_maps.edges(image) for image in pictures.numpy()])
    rng = np.random.default_rng(0)
    assert (
        faithfulness.map_correlation(edges, edges * 2 + 0.001 * rng.random(edges.shape)).min()
        > faithfulness.SAME_MAP_RHO
    )
    assert np.abs(faithfulness.map_correlation(edges, rng.random(edges.shape))).max() < faithfulness.SAME_MAP_RHO
    assert np.isnan(faithfulness.map_correlation(edges[:1], np.zeros((1, *edges.shape[1:])))).all()


def test_intervals_are_those_of_the_bootstrap_one_by_one():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(30, 3))
    values[4, 1] = np.nan
    groups = np.arange(30) // 2
    found = bootstrap_means(values, groups, 200, 5)
    one = bootstrap_interval(values[:, 0], np.mean, [groups], n_draws=200, seed=5)
    np.testing.assert_allclose(found[:, 0], [one.estimate, one.low, one.high])
    assert found[0, 1] == pytest.approx(np.nanmean(values[:, 1]))
    alone = bootstrap_means(values[:, :1], np.zeros(30), 200, 5)
    assert alone[1] < alone[0] < alone[2]
    assert bootstrap_means(np.full((4, 1), np.nan), np.arange(4), 20, 0).shape == (3, 1)
    hits = np.array([1.0, 1, 1, 1, 1, 0])[:, None]
    assert (
        bootstrap_means(hits, np.arange(6), 200, 5)[2] > 1 == bootstrap_means(hits, np.arange(6), 200, 5, (0.0, 1.0))[2]
    )


def test_random_order_is_the_only_use_of_the_seed(watcher, pictures):
    flat = np.zeros((2, 24, 24))
    first, again, other = (faithfulness.curves(watcher, pictures, flat, 5, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
