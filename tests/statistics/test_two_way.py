import numpy as np
import pytest

from analysis.statistics import two_way_interval


def table(seed, n_images=40, n_units=10, of_images=1.0, of_units=1.0, noise=1.0):
    rng = np.random.default_rng(seed)
    return (
        of_images * rng.normal(size=(n_images, 1))
        + of_units * rng.normal(size=n_units)
        + noise * rng.normal(size=(n_images, n_units))
    )


def mean_interval(scores, **options):
    images = options.pop("images", np.arange(len(scores)))
    return two_way_interval(lambda counts: counts @ scores / counts.sum(axis=1)[:, None], images, **options)


@pytest.mark.parametrize("of", [(1.0, 1.0, 1.0), (0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (0.3, 0.3, 3.0)])
def test_intervals_cover_and_errors_are_right(of):
    truth = np.sqrt(of[0] ** 2 / 40 + of[1] ** 2 / 10 + of[2] ** 2 / 400)
    found = [mean_interval(table(seed, 40, 10, *of), n_draws=200, seed=seed) for seed in range(200)]
    assert np.mean([interval.low < 0 < interval.high for interval, _ in found]) >= 0.92
    assert np.sqrt(np.mean([error**2 for _, error in found])) == pytest.approx(truth, rel=0.15)


def test_near_duplicates_are_drawn_together():
    scores = np.repeat(table(0, 20, of_units=0.1), 2, axis=0)
    alone, together = (mean_interval(scores, images=images)[1] for images in (np.arange(40), np.arange(40) // 2))
    assert together > 1.2 * alone


def test_undefined_units_are_left_out():
    scores = table(1)
    holed = np.hstack([scores, np.full((40, 1), np.nan)])
    assert mean_interval(holed) == mean_interval(scores)
    assert np.isnan(mean_interval(holed[:, -1:])[0].estimate)


def test_one_unit_or_image_has_no_interval():
    interval, error = mean_interval(table(2)[:, :1])
    assert interval.estimate == pytest.approx(table(2)[:, 0].mean())
    assert np.isnan([interval.low, interval.high, error]).all()
    assert np.isnan(mean_interval(table(2), images=np.zeros(40))[1])
