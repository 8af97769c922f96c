"""The summary of a recording on one screen, and its page of pictures."""

import io
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.recordings.read import open_recording
from analysis.recordings.stage import one_recording
from analysis.stimuli.read import COLUMNS
from analysis.tools.inspect import find, inspect, summary


@pytest.fixture
def written(pair, annotations, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main, rasters = pair.write(paths.DANDISET / "sub-An")
    out = paths.RECORDINGS / "corrected" / "An220105.nc"
    one_recording(main, rasters, annotations, out, "corrected")
    return out


def test_summary_says_what_the_file_holds(written, capsys):
    inspect("An220105", plot=False, out=None)
    text = capsys.readouterr().out
    assert len(text.splitlines()) <= 24
    assert "monkey An" in text
    assert "2 of 10.0 x 5.0 dva, 3 presentations" in text
    assert "8 in the file, 7 in trials with an image, 7 on the image, 5 selected" in text
    recording = open_recording(written)
    rate = np.median(recording["overall_rate"].values[:2])
    (line,) = (line for line in text.splitlines() if line.startswith("AIT"))
    assert line.split()[1:5] == ["2", str(int(recording["stable"][:2].sum())), "58", f"{rate:.1f}"]  # 40 and 75 ms
    assert line.endswith("unlabelled")
    assert re.search(r"^V1 +1 ", text, re.M)


def test_page_is_written_twice_alike(written, tmp_path):
    paths.STIMULI_ARCHIVE.mkdir(parents=True)
    with zipfile.ZipFile(paths.STIMULI_ARCHIVE / "Stimuli.zip", "w") as archive:
        for name in ("aa.png", "bb.jpg"):
            held = io.BytesIO()
            Image.new("RGB", (100, 50), (200, 30, 30)).save(held, "PNG")
            archive.writestr(f"Stimuli/{name}", held.getvalue())
    paths.STIMULI.mkdir(parents=True)
    np.save(paths.STIMULI / "images.npy", np.zeros((2, 3, 8, 8), np.uint8))
    table = pd.DataFrame({"stem": ["aa", "bb"], "category": ["face", "none"]})
    table.reindex(columns=COLUMNS, fill_value=0).assign(annotated=True).to_csv(
        paths.STIMULI / "images.csv", index=False
    )
    pages = [tmp_path / "a.png", tmp_path / "b.png"]
    for page in pages:
        inspect(str(written), plot=True, out=page)
    assert pages[0].read_bytes() == pages[1].read_bytes()
    pixels = np.asarray(Image.open(pages[0]).convert("RGB")).reshape(-1, 3)
    assert (np.abs(pixels.astype(int) - (200, 30, 30)).max(axis=1) < 8).mean() > 0.01  # the image lies under the gaze


def test_page_without_rasters_and_images(written, tmp_path):
    for path in paths.DANDISET.glob("*/*"):
        path.unlink()
    inspect("An220105", plot=True, out=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_unknown_recording_and_foreign_file(written, tmp_path):
    with pytest.raises(DataError, match=r"no recording 'An220106'.*An220105"):
        find("An220106", "corrected")
    with pytest.raises(DataError, match=r"none\.nc not found"):
        inspect("none.nc", plot=False, out=None)
    open_recording(written).drop_vars("rsc").to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    with pytest.raises(DataError, match=r"old.nc is damaged \(no rsc\): run the stage recordings again"):
        inspect(str(tmp_path / "old.nc"), plot=False, out=None)
    with pytest.raises(DataError, match=r"ends in \.png"):
        inspect("An220105", plot=True, out=tmp_path / "page.tiff")


def test_real_recording(reference, tmp_path):
    stem = reference / "000628/sub-An/sub-An_ses-20220105T173929"
    out = tmp_path / "an.nc"
    main = stem.with_name(stem.name + "_image.nwb")
    one_recording(main, stem.with_suffix(".nwb"), reference / "annotations", out, "corrected")
    text = "\n".join(summary(open_recording(out)))
    assert "6433 in the file, 6157 in trials with an image, 3720 on the image, 3426 selected" in text
    assert "35, 35 stable, 12 visually selective" in text
    assert "1581 of fixations on one image at most 1 dva apart, 1033 of them across trials" in text


def test_a_recording_of_presented_images_has_a_summary_and_no_page(tmp_path, capsys):
    from analysis.core.files import hdf5

    values = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 4.0]])
    flags = np.ones(3, bool)
    presented = xr.Dataset(
        {"rate": (("fixation", "unit"), values, {"units": "spikes/s"})},
        {
            "trial": ("fixation", [0, 1, 2]), "stimulus_id": ("fixation", ["a", "b", "a"]),
            "selected": ("fixation", flags), "unit": ["u0", "u1"], "neuroid_id": ("unit", ["n0", "n1"]),
            "region": ("unit", ["V4", "V4"]), "stable": ("unit", [True, False]),
        },
        {"recording": "PE210325", "subject": "PE"},
    )  # fmt: skip
    path = tmp_path / "PE210325.nc"
    hdf5.write_dataset(presented, path)
    inspect(str(path), plot=False, out=None)
    text = capsys.readouterr().out
    assert "images     2, 3 presentations, 3 selected" in text
    assert "V4         2       1       3.5" in text  # the median of 3 and 4
    with pytest.raises(DataError, match=r"PE210325\.nc is not a free-viewing recording: omit --plot"):
        inspect(str(path), plot=True, out=tmp_path / "x.png")
