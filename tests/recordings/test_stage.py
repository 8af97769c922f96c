"""The stage: what is kept, what is refused, and how it says so."""

import gzip
import os
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest

from analysis import params
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.recordings import stage
from analysis.recordings.read import all_recordings, open_recording, recording_files
from tests.project import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch, annotations_for):
    """A folder with three recordings, two of one day."""
    from .conftest import Pair

    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    for name in ("sub-An_ses-20220105T173929", "sub-Pa_ses-20191024T115441", "sub-Pa_ses-20191024T124245"):
        pair = Pair(name=name)
        pair.raster = np.random.default_rng(len(name) + int(name[-1])).poisson(0.02, (10_000, 3)).astype(np.uint8)
        pair.write(paths.DANDISET / name.split("_")[0])
    annotations = annotations_for("An220105", "Pa191024_2", "Pa191024_1")
    paths.RAW.mkdir(exist_ok=True, parents=True)
    annotations.rename(paths.ANNOTATIONS)
    return params.load()


def test_all_recordings_under_both_protocols(project):
    for protocol in ("corrected", "report"):
        stage.run(project, protocol)
        assert [p.stem for p in recording_files(protocol)] == ["An220105", "Pa191024_1", "Pa191024_2"]
        sessions = {r.attrs["recording"]: r.attrs["session"] for r in all_recordings(protocol)}
        assert sessions["Pa191024_1"].endswith("T115441")  # recordings of one day are ordered by time
        assert sessions["Pa191024_2"].endswith("T124245")
        assert pd.read_csv(paths.RECORDINGS / protocol / "failures.csv").empty


def test_files_that_link_to_a_cache_give_the_same_bytes(project, tmp_path):
    stage.run(project, "corrected")
    copied = {path.name: path.read_bytes() for path in recording_files("corrected")}
    for number, path in enumerate(sorted(paths.DANDISET.rglob("*.nwb"))):
        path.symlink_to(path.rename(tmp_path / f"{number:032x}"))
    stage.run(project, "corrected")
    assert {path.name: path.read_bytes() for path in recording_files("corrected")} == copied


def test_failed_recording_is_named_and_the_others_kept(project):
    (path,) = paths.DANDISET.glob("sub-An/*_image.nwb")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(
        DataError, match=r"1 of 3 recordings failed.*sub-An_ses-20220105T173929_image\.nwb is truncated"
    ):
        stage.run(project, "corrected")
    assert [p.stem for p in recording_files("corrected")] == ["Pa191024_1", "Pa191024_2"]
    failures = pd.read_csv(paths.RECORDINGS / "corrected" / "failures.csv")
    assert failures["recording"].tolist() == ["sub-An_ses-20220105T173929"]
    assert "truncated" in failures["reason"][0]


def test_failures_allowed(project):
    next(paths.DANDISET.glob("sub-An/*9.nwb")).unlink()
    allowed = project.model_copy(update={"recordings": project.recordings.model_copy(update={"failures_allowed": 1})})
    stage.run(allowed, "corrected")
    assert len(recording_files("corrected")) == 2


def test_finished_recordings_are_not_built_again(project, monkeypatch):
    (path,) = paths.DANDISET.glob("sub-Pa/*124245_image.nwb")
    whole = path.read_bytes()
    path.write_bytes(whole[:3000])
    with pytest.raises(DataError):
        stage.run(project, "corrected")
    path.write_bytes(whole)
    built = []
    real = stage.write_recording
    monkeypatch.setattr(stage, "write_recording", lambda files, *rest: built.append(files.name) or real(files, *rest))
    stage.run(project, "corrected")
    assert built == ["Pa191024_2"]
    assert len(recording_files("corrected")) == 3


