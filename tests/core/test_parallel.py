"""Tasks side by side: results in order, one thread each, errors with their cause, no child left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from analysis.core import parallel
from analysis.core.errors import DataError
from analysis.core.numerics import fixed_threads
from tests.project import ROOT


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def thread_name(_=None):
    return threading.current_thread().name


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_compute_in_order_with_one_blas_thread(threads):
    before = blas_threads()
    computed = parallel.map_threads(
        lambda n: (n * n, blas_threads(), threading.current_thread().name), [3, 0, 2], threads
    )
    assert [square for square, _, _ in computed] == [9, 0, 4]
    assert all(counts == {1} for _, counts, _ in computed)
    assert ("MainThread" in {name for _, _, name in computed}) is (threads == 1)
    assert blas_threads() == before


def test_threads_are_as_before_after_a_task_with_its_own_number():
    with fixed_threads(2):
        with fixed_threads(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with parallel.one_thread(), parallel.one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2


def test_threads_start_no_threads():
    names = parallel.map_threads(
        lambda _: (
            threading.current_thread().name,
            parallel.map_threads(lambda _: threading.current_thread().name, "ab"),
        ),
        "cd",
    )
    assert all(set(inner) == {outer} for outer, inner in names)


@pytest.mark.parametrize("workers", ["1", "3"])
def test_forked_processes_compute_closures_in_order(workers, monkeypatch):
    monkeypatch.setenv("NNN_WORKERS", workers)
    table = np.arange(12.0).reshape(4, 3)
    computed = parallel.map_processes(lambda row: (table[row] * 2, os.getpid()), [3, 0, 2])
    np.testing.assert_array_equal([values for values, _ in computed], table[[3, 0, 2]] * 2)
    assert (os.getpid() in {process for _, process in computed}) is (workers == "1")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_process_has_one_blas_thread_and_starts_neither_threads_nor_processes(workers, monkeypatch):
    monkeypatch.setenv("NNN_WORKERS", workers)

    def inside(_):
        names = parallel.map_threads(thread_name, range(3), threads=3)
        return blas_threads(), names, os.getpid(), parallel.map_processes(lambda _: os.getpid(), range(2))

    for blas, names, process, processes in parallel.map_processes(inside, range(2)):
        assert blas == {1}
        assert set(names) == {"MainThread"}
        assert workers == "1" or set(processes) == {process}


def scaled(loaded, factor):
    return loaded["value"] * factor, os.getpid(), blas_threads(), loaded["by"]


def load(value):
    return {"value": value, "by": os.getpid()}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_pool_loads_once_in_each_process(workers, monkeypatch):
    monkeypatch.setenv("NNN_WORKERS", workers)
    with parallel.process_pool(load, 10) as run:
        computed = [*run(scaled, [(factor,) for factor in range(6)]), *run(scaled, [(7,)])]
    assert [value for value, *_ in computed] == [0, 10, 20, 30, 40, 50, 70]
    assert all(process == by for _, process, _, by in computed)
    assert all(blas == {1} for _, _, blas, _ in computed)
    assert (os.getpid() in {process for _, process, *_ in computed}) is (workers == "1")
    with parallel.process_pool(load, 11) as run:  # another pool loads anew
        assert [value for value, *_ in run(scaled, [(1,), (2,)])] == [11, 22]


def fail_on_one(item):
    if item == 1:
        raise DataError(f"item {item} is bad")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_errors_arrive_as_they_are(workers, monkeypatch):
    monkeypatch.setenv("NNN_WORKERS", workers)
    with pytest.raises(DataError, match="item 1 is bad"):
        parallel.map_processes(fail_on_one, [0, 1, 2])
    with pytest.raises(DataError, match="item 1 is bad") as caught, parallel.process_pool() as run:
        list(run(fail_on_one, [(0,), (1,), (2,)]))
    if workers == "2":
        assert "in fail_on_one" in str(caught.value.__cause__)  # where it happened


def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_an_error_that_names_the_remedy(monkeypatch):
    monkeypatch.setenv("NNN_WORKERS", "2")
    with pytest.raises(DataError, match="NNN_WORKERS"):
        parallel.map_processes(killed, [1, 2], "work")
    with pytest.raises(DataError, match="NNN_WORKERS"), parallel.process_pool() as run:
        list(run(killed, [(1,), (2,)]))


def holds_back_ctrl_c(_):
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_ctrl_c_reaches_this_process_alone(monkeypatch):
    monkeypatch.setenv("NNN_WORKERS", "2")
    assert parallel.map_processes(holds_back_ctrl_c, range(3)) == [True] * 3
    with parallel.process_pool() as run:
        assert list(run(holds_back_ctrl_c, [(0,), (1,)])) == [True] * 2
        assert not holds_back_ctrl_c(0)


SLEEPERS = """
import os, sys, time
from pathlib import Path
from analysis.core import parallel

