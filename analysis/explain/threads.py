"""Two networks, or two maps of one, at a time: small convolutions fill one core, not two."""

from collections.abc import Callable, Iterable

import torch

from analysis.core.runtime import THREADS
from analysis.core.threads import in_threads


def side_by_side(function: Callable, items: Iterable) -> list:
    """Return ``[function(item) for item in items]``, computed by `THREADS` threads with one thread of torch each.

    Nothing in `function` may draw from torch's own generator, which all threads share.
    """
    torch.set_num_threads(1)
    try:
        return in_threads(function, items)
    finally:
        torch.set_num_threads(THREADS)
