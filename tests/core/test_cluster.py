"""Recordings on workers: the same bytes as in one process, whoever dies on the way."""

import os
import signal
import socket
import subprocess
import sys
import time
import types
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import params
from analysis.core import cluster, numerics, paths
from analysis.core.errors import DataError, WriteError
from analysis.core.store import store_root
from analysis.recordings import stage
from analysis.recordings.read import recording_files
from tests.project import ROOT
from tests.recordings.conftest import Pair, write_annotations

DRIVER = [sys.executable, "-m", "analysis", "recordings", "corrected"]
N = 60


def make_project(folder, n):
    """Lay out n recordings of one monkey, one a day."""
    days = [f"22{month:02}{day:02}" for month in range(1, 13) for day in range(1, 29)][:n]
    write_annotations(folder / paths.RAW / "annotations", tuple(f"An{day}" for day in days))
    for i, day in enumerate(days):
        pair = Pair(name=f"sub-An_ses-20{day}T120000")
        pair.raster = np.random.default_rng(i).poisson(0.02, (10_000, 3)).astype(np.uint8)
        pair.write(folder / paths.DANDISET / "sub-An")
    values = (ROOT / "params.yaml").read_text()
    (folder / "params.yaml").write_text(values.replace("permutations: 10000", "permutations: 100"))


def outputs():
    return {path.name: path.read_bytes() for path in (*recording_files("corrected"), *_csv())}


def _csv():
    return (paths.RECORDINGS / "corrected").glob("*.csv")


def start(command, **env):
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def processes():
    """Processes started by a test; all are ended with it."""
    started = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition, process=None, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "took too long"
        time.sleep(0.01)


def n_done():
    return len(list((store_root() / "work").glob("*/*.nc")))


def test_killed_worker_and_killed_driver_change_no_byte(tmp_path, monkeypatch, processes):
    make_project(tmp_path, N)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NNN_WORKERS", "1")
    stage.run(params.load(), "corrected")
    expected = outputs()
    assert len(expected) == N + 1

    address = tmp_path / "scheduler.json"
    module = [sys.executable, "-m"]
    processes.append(
        start(
            [
                *module,
                "distributed.cli.dask_scheduler",
                "--port",
                "0",
                "--no-dashboard",
                "--scheduler-file",
                str(address),
            ]
        )
    )
    wait_for(address.exists)
    worker = [*module, "analysis", "worker", "--scheduler-file", str(address), "--nthreads", "1"]
    workers = [start([*worker, "--no-nanny", "--no-dashboard"]) for _ in range(2)]
    processes += workers

    driver = start(DRIVER, NNN_SCHEDULER=str(address))
    processes.append(driver)
    wait_for(lambda: n_done() >= N // 2, driver)
    workers[0].send_signal(signal.SIGKILL)
    wait_for(lambda: n_done() >= 2 * N // 3, driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    left = n_done()
    assert left < N, "the driver had ended before it was killed"

    again = start(DRIVER, NNN_SCHEDULER=str(address))
    processes.append(again)
    assert again.wait(timeout=120) == 0, again.stderr.read()
    assert outputs() == expected
    assert workers[1].poll() is None
    assert n_done() == 0  # the store is emptied once the stage has succeeded


def test_local_workers_give_the_same_bytes_and_keep_what_works(tmp_path, monkeypatch):
    make_project(tmp_path, 4)
    monkeypatch.chdir(tmp_path)
    broken = next(iter(paths.DANDISET.glob("*/*20220102*_image.nwb")))
    broken.write_bytes(broken.read_bytes()[:1000])
    results = []
    for few, workers in ((24, "2"), (0, "2")):
        monkeypatch.setattr(cluster, "MAX_IN_PROCESS", few)
        monkeypatch.setenv("NNN_WORKERS", workers)
        monkeypatch.setenv("NNN_STORE", str(tmp_path / f"store{few}"))
        with pytest.raises(DataError, match="1 of 4 recordings failed"):
            stage.run(params.load(), "corrected")
        results.append(outputs())
    assert results[0] == results[1]
    table = pd.read_csv(paths.RECORDINGS / "corrected" / "failures.csv")
    assert table["recording"].tolist() == ["sub-An_ses-20220102T120000"]
    assert not table["reason"].str.contains(str(tmp_path)).any()  # outputs name no place on this machine


def test_recording_that_kills_its_worker_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "MAX_IN_PROCESS", 0)
    monkeypatch.setenv("NNN_WORKERS", "2")
    done = dict(cluster.run_all(crash_or_not, {"good": (False,), "bad": (True,)}))
    assert done["good"] is None
    assert "died" in done["bad"]


def crash_or_not(bad):
    if bad:
        os.kill(os.getpid(), signal.SIGSEGV)


def test_a_port_that_another_uses_is_no_news(monkeypatch):
    monkeypatch.setattr(cluster, "MAX_IN_PROCESS", 0)
    monkeypatch.setenv("NNN_WORKERS", "2")
    with socket.socket() as other, warnings.catch_warnings():
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # taken already
            other.bind(("127.0.0.1", 8787))
            other.listen()
        warnings.filterwarnings("error", message="(?s).*already in use")
        assert dict(cluster.run_all(crash_or_not, {"a": (False,), "b": (False,)})) == {"a": None, "b": None}


def fail(error):
    raise error


def test_defects_are_failures_of_one_recording_only(monkeypatch, capsys):
    monkeypatch.setenv("NNN_WORKERS", "1")
    tasks = {"a": (DataError("file x is damaged"),), "b": (ZeroDivisionError("of mine"),)}
    assert dict(cluster.run_all(fail, tasks)) == {
        "a": "file x is damaged",
        "b": "unexpected ZeroDivisionError: of mine",
    }
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("gpus", [0, 1])
def test_tasks_for_gpus_go_to_workers_that_have_one(gpus):
    from dask.distributed import Client, LocalCluster

    resources = {"GPU": gpus} if gpus else {}
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None, resources=resources) as local,
        Client(local) as client,
    ):
        tasks = {"a": (DataError("it ran"),)}
        if gpus:
            assert dict(cluster.run_on(client, fail, tasks, gpu=True)) == {"a": "it ran"}
        else:
            with pytest.raises(DataError, match="no worker of the scheduler offers a GPU"):
                list(cluster.run_on(client, fail, tasks, gpu=True))


