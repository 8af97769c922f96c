"""Run independent tasks in parallel on this machine, in threads or in processes; for clusters see `cluster`.

Every task computes with a fixed number of BLAS and torch threads (one unless stated otherwise), results come in
the order of the tasks, and nested calls run sequentially within their task. So the bits of a result do not depend on
how many tasks run at once.

- `map_threads`: for tasks of few large array operations, which release the GIL.
- `map_processes`: for tasks of many small steps, which would hold the GIL. Forks.
- `process_pool`: the same for tasks that need torch, which does not survive a fork. Starts new processes.
"""

import ctypes
import logging
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import active_children, get_context, resource_tracker

from threadpoolctl import threadpool_limits

from analysis.core import settings
from analysis.core.errors import DataError
from analysis.core.numerics import THREADS, fixed_threads
from analysis.core.progress import track

PR_SET_PDEATHSIG = 1  # Linux, sys/prctl.h

_guard = threading.Lock()
_depth = 0
_thread = threading.local()
_forked: Callable
"""In a forked child: the function that computes a task, given its number."""
_loaded: dict[str, object] = {}
"""In a child of `process_pool`: the object that its tasks share, by pool name."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS and torch to one thread in the whole process, until the outermost of nested blocks ends.

    BLAS threads wait for each other after every product, which dominates when the products are small. With one thread
    the result does not depend on their number either. Setting the limit takes a millisecond, longer than a small fit:
    enter the block once, around a loop over fits.
    """
    global _depth, _limits, _torch_threads
    torch = sys.modules.get("torch")  # code that uses it has imported it
    with _guard:
        if _depth == 0:
            _limits = threadpool_limits(limits=1, user_api="blas")
            _torch_threads = torch and torch.get_num_threads()
            if torch:
                torch.set_num_threads(1)
        _depth += 1
    try:
        yield
    finally:
        with _guard:
            _depth -= 1
            if _depth == 0:
                _limits.restore_original_limits()
                if _torch_threads:
                    torch.set_num_threads(_torch_threads)


@contextmanager
def _sequential() -> Iterator[None]:
    """Keep this thread from starting others within the block."""
    before, _thread.sequential = getattr(_thread, "sequential", False), True
    try:
        yield
    finally:
        _thread.sequential = before


def map_threads(function: Callable, items: Iterable, threads: int = THREADS, progress: str | None = None) -> list:
    """Return ``[function(item) for item in items]``, computed in several threads.

    Parameters
    ----------
    function : callable
        Must not draw from torch's or numpy's global generator, which all threads share.
    items : iterable
    threads : int
        Number of items computed at once. A call from inside a task starts no further threads.
    progress : str, optional
        Label of the progress display; without it, none is shown.
    """
    items = list(items)

    def compute(item):
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)  # MKL's setting is per thread, and a new thread starts with that of the process
        with _sequential():
            return function(item)

    with one_thread():
        if min(len(items), threads) < 2 or getattr(_thread, "sequential", False):
            return _gathered(map(function, items), len(items), progress)
        with ThreadPoolExecutor(threads) as pool:
            return _gathered(pool.map(compute, items), len(items), progress)


def map_processes(function: Callable, items: Iterable, progress: str | None = None) -> list:
    """Return ``[function(item) for item in items]``, computed in ``NNN_WORKERS`` processes.

    Parameters
    ----------
    function : callable
        Any function, closures included. Its results are pickled.
    items : iterable
    progress : str, optional
        Label of the progress display; without it, none is shown.

    Raises
    ------
    DataError
        If a process is killed.
    """
    # Forked, not spawned as by joblib: children share the activations and responses that the closure holds, whereas new
    # processes would each import the libraries (2 s) and unpickle a copy of the arrays for every model.
    items = list(items)
    workers = min(settings.workers(), len(items))
    with one_thread(), _sequential():  # a forked child inherits both
        if workers < 2:
            return _gathered(map(function, items), len(items), progress)
        begin = (lambda number: function(items[number]), os.getpid())
        with (
            ProcessPoolExecutor(workers, get_context("fork"), _begin_forked, begin) as pool,
            _deaths(progress),
            killed_on_interrupt(),
        ):
            with no_interrupts():
                results = pool.map(_call_forked, range(len(items)))
            return _gathered(results, len(items), progress)