def test_interrupted_run_gives_the_same_bytes(project, monkeypatch):
    stage.run(project, "report")
    first = {path.name: path.read_bytes() for path in recording_files("report")}
    real, calls = stage.write_recording, []

    def stop_at_second(files, *rest):
        calls.append(files.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(files, *rest)

    monkeypatch.setattr(stage, "write_recording", stop_at_second)
    with pytest.raises(KeyboardInterrupt):
        stage.run(project, "report")
    monkeypatch.setattr(stage, "write_recording", real)
    stage.run(project, "report")
    assert {path.name: path.read_bytes() for path in recording_files("report")} == first


def test_unknown_protocol(project):
    with pytest.raises(DataError, match="no protocol 'coreccted'; choose corrected or report"):
        stage.run(project, "coreccted")


def test_command_line_exits_with_one_line(project, tmp_path):
    main = next(paths.DANDISET.glob("sub-An/*_image.nwb"))
    with h5py.File(main, "a") as file:
        del file["processing/behavior/fixations"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "analysis", "recordings", "corrected"]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "no table processing/behavior/fixations" in done.stderr
    assert len(recording_files("corrected")) == 2


def by_hand(pair, annotations, tmp_path, protocol="corrected"):
    main, rasters = pair.write(tmp_path / "by_hand")
    out = tmp_path / "out.nc"
    stage.one_recording(main, rasters, annotations, out, protocol)
    return open_recording(out)


def test_truncated_file_leaves_nothing(pair, annotations, tmp_path):
    main, rasters = pair.write(tmp_path / "by_hand")
    rasters.write_bytes(rasters.read_bytes()[:-700])
    with pytest.raises(DataError, match=rf"{rasters.name}.*fetch"):
        stage.one_recording(main, rasters, annotations, tmp_path / "out" / "x.nc", "corrected")
    assert not (tmp_path / "out").exists()


def test_recording_absent_from_the_area_table(pair, annotations_for, tmp_path):
    with pytest.raises(DataError, match=r"recording An220105 is not in bank_array_regions\.csv"):
        by_hand(pair, annotations_for("Bf211114"), tmp_path)


def test_read_only_output_folder(pair, annotations, tmp_path):
    main, rasters = pair.write(tmp_path / "by_hand")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        stage.one_recording(main, rasters, annotations, tmp_path / "file" / "x.nc", "corrected")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.fixations.pop("x"), "no processing/behavior/fixations/x"),
        (lambda p: p.fixations["start_time"].__setitem__(3, np.nan), "start_time holds times that are not numbers"),
        (lambda p: p.fixations["stop_time"].__setitem__(3, 3.0), "fixation in row 3 ends before it starts"),
        (lambda p: p.fixations["y"].pop(), "differ in length"),
        (lambda p: p.fixations.update(y=[[0.0]] * 8), r"y has shape \(8, 1\)"),
        (lambda p: p.presentations.update(position=[0.0] * 3), r"position has shape \(3,\)"),
        (lambda p: setattr(p, "stimulus", [p.stimulus] * 2), "general/stimulus holds 2 texts instead of one"),
        (lambda p: p.presentations["trial_id"].__setitem__(2, 12), "trial id 12 occurs more than once"),
        (lambda p: p.presentations["trial_id"].__setitem__(2, 99), "points to trial 99"),
        (lambda p: p.shown.__setitem__(0, 2), "image index outside"),
        (lambda p: p.images.__setitem__(0, "Stimuli/bb.png"), "image 'bb' is listed twice"),
        (lambda p: p.shown.pop(), "3 presentations, but 2 images shown"),
        (lambda p: setattr(p, "stimulus", "100 pixels"), "pixels per degree"),
        (lambda p: p.units.__setitem__(1, "1"), "duplicate unit name '1'"),
        (lambda p: p.units.__setitem__(1, "x"), "has no electrode number"),
        (lambda p: p.units.__setitem__(1, "80"), "unit '80' is on bank 2"),
        (lambda p: setattr(p, "raster", np.zeros((10_000, 2), np.uint8)), "2 raster columns but 3 unit names"),
        (lambda p: setattr(p, "raster", np.zeros((10_000, 3))), "not counts"),
        (lambda p: setattr(p, "raster", np.full((10_000, 3), -1, np.int8)), "negative counts"),
        (lambda p: setattr(p, "n_bins", 8_000_000), "are inconsistent with trials that end"),
        (lambda p: setattr(p, "start_time", "2022-01-06T10:00:00-05:00"), "belong to different recordings"),
    ],
)
def test_what_cannot_be_is_refused(pair, annotations, tmp_path, spoil, message):
    spoil(pair)
    with pytest.raises(DataError, match=message):
        by_hand(pair, annotations, tmp_path)


def test_text_that_is_not_utf8(pair, annotations, tmp_path):
    main, rasters = pair.write(tmp_path / "by_hand")
    with h5py.File(rasters, "a") as file:
        del file["processing/ecephys/unit_names/unit_name"]
        file["processing/ecephys/unit_names/unit_name"] = np.array([b"1", b"\xff2", b"33"], "S3")
    with pytest.raises(DataError, match="not UTF-8"):
        stage.one_recording(main, rasters, annotations, tmp_path / "x.nc", "corrected")


def test_files_given_by_hand_need_their_published_names(pair, annotations, tmp_path):
    main, rasters = pair.write(tmp_path / "by_hand")
    with pytest.raises(DataError, match="not named like a published file"):
        stage.one_recording(main.rename(main.with_name("x.nwb")), rasters, annotations, tmp_path / "x.nc", "corrected")


def test_recordings_of_one_day_are_told_apart_by_their_units(pair, annotations_for, tmp_path):
    annotations = annotations_for("An220105_1", "An220105_2")
    with pytest.raises(DataError, match=r"is ambiguous \(An220105_1 or An220105_2\): .* has 1 recording"):
        by_hand(pair, annotations, tmp_path)
    rows = ["An220105_1,1,1,0,1", "An220105_2,1,1,0,1", "An220105_2,2a,2,0,1", "An220105_2,33,33,1,1"]
    with gzip.open(annotations / "db" / "units.csv.gz", "wt") as file:
        file.write("\n".join(["Session,Name,Channel,Bank,Array ID", *rows]) + "\n")
    assert by_hand(pair, annotations, tmp_path).attrs["recording"] == "An220105_2"
