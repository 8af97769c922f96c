"""Regions, face-selectivity index and gaze-contingent patches, worked out by hand."""

import numpy as np
import pytest
from PIL import Image

from analysis.core.errors import DataError
from analysis.params.protocol import CORRECTED
from analysis.recordings.annotations import Annotations
from analysis.recordings.build import Processing, build_recording
from analysis.recordings.face_selectivity import face_selectivity_index
from analysis.recordings.gaze_patches import patch, patches_at
from analysis.recordings.naming import Files
from analysis.recordings.rois import Rois, categorise

SIZE, PPD = np.array([100, 50]), np.array([10.0, 10.0])


@pytest.fixture
def folder(tmp_path):
    """Image aa: mask `face` in columns 60-69, rows 20-29. bb: boxes `face` in a frame twice as large. cc: other."""
    rois = tmp_path / "ROIs"
    for category in ("face", "pareidolia"):
        (rois / category).mkdir(parents=True)
    mask = np.zeros((50, 100), np.uint8)
    mask[20:30, 60:70] = 255
    Image.fromarray(mask).save(rois / "face" / "aa.png")
    Image.fromarray(mask).save(rois / "pareidolia" / "cc.jpg", quality=60)
    (rois / "face.csv").write_text("Filename,x,y,w,h,W,H\nbb.jpg,20,40,40,20,200,100\nbb.jpg,100,0,10,10,200,100\n")
    return rois


def points(*pairs):
    return np.array(pairs)


def test_mask_widened_in_all_directions(folder):
    rois = Rois(folder)
    where = points((60, 20), (59, 20), (57, 20), (56, 20), (57, 17), (58, 18), (65, 25))
    assert rois.inside("aa", "face", where, SIZE, np.zeros(7, int)).tolist() == [True, *[False] * 5, True]
    assert rois.inside("aa", "face", where, SIZE, np.full(7, 3)).tolist() == [
        True,
        True,
        True,
        False,
        False,
        True,
        True,
    ]


def test_points_beyond_the_image_reach_a_widened_mask(folder):
    Image.fromarray(np.full((50, 100), 255, np.uint8)).save(folder / "face" / "dd.png")
    inside = Rois(folder).inside("dd", "face", points((-2, 10), (-3, 10), (101, 51), (5000, 5000)), SIZE, np.full(4, 2))
    assert inside.tolist() == [True, False, False, False]  # (101, 51) is 2 * sqrt(2) from the corner (99, 49)


def test_boxes_are_scaled_to_the_image_and_widened(folder):
    rois = Rois(folder)
    # First box: x 10-30, y 20-30; second: x 50-55, y 0-5.
    where = points((10, 20), (30, 30), (31, 30), (52, 3), (9, 19))
    assert rois.inside("bb", "face", where, SIZE, np.zeros(5, int)).tolist() == [True, True, False, True, False]
    assert rois.inside("bb", "face", where, SIZE, np.ones(5, int)).tolist() == [True] * 5


def test_masks_are_scaled_to_the_image_as_shown(folder):
    where = points((120, 40), (139, 59), (141, 59))
    assert Rois(folder).inside("aa", "face", where, 2 * SIZE, np.zeros(3, int)).tolist() == [True, True, False]


def test_field_decides_not_gaze(folder):
    # Gaze on the image centre (50, 25); the face of aa lies 1-1.9 dva to the right.
    stimulus, xy = np.array(["aa", "aa", "cc", "none"]), np.array([[0, 0], [0, 2.0], [1.5, 0], [0, 0]], float)
    rf = np.array([[1.5, 0.0, 0.0], [0.0, 0.0, 2.0], [np.nan, np.nan, np.nan]])
    face, non_face = categorise(Rois(folder), np.array(["aa", "cc", "none"]), stimulus, xy, rf, SIZE, PPD)
    # Unit 0 looks at the face. Unit 1 looks at the centre, widened by half of its 2 dva: 10 px reach it.
    assert face.tolist() == [[True, True, False], [False, False, False], [False] * 3, [False] * 3]
    # cc shows pareidolia at (65, 25): unit 1 is on it, unit 0 (80, 25) is beside; unit 2 has no field.
    assert non_face.tolist() == [[False] * 3, [True, True, False], [True, False, False], [True, True, False]]


def test_y_points_up(folder):
    mask = np.zeros((50, 100), np.uint8)
    mask[0:10, 45:56] = 255  # top of the image
    Image.fromarray(mask).save(folder / "face" / "top.png")
    arguments = (np.array(["top"] * 2), np.array([[0, 2.0], [0, -2.0]]), np.zeros((1, 3)), SIZE, PPD)
    face, _ = categorise(Rois(folder), np.array(["top"]), *arguments)
    assert face.tolist() == [[True], [False]]


