"""Shares of maps in faces and in their controls, on cases worked out by hand and on planted maps."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from analysis.explain import localisation
from analysis.explain.face_regions import Regions, centre_bias, share_in_face, share_in_shifted_faces
from analysis.explain.model_maps import INITIAL, TRAINED, Explained, NotExplained, explain_model
from analysis.recordings.rois import Rois

SIZE, N = 12, 24


@pytest.fixture
def explained() -> Explained:
    """Maps of `occlusion` that are the face itself once trained, and noise maps of `lime`."""
    rng = np.random.default_rng(0)
    faces = np.zeros((N, SIZE, SIZE), bool)
    for face, (row, column) in zip(faces, rng.integers(0, 9, (N, 2)), strict=True):
        face[row : row + 4, column : column + 4] = True
    noise = rng.normal(size=(3, N, SIZE, SIZE))
    maps = {
        (TRAINED, "lime"): noise[0],
        (INITIAL, "lime"): noise[1],
        (TRAINED, "occlusion"): faces - 0.2,
        (INITIAL, "occlusion"): noise[2],
    }
    stems, frames = np.array([f"{number:02d}" for number in range(N)]), np.ones_like(faces)
    return Explained("toy", np.arange(N), N, stems, np.arange(N), faces, frames, np.full(N, 0.9), maps, {})


def test_the_share_in_a_face_by_hand():
    map_ = np.array([[4.0, 1, 0], [4, 2, -3], [0, 1, 5]])
    face = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
    frame = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0]], bool)
    assert share_in_face(map_, face, frame) == pytest.approx(7 / 12)
    assert np.isnan(share_in_face(-np.abs(map_), face, frame))


def test_the_share_in_shifted_faces_is_the_mean_over_all_shifts():
    rng = np.random.default_rng(1)
    map_, face, frame = rng.normal(size=(9, 9)), np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    face[3:6, 1:5] = frame[2:7] = True
    shifts = [(down, right) for down in range(5) for right in range(9)]
    shares = []
    for shift in shifts:
        moved = np.zeros_like(face)
        moved[2:7] = np.roll(face[2:7], shift, axis=(0, 1))
        shares.append(share_in_face(map_, moved, frame))
    assert share_in_shifted_faces(face, frame) == pytest.approx(np.mean(shares))


def test_planted_maps_are_told_from_noise(explained):
    images = localisation.image_table(explained)
    found = localisation.localisation_table(images, explained, 200, 0).set_index(["weights", "method"])
    assert found.loc[(TRAINED, "occlusion"), "in_face"] == 1
    assert found["in_shifted_faces"].to_numpy() == pytest.approx(16 / SIZE**2)
    low, high = found["ci_low"], found["ci_high"]
    assert low[TRAINED, "occlusion"] > 0.8
    for key in ((TRAINED, "lime"), (INITIAL, "lime"), (INITIAL, "occlusion")):
        assert low[key] < 0 < high[key]
    against = localisation.comparison_table(images, explained, 200, 0).set_index(["method", "control"])
    assert (against.loc["occlusion", "ci_low"] > 0.5).all()
    assert against.loc[("lime", INITIAL), "ci_low"] < 0 < against.loc[("lime", INITIAL), "ci_high"]
    assert against["rho"].abs().max() < 0.5
    tables = {"localisation": found.reset_index(), "comparisons": against.reset_index()}
    about = localisation.summarise(tables, explained)
    assert (
        about["maps"]["occlusion"]["minus"]["initial"]["difference"]
        == against.loc[("occlusion", INITIAL), "difference"]
    )
    assert set(about["maps"]) == {"lime", "occlusion"}


def test_a_map_without_a_positive_part_is_left_out(explained):
    explained.maps[TRAINED, "lime"][:5] = -1.0
    images = localisation.image_table(explained)
    found = localisation.localisation_table(images, explained, 50, 0).set_index(["weights", "method"])
    assert found.loc[(TRAINED, "lime"), "n_images"] == N - 5
    assert found.loc[(INITIAL, "lime"), "n_images"] == N
    against = localisation.comparison_table(images, explained, 50, 0).set_index(["method", "control"])
    assert against.loc[("lime", INITIAL), "n_images"] == N - 5


def test_the_centre_bias_peaks_in_the_middle():
    map_ = centre_bias(9)
    assert np.unravel_index(map_.argmax(), map_.shape) == (4, 4)


def test_a_face_lies_where_its_mask_does_on_the_padded_square(tmp_path):
    folder = tmp_path / "ROIs"
    folder.mkdir()
    (folder / "primate_face").mkdir()
    mask = np.zeros((20, 40), np.uint8)
    mask[5:15, 20:40] = 255
    Image.fromarray(mask).save(folder / "primate_face/a.png")
    examples = SimpleNamespace(table=pd.DataFrame({"stem": ["a", "b"], "width": [40, 40], "height": [20, 20]}))
    regions = Regions(Rois(folder), examples, 8)
    expected = np.zeros((8, 8), bool)
    expected[3:5, 4:] = True  # rows 5 to 15 of 20, below 10 rows of padding, at a fifth of the size
    np.testing.assert_array_equal(regions.faces(np.array([0]))[0], expected)
    assert regions.frames(np.array([1]))[0].any(axis=1).tolist() == [False] * 2 + [True] * 4 + [False] * 2
    assert (regions.has_face(0), regions.has_face(1)) == (True, False)


def test_a_model_whose_inputs_are_not_images_has_no_maps(values):
    with pytest.raises(NotExplained, match="images"):
        explain_model("toy", {}, torch.zeros(3, 7), None, None, values, np.arange(0), "cpu")
