"""Ctrl-C and other signals end a command in one line, and its worker processes with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.project import ROOT

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from analysis import run
from analysis.__main__ import main
from analysis.core import cluster, parallel

def sleep(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

def work(how, folder):
    if how == "fork":
        parallel.map_processes(lambda _: sleep(folder), range(2))
    elif how == "pool":
        with parallel.process_pool() as compute:
            list(compute(sleep, [(folder,), (folder,)]))
    else:
        cluster.MAX_IN_PROCESS = 0
        list(cluster.run_all(sleep, {"a": (folder,), "b": (folder,)}))

if __name__ == "__main__":
    how, folder, ignored = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    if ignored:
        signal.signal(getattr(signal, ignored), signal.SIG_IGN)
    run.run_stage = lambda *_, **__: work(how, folder)
    sys.argv = ["analysis", "acquire"]
    main()
"""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts the program; with it, the ids of the two processes that do its work."""
    started = []

    def begin(how, ignored=""):
        program, folder = tmp_path / "program.py", tmp_path / "started"
        program.write_text(PROGRAM)
        folder.mkdir()
        command = [sys.executable, str(program), how, str(folder), ignored]
        env = os.environ | {"PYTHONPATH": str(ROOT), "NNN_WORKERS": "2"}
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        started.append(subprocess.Popen(command, env=env, **pipes))
        wait_for(lambda: len(list(folder.iterdir())) == 2)
        return started[-1], [int(path.name) for path in folder.iterdir()]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition, seconds=120):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "took too long"
        time.sleep(0.05)


def runs(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("how", ["fork", "pool", "dask"])
def test_a_signal_ends_a_command_and_its_workers_in_one_line(start, how, name):
    process, workers = start(how)
    number = getattr(signal, name)
    if name == "SIGINT":  # a terminal sends it to all
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert said == f"interrupted ({name}): run it again to resume\n"
    assert process.returncode == 128 + number
    wait_for(lambda: not any(map(runs, workers)), seconds=10)


def test_a_signal_that_is_ignored_stays_so(start):
    process, workers = start("fork", ignored="SIGHUP")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert all(map(runs, [process.pid, *workers]))
