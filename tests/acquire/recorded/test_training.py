"""Other images to train on: brought to data/raw with the data set, and what is wrong with them said in one line."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis import params
from analysis.acquire.recorded import layout, stage
from analysis.core import paths
from analysis.core.errors import DataError
from tests import recorded_set
from tests.project import ROOT

OTHER = {"face": 3, "house": 4}
"""Images of each category."""


def picture(number: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A data set ``mine`` (40 images, 5 units) and the images of `OTHER` in a folder ``other``."""
    monkeypatch.chdir(tmp_path)
    mine = Path("mine")
    (mine / "images").mkdir(parents=True)
    for name, data in recorded_set.files().items():
        (mine / "images" / name).write_bytes(data)
    given = recorded_set.responses(repeats=1)
    np.save(mine / "responses.npy", given.rates.T)
    recorded_set.images().to_csv(mine / "images.csv", index=False)
    for number, category in enumerate(np.repeat(list(OTHER), list(OTHER.values()))):
        path = Path("other/images") / category / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    return tmp_path


def acquire(task: str = "face", training: str | None = "other") -> Path:
    """Run the stage; return the folder data/raw of the data set."""
    values = params.load(ROOT / "params.yaml")
    entry = {"source": "assembly", "path": "mine", "stimuli": None, "images": "all", "response": "rate"}
    entry |= {"region": "IT", "window_ms": 100, "task": task, "training": training}
    datasets = type(values.recorded.datasets).model_validate({"mine": entry})
    values = values.model_copy(update={"recorded": values.recorded.model_copy(update={"datasets": datasets})})
    with paths.inside("mine"):
        stage.run(values, "mine")
    return Path("recorded/mine/data/raw")


def test_they_come_with_the_data_set_and_are_in_its_manifest(project):
    before = json.loads((acquire(training=None) / "manifest.json").read_text())
    raw = acquire()
    manifest = json.loads((raw / "manifest.json").read_text())
    assert manifest["training"] == {"folder": "other", "images": 7}
    listed = {"training.csv", *(f"training/{path}" for path in layout.read_training(raw)["file"])}
    assert set(manifest["files"]) - set(before["files"]) == listed
    assert {key: manifest[key] for key in before if key != "files"} == {
        key: value for key, value in before.items() if key != "files"
    }
    table = layout.read_training(raw)
    assert table["category"].value_counts().to_dict() == OTHER
    for file in table["file"]:
        assert (raw / "training" / file).read_bytes() == (project / "other/images" / file).read_bytes()
    assert len(layout.read_images(raw)) == 40
    assert layout.read_training(acquire(training=None)) is None
    assert [path.name for path in raw.parent.iterdir()] == ["raw"]


def test_a_table_may_name_their_categories_and_groups(project):
    files = sorted(path.relative_to("other/images").as_posix() for path in Path("other/images").rglob("*.png"))
    table = pd.DataFrame({"file": files, "category": ["face", "car"] * 3 + ["dog"], "group": [1, 1, 2, 2, 3, 3, 4]})
    table.to_csv("other/images.csv", index=False)
    found = layout.read_training(acquire("object"))
    assert found["category"].tolist() == table["category"].tolist()
    assert found["group"].tolist() == [str(group) for group in table["group"]]


def rename(old: str, new: str):
    return lambda: Path("other/images", old).rename(Path("other/images", new))


def put(file: str, data: bytes):
    def change():
        Path("other/images", file).parent.mkdir(exist_ok=True)
        Path("other/images", file).write_bytes(data)

    return change


def table(**columns):
    files = [path.relative_to("other/images").as_posix() for path in sorted(Path("other/images").rglob("*.png"))]
    pd.DataFrame({"file": files} | columns).to_csv("other/images.csv", index=False)


def remove(*parts: str):
    def change():
        for part in parts:
            for path in Path("other/images", part).rglob("*.png"):
                path.unlink()

    return change


FAULTS = {
    "no folder": (lambda: Path("other").rename("others"), r"other is no folder: recorded\.datasets names it"),
    "no images": (remove("face", "house"), r"other/images: no image files"),
    "missing file": (lambda: (table(), Path("other/images/face/0.png").unlink()), r"there is no file face/0\.png"),
    "no category": (put("9.png", picture(9)), r"other: 9\.png has no category: put it in a folder of that name, or"),
    "empty category": (lambda: table(category=["", *["face"] * 6]), r"face/0\.png has no category"),
    "faces by another name": (rename("face", "Faces"), "category 'Faces': write face for images of faces"),
    "only faces": (remove("house"), "no image without a face: add some"),
    "no faces": (remove("face"), "no image of the category face: add some"),
    "twice in the table": (lambda: table(file=["face/0.png", *["face/0.png"] * 6]), "no row for face/1.png"),
    "twice": (put("house/8.png", picture(3)), r"house/3\.png and house/8\.png are the same picture: keep one"),
    "twice in another format": (put("house/8.bmp", picture(3, "BMP")), r"house/3\.png and house/8\.bmp are the same"),
    "not an image": (put("house/8.png", b"no image"), r"other/images/house/8\.png: not a readable image"),
    "one of the data set": (
        put("house/8.png", recorded_set.files()["image0002.png"]),
        r"house/8\.png is also the image 'image0002', to which responses are predicted: remove it",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_lost(project, fault):
    change, said = FAULTS[fault]
    raw = acquire()
    before = {path: path.read_bytes() for path in raw.rglob("*") if path.is_file()}
    change()
    with pytest.raises(DataError, match=said) as caught:
        acquire()
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in raw.rglob("*") if path.is_file()} == before
    assert [path.name for path in raw.parent.iterdir()] == ["raw"]


def test_a_single_category_is_no_task_of_objects(project):
    remove("face")()
    with pytest.raises(DataError, match="all images are of the category 'house': add another, to tell objects apart"):
        acquire("object")


def test_objects_need_no_faces(project):
    rename("face", "car")()
    assert set(layout.read_training(acquire("object"))["category"]) == {"car", "house"}
