"""The source of V4 and IT: a stand-in of the published form, served over loopback, with the faults of a network.

The published files are not at hand. The stand-in is laid out as BrainIO's own writer does (tests/brainio.py).
"""

import hashlib
import json

import numpy as np
import pytest

from analysis import params
from analysis.acquire.recorded import layout, majaj_hong, stage
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.models import data
from analysis.params.protocol import CORRECTED
from analysis.stimuli import presented
from tests import brainio
from tests.project import ROOT
from tests.servers.github import GitHub
from tests.servers.loopback import Fault, serve


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Return a function that serves the files of a folder, pinned by their SHA-1."""
    monkeypatch.chdir(tmp_path)
    with serve(GitHub(folder=tmp_path / "bucket")) as server:
        monkeypatch.setenv("NNN_BRAINSCORE", f"{server.base}/brainio-brainscore/")

        def put() -> GitHub:
            folder = server.folder / "brainio-brainscore"
            lines = [
                f"sha1-{hashlib.sha1(path.read_bytes()).hexdigest()}  -  {path.name}\n"
                for path in sorted(folder.iterdir())
            ]
            (tmp_path / "pins.txt").write_text("".join(lines))
            monkeypatch.setattr(majaj_hong, "PINS", tmp_path / "pins.txt")
            return server

        brainio.write(server.folder / "brainio-brainscore")
        yield put


def acquired() -> layout.Responses:
    stage.run(params.load(ROOT / "params.yaml"), "majaj_hong")
    return layout.read_responses(paths.RAW)


def test_the_public_part_is_fetched_once_and_laid_out(publish):
    server = publish()
    found, given = acquired(), brainio.responses()
    assert found.normalised
    assert found.rates.min() < 0
    assert found.window_ms == 100
    np.testing.assert_array_equal(found.rates, given.rates)
    np.testing.assert_array_equal(found.image_ids, given.image_ids)
    np.testing.assert_array_equal(found.repetitions, given.repetitions)
    assert set(zip(found.recordings, found.regions, strict=True)) == {("Chabo", "V4"), ("Chabo", "IT"), ("Tito", "IT")}
    images = layout.read_images(paths.RAW)
    assert set(images["category"]) == {"face", "Cars"}
    assert images["group"].astype(int).nunique() == len(images) / 2  # two images of each object on each scene
    asked = len(server.log)
    assert len(server.asked(majaj_hong.ASSEMBLY)) == 2  # its size, which no pin states, and itself
    acquired()
    assert len(server.log) == asked


def test_its_categories_are_the_classes_of_the_object_task(publish):
    publish()
    acquired()
    values = params.load(ROOT / "params.yaml")
    entry = values.recorded.datasets.entry("majaj_hong").model_copy(update={"task": "object"})
    datasets = type(values.recorded.datasets).model_construct(majaj_hong=entry)
    values = values.model_copy(update={"recorded": values.recorded.model_copy(update={"datasets": datasets})})
    presented.run(values, "majaj_hong")
    found = data.load(CORRECTED)
    assert found.classes == ("Cars", "face")
    assert (found.table.groupby("group")["split"].nunique() == 1).all()  # of one object on one scene
    assert found.table.groupby("group").size().unique().tolist() == [2]


def test_the_manifest_names_the_source_and_the_pins(publish):
    publish()
    acquired()
    manifest = json.loads((paths.RAW / "manifest.json").read_text())
    assert set(manifest["published"]) == {majaj_hong.ASSEMBLY, majaj_hong.TABLE, majaj_hong.PICTURES}
    assert "Majaj" in manifest["citation"]
    assert manifest["licence"]


def test_a_cut_download_goes_on_and_a_wrong_file_is_refused(publish):
    server = publish()
    server.faults = [Fault(majaj_hong.ASSEMBLY, "cut", at=0, times=1), Fault(majaj_hong.PICTURES, "cut", at=500)]
    acquired()
    before = (paths.RAW / "manifest.json").read_bytes()
    (server.folder / "brainio-brainscore" / majaj_hong.TABLE).write_text("image_id,filename\n")
    publish()
    server.faults = [Fault(majaj_hong.TABLE, "corrupt", times=-1)]
    with pytest.raises(DataError, match=r"stimulus_hvm-public\.csv: gave up after 3 tries") as caught:
        acquired()
    assert "\n" not in str(caught.value)
    assert (paths.RAW / "manifest.json").read_bytes() == before


def test_files_that_are_something_else_are_one_line(publish):
    server = publish()
    (server.folder / "brainio-brainscore" / majaj_hong.ASSEMBLY).write_bytes(b"nothing")
    publish()
    with pytest.raises(DataError, match=r"majaj_hong: .*not a readable netCDF-4 file") as caught:
        acquired()
    assert "\n" not in str(caught.value)
    assert not paths.RAW.exists()


def test_the_committed_pins_are_those_that_brain_score_states():
    digests = [line.split()[0] for line in majaj_hong.PINS.read_text().splitlines()]
    assert digests == [
        "sha1-13d28ca0ce88ee550b54db3004374ae19096e9b9",
        "sha1-5ca7a3da00d8e9c694a9cd725df5ba0ad6d735af",
        "sha1-8aa44e038d7b551efa8077467622f9d48d72e473",
    ]


def test_the_stand_in_is_laid_out_as_by_brainios_own_writer(publish, tmp_path):
    server = publish()
    path = server.folder / "brainio-brainscore" / majaj_hong.ASSEMBLY
    ours = path.read_bytes()
    brainio.rewrite(path, tmp_path / "theirs.nc")
    path.write_bytes((tmp_path / "theirs.nc").read_bytes())
    assert path.read_bytes() != ours
    publish()
    found, given = acquired(), brainio.responses()
    for name in ("rates", "image_ids", "repetitions", "unit_ids", "subjects", "regions", "recordings"):
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name))
