"""The example recording and the thumbnails that the stage ``summary`` leaves for the page."""

import base64
import io
import json

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image

from analysis.core.errors import DataError
from analysis.recordings import netcdf
from analysis.summary import example

IMAGES, RECORDING, SESSION = 24, "Aa000003", "sub-Aa_ses-20000003T000000"
STEMS = [f"{i:032x}" for i in range(IMAGES)]


def write_stimuli(category: list[str]) -> None:
    folder = example.paths.STIMULI
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", np.random.default_rng(8).integers(0, 256, (IMAGES, 3, 32, 32), np.uint8))
    columns = {"path": "", "extension": ".png", "width": 320, "height": 240, "label": "non-face", "annotated": True}
    columns |= {"group": 0, "split": "train", "label_report": "non-face", "split_report": "train"}
    pd.DataFrame({"stem": STEMS, "category": category}).assign(**columns).to_csv(folder / "images.csv", index=False)


def write_recording() -> None:
    """Write 40 presentations of 8 images with 3 fixations each; the second of 3 units is unstable."""
    trial = np.repeat(np.arange(40), 3)
    onset = 1000.0 * trial + np.tile([0, 200, 400], 40) + 50
    position = np.random.default_rng(8).normal(0, 3, (2, 120))
    fixations = {
        "trial": trial,
        "onset_ms": onset,
        "offset_ms": onset + 150,
        "selected": np.tile([True, True, False], 40),
        "x_dva": position[0],
        "y_dva": position[1],
        "stimulus_id": np.array(STEMS)[trial % 8],
    }
    units = {"unit": ["1a", "2a", "40a"], "stable": ("unit", [True, False, True])}
    units["region"] = ("unit", ["AIT", "CIT", "CIT"])
    units["neuroid_id"] = ("unit", [f"{RECORDING}-{unit}" for unit in units["unit"]])
    attrs = {
        "image_width_px": 320.0,
        "image_height_px": 240.0,
        "session": SESSION,
        "recording": RECORDING,
        "subject": "Aa",
    }
    attrs |= {"pixels_per_degree_x": 20.0, "pixels_per_degree_y": 20.0}
    rate = {"rate": (("fixation", "unit"), np.zeros((120, 3), np.float32))}
    coordinates = {name: ("fixation", values) for name, values in fixations.items()} | units
    netcdf.write(xr.Dataset(rate, coordinates, attrs), example.paths.RECORDINGS / "corrected" / f"{RECORDING}.nc")


def write_rasters() -> None:
    """Write rasters in which the last unit, but not the first, spikes 10 ms after the first fixation."""
    counts = (np.random.default_rng(9).random((41_000, 3)) < 0.01).astype(np.uint8)
    counts[60] = [0, 0, 1]
    path = example.paths.DANDISET / f"sub-Aa/{SESSION}.nwb"
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        file["session_start_time"] = "2000-01-01T00:00:00"
        file["processing/ecephys/unit_names/unit_name"] = ["1a", "2a", "40a"]
        file.create_dataset("processing/ecephys/rasters/data", data=counts, chunks=(41_000, 1), compression="gzip")


@pytest.fixture
def rdms(tmp_path, monkeypatch):
    """Return the path of RDMs of the recording, in a working folder that holds all data."""
    monkeypatch.chdir(tmp_path)
    category = ["face", "none"] * (IMAGES // 2)
    write_stimuli(category)
    write_recording()
    write_rasters()
    images = {"stem": ("image", STEMS), "category": ("image", category)}
    rdms = {name: (("image", "other"), np.zeros((IMAGES, IMAGES))) for name in ("model_rdm", "neural_rdm")}
    netcdf.write(xr.Dataset(rdms, images, {"recording": RECORDING}), tmp_path / "rdms.nc")
    return tmp_path / "rdms.nc"


def written() -> dict:
    return json.loads((example.paths.RESULTS / example.FILE).read_text())


def test_gaze_and_spikes_are_those_of_the_recording(rdms):
    example.write(rdms)
    recording = written()["recording"]
    assert recording["name"] == RECORDING
    assert [unit["name"] for unit in recording["units"]] == ["40a", "1a"]  # by area, without the unstable unit
    assert recording["size_dva"] == [16, 12]
    assert [len(image["presentations"]) for image in recording["images"]] == [4] * 6
    first = next(image for image in recording["images"] if image["stem"] == STEMS[0])["presentations"][0]
    assert [fixation[2:] for fixation in first["fixations"]] == [[0, 150, True], [200, 350, True], [400, 550, False]]
    assert first["window"] == [-100, 650]
    assert 10 in first["spikes"][0]
    assert 10 not in first["spikes"][1]


def test_images_alternate_between_categories_and_start_with_one(rdms):
    example.write(rdms)
    assert [image["category"] for image in written()["recording"]["images"]] == ["face", "none"] * 3


def test_pictures_have_no_padding_and_thumbnails_are_small(rdms, monkeypatch):
    monkeypatch.setattr(example, "THUMBNAIL_PX", 16)
    example.write(rdms)
    sizes = {
        Image.open(io.BytesIO(base64.b64decode(jpeg))).size
        for jpeg in (written()["recording"]["images"][0]["jpeg"], written()["thumbnails"][STEMS[0]])
    }
    assert sizes == {(32, 24), (16, 12)}


def test_thumbnails_are_spread_over_the_categories(rdms, monkeypatch):
    monkeypatch.setattr(example, "MOST_THUMBNAILS", 12)
    example.write(rdms)
    assert sorted(written()["thumbnails"]) == sorted(STEMS[0::4] + STEMS[1::4])


def test_an_image_that_is_not_at_hand_has_no_thumbnail(rdms):
    table = pd.read_csv(example.paths.STIMULI / "images.csv")
    table["stem"] = table["stem"].replace(STEMS[3], "f" * 32)
    table.to_csv(example.paths.STIMULI / "images.csv", index=False)
    example.write(rdms)
    assert [stem for stem, jpeg in written()["thumbnails"].items() if jpeg is None] == [STEMS[3]]


def test_the_same_bytes_twice(rdms):
    example.write(rdms)
    first = (example.paths.RESULTS / example.FILE).read_bytes()
    example.write(rdms)
    assert (example.paths.RESULTS / example.FILE).read_bytes() == first


def test_rasters_that_are_not_at_hand_are_named(rdms):
    path = example.paths.DANDISET / f"sub-Aa/{SESSION}.nwb"
    path.unlink()
    example.write(rdms)
    assert written()["recording"] is None
    assert written()["missing"] == str(path)
    assert len(written()["thumbnails"]) == IMAGES


def test_a_recording_that_is_gone_is_an_error_that_names_it(rdms):
    (example.paths.RECORDINGS / "corrected" / f"{RECORDING}.nc").unlink()
    with pytest.raises(DataError, match=rf"corrected/{RECORDING}\.nc"):
        example.write(rdms)


def test_without_a_compared_model_nothing_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example.write(None)
    assert (written()["recording"], written()["thumbnails"]) == (None, {})
