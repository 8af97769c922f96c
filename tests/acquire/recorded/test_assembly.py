"""A reader's own data: a folder of arrays, and BrainIO's files; what is wrong with them is said in one line."""

import dataclasses
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image

from analysis.acquire.recorded import assembly, layout
from analysis.core.errors import DataError
from analysis.params.recorded import Assembly
from tests import recorded_set

N_IMAGES, N_UNITS, N_REPEATS = 6, 3, 4


def entry(path: Path, **changes) -> Assembly:
    values = {"source": "assembly", "images": "all", "path": str(path), "stimuli": None, "response": "rate"}
    return Assembly(**values | {"region": "IT", "window_ms": 100} | changes)


def picture(number: int, mode: str = "RGB", size=(20, 20), **how) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, how.pop("format", "PNG"), **how)
    return out.getvalue()


def rates() -> np.ndarray:
    """Units x images x repeats; the last image had one repeat fewer."""
    values = np.random.default_rng(1).poisson(4, (N_UNITS, N_IMAGES, N_REPEATS)) * 10.0
    values[:, -1, -1] = np.nan
    return values


@pytest.fixture
def folder(tmp_path) -> Path:
    for number in range(N_IMAGES):
        kind = "face" if number < 3 else "house"
        path = tmp_path / "mine" / "images" / kind / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    np.save(tmp_path / "mine" / "responses.npy", rates())
    return tmp_path / "mine"


def acquired(one: Assembly, tmp_path) -> layout.Responses:
    assembly.acquire(one, None, tmp_path / "raw")
    return layout.read_responses(tmp_path / "raw")


def test_a_folder_of_arrays_becomes_presentations(folder, tmp_path):
    found = acquired(entry(folder), tmp_path)
    assert found.rates.shape == (N_IMAGES * N_REPEATS - 1, N_UNITS)
    images = layout.read_images(tmp_path / "raw")
    assert images["image_id"].tolist() == ["face_0", "face_1", "face_2", "house_3", "house_4", "house_5"]
    assert images["category"].tolist() == ["face"] * 3 + ["house"] * 3
    given = rates()
    for number, name in enumerate(images["image_id"]):
        rows = found.image_ids == name
        expected = given[:, number, : rows.sum()].T
        np.testing.assert_array_equal(found.rates[rows], expected)
        assert found.repetitions[rows].tolist() == list(range(rows.sum()))
    assert (set(found.regions), set(found.recordings), found.window_ms) == ({"IT"}, {"mine"}, 100)
    manifest = json.loads((tmp_path / "raw" / "manifest.json").read_text())
    assert "responses.npy" in manifest["published"]


def test_responses_without_repeats_and_counts_are_taken(folder, tmp_path):
    counts = rates()[:, :, 0] / 10
    np.save(folder / "responses.npy", counts)
    found = acquired(entry(folder, response="count", window_ms=50), tmp_path)
    np.testing.assert_array_equal(found.rates, (counts.T / 0.05).astype(np.float32))
    assert set(found.repetitions) == {0}


def test_tables_name_images_and_units(folder, tmp_path):
    files = sorted(p.relative_to(folder / "images").as_posix() for p in folder.rglob("*.png"))[::-1]
    table = {"file": files, "image_id": list("abcdef"), "category": "face", "object": "x", "group": [1, 1, 2, 2, 3, 3]}
    pd.DataFrame(table).to_csv(folder / "images.csv", index=False)
    units = {"unit_id": ["u", "v", "w"], "region": ["V4", "V4", "AIT"], "subject": "Aa"}
    pd.DataFrame(units).to_csv(folder / "units.csv", index=False)
    found = acquired(entry(folder, region=None), tmp_path)
    assert found.regions.tolist() == ["V4", "V4", "AIT"]
    assert found.unit_ids.tolist() == ["u", "v", "w"]
    images = layout.read_images(tmp_path / "raw")
    assert images["file"].tolist() == files
    np.testing.assert_array_equal(found.rates[found.image_ids == "a"], rates()[:, 0].T)
    assert images["group"].tolist() == ["1", "1", "2", "2", "3", "3"]


KINDS_OF_IMAGE = {
    "palette": {"mode": "P"},
    "grey": {"mode": "L"},
    "alpha": {"mode": "RGBA"},
    "wide": {"size": (300, 17)},
    "one pixel": {"size": (1, 1)},
    "jpeg": {"format": "JPEG"},
    "16 bit": {"mode": "I;16"},
}


