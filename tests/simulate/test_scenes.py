"""Faces differ from other images in structure, not in grey levels, colour or brightness."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from analysis.params import Simulate
from analysis.simulate.render import render
from analysis.simulate.responses.early_features import N_CHANNELS, feature_maps
from analysis.simulate.scenes import draw_scenes

PARAMS = Simulate(
    world="label",
    selectivity=1,
    noise={"private": 0, "shared": 0, "drift": 0},
    showings="equal",
    faces=90,
    objects=90,
    pareidolia=4,
    unlabelled=4,
    recordings=6,
    units_per_recording=4,
    images_per_recording=8,
    presentations_per_image=2,
)


@pytest.fixture(scope="module")
def images():
    scenes = [s for s in draw_scenes(PARAMS, 11) if s.annotated and s.category != "pareidolia"]
    pixels = [render(s)[0] for s in scenes]
    label = np.array([s.kind == "head" for s in scenes])
    return pixels, label, np.array([s.original for s in scenes])


def accuracy(features, label, group):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000, class_weight="balanced"))
    predicted = cross_val_predict(model, features, label, groups=group, cv=GroupKFold(5))
    return balanced_accuracy_score(label, predicted)


def test_grey_pixels_do_not_separate_faces_from_objects(images):
    from PIL import Image

    pixels, label, group = images
    small = [np.asarray(Image.fromarray(p).convert("L").resize((16, 16), Image.Resampling.BOX)) for p in pixels]
    assert accuracy(np.stack(small).reshape(len(small), -1), label, group) < 0.75


def test_mean_and_contrast_of_colour_do_not_either(images):
    pixels, label, group = images
    colour = np.stack([np.r_[p.mean(axis=(0, 1)), p.std(axis=(0, 1))] for p in pixels])
    assert accuracy(colour, label, group) < 0.68


def test_local_structure_does(images):
    """Energy maps, pooled over the image: what a small convolutional network can learn."""
    pixels, label, group = images
    maps = [feature_maps(p) for p in pixels]
    pooled = np.log(np.stack([np.r_[m.mean(axis=(1, 2)), m.max(axis=(1, 2))] for m in maps]) + 1e-4)
    assert accuracy(pooled, label, group) > 0.75


def test_feature_maps_of_a_grating_peak_at_its_orientation():
    x = np.arange(240)
    for turn, best in ((0.0, 4), (np.pi / 2, 6)):
        phase = (x[None] * np.cos(turn) + x[:, None] * np.sin(turn)) * 2 * np.pi / 16
        grating = np.repeat((127 + 100 * np.sin(phase))[..., None], 3, axis=2).astype(np.uint8)
        maps = feature_maps(grating)
        assert maps.shape == (N_CHANNELS, 40, 40)
        assert maps[:8].mean(axis=(1, 2)).argmax() == best  # wavelength 8 of the halved image, this orientation


def test_a_uniform_image_drives_nothing():
    assert feature_maps(np.full((216, 312, 3), 128, np.uint8)).max() < 1e-6


def test_regions_contain_the_face_and_objects_have_none():
    for scene in draw_scenes(PARAMS, 11)[::9]:
        pixels, region = render(scene)
        assert pixels.shape == (*region.shape, 3) == (scene.size[1], scene.size[0], 3)
        if scene.category == "object":
            assert not region.any()
        else:
            rows, columns = np.nonzero(region)
            assert abs(np.mean(columns) - scene.x) < 0.6 * scene.half_height
            assert abs(np.mean(rows) - scene.y) < 0.6 * scene.half_height


def test_scenes_depend_on_the_seed_only():
    assert draw_scenes(PARAMS, 11) == draw_scenes(PARAMS, 11)
    assert draw_scenes(PARAMS, 11) != draw_scenes(PARAMS, 12)
