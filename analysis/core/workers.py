"""Worker processes that each compute one task at a time with one thread, so that bits do not depend on their number."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from threading import Thread

from analysis.core import runtime

_STATE: dict = {}


@contextmanager
def pool(make: Callable, *arguments) -> Iterator[Callable]:
    """Yield a function ``map(method, tasks)`` that calls ``method(made, *task)`` for each task, in order.

    `made` is what ``make(*arguments)`` returns, once in each process. One worker is this process itself.
    """
    if runtime.workers() == 1:
        made = make(*arguments)
        with runtime.fixed_threads(1):
            yield lambda method, tasks: (method(made, *task) for task in tasks)
        return
    # Torch and its thread pools do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(runtime.workers(), context, _start, (make, arguments)) as executor:

        def run(method: Callable, tasks: list[tuple]) -> Iterator:
            return executor.map(_call, [method] * len(tasks), tasks)

        yield run


def _start(make: Callable, arguments: tuple) -> None:
    parent = multiprocessing.parent_process()
    Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()  # end with a parent that is killed
    os.environ["NNN_WORKERS"] = "1"  # what runs here does not part its work again
    _STATE["made"] = make(*arguments)
    _STATE["threads"] = runtime.fixed_threads(1)  # after torch is loaded; for as long as the process lives
    _STATE["threads"].__enter__()


def _call(method: Callable, task: tuple):
    return method(_STATE["made"], *task)
