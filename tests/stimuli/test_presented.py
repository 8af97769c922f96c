"""Images of recorded data sets, in the form of the experiment."""

import numpy as np
import pandas as pd
import pytest

from analysis import params
from analysis.acquire.recorded import layout
from analysis.core.errors import DataError
from analysis.core.files import write_csv
from analysis.stimuli import presented
from analysis.stimuli.read import COLUMNS, read_images, read_missing, read_table
from tests import recorded_set
from tests.project import ROOT

VALUES = params.load(ROOT / "params.yaml")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Return a function that writes a table of images with the made-up responses, and runs the stage on it."""
    monkeypatch.chdir(tmp_path)

    def run(table, dataset="v4", other=None):
        data, given = tmp_path / "data/raw", recorded_set.responses()
        layout.write(data, table, given, recorded_set.picture, "assembly", recorded_set.ORIGIN)
        if other is not None:
            (data / "training").mkdir()
            for file in other["file"]:
                (data / "training" / file).write_bytes(recorded_set.picture("image0001.png"))
            write_csv(data / "training.csv", other)
        presented.run(VALUES, dataset)
        return read_table()

    return run


def test_images_are_padded_labelled_and_split_by_group(made):
    table = made(recorded_set.images())
    assert list(table.columns) == COLUMNS
    assert table["stem"].tolist() == recorded_set.images()["image_id"].tolist()
    assert (table["label"] == np.where(np.arange(40) % 2, "face", "non-face")).all()
    assert ((table["width"] == 48) & (table["height"] == 48)).all()
    assert read_images().shape == (40, 3, 112, 112)
    assert (table.groupby("group")["split"].nunique() == 1).all()
    assert table.groupby("group").size().tolist() == [2] * 20
    assert table.groupby(["label", "split"]).size().to_dict() == {
        (label, split): n
        for label in ("face", "non-face")
        for split, n in (("test", 4), ("train", 12), ("validation", 4))
    }
    assert read_missing().empty


def test_images_without_a_category_are_unlabelled_and_without_a_group_alone(made):
    table = made(recorded_set.images().assign(group="", category=["", *recorded_set.images()["category"][1:]]))
    assert (table["label"][0], table["category"][0], bool(table["annotated"][0])) == ("unlabelled", "none", False)
    assert table["group"].tolist() == list(range(40))


def test_images_of_other_shapes_are_centred_on_grey(made, monkeypatch, picture):
    wide = picture((250, 10, 20), (40, 20))
    monkeypatch.setattr(recorded_set, "picture", lambda name: wide)
    table = made(recorded_set.images())
    assert (table["width"] == 40).all()
    assert read_images()[3][:, 0, 0].tolist() == [128] * 3
    assert read_images()[3][:, 56, 0].tolist() == [250, 10, 20]


def objects():
    """Images of three objects, every tenth without a category."""
    kind = np.array(["bear", "face", "plane"])[np.arange(40) % 3]
    return recorded_set.images().assign(group="", category=np.where(np.arange(40) % 10, kind, ""))


def test_the_label_of_the_object_task_is_the_category(made):
    table = made(objects(), "v4_objects")
    assert set(table["label"]) == {"bear", "face", "plane", "unlabelled"}
    assert (table["label"] == objects()["category"].replace("", "unlabelled")).all()
    assert (table["label_report"] == table["label"]).all()
    faces = made(objects(), "v4")
    assert set(faces["label"]) == {"face", "non-face", "unlabelled"}
    assert (faces["split"] == table["split"]).all()


def test_images_of_one_object_on_one_scene_stay_in_one_split_of_the_object_task(made):
    kind = np.array(["bear", "car", "face", "plane"])[np.arange(40) // 2 % 4]
    table = made(recorded_set.images().assign(category=kind, group=np.arange(40) // 2), "v4_objects")
    assert (table.groupby("group")["split"].nunique() == 1).all()
    assert (table.groupby("label")["split"].nunique() == 3).all()


@pytest.mark.parametrize(
    ("category", "said"),
    [("car", "two categories or more; all are of the category 'car': set"), ("", "or more; none has a category: set")],
)
def test_a_single_object_is_no_task(made, category, said):
    with pytest.raises(DataError, match=said):
        made(recorded_set.images().assign(category=category), "v4_objects")


def test_other_images_to_train_on_are_split_and_the_own_are_not(made):
    number = np.arange(30)
    files = [f"{k}.png" for k in number]
    kind = np.where(number % 2, "face", "house")
    other = pd.DataFrame({"image_id": [f"image{k:04d}" for k in number], "file": files, "category": kind})
    table = made(recorded_set.images(), other=other.assign(object="", group=number // 2 % 5))
    own, trained = table[:40], table[40:]
    assert (own["split"] == "").all()
    assert own["stem"].tolist() == recorded_set.images()["image_id"].tolist()
    assert set(trained["split"]) == {"train", "validation", "test"}
    assert trained["stem"].str.startswith("training-").all()
    assert (trained["label"] == np.where(number % 2, "face", "non-face")).all()
    assert (trained.groupby("group")["split"].nunique() == 1).all()
    assert not set(own["group"]) & set(trained["group"])
    assert len(set(trained["group"])) == 5
    assert read_images().shape == (70, 3, 112, 112)
    np.testing.assert_array_equal(read_images()[40], read_images()[1])
