"""The correlation of units with maps: it finds what drives simulated units, with the nominal false-positive rate."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from analysis.explain.gaze import unit_correlation
from analysis.explain.gaze.image_square import Frame, face_region, on_square, patch_mass
from analysis.statistics.inference import fdr

SHOWN = {"image_width_px": 200.0, "image_height_px": 200.0, "pixels_per_degree_x": 25.0, "pixels_per_degree_y": 20.0}


def screen(**attrs):
    return SimpleNamespace(attrs=SHOWN | attrs)


def test_gaze_lands_where_it_fell():
    frame = Frame.of(300, 200)  # fills the width of the square and its middle two thirds
    places = on_square(np.array([[0.0, 0.0], [4, 5], [-4, -5]]), screen(), frame)
    np.testing.assert_allclose(places, [[0.5, 0.5], [1, 1 / 6], [0, 5 / 6]])


def test_mass_in_a_patch_by_hand():
    frame = Frame.of(1, 1)
    map_ = np.zeros((2, 10, 10))
    map_[0, 2, 7] = 3.0  # a pixel from (0.7, 0.2) to (0.8, 0.3)
    # 4 dva are 100 of 200 screen pixels in x and 80 in y: half and two fifths of the square.
    centres = np.array([[0.75, 0.25], [0.5, 0.25], [0.75, 0.45], [0.2, 0.8], [0.5, 0.5]])
    dva = (centres - 0.5) * 200 / np.array([25, -20])
    share = patch_mass(map_, dva, screen(), frame)
    np.testing.assert_allclose(share[0], [1, 0.5, 0.5, 0, 0], atol=1e-9)
    assert np.isnan(share[1]).all()


def test_a_face_region_lies_on_the_square_as_on_the_image():
    class Box:
        def categories(self, stem):
            return ["face", "pareidolia"]

        def inside(self, stem, category, points, size_px, widen_px):
            assert category == "face"
            assert not widen_px.any()
            return (points[:, 0] >= 150) & (points[:, 1] < 100)  # right half, upper half of 300 x 200

    region = face_region(Box(), "x", 300, 200, 12)
    expected = np.zeros((12, 12), bool)
    expected[2:6, 6:] = True
    np.testing.assert_array_equal(region, expected)


def simulate(rng, n_images=12, each=12):
    """Units driven by the face and by luminance, in images that hold both at unrelated places; moments for the face."""
    faces, lights = rng.uniform(-0.7, 0.7, (2, n_images, 2))
    both, mass, response = [], [], []
    for k in range(n_images):
        at, stratum = rng.uniform(-1, 1, (each, 2)), np.arange(each) % 2
        face = np.exp(-((at[None] - faces[:, None]) ** 2).sum(2) / 0.4)  # of every image's face at these fixations
        light = np.exp(-((at - lights[k]) ** 2).sum(1) / 0.4)
        level = rng.normal(0, 2) + stratum  # differences between images, and adaptation, must not count
        rate = 2 * np.stack([face[k], light], 1) + level[:, None] + rng.normal(0, 0.5, (each, 2))
        found = unit_correlation.image_sums(np.repeat(face[None, :, :, None], 2, axis=3), rate, stratum)
        for part, one in zip((both, mass, response), found, strict=True):
            part.append(one)
    return unit_correlation.Moments(np.stack(both, 1), np.stack(mass, 1), np.stack(response), n_images * each)


def test_units_driven_by_the_face_are_found_and_others_at_the_nominal_rate():
    rng = np.random.default_rng(11)
    found = [unit_correlation.correlate(simulate(rng), 99, number) for number in range(200)]
    p = np.array([one.p[0] for one in found]).T
    r = np.array([one.r[0] for one in found]).T
    assert (p[0] <= 0.05).mean() >= 0.95
    assert (r[0] > 0.5).mean() >= 0.95
    # 200 simulations at 5 %: 10 expected, 3 standard errors allowed; 20 % likewise.
    assert 1 <= (p[1] <= 0.05).sum() <= 19
    assert 23 <= (p[1] <= 0.2).sum() <= 57
    follow = fdr(p.ravel(), 0.05)[0].reshape(p.shape)
    assert follow[1].sum() / follow.sum() <= 0.05 + 0.03


def test_a_bias_that_all_maps_share_is_not_significant():
    rng = np.random.default_rng(3)
    n, each = 12, 20
    parts = []
    for k in range(n):
        at = rng.uniform(-1, 1, (each, 2))
        central = np.exp(-(at**2).sum(1))
        mass = np.stack([central + 0.1 * np.sin(5 * at @ rng.normal(size=2)) for _ in range(n)])
        # The second unit shuns what the map of its own image adds to the bias.
        rate = (central + rng.normal(0, 0.1, each))[:, None] - np.stack([0 * central, 2 * (mass[k] - central)], 1)
        parts.append(
            unit_correlation.image_sums(np.repeat(mass[None, :, :, None], 2, axis=3), rate, np.zeros(each, int))
        )
    both, mass, response = zip(*parts, strict=True)
    moments = unit_correlation.Moments(np.stack(both, 1), np.stack(mass, 1), np.stack(response), n * each)
    found = unit_correlation.correlate(moments, 200, 0)
    assert found.r[0, 0] > 0.5
    assert found.p[0, 0] > 0.05
    assert abs(found.r[0, 0] - found.shuffled[0, 0]) < 0.1
    assert 0 < found.r[0, 1] < found.shuffled[0, 1]
    assert found.p[0, 1] < 0.01


def recorded(rng, n=60, images="abcdef"):
    each = n // len(images)
    return xr.Dataset(
        {"rate": (("fixation", "unit"), rng.random((n, 3)))},
        coords={
            "stimulus_id": ("fixation", np.repeat(list(images), each)),
            "ordinal": ("fixation", np.tile([0, 0, 1, 2, 3, 4, 5, 1, 2, 3], n // 10)),
            "x_dva": ("fixation", rng.uniform(-2, 2, n)),
            "y_dva": ("fixation", rng.uniform(-2, 2, n)),
            "rf_x_dva": ("unit", [0.0, 1.0, np.nan]),
            "rf_y_dva": ("unit", [0.0, 0.5, np.nan]),
        },
        attrs=SHOWN,
    )


def test_moments_of_a_recording_by_hand_and_untested_units():
    rng = np.random.default_rng(5)
    recording, images = recorded(rng), list("abcdef")
    frames = dict.fromkeys(images, Frame.of(1, 1))
    maps = [{stem: rng.normal(size=(8, 8)) for stem in images} for _ in range(2)]
    maps[1]["c"][:] = -1  # no evidence for a face anywhere
    moments = unit_correlation.measure_moments(maps, frames, recording, images)
    rows = slice(10, 20)  # image b
    field = np.column_stack([recording["x_dva"], recording["y_dva"]]) + np.array([1.0, 0.5])
    share = patch_mass(np.maximum(maps[0]["d"], 0)[None], field[rows], recording, frames["b"])[0]
    y, z, stratum = recording["rate"].values[rows, 1], share, np.minimum(recording["ordinal"].values[rows], 2)
    y, z = (v - np.array([v[stratum == s].mean() for s in stratum]) for v in (y, z))
    assert moments.both[0, 1, 3, 1] == pytest.approx(y @ z)
    assert moments.mass[0, 1, 3, 1] == pytest.approx(z @ z)
    assert moments.response[1, 1] == pytest.approx(y @ y)
    assert moments.n == 60
    assert not moments.both[1, :, 2].any()
    found = unit_correlation.correlate(moments, 50, 0)
    assert np.isnan(found.p[:, 2]).all()
    assert np.isfinite(found.p[:, :2]).all()
    few = unit_correlation.correlate(unit_correlation.measure_moments(maps, frames, recording, images[:4]), 50, 0)
    assert np.isnan(few.r).all()