def test_a_worker_of_other_numerics_is_refused(monkeypatch):
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None) as local,
        Client(local) as client,
        monkeypatch.context() as here,
    ):
        run = cluster.run_on(client, fail, {"a": (DataError("it ran"),)})
        states = iter([numerics.FIXED, "partial: not set: MKL_CBWR"])  # of this process, then of the worker
        here.setattr(numerics, "state", lambda: next(states))
        with pytest.raises(DataError, match=r"different numerics .*MKL_CBWR; here fixed.*python -m analysis worker"):
            list(run)


def test_no_scheduler_there(monkeypatch):
    monkeypatch.setenv("NNN_SCHEDULER", "tcp://127.0.0.1:9")
    monkeypatch.setattr(cluster, "TIMEOUT_S", 1)
    with pytest.raises(DataError, match=r"NNN_SCHEDULER=tcp://127\.0\.0\.1:9: no scheduler answers"):
        list(cluster.run_all(fail, {"a": (None,)}))


def test_slurm_needs_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    monkeypatch.setenv("NNN_SCHEDULER", "slurm")
    with pytest.raises(DataError, match="dask-jobqueue"):
        list(cluster.run_all(fail, {"a": (None,)}))


def test_slurm_jobs_fix_their_numerics(monkeypatch):
    asked = {}

    class Cluster:
        def __init__(self, **options):
            asked.update(options)

        def scale(self, n_workers):
            asked["scale"] = n_workers

    monkeypatch.setitem(sys.modules, "dask_jobqueue", types.SimpleNamespace(SLURMCluster=Cluster))
    monkeypatch.setattr(cluster.shutil, "which", lambda name: name)
    cluster._slurm(3)
    assert (asked["worker_command"], asked["scale"]) == ("analysis worker", 3)


def test_slurm_needs_its_commands(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", types.SimpleNamespace(SLURMCluster=None))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("NNN_SCHEDULER", "slurm")
    with pytest.raises(DataError, match="no command sbatch"):
        list(cluster.run_all(fail, {"a": (None,)}))


def test_a_task_of_a_name_that_was_run_before_runs_again(tmp_path):
    from dask.distributed import Client

    with Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as client:
        again = []
        for turn in ("first", "second"):
            run = cluster.run_on(client, write_turn, {"1": (str(tmp_path / turn),)})
            again.append((run, next(run)))  # the generator goes on holding what the scheduler knows of the task
        assert [ended for _, ended in again] == [("1", None), ("1", None)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


def write_turn(path):
    Path(path).touch()


def test_a_full_disk_is_no_failure_of_a_task():
    def full():
        raise WriteError("cannot write x: No space left on device")

    def bad():
        raise DataError("x is damaged")

    assert cluster.attempt(1, bad) == "x is damaged"
    with pytest.raises(WriteError, match="cannot write x"):
        cluster.attempt(1, full)
