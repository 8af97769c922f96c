"""Images of recorded data sets, in the form of the experiment."""

import numpy as np
import pytest

from analysis import params
from analysis.acquire.recorded import layout
from analysis.stimuli import presented
from analysis.stimuli.read import COLUMNS, read_images, read_missing, read_table
from tests import recorded_set
from tests.project import ROOT

VALUES = params.load(ROOT / "params.yaml")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Return a function that writes a table of images with the made-up responses, and runs the stage on it."""
    monkeypatch.chdir(tmp_path)

    def run(table):
        data, given = tmp_path / "data/raw", recorded_set.responses()
        layout.write(data, table, given, recorded_set.picture, "assembly", recorded_set.ORIGIN)
        presented.run(VALUES, "v4")
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