def sleep(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    folder = sys.argv[2]
    if sys.argv[1] == "fork":
        parallel.map_processes(lambda _: sleep(folder), range(2))
    else:
        with parallel.process_pool() as run:
            list(run(sleep, [(folder,), (folder,)]))
"""


@pytest.mark.parametrize("how", ["fork", "pool"])
def test_children_end_with_a_killed_parent(how, tmp_path):
    program, started = tmp_path / "sleepers.py", tmp_path / "started"
    program.write_text(SLEEPERS)
    started.mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NNN_WORKERS": "2"}
    parent = subprocess.Popen([sys.executable, program, how, started], env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(list(started.iterdir())) == 2)
        children = [int(path.name) for path in started.iterdir()]
        assert all(map(runs, children))
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not any(map(runs, children)), seconds=20)


def runs(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.05)


def test_a_value_is_computed_once_for_all_threads():
    calls, once = [], parallel.Once()

    def compute():
        time.sleep(0.05)
        calls.append(1)
        return len(calls)

    assert parallel.map_threads(lambda _: once.get("key", compute), range(4), threads=4) == [1] * 4


def test_the_stage_loads_no_torch():
    code = "import sys, analysis.compare.stage, analysis.summary.stage; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # it takes two seconds a model


@pytest.fixture(scope="module")
def mkl_threads():
    """Return a function that says with how many threads MKL multiplies here: the last digits of a product tell.

    Every thread of a process has a number of its own, which no other library shows.
    """
    draw = torch.Generator().manual_seed(1)
    x, w, b = (torch.randn(*size, generator=draw) for size in ((16, 10), (20, 10), (20,)))
    products = {}
    before = torch.get_num_threads()
    for n in (1, 2):
        torch.set_num_threads(n)
        products[n] = torch.nn.functional.linear(x, w, b)
    torch.set_num_threads(before)
    assert not torch.equal(products[1], products[2])  # else the product tells nothing

    def count(_=None):
        product = torch.nn.functional.linear(x, w, b)
        return next(n for n, known in products.items() if torch.equal(product, known))

    return count


@pytest.mark.parametrize(("outer", "inner"), [(2, 1), (1, 2)])
def test_torch_multiplies_with_the_threads_that_are_set_and_with_those_before_afterwards(mkl_threads, outer, inner):
    with fixed_threads(outer):
        with fixed_threads(inner):
            assert mkl_threads() == inner
        assert mkl_threads() == outer


def test_torch_multiplies_with_one_thread_in_every_thread(mkl_threads):
    with fixed_threads(2):
        assert parallel.map_threads(mkl_threads, range(6)) == [1] * 6
        with parallel.one_thread():
            assert mkl_threads() == 1
        assert mkl_threads() == 2


def count_in_child():
    """Load torch late, as a task may; return its threads."""
    import torch

    return torch.get_num_threads()


def test_torch_that_a_task_loads_has_the_threads_of_the_task():
    with parallel.process_pool(workers=2, threads=1) as run:
        assert list(run(count_in_child, [()] * 4)) == [1] * 4
