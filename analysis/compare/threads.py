"""Many small products at once: one thread each, rather than all threads on each."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_limits

from analysis.runtime import THREADS


def in_threads(function: Callable, items: Iterable, threads: int = THREADS) -> list:
    """Return ``[function(item) for item in items]``, computed by `threads` threads with one BLAS thread each.

    BLAS threads that meet at the end of every small product wait for each other, by far the most of the time on a busy
    machine. One BLAS thread also makes the bits of the result independent of their number.
    """
    items = list(items)
    with threadpool_limits(limits=1, user_api="blas"):
        if len(items) < 2 or threads < 2:
            return [function(item) for item in items]
        with ThreadPoolExecutor(max_workers=threads) as pool:
            return list(pool.map(function, items))
