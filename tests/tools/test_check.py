"""One command says all that is wrong before a run."""

import errno
import json
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from analysis.cli import app
from analysis.tools import check
from tests.project import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder with the committed parameters; no setting from outside."""
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    for name in ("NNN_WORKERS", "NNN_DEVICE", "NNN_SCHEDULER", "NNN_NUMERICS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def change(**values):
    with open("params.yaml", encoding="utf-8") as file:  # noqa: PTH123
        tree = yaml.safe_load(file)
    for key, value in values.items():
        *groups, last = key.split("__")
        branch = tree
        for group in groups:
            branch = branch[group]
        branch[last] = value
    with open("params.yaml", "w", encoding="utf-8") as file:  # noqa: PTH123
        yaml.safe_dump(tree, file)


def test_the_committed_parameters_are_fine(project):
    assert check.problems() == []
    found = CliRunner().invoke(app, ["check", "--out", "data/checked"])
    assert found.exit_code == 0
    first = (project / "data" / "checked").read_bytes()
    assert CliRunner().invoke(app, ["check", "--out", "data/checked"]).exit_code == 0
    assert (project / "data" / "checked").read_bytes() == first


def test_a_folder_of_images_to_train_on_must_be_there(project):
    change(recorded__run=["v4"], recorded__datasets__v4__training="faces")
    said = "recorded.datasets.v4.training: no folder faces/images: put the images there"
    assert check.problems() == [said]
    (project / "faces" / "images").mkdir(parents=True)
    assert check.problems() == []


def test_everything_is_said_at_once(project, monkeypatch):
    change(compare__folds=1, audit__area="IT", explain__models=["x"])
    monkeypatch.setenv("NNN_WORKERS", "0")
    monkeypatch.setenv("NNN_DEVICE", "foo")
    found = check.problems()
    assert len(found) == 4
    assert all("\n" not in line for line in found)
    change(compare__folds=3, audit__area="latest", candidates__model="gabor")  # which agrees with no dvc.yaml either
    assert len([line for line in check.problems() if line.startswith("params.yaml: ")]) == 2
    shown = CliRunner().invoke(app, ["check", "--out", "data/checked"])
    assert shown.exit_code == 1
    assert not (project / "data").exists()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NNN_WORKERS", "0", "NNN_WORKERS='0': give a whole number"),
        ("NNN_DEVICE", "cuda:99", "NNN_DEVICE=cuda:99: torch sees"),
        ("NNN_NUMERICS", "fast", "NNN_NUMERICS='fast': give fixed"),
        ("NNN_WORKER", "2", "NNN_WORKER: no such variable; did you mean NNN_WORKERS?"),
        ("NNN_SCHEDULER", "host", "NNN_SCHEDULER=host: give slurm"),
        ("NNN_SCHEDULER", "tcp://127.0.0.1:1", "no scheduler answers there"),
        ("NNN_SCHEDULER", "slurm", "no command sbatch here"),
        ("NNN_SCHEDULER", "params.yaml", "not a dask scheduler file"),
        ("NNN_STORE", "params.yaml/store", "the store params.yaml/store cannot be written"),
    ],
)
def test_variables(project, monkeypatch, name, value, said):
    monkeypatch.setenv("PATH", str(project))
    monkeypatch.setenv(name, value)
    assert any(said in line for line in check.problems())


def test_a_model_of_the_search_that_dvc_does_not_list(project):
    change(candidates__report="as_reported")
    assert [line.partition(":")[0] for line in check.problems()] == ["candidates.report = 'as_reported'"]


def test_a_scheduler_that_answers(project, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        (project / "scheduler.json").write_text(json.dumps({"address": address}))
        for value in (address, "scheduler.json"):
            monkeypatch.setenv("NNN_SCHEDULER", value)
            assert check.problems() == []


def test_a_disk_with_little_room_is_said_once(project, monkeypatch):
    monkeypatch.setattr(check, "ROOM", 1e18)
    assert [line.partition(" has ")[0] for line in check.problems()] == ["this folder"]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        if Path(elsewhere).stat().st_dev != project.stat().st_dev:
            monkeypatch.setenv("NNN_STORE", f"{elsewhere}/store")
            assert [line.partition(" has ")[0] for line in check.problems()] == [
                "this folder",
                f"the store {elsewhere}/store",
            ]


def no_room(*_args, **_options):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_without_any_room_is_said_once(project, monkeypatch):
    monkeypatch.setattr(check, "ROOM", 1e18)
    monkeypatch.setattr(check.tempfile, "TemporaryFile", no_room)
    assert [line.partition(" has ")[0] for line in check.problems()] == ["this folder"]
    monkeypatch.setattr(check, "ROOM", 0)  # no inode is left
    assert check.problems()[0] == "this folder cannot be written: No space left on device"


def test_modules_and_weights_of_ones_own(project):
    entry = {"kind": "own", "protocol": "corrected", "size": 64, "C": 1.0, "module": "nowhere.net:build"}
    entry |= {"arguments": {}, "weights": {"file": "w.pt", "sha256": "0" * 64}, "layers": ["a"]}
    entry |= {"mean": [0.0] * 3, "std": [1.0] * 3, "activations": {"pool": 2, "features": 8, "patches": 0}}
    change(models__mine=entry)
    assert check.problems() == []  # it does not run
    change(models__run=["hmo", "hmo_report", "simple_cnn", "mine"], timing__models=["mine"])
    assert [line.partition(":")[0] for line in check.problems()] == ["models.mine.module", "models.mine.weights"]
    (project / "w.pt").touch()
    assert len(check.problems()) == 1
