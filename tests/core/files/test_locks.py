"""Locks between processes: exclusive, released by death, refused where there are none."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from analysis.core.errors import DataError
from analysis.core.files import locks
from tests.project import ROOT

HOLD = """
import os, sys, time
from pathlib import Path
from analysis.core.files import locks
with locks.held(Path(sys.argv[1]), "stage x", "move"):
    if sys.argv[2] == "fork" and os.fork() == 0:
        time.sleep(600)
    print(os.getpid(), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def hold(tmp_path):
    """Start a process that holds a lock; return it once it does. All are killed in the end."""
    started = []

    def start(how=""):
        command = [sys.executable, "-c", HOLD, str(tmp_path / "lock"), how]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "start_new_session": True}
        started.append(subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, **pipes))
        assert int(started[-1].stdout.readline()) == started[-1].pid
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_held_lock_is_refused_with_the_name_of_its_holder(tmp_path, hold):
    process = hold()
    expected = rf"^stage x is already running \(process {process.pid} on \S+ since 2\d[^\n]*$"
    with pytest.raises(DataError, match=expected), locks.held(tmp_path / "lock", "stage x", "move", patience_s=0):
        pytest.fail("is held by another")
    with locks.if_free(tmp_path / "lock") as free:
        assert not free


@pytest.mark.parametrize("end", ["kill", "well", "with a child that lives on"])
def test_a_lock_is_released_when_its_holder_ends(tmp_path, hold, end):
    process = hold("fork" if end == "with a child that lives on" else "")
    if end == "kill":
        process.kill()
    else:
        process.stdin.write("\n")
        process.stdin.flush()
    process.wait()
    start = time.monotonic()
    with locks.held(tmp_path / "lock", "stage x", "move", patience_s=0):
        waited = time.monotonic() - start
        assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} on ")
    assert (waited >= locks.AFTERMATH_S) == (end == "kill")
    assert (tmp_path / "lock").read_text() == ""


def test_who_waits_says_for_whom_now_and_then(tmp_path, hold, monkeypatch, capsys):
    monkeypatch.setattr(locks, "SAY_EVERY_S", 0.5)
    process = hold()
    end = time.monotonic() + 1.2
    monkeypatch.setattr(
        locks.time, "sleep", lambda s, sleep=time.sleep: process.kill() if time.monotonic() > end else sleep(s)
    )
    with locks.held(tmp_path / "lock", "stage x", "move"):
        pass
    said = capsys.readouterr().err.splitlines()
    assert 2 <= len(said) <= 4
    assert set(said) == {said[0]}
    assert said[0].startswith(f"stage x: waiting for process {process.pid} on ")


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch, code):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    expected = f"its file system has no file locks \\({os.strerror(code)}\\); move$"
    with pytest.raises(DataError, match=expected), locks.held(tmp_path / "lock", "stage x", "move"):
        pytest.fail("has no lock")


def test_a_lock_that_does_not_exist_is_free(tmp_path):
    with locks.if_free(tmp_path / "lock") as free:
        assert free
    assert not list(tmp_path.iterdir())
