"""Progress of long loops, on standard error."""

import sys
import time
from collections.abc import Iterable, Iterator


def track(items: Iterable, name: str, total: int | None = None, every_s: float = 10.0) -> Iterator:
    """Yield `items`; show a progress bar on a terminal, elsewhere print a line at most every `every_s` seconds.

    Parameters
    ----------
    items : iterable
    name : str
        Label of the bar or of each line.
    total : int, optional
        Number of items, if they have no length.
    every_s : float
    """
    total = len(items) if total is None and hasattr(items, "__len__") else total
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, desc=name, total=total)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last >= every_s:
            last = time.monotonic()
            print(f"{name}: {done} of {total or '?'} in {last - start:.0f} s", file=sys.stderr, flush=True)