def test_recording_without_regions_is_unlabelled(folder):
    face, non_face = categorise(
        Rois(folder), np.array(["xx", "yy"]), np.array(["xx"]), np.zeros((1, 2)), np.zeros((1, 3)), SIZE, PPD
    )
    assert not face.any()
    assert not non_face.any()


def test_index_by_hand():
    rate = np.array([[10.0, 0, 5], [30, 0, 5], [10, 0, 5]])
    face = np.array([[True] * 3, [True] * 3, [False] * 3])
    index = face_selectivity_index(rate, face, ~face)
    assert index[0] == pytest.approx((20 - 10) / 30)
    assert np.isnan(index[1])
    assert index[2] == 0
    assert np.isnan(face_selectivity_index(rate, face & False, ~face)).all()


def test_index_of_a_recording(pair, annotations, tmp_path, folder):
    # Zeroth fixations: row 0 on bb at (0, 0), row 6 on bb at (0, 2.0). Unit 1 has its field at (0.5, -1), radius 2.
    main, rasters = pair.write(tmp_path / "files")
    (folder / "face.csv").write_text("Filename,x,y,w,h,W,H\nbb.png,50,30,10,10,100,50\n")
    tables = Annotations(annotations).of("An220105")
    recording = build_recording(
        Files("An220105", "An", main, rasters), tables, Rois(folder), Processing(CORRECTED, permutations=99)
    )
    counts = pair.counts()[:, 0]  # latency 40
    face, other = counts[1240:1390].sum(), counts[7240:7390].sum()
    # (50 + 5, 25 + 10) is on the box; (55, 15) is 15 px above it, more than half of 2 dva = 10 px.
    assert recording["n_face"].values.tolist() == [1, 0, 0]
    assert recording["n_non_face"].values.tolist() == [1, 0, 0]
    assert recording["fsi"].values[0] == pytest.approx((face - other) / (face + other))


def test_unreadable_mask_is_named(folder):
    (folder / "face" / "aa.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"aa\.png is damaged .* fetch the published annotations again"):
        Rois(folder).inside("aa", "face", points((1, 1)), SIZE, np.zeros(1, int))


def ramp():
    """An image as shown 100 x 50: red = column, green = row, blue 7."""
    image = np.zeros((50, 100, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = np.arange(100)[None], np.arange(50)[:, None], 7
    return Image.fromarray(image)


def test_patch_is_centred_and_upright():
    cut = patch(ramp(), (1.0, 0.5), SIZE, PPD, 40)  # centre column 60, row 20: columns 40-79, rows 0-39
    assert cut.shape == (3, 40, 40)
    np.testing.assert_array_equal(cut[0], np.tile(np.arange(40, 80), (40, 1)))
    np.testing.assert_array_equal(cut[1], np.tile(np.arange(40)[:, None], (1, 40)))


def test_patch_is_grey_outside():
    cut = patch(ramp(), (-5.0, 2.5), SIZE, PPD, 40)  # centre on the top left corner
    assert (cut[:, :20] == 128).all()
    assert (cut[:, :, :20] == 128).all()
    np.testing.assert_array_equal(cut[0, 20:, 20:], np.tile(np.arange(20), (20, 1)))
    assert (patch(ramp(), (500.0, 0.0), SIZE, PPD, 16) == 128).all()


def test_patch_uses_each_axis_its_own_pixels_per_degree():
    cut = patch(ramp(), (1.0, 1.0), SIZE, np.array([10.0, 5.0]), 40)  # columns 40-79, rows 10-29
    assert cut[0, 0, [0, -1]].tolist() == [40, 79]
    assert cut[1, [0, -1], 0].tolist() == [10, 29]


def test_patch_of_an_image_stored_smaller_than_shown():
    small = ramp().resize((50, 25), Image.Resampling.BOX)
    whole, half = patch(ramp(), (0.0, 0.0), SIZE, PPD, 8), patch(small, (0.0, 0.0), SIZE, PPD, 8)
    assert np.abs(whole.astype(int) - half).max() <= 1


def test_patches_of_a_recording(pair, annotations, tmp_path):
    main, rasters = pair.write(tmp_path / "files")
    tables = Annotations(annotations).of("An220105")
    recording = build_recording(
        Files("An220105", "An", main, rasters), tables, Rois(tmp_path), Processing(CORRECTED, permutations=99)
    )
    opened = []
    field = np.array([0.5, -1.0])
    cut = patches_at(lambda stem: opened.append(stem) or ramp(), recording, field, 40)
    assert cut.shape == (recording.sizes["fixation"], 3, 40, 40)
    assert opened == ["aa", "bb"]
    gaze = np.array([recording["x_dva"][1], recording["y_dva"][1]], float)
    np.testing.assert_array_equal(cut[1], patch(ramp(), tuple(gaze + field), SIZE, PPD, 40))
