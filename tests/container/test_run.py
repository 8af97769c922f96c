"""The program of the image, run outside one: on folders of the test in place of /work and /opt/compendium."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from container.advisories import judge
from tests.project import ROOT

CONTAINER = ROOT / "container"


@pytest.fixture
def image(tmp_path, monkeypatch):
    """Return a function that runs ``container/run`` with both folders under `tmp_path`."""
    holds, work = tmp_path / "holds", tmp_path / "work"
    (holds / "container").mkdir(parents=True)
    (holds / ".dvc").mkdir()
    (holds / "dvc.yaml").write_text("stages: {}\n")
    (holds / "container" / "reproduce.py").write_text("import sys; print('reproduce', *sys.argv[1:])")
    work.mkdir()
    script = (CONTAINER / "run").read_text().replace("/opt/compendium", str(holds)).replace("/work", str(work))
    program = tmp_path / "run"
    program.write_text(script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
        env = os.environ | variables
        return subprocess.run([str(program), *arguments], env=env, capture_output=True, text=True, check=False)

    run.work, run.holds = work, holds
    return run


def test_the_paper_is_made_in_a_copy_when_work_is_empty(image):
    assert image().stdout == "reproduce\n"
    assert (image.work / "dvc.yaml").read_text() == "stages: {}\n"
    assert "no_scm = true" in (image.work / ".dvc" / "config.local").read_text()
    assert image("reproduce", "--force").stdout == "reproduce --force\n"


def test_a_clone_at_work_is_used_as_it_is(image):
    (image.work / "dvc.yaml").write_text("mine: {}\n")
    (image.work / ".git").mkdir()
    assert image("cat", "dvc.yaml").stdout == "mine: {}\n"
    assert not (image.work / "container").exists()


def test_a_home_that_cannot_be_written_is_replaced(image):
    told = image("sh", "-c", "test -w $HOME && echo $HOME $USER", HOME="/nowhere", USER="")
    home, user = told.stdout.split()
    assert home != "/nowhere"
    assert user == "reader"


@pytest.mark.skipif(shutil.which("pytest", path=os.defpath) is not None, reason="the system has a pytest of its own")
def test_an_image_without_pytest_says_how_to_build_one_with_it(image):
    told = image("test", PATH=os.defpath)
    assert told.returncode == 1
    assert told.stderr == "error: this image has no pytest: build it with --target checks\n"


def test_a_sigterm_unwinds_the_pipeline(tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages:\n  a: {cmd: touch a, outs: [a]}\n  b: {cmd: sleep 60, deps: [a]}\n")
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env |= {"DVC_SITE_CACHE_DIR": str(tmp_path / "site"), "DVC_NO_ANALYTICS": "1"}
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, env=env, check=True)
    command = [sys.executable, str(CONTAINER / "reproduce.py")]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while "sleep 60" not in (line := process.stdout.readline()):
        assert line, "dvc repro ended before its second stage"
    os.killpg(process.pid, signal.SIGTERM)
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert "finished stages are kept" in told
    assert "a:" in (tmp_path / "dvc.lock").read_text()
    assert not any(json.loads((tmp_path / ".dvc/tmp/rwlock").read_text()).values())


# --- advisories ----------------------------------------------------------------------------------


def test_no_answer_is_no_clean_bill():
    assert judge("", "Traceback\nConnectionError: no route\n") == (
        2,
        ["the database of advisories could not be asked: ConnectionError: no route", "run this with network access"],
    )
    skipped = json.dumps(
        {"dependencies": [{"name": "a", "skip_reason": "x"}, {"name": "b", "version": "1", "vulns": []}]}
    )
    status, lines = judge(skipped, "")
    assert status == 2
    assert lines == [
        "1 of 2 packages looked up, 0 advisories",
        "the database of advisories did not answer for 1, such as a",
    ]


def test_advisories_are_named_with_their_remedy():
    packages = [
        {
            "name": "a",
            "version": "1",
            "vulns": [{"id": "X-1", "fix_versions": ["1.1"]}, {"id": "X-2", "fix_versions": []}],
        },
        {"name": "b", "version": "2", "vulns": []},
    ]
    assert judge(json.dumps({"dependencies": packages}), "") == (
        1,
        ["2 of 2 packages looked up, 2 advisories", "a 1: X-1, fixed in 1.1", "a 1: X-2, fixed in no release yet"],
    )
    assert judge(json.dumps({"dependencies": packages[1:]}), "")[0] == 0