@contextmanager
def process_pool(
    load: Callable | None = None, *arguments, workers: int | None = None, threads: int = 1
) -> Iterator[Callable]:
    """Yield a function ``run(function, tasks)`` that iterates over the results of ``function(*task)``, in order.

    Parameters
    ----------
    load : callable, optional
        ``load(*arguments)`` is called once in each process; its result becomes the first argument of `function`.
    *arguments
        Arguments of `load`.
    workers : int, optional
        Number of processes, by default ``NNN_WORKERS``; 1 is this process itself.
    threads : int
        BLAS and torch threads of each task.

    Raises
    ------
    DataError
        If a process is killed.
    """
    name = uuid.uuid4().hex
    workers = workers or settings.workers()
    try:
        if workers == 1:
            yield lambda function, tasks: (_call(name, load, arguments, function, task, threads) for task in tasks)
            return
        from joblib import Parallel, delayed
        from joblib.externals.loky import get_reusable_executor
        from joblib.externals.loky.backend import resource_tracker as loky_tracker

        # No memory-mapped arguments: a killed run would leave their files behind.
        start = {"backend": "loky", "max_nbytes": None, "initializer": _begin_child, "initargs": (os.getpid(),)}
        parallel = Parallel(workers, return_as="generator", batch_size=1, **start)

        for tracker in (loky_tracker, resource_tracker):
            tracker.ensure_running()  # starting it within `no_interrupts` would unblock Ctrl-C

        def run(function: Callable, tasks: Iterable[tuple]) -> Iterator:
            with no_interrupts():
                return parallel(delayed(_call)(name, load, arguments, function, task, threads) for task in tasks)

        try:
            with _deaths(None):
                yield run
        finally:
            get_reusable_executor().shutdown(kill_workers=True)  # else idle processes keep what they loaded
    finally:
        _loaded.pop(name, None)


def _call(name: str, load: Callable | None, arguments: tuple, function: Callable, task: tuple, threads: int):
    """Compute a task of a pool; on the first call, load the shared object with the threads of a stage."""
    if threads != THREADS:
        import_module("torch")  # imported later, it would start with the number of threads of the process
    if load is None:
        with fixed_threads(threads):
            return function(*task)
    if name not in _loaded:
        with fixed_threads():
            _loaded[name] = load(*arguments)
    with fixed_threads(threads):
        return function(_loaded[name], *task)


def _begin_forked(call: Callable, parent: int) -> None:
    global _forked
    _forked = call
    _begin_child(parent)


def _call_forked(number: int):
    return _forked(number)


def _begin_child(parent: int) -> None:
    """Let a child process end with its parent, even a killed one, and start neither threads nor processes."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent has already ended
        os._exit(1)
    _thread.sequential = True
    os.environ["NNN_WORKERS"] = "1"


@contextmanager
def no_interrupts() -> Iterator[None]:
    """Block Ctrl-C, which reaches all processes of a terminal, in those that are started within the block.

    They end with this process, without printing a traceback each.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def killed_on_interrupt() -> Iterator[None]:
    """Kill the children of this process if it is interrupted; a pool would wait for their tasks or log errors."""
    try:
        yield
    except Exception:
        raise
    except BaseException:
        logging.disable()
        for child in active_children():
            child.kill()
        raise


@contextmanager
def _deaths(progress: str | None) -> Iterator[None]:
    """Report a killed child as out of memory, the usual cause."""
    try:
        yield
    except BrokenProcessPool as error:
        raise DataError(
            f"{progress or 'tasks'}: a worker process was killed, most likely out of memory: reduce NNN_WORKERS"
        ) from error


def _gathered(results: Iterable, n: int, progress: str | None) -> list:
    return list(results if progress is None else track(results, progress, n))


class Once:
    """A cache that computes each value once, however many threads ask for it."""

    def __init__(self):
        self._guard = threading.Lock()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._values: dict[Hashable, object] = {}

    def get(self, key: Hashable, compute: Callable[[], object]):
        """Return the value of `key`, ``compute()`` on the first call; other threads wait for it."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._values:
                self._values[key] = compute()
        return self._values[key]
