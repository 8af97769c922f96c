import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from analysis.core import processes
from analysis.core.errors import DataError
from analysis.core.threads import in_threads


@pytest.mark.parametrize("workers", ["1", "3"])
def test_results_come_in_order_whatever_the_number_of_workers(workers, monkeypatch):
    monkeypatch.setenv("NNN_WORKERS", workers)
    table = np.arange(12.0).reshape(4, 3)
    made = processes.in_processes(lambda row: (table[row] * 2, os.getpid()), [3, 0, 2], "rows")
    np.testing.assert_array_equal([values for values, _ in made], table[[3, 0, 2]] * 2)
    assert (os.getpid() in {where for _, where in made}) is (workers == "1")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_has_one_blas_thread_and_starts_no_others(workers, monkeypatch):
    monkeypatch.setenv("NNN_WORKERS", workers)

    def inside(_):
        blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        return blas, in_threads(lambda _: threading.current_thread().name, range(3), threads=3)

    for blas, names in processes.in_processes(inside, range(2), "threads"):
        assert set(blas) == {1}
        assert set(names) == {"MainThread"}


def test_an_error_of_a_worker_arrives(monkeypatch):
    monkeypatch.setenv("NNN_WORKERS", "2")

    def fail(item):
        raise DataError(f"item {item} is bad")

    with pytest.raises(DataError, match="item 1 is bad"):
        processes.in_processes(fail, [1, 2], "failures")


def test_the_stage_loads_no_torch():
    code = "import sys, analysis.compare.stage, analysis.summary.stage; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # it takes two seconds a model
