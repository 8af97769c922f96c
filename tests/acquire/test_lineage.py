"""DVC around the stage: its lock names the data, remotes bring them back, experiments do not download again."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.acquire.world import ROOT

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_default_region": "us-east-1"}


class Project:
    """A git and DVC project with the one stage, as a clone has it."""

    def __init__(self, folder: Path):
        self.folder = folder

    def git(self, *command: str) -> None:
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *command], cwd=self.folder, check=True)

    def dvc(self, *command: str) -> None:
        """Run a DVC command in this process, which saves its start of a second or two each time."""
        from dvc.cli import main

        assert main(list(command)) == 0

    def unchanged(self) -> bool:
        from dvc.repo import Repo

        with Repo(str(self.folder)) as repo:
            return repo.status() == {}

    def data(self) -> dict[str, bytes]:
        raw = self.folder / "data" / "raw"
        return {path.relative_to(raw).as_posix(): path.read_bytes() for path in raw.rglob("*") if path.is_file()}

    def forget(self) -> None:
        """Remove the data and DVC's cache, as in a fresh clone."""
        shutil.rmtree(self.folder / "data")
        shutil.rmtree(self.folder / ".dvc" / "cache")


@pytest.fixture
def project(world, tmp_path, monkeypatch) -> Project:
    binaries = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "t")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "t@t")
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    folder = world.project(tmp_path / "clone", recordings=["An220105", "Bf211114"])
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    stages["acquire"]["deps"].remove("data/checked")  # of the stage before it, which is left out
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"acquire": stages["acquire"]}}))
    for dependency in stages["acquire"]["deps"]:
        if not (folder / dependency).exists():
            (folder / dependency).write_text("")
    (folder / ".gitignore").write_text("__pycache__/\n/data/\n")
    monkeypatch.chdir(folder)
    project = Project(folder)
    project.git("init", "-q")
    project.dvc("init", "-q")
    shutil.copyfile(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    return project


def test_lineage(world, project, tmp_path):
    project.dvc("repro", "-q")
    assert project.unchanged()  # although the run recorded the OSF volumes in its own folder
    first = project.data()
    lock = yaml.safe_load((project.folder / "dvc.lock").read_text())["stages"]["acquire"]
    [output] = lock["outs"]
    assert output["nfiles"] == len(first)
    assert lock["params"]["params.yaml"]["acquire"]["recordings"] == ["An220105", "Bf211114"]
    asked = world.asked()

    for name, remote in (("local", local_remote(tmp_path)), ("s3", s3_remote())):
        with remote as (address, *settings):
            project.dvc("remote", "add", "-q", name, address)
            for key, value in settings:
                project.dvc("remote", "modify", "-q", name, key, value)
            project.dvc("push", "-q", "-r", name)
            project.forget()
            project.dvc("pull", "-q", "-r", name)
            assert project.data() == first
    assert project.unchanged()

    project.git("add", ".")
    project.git("commit", "-qm", "start")
    project.dvc("exp", "run", "--temp", "-q", "-n", "small", "-S", "acquire.recordings=[An220105]")
    project.dvc("exp", "apply", "-q", "small")
    project.dvc("checkout", "-q")
    assert {name for name in first if "sub-Bf" in name} == set(first) - set(project.data())
    assert world.asked() == asked  # a temporary folder, but the same store


def local_remote(tmp_path):
    return contextlib.nullcontext((str(tmp_path / "remote"),))


@contextlib.contextmanager
def s3_remote():
    """A bucket on an S3 server on loopback."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=address, region_name="us-east-1").create_bucket(Bucket="data")
        yield "s3://data/cache", ("endpointurl", address)
    finally:
        server.stop()
