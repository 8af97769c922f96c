"""The stage with the source ``real``: layout, receipt, no second fetch, and errors that leave data/raw alone."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from analysis.acquire import stage
from analysis.acquire.real import blobs, osf, sources
from analysis.core.errors import DataError
from tests.acquire.world import World
from tests.servers.loopback import Fault


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def content(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def expected(world: World, names=("An220105",)) -> dict[str, bytes]:
    """The published layout, from the served files."""
    from tests.acquire.world import RECORDINGS

    files = {}
    for name in names:
        monkey, when, _ = RECORDINGS[name]
        for kind in ("", "_image"):
            path = f"sub-{monkey}/sub-{monkey}_ses-{when}{kind}.nwb"
            files[f"dandiset/{path}"] = (world.archive / path).read_bytes()
    for name in ("Stimuli.z01", "Stimuli.zip"):
        files[f"stimuli/{name}"] = (world.node / name).read_bytes()
    database = world.repository(sources.ANNOTATIONS)
    for name in ("db/units.csv.gz", "db/bank_array_regions.csv", "db/ROIs/Stimuli/face.csv"):
        files[f"annotations/{name}"] = (database / name).read_bytes()
    report = world.repository(sources.REPORT)
    files["report/combinedAIT.csv"] = (report / "combinedAIT.csv").read_bytes()
    files["report/face.csv"] = (report / "preprocessing/face.csv").read_bytes()
    return files


def test_layout_and_receipt(world, wanted, project):
    stage.run(wanted(recordings=["An220105"]))
    found = content(project / "data/raw")
    manifest = json.loads(found.pop("manifest.json"))
    assert found == expected(world)
    assert set(manifest["files"]) == set(found)
    assert manifest["source"] == "real"
    assert manifest["recordings"] == ["An220105"]
    assert manifest["recordings_published"] == 5
    for origin in manifest["sources"].values():
        assert origin["licence"]
        assert origin["citation"]
        assert origin["url"].startswith("https://")
    assert not list((project / "data").glob(".*"))


def test_nothing_is_asked_for_when_all_is_there(world, wanted, project):
    stage.run(wanted(areas=["AIT"]))
    first = content(project / "data/raw")
    asked = world.asked()
    stage.run(wanted(areas=["AIT"]))
    assert world.asked() == asked
    assert content(project / "data/raw") == first
    stage.run(wanted(areas=["AIT"], monkeys=["Pa"], recordings=["Pa200205"]))  # a part of it, in place of it
    assert world.asked() == asked
    assert not list((project / "data/raw/dandiset").rglob("*20191024*"))


def test_a_clone_without_network_uses_the_store(world, wanted, project, monkeypatch):
    stage.run(wanted())
    first = content(project / "data/raw")
    for name in ("NNN_DANDI_API", "NNN_OSF_API", "NNN_GITHUB_RAW"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    shutil.rmtree(project / "data")
    stage.run(wanted())
    assert content(project / "data/raw") == first


def test_nothing_is_called_but_the_addresses_given(world, wanted, project, monkeypatch):
    called, connect = set(), socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: called.add(address) or connect(self, address))
    stage.run(wanted(recordings=["An220105"]))
    servers = (world.dandi, world.osf, world.github)
    assert called == {("127.0.0.1", int(server.base.rpartition(":")[2])) for server in servers}


def test_the_eye_traces_come_on_request(world, wanted, project):
    stage.run(wanted(recordings=["Bf211114"], kinds=["behavior"]))
    assert [path.name for path in project.rglob("*.nwb")] == ["sub-Bf_ses-20211114T152023_behavior.nwb"]


def test_a_failure_leaves_data_raw_as_it_was(world, wanted, project):
    stage.run(wanted(recordings=["An220105"]))
    first = content(project / "data/raw")
    world.dandi.faults = [Fault("Bf_ses", "404", times=-1)]
    with pytest.raises(DataError, match="404"):
        stage.run(wanted())
    assert content(project / "data/raw") == first


def test_osf_volumes_are_recorded_once_verified_and_enforced(world, wanted, project, monkeypatch):
    world.osf.faults = [Fault("Stimuli.z01", "403", times=1)]
    with pytest.raises(DataError, match=r"Stimuli\.z01.*403"):
        stage.run(wanted(recordings=["An220105"]))
    assert osf.locked(sources.STIMULI) is None
    stage.run(wanted(recordings=["An220105"]))
    was = osf.locked(sources.STIMULI)
    assert was == [pin for pin in World.pins_of(world.node) if pin.path.startswith("Stimuli")]
    (world.node / "Stimuli.zip").write_bytes(b"a new edition")
    stage.run(wanted(recordings=["An220105"]))  # from the store
    monkeypatch.setenv("NNN_STORE", str(project / "another store"))
    with pytest.raises(DataError, match=r"Stimuli\.zip has changed"):
        stage.run(wanted(recordings=["An220105"]))
    assert osf.locked(sources.STIMULI) == was


def test_a_read_only_project_is_said(world, wanted, project):
    (project / "data").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot write .*data"):
        stage.run(wanted(recordings=["An220105"]))


def run_stage(project, **environment) -> subprocess.Popen:
    command = [sys.executable, "-m", "analysis", "acquire"]
    return subprocess.Popen(
        command, cwd=project, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_killed_run_goes_on_from_its_last_byte(world, tmp_path):
    project = world.project(tmp_path / "clone", recordings=["An220105", "Bf211114"])
    world.dandi.rate = 30_000
    run = run_stage(project, NNN_CONNECTIONS="2")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and run.poll() is None:
        if len(blobs.blobs()) >= 4 and any(path.stat().st_size > 60_000 for path in blobs.parts()):
            break
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    left = {path.stem: path.stat().st_size for path in blobs.parts()}
    assert 60_000 < max(left.values()) < 120_000  # killed in the middle of a file
    whole = {path.name for path in blobs.blobs()}
    assert not (project / "data/raw").exists()
    world.dandi.rate = 0
    for server in (world.dandi, world.osf, world.github):
        server.log.clear()
    run = run_stage(project)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    found = content(project / "data/raw")
    found.pop("manifest.json")
    assert found == expected(world, ("An220105", "Bf211114"))
    pins = {pin.path: pin.digest for pin in World.pins_of(world.archive)}
    asked = {request.path.split("/", 3)[3].partition("?")[0]: request for request in world.dandi.asked("/blobs/")}
    assert {pins[path]: request.start or 0 for path, request in asked.items() if pins[path] in left} == left
    assert whole & set(pins.values())
    assert not whole & {pins[path] for path in asked}
    assert sum(request.sent for request in asked.values()) == sum(
        size - left.get(pins[path], 0) for path, size, _ in world.dandi.files if path in asked
    )


def test_errors_are_one_line_and_status_1(world, tmp_path):
    project = world.project(tmp_path / "clone", recordings=["An220105"])
    world.dandi.faults = [Fault("An_ses-20220105T173929.nwb", "404", times=-1)]
    run = run_stage(project)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 1
    last = errors.strip().splitlines()[-1]
    assert last.startswith("error: sub-An/sub-An_ses-20220105T173929.nwb: the server returned 404")
    assert "Traceback" not in errors


@pytest.mark.parametrize("source", ["simulated", "real"])
def test_data_of_another_origin_are_not_replaced(world, wanted, project, source):
    mine = project / "data/raw/dandiset/sub-X/mine.nwb"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    values = wanted(recordings=["An220105"])
    values = values.model_copy(update={"acquire": values.acquire.model_copy(update={"source": source})})
    with pytest.raises(DataError, match=r"data/raw holds files that the stage acquire did not write"):
        stage.run(values)
    assert content(project) == {"data/raw/dandiset/sub-X/mine.nwb": b"mine"}