@pytest.mark.parametrize("kind", KINDS_OF_IMAGE)
def test_images_of_any_kind_and_size_are_taken(folder, tmp_path, kind):
    (folder / "images" / "face" / "1.png").write_bytes(picture(9, **KINDS_OF_IMAGE[kind]))
    acquired(entry(folder), tmp_path)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[assembly.ORIENTATION] = orientation
    return tags


def test_an_image_that_viewers_turn_is_refused(folder, tmp_path):
    (folder / "images" / "face" / "1.png").write_bytes(picture(9, format="JPEG", exif=exif(1)))
    acquired(entry(folder), tmp_path)
    (folder / "images" / "face" / "1.png").write_bytes(picture(9, format="JPEG", exif=exif(6)))
    with pytest.raises(DataError, match=r"face/1\.png.*EXIF orientation 6"):
        acquired(entry(folder), tmp_path)


def broken(value: float, place=(1, 2, 0)):
    def change(folder: Path) -> None:
        values = rates()
        values[place] = value
        np.save(folder / "responses.npy", values)

    return change


def whole(folder: Path) -> None:
    np.save(folder / "responses.npy", rates()[:, :4])


def unknown_file(folder: Path) -> None:
    pd.DataFrame({"file": [*(f"face/{n}.png" for n in range(3)), "x.png"]}).to_csv(folder / "images.csv", index=False)


def twice(folder: Path) -> None:
    files = sorted(p.relative_to(folder / "images").as_posix() for p in folder.rglob("*.png"))
    pd.DataFrame({"file": files, "image_id": list("abcdea")}).to_csv(folder / "images.csv", index=False)


def no_image(folder: Path) -> None:
    (folder / "images" / "face" / "1.png").write_bytes(b"no image")


def pickled(folder: Path) -> None:
    np.save(folder / "responses.npy", np.array([{}], object), allow_pickle=True)


def units(text: str):
    return lambda folder: (folder / "units.csv").write_text(text, encoding="utf-8")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "images.csv")


