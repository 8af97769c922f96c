"""The stage on tiny inputs in the published layout."""

import h5py
import numpy as np
import pandas as pd
import pytest

from analysis import params as settings
from analysis.core.errors import DataError
from analysis.core.files import sha256
from analysis.stimuli import read, stage


def main_file(path, names, rows):
    """A main NWB file as far as this stage reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["stimulus/templates/stimuli/external_file"] = names
        file["stimulus/presentation/presentations/data"] = rows


@pytest.fixture
def values():
    return settings.load(__file__.rsplit("/tests/", 1)[0] + "/params.yaml")


def with_stimuli(values, **changes):
    return values.model_copy(update={"stimuli": values.stimuli.model_copy(update=changes)})


@pytest.fixture
def raw(tmp_path, monkeypatch, spanned, picture):
    """A project folder with two recordings, ten images in a spanned archive, and annotations."""
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / "data" / "raw"
    first = [f"Stimuli/{c}.png" for c in "abcdef"]
    main_file(raw / "dandiset/sub-A/sub-A_ses-1_image.nwb", [*first, "Stimuli/never.png"], [0, 1, 2, 3, 4, 5, 0])
    main_file(raw / "dandiset/sub-B/sub-B_ses-2_image.nwb", ["Stimuli/x.jpg", "Stimuli/gone.png"], [0, 1, 1])
    Entry, write = spanned
    (raw / "stimuli").mkdir()
    members = [Entry("Stimuli/", b""), Entry("Stimuli/notes.txt", b"hello"), Entry("__MACOSX/Stimuli/._a.png", b"?")]
    members += [Entry(f"Stimuli/{c}.png", picture((10 * i, 0, 0), (20, 10))) for i, c in enumerate("fedcba")]
    members += [Entry("Stimuli/x.JPG", picture((9, 9, 9), format="JPEG")), Entry("Stimuli/a.bmp", b"a copy")]
    members += [Entry("Stimuli/never.png", picture((1, 1, 1))), Entry("Stimuli/other.png", picture((2, 2, 2)))]
    write(raw / "stimuli" / "Stimuli.zip", members, 400)
    rois = raw / "annotations/db/ROIs/Stimuli"
    (rois / "pareidolia").mkdir(parents=True)
    (rois / "primate_face").mkdir()
    (rois / "pareidolia" / "b.jpg").write_bytes(b"")
    (rois / "primate_face" / "b.png").write_bytes(b"")
    (rois / "pareidolia" / "c.jpg").write_bytes(b"")
    (rois / "face.csv").write_text("Filename,x\na.jpg,1\n")
    (raw / "annotations/db/similar_images.txt").write_text("a.png\tb.png\nx.jpg\tgone.png\n")
    (raw / "report").mkdir()
    (raw / "report" / "face.csv").write_text("Filename,x\na.bmp,1\nb.png,1\nx.JPG,1\n")
    return raw


def test_images_and_table(raw, values):
    stage.run(with_stimuli(values, unreadable_allowed=0.5))
    table = read.read_table().set_index("stem")
    images = read.read_images()
    assert isinstance(images, np.memmap)
    assert images.shape == (6, 3, 112, 112)  # a.bmp, the used file of stem a, is unreadable
    assert list(table.index) == ["b", "c", "d", "e", "f", "x"]
    assert table["path"]["x"] == "Stimuli/x.JPG"
    assert table["extension"]["x"] == ".JPG"
    assert images[list(table.index).index("c"), :, 56, 56].tolist() == [30, 0, 0]
    assert table["width"]["c"] == 20
    assert table["height"]["c"] == 10
    assert table["category"].to_dict() == {
        "b": "pareidolia+primate_face",
        "c": "pareidolia",
        "d": "none",
        "e": "none",
        "f": "none",
        "x": "none",
    }
    said = table["label"].to_dict()
    assert said == {
        "b": "face",
        "c": "unlabelled",
        "d": "non-face",
        "e": "non-face",
        "f": "non-face",
        "x": "unlabelled",
    }
    assert table["annotated"].to_dict() == {"b": True, "c": True, "d": True, "e": True, "f": True, "x": False}
    assert table["label_report"].to_dict() == {
        "b": "face",
        "c": "non-face",
        "d": "non-face",
        "e": "non-face",
        "f": "non-face",
        "x": "face",
    }
    assert set(table["split_report"]) <= {"", "train", "test"}
    missing = pd.read_csv("data/stimuli/missing.csv")
    assert missing.to_numpy().tolist() == [["Stimuli/gone.png", "not in the archive", 1]]
    unreadable = pd.read_csv("data/stimuli/unreadable.csv")
    assert unreadable["path"].tolist() == ["Stimuli/a.bmp"]
    assert "not a readable image" in unreadable["reason"][0]
    copies = pd.read_csv("data/stimuli/copies.csv")
    assert copies.to_numpy().tolist() == [["Stimuli/a.png", "Stimuli/a.bmp"]]


def test_all_images_of_the_archive_on_request(raw, values):
    stage.run(with_stimuli(values, images="all", unreadable_allowed=0.5))
    table = read.read_table()
    assert table["stem"].tolist() == ["b", "c", "d", "e", "f", "never", "other", "x"]
    assert (table["label"][5:7] == "unlabelled").all()  # never was not shown, nothing says the authors looked at it


def test_same_bytes_for_any_number_of_workers(raw, values, monkeypatch):
    hashes = []
    for count in ("1", "3"):
        monkeypatch.setenv("NNN_WORKERS", count)
        stage.run(with_stimuli(values, unreadable_allowed=0.5))
        hashes.append({path.name: sha256(path) for path in (raw.parent / "stimuli").iterdir()})
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 5


def test_too_many_unreadable_images_leave_nothing_behind(raw, values):
    with pytest.raises(DataError, match=r"1 of 7 images cannot be read \(first Stimuli/a\.bmp: .*0\.01"):
        stage.run(values)
    assert not list((raw.parent / "stimuli").iterdir())


def test_no_image_of_the_recordings_in_the_archive(raw, values, plain_zip, picture):
    for path in (raw / "stimuli").iterdir():
        path.unlink()
    plain_zip({"q.png": picture((1, 2, 3))}, raw / "stimuli" / "Stimuli.zip")
    with pytest.raises(DataError, match=r"none of its .* is an image shown in the recordings.*stimuli\.images"):
        stage.run(values)


def test_missing_archive_and_missing_volume(raw, values):
    (raw / "stimuli" / "Stimuli.z02").unlink()
    with pytest.raises(DataError, match=r"Stimuli\.z02 is missing"):
        stage.run(values)
    (raw / "stimuli" / "Stimuli.zip").unlink()
    with pytest.raises(DataError, match=r"0 \.zip files"):
        stage.run(values)


def test_a_truncated_recording_is_listed(raw, values):
    path = raw / "dandiset/sub-A/sub-A_ses-1_image.nwb"
    path.write_bytes(path.read_bytes()[:1000])
    stage.run(values)
    assert read.read_table()["stem"].tolist() == ["x"]
    missing = pd.read_csv("data/stimuli/missing.csv")
    assert missing["path"].tolist() == ["Stimuli/gone.png", "sub-A/sub-A_ses-1_image.nwb"]


def test_readers_refuse_other_files(raw, values):
    with pytest.raises(DataError, match="run the stage stimuli"):
        read.read_table()
    stage.run(with_stimuli(values, unreadable_allowed=0.5))
    table = pd.read_csv("data/stimuli/images.csv", keep_default_na=False)
    table.iloc[1:].to_csv("data/stimuli/images.csv", index=False)
    with pytest.raises(DataError, match="5 rows for 6 images"):
        read.read_table()
    table.drop(columns="group").to_csv("data/stimuli/images.csv", index=False)
    with pytest.raises(DataError, match="no column group"):
        read.read_table()
    np.save("data/stimuli/images.npy", np.zeros((6, 112, 112, 3), np.uint8))
    with pytest.raises(DataError, match=r"not \(n, 3, size, size\)"):
        read.read_images()


def test_real_recording_shows_300_images(reference):
    from analysis.stimuli.shown import images_shown

    names = images_shown(reference / "000628/sub-An/sub-An_ses-20220105T173929_image.nwb")
    assert len(names) == 300
    assert all(name.startswith("Stimuli/") for name in names)
