"""The common layout of recorded data sets: what is written is read back, and every broken rule is one line."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from analysis.acquire.recorded import layout
from analysis.core.errors import DataError
from tests import recorded_set

PICTURE, ORIGIN = recorded_set.picture, recorded_set.ORIGIN


@pytest.fixture
def raw(tmp_path):
    recorded_set.write(tmp_path / "raw")
    return tmp_path / "raw"


def test_what_was_written_is_read_back(raw):
    found, given = layout.read_responses(raw), recorded_set.responses()
    for field in dataclasses.fields(layout.Responses):
        assert np.array_equal(getattr(found, field.name), getattr(given, field.name)), field.name
    images = layout.read_images(raw)
    assert images["image_id"].tolist() == recorded_set.images()["image_id"].tolist()
    assert (raw / "images" / images["file"][7]).read_bytes() == recorded_set.picture("image0007.png")
    assert layout.read_dissimilarities(raw) is None


def test_the_manifest_names_the_origin_and_every_file(raw):
    manifest = json.loads((raw / "manifest.json").read_text())
    assert manifest["source"] == "assembly"
    assert manifest["published"] == recorded_set.ORIGIN.files
    assert {"dataset", "url", "licence", "citation"} <= set(manifest)
    assert manifest["counts"] == {
        "units": 5, "presentations": 160, "images": 40, "images_shown": 40, "repeats": [4, 4]
    }  # fmt: skip
    assert set(manifest["files"]) == {"images.csv", "responses.nc", *(f"images/image{k:04d}.png" for k in range(40))}


def test_equal_data_give_equal_bytes(raw, tmp_path):
    recorded_set.write(tmp_path / "again")
    for path in raw.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(raw)).read_bytes()


def test_dissimilarities_are_read_back(tmp_path):
    images = recorded_set.images(4)
    given = layout.Dissimilarities(
        np.arange(12.0).reshape(2, 6), np.array(["monkey IT", "human IT"]), images["image_id"]
    )
    layout.write(tmp_path / "raw", images, given, PICTURE, "kriegeskorte92", ORIGIN)
    found = layout.read_dissimilarities(tmp_path / "raw")
    assert np.array_equal(found.distances, given.distances)
    assert found.systems.tolist() == ["monkey IT", "human IT"]
    assert found.image_ids.tolist() == images["image_id"].tolist()
    assert layout.read_responses(tmp_path / "raw") is None


def changed(field, place, value):
    given = recorded_set.responses()
    array = getattr(given, field).copy()
    if array.dtype.kind == "U":
        array = array.astype(object)
    array[place] = value
    return dataclasses.replace(given, **{field: array})


BROKEN = {
    "unknown image": (changed("image_ids", 3, "other"), "image 'other' is not among the 40 images"),
    "not a number": (changed("rates", (5, 2), np.nan), r"unit unit2, presentation 6 \(image 'image0005'\): nan"),
    "infinite": (changed("rates", (5, 2), np.inf), "unit unit2, presentation 6 .*: inf"),
    "negative": (changed("rates", (0, 0), -1), r"unit unit0, presentation 1 .*: -1\.0"),
    "unit twice": (changed("unit_ids", 1, "unit0"), "unit 'unit0' occurs twice"),
    "area": (changed("regions", 1, "V9"), "unit unit1: area 'V9' is not one of V1, V2, V4, PIT, CIT, AIT, IT"),
    "recording": (changed("recordings", 1, "a/b"), "unit unit1: recording 'a/b'"),
    "showing twice": (changed("repetitions", 40, 0), "repetition 0 of image 'image0000' occurs twice"),
    "window": (dataclasses.replace(recorded_set.responses(), window_ms=0), "window_ms = 0 must be positive"),
    "shape": (dataclasses.replace(recorded_set.responses(), rates=np.ones(9)), r"rates have shape \(9,\)"),
    "length": (dataclasses.replace(recorded_set.responses(), subjects=np.array(["Mo"])), "1 subjects for 5 units"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_responses_are_one_line_and_leave_what_was_there(case, raw):
    data, message = BROKEN[case]
    before = (raw / "manifest.json").read_bytes()
    with pytest.raises(DataError, match=message) as caught:
        layout.write(raw, recorded_set.images(), data, PICTURE, "assembly", ORIGIN)
    assert "\n" not in str(caught.value)
    assert (raw / "manifest.json").read_bytes() == before
    assert [path.name for path in raw.parent.iterdir()] == ["raw"]


def with_column(name, row, value):
    table = recorded_set.images().astype(object)
    table.loc[row, name] = value
    return table


IMAGES = {
    "no column": (recorded_set.images().drop(columns="group"), "no column group"),
    "no row": (recorded_set.images().head(0), "the table is empty"),
    "id twice": (with_column("image_id", 1, "image0000"), "image_id 'image0000' occurs twice"),
    "file twice": (with_column("file", 1, "image0000.png"), "file 'image0000.png' occurs twice"),
    "no id": (with_column("image_id", 4, None), "row 5 has no image_id"),
    "id with folder": (with_column("image_id", 4, "a/b"), "image_id 'a/b'"),
    "outside": (with_column("file", 4, "../b.png"), r"file '\.\./b\.png' lies outside"),
    "no file": (with_column("file", 4, "b.png"), r"images/b\.png not found: add it, or remove the image 'image0004'"),
    "group": (with_column("group", 4, "x"), "group 'x' of 'image0004'"),
}


@pytest.mark.parametrize("case", IMAGES)
def test_broken_tables_of_images_are_one_line(case, tmp_path):
    table, message = IMAGES[case]
    with pytest.raises(DataError, match=message) as caught:
        layout.write(tmp_path / "raw", table, recorded_set.responses(), PICTURE, "assembly", ORIGIN)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_image_is_named(tmp_path):
    def picture(name):
        return b"no image" if name == "image0009.png" else recorded_set.picture(name)

    with pytest.raises(DataError, match=r"image0009\.png of image 'image0009': not a readable image"):
        layout.write(tmp_path / "raw", recorded_set.images(), recorded_set.responses(), picture, "assembly", ORIGIN)


def test_broken_dissimilarities_are_one_line(tmp_path):
    images = recorded_set.images(4)
    good = layout.Dissimilarities(np.ones((1, 6)), np.array(["monkey IT"]), images["image_id"].to_numpy())
    for data, message in (
        (dataclasses.replace(good, distances=np.ones((1, 5))), "which have 6 pairs"),
        (dataclasses.replace(good, distances=np.full((1, 6), np.nan)), "monkey IT holds nan"),
        (dataclasses.replace(good, image_ids=np.array(["a", "b", "c", "d"])), "image 'a' is only in them"),
    ):
        with pytest.raises(DataError, match=message):
            layout.write(tmp_path / "raw", images, data, PICTURE, "kriegeskorte92", ORIGIN)


def test_without_repeats_and_variance_it_is_written_and_said(tmp_path, capsys):
    given = recorded_set.responses(repeats=1)
    given.rates[:, 3] = 7
    layout.write(tmp_path / "raw", recorded_set.images(), given, PICTURE, "assembly", ORIGIN)
    said = capsys.readouterr().out
    assert "no image was repeated" in said
    assert "1 units have constant responses" in said
    assert json.loads((tmp_path / "raw" / "manifest.json").read_text())["units_without_variance"] == ["unit3"]


def test_unlabelled_images_keep_empty_cells(tmp_path):
    table = recorded_set.images().assign(category=None, object=np.nan, group=pd.NA)
    layout.write(tmp_path / "raw", table, recorded_set.responses(), PICTURE, "assembly", ORIGIN)
    assert (layout.read_images(tmp_path / "raw")[["category", "object", "group"]] == "").all().all()


def test_normalised_responses_may_be_negative_and_say_so(tmp_path):
    given = recorded_set.responses()
    given = dataclasses.replace(given, rates=given.rates - given.rates.mean(), normalised=True)
    layout.write(tmp_path / "raw", recorded_set.images(), given, PICTURE, "assembly", ORIGIN)
    found = layout.read_responses(tmp_path / "raw")
    assert found.normalised
    np.testing.assert_array_equal(found.rates, given.rates)
