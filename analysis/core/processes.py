"""Work of many small steps in several processes: Python's own part of it would keep threads waiting for each other."""

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from analysis.core import runtime
from analysis.core.threads import alone, one_blas_thread

_call: Callable
"""Of a worker: computes an item, by its number."""


def in_processes(function: Callable, items: Iterable, progress: str) -> list:
    """Return ``[function(item) for item in items]``, computed by as many processes as there are workers.

    Each has one BLAS thread and starts no threads, so that the bits of a result do not depend on the number of workers.

    Parameters
    ----------
    function : callable
        Any function, since the processes are forked and see what this one holds; its results are pickled.
    items : iterable
    progress : str
        Name of the work, for the reader who waits.
    """
    items = list(items)
    with one_blas_thread(), alone():
        if min(runtime.workers(), len(items)) < 2:
            return list(runtime.track(map(function, items), progress, len(items)))
        # A forked process begins as this thread, which starts no others.
        initial = get_context("fork"), _start, (lambda number: function(items[number]),)
        with ProcessPoolExecutor(runtime.workers(), *initial) as pool:
            return list(runtime.track(pool.map(_run, range(len(items))), progress, len(items)))


def _start(call: Callable) -> None:
    global _call
    _call = call


def _run(number: int):
    return _call(number)
