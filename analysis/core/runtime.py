"""Seeds, which must be equal for equal bits, and what must not matter: device, workers."""

import os
import sys
import time
import zlib
from collections.abc import Iterable, Iterator

from analysis.core.errors import DataError
from analysis.core.numerics import KEPT_BYTES, THREADS, fixed_threads, keep_memory  # noqa: F401


def seed_of(seed: int, *names: str | int) -> int:
    """Return a seed for one named task, the same for any order or number of workers (31 bits)."""
    return zlib.crc32("/".join(map(str, (seed, *names))).encode()) & 0x7FFFFFFF


def workers() -> int:
    """Return the number of worker processes (``NNN_WORKERS``, default the number of cores this process may use)."""
    value = os.environ.get("NNN_WORKERS")
    if value is None:
        return len(os.sched_getaffinity(0))
    if not value.isdigit() or int(value) < 1:
        raise DataError(f"NNN_WORKERS={value!r}: give a whole number of workers, 1 or more")
    return int(value)


def device() -> str:
    """Return the torch device (``NNN_DEVICE``: ``cpu``, ``cuda`` or ``cuda:N``; default CPU)."""
    value = os.environ.get("NNN_DEVICE", "cpu")
    if value.startswith("cuda") and not _cuda_is_there():
        raise DataError(f"NNN_DEVICE={value}: torch sees no CUDA device; unset NNN_DEVICE to compute on the CPU")
    return value


def _cuda_is_there() -> bool:
    import torch  # slow to load, and needed for a GPU alone

    return torch.cuda.is_available()


def track(items: Iterable, what: str, total: int | None = None, every: float = 10.0) -> Iterator:
    """Yield `items` with a progress bar on a terminal, elsewhere a plain line every `every` seconds."""
    total = len(items) if total is None and hasattr(items, "__len__") else total
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, desc=what, total=total)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items):
        yield item
        if time.monotonic() - last >= every:
            last = time.monotonic()
            print(f"{what}: {done + 1} of {total or '?'} in {last - start:.0f} s", file=sys.stderr, flush=True)
