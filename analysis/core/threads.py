"""Many small products at once: one thread each, rather than all threads on each."""

import sys
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from analysis.core.runtime import THREADS, track

_guard = threading.Lock()
_inside = 0
_thread = threading.local()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Give BLAS and torch one thread, in the whole process, until the outermost of nested blocks ends.

    BLAS threads that meet at the end of every small product wait for each other, by far the most of the time on a busy
    machine. One BLAS thread also makes the bits of the result independent of their number. Finding the libraries takes
    a millisecond, more than a small fit: a loop over fits enters this once.
    """
    global _inside, _limits, _torch_threads
    torch = sys.modules.get("torch")  # whoever computes with it has loaded it
    with _guard:
        if _inside == 0:
            _limits = threadpool_limits(limits=1, user_api="blas")
            _torch_threads = torch and torch.get_num_threads()
            if torch:
                torch.set_num_threads(1)
        _inside += 1
    try:
        yield
    finally:
        with _guard:
            _inside -= 1
            if _inside == 0:
                _limits.restore_original_limits()
                if _torch_threads:
                    torch.set_num_threads(_torch_threads)


@contextmanager
def alone() -> Iterator[None]:
    """Start no further threads from this one within the block."""
    before, _thread.busy = getattr(_thread, "busy", False), True
    try:
        yield
    finally:
        _thread.busy = before


def in_threads(function: Callable, items: Iterable, threads: int = THREADS, progress: str | None = None) -> list:
    """Return ``[function(item) for item in items]``, computed by `threads` threads with one BLAS thread each.

    Within one of these threads no further ones are started. `progress` names the work where that is to be told.
    """
    items = list(items)

    def told(results: Iterable) -> list:
        return list(results if progress is None else track(results, progress, len(items)))

    def work(item):
        with alone():
            return function(item)

    with one_blas_thread():
        if len(items) < 2 or threads < 2 or getattr(_thread, "busy", False):
            return told(map(function, items))
        with ThreadPoolExecutor(max_workers=threads) as pool:
            return told(pool.map(work, items))


class Once:
    """Values computed once each, however many threads ask for them."""

    def __init__(self):
        self._guard = threading.Lock()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._values: dict[Hashable, object] = {}

    def get(self, key: Hashable, make: Callable[[], object]):
        """Return the value of `key`, which ``make()`` gives the first time; other threads wait for it."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._values:
                self._values[key] = make()
        return self._values[key]