WRONG = {
    "misspelt column": (units("regon\nV4\nV4\nV4\n"), {}, "column 'regon' means nothing; did you mean 'region'"),
    "column twice": (units("region,region\nV4,IT\nV4,IT\nV4,IT\n"), {}, "two columns are named 'region'"),
    "short row": (units("unit_id,region\na,V4\nb\nc,V4\n"), {}, "row 2 has 1 cell for 2 columns"),
    "semicolons": (units("unit_id;region\na;V4\nb;V4\nc;V4\n"), {}, "columns are separated by ';'"),
    "pipe": (pipe, {}, "is a device or pipe"),
    "negative": (broken(-10), {}, r"unit unit002, presentation 9 \(image 'face_2'\): -10"),
    "infinite": (broken(np.inf), {}, r"unit unit002, presentation 9 \(image 'face_2'\): inf"),
    "half a spike": (broken(0.5), {"response": "count"}, r"0\.5 is not a spike count"),
    "fewer responses": (whole, {}, "6 images for responses to 4"),
    "unknown file": (unknown_file, {}, r"no file x\.png"),
    "id twice": (twice, {}, "'a' occurs twice"),
    "no image": (no_image, {}, r"face/1\.png.*not a readable image"),
    "pickle": (pickled, {}, r"responses\.npy: not a readable \.npy file"),
    "no area": (lambda folder: None, {"region": None}, "set region"),
    "no window": (lambda folder: None, {"window_ms": None}, "set window_ms"),
    "unit of its own": (broken(np.nan, (1, 2)), {}, "image 'face_2'.*unit unit002 is NaN"),
    "nothing": (broken(np.nan, (slice(None), 2)), {}, "image 'face_2' has no response"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_lost(folder, tmp_path, case):
    acquired(entry(folder), tmp_path)
    before = {p: p.read_bytes() for p in (tmp_path / "raw").rglob("*.*")}
    change, values, said = WRONG[case]
    change(folder)
    with pytest.raises(DataError, match=said) as caught:
        acquired(entry(folder, **values), tmp_path)
    assert "\n" not in str(caught.value)
    assert {p: p.read_bytes() for p in (tmp_path / "raw").rglob("*.*")} == before


def test_a_showing_without_some_unit_is_left_out_and_said(folder, tmp_path, capsys):
    broken(np.nan)(folder)
    found = acquired(entry(folder), tmp_path)
    assert len(found.rates) == N_IMAGES * N_REPEATS - 2
    assert found.repetitions[found.image_ids == "face_2"].tolist() == [0, 1, 2]
    assert "1 of 23 presentations lack responses" in capsys.readouterr().out


@pytest.fixture
def files(tmp_path) -> Path:
    """An assembly and a stimulus set, of the made-up data set."""
    given, images = recorded_set.responses(), recorded_set.images()
    array = xr.DataArray(
        given.rates.T[:, :, None],
        dims=("neuroid", "presentation", "time_bin"),
        coords={
            "neuroid_id": ("neuroid", given.unit_ids),
            "region": ("neuroid", given.regions),
            "animal": ("neuroid", given.subjects),
            "stimulus_id": ("presentation", given.image_ids),
            "repetition": ("presentation", given.repetitions + 1),
            "time_bin_start": ("time_bin", [70]),
            "time_bin_end": ("time_bin", [170]),
        },
        name="data",
    )
    array.to_dataset().to_netcdf(tmp_path / "assy.nc", engine="h5netcdf")
    table = {"stimulus_id": images["image_id"], "filename": images["file"], "background_id": images["group"]}
    kind = images["category"].map({"face": "Faces", "car": "Cars"})
    pd.DataFrame(table | {"category_name": kind, "object_name": images["object"]}).to_csv(
        tmp_path / "stimuli.csv", index=False
    )
    with zipfile.ZipFile(tmp_path / "stimuli.zip", "w") as archive:
        for name, data in recorded_set.files().items():
            archive.writestr(name, data)
    return tmp_path


def of_brainio(files: Path, **changes) -> Assembly:
    return entry(files / "assy.nc", stimuli=str(files / "stimuli.csv"), region=None, window_ms=None, **changes)


def test_an_assembly_is_read_as_it_was_written(files):
    found, given = acquired(of_brainio(files), files), recorded_set.responses()
    for field in dataclasses.fields(layout.Responses):
        if field.name != "recordings":
            assert np.array_equal(getattr(found, field.name), getattr(given, field.name)), field.name
    images = layout.read_images(files / "raw")
    assert images["category"].tolist() == ["Cars", "face"] * 20
    groups = images["group"].astype(int)
    assert (groups.groupby(recorded_set.images()["group"].to_numpy()).nunique() == 1).all()
    assert groups.nunique() == recorded_set.images()["group"].nunique()


def test_images_may_lie_in_a_folder(files):
    with zipfile.ZipFile(files / "stimuli.zip") as archive:
        archive.extractall(files / "stimuli")
    (files / "stimuli.zip").unlink()
    assert len(acquired(of_brainio(files), files).rates) == 160


def rewritten(files: Path, change) -> None:
    with xr.open_dataset(files / "assy.nc", engine="h5netcdf") as dataset:
        dataset.load()
    change(dataset).to_netcdf(files / "assy.nc", engine="h5netcdf")


def same_repetition(dataset: xr.Dataset) -> xr.Dataset:
    dataset["repetition"][:] = 1
    return dataset


def another_image(dataset: xr.Dataset) -> xr.Dataset:
    names = dataset["stimulus_id"].values.astype(str)
    return dataset.assign_coords(stimulus_id=("presentation", np.where(names == "image0003", "x", names)))


WRONG_FILES = {
    "two bins": (lambda d: xr.concat([d, d], "time_bin", data_vars="minimal"), "time_bin 2"),
    "unknown image": (another_image, "image 'x' is not among"),
    "unit twice": (lambda d: d.assign_coords(neuroid_id=("neuroid", ["u"] * 5)), "'u' occurs twice"),
    "repetition twice": (same_repetition, "repetition 1 of image 'image0000' occurs twice"),
    "no area": (lambda d: d.drop_vars("region"), "set region"),
    "no window": (lambda d: d.drop_vars("time_bin_start"), "set window_ms"),
    "no image": (lambda d: d.drop_vars("stimulus_id"), "missing column stimulus_id or image_id"),
    "negative": (lambda d: d - 10, "give finite rates of 0 or more"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_what_is_wrong_with_an_assembly_is_said(files, case):
    change, said = WRONG_FILES[case]
    rewritten(files, change)
    with pytest.raises(DataError, match=said) as caught:
        acquired(of_brainio(files), files)
    assert "\n" not in str(caught.value)


def test_normalised_responses_may_be_negative(files):
    rewritten(files, lambda d: d - 10)
    assert acquired(of_brainio(files, response="normalised"), files).rates.min() < 0


def test_damaged_files_are_named(files):
    with pytest.raises(DataError, match="set stimuli"):
        acquired(entry(files / "assy.nc"), files)
    (files / "stimuli.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"stimuli\.zip: not a readable zip archive"):
        acquired(of_brainio(files), files)
    (files / "assy.nc").write_bytes(b"CDF")
    with pytest.raises(DataError, match=r"assy\.nc: not a readable netCDF-4 file"):
        acquired(of_brainio(files), files)
    with pytest.raises(DataError, match=r"none\.nc not found"):
        acquired(entry(files / "none.nc"), files)
