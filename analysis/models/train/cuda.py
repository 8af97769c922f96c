"""Training on a CUDA device: steps captured once and replayed, on their own stream, bit for bit reproducible."""

import os
import threading
import warnings
from collections.abc import Callable
from contextlib import contextmanager, suppress

import torch

_GRAPHS = threading.Lock()
"""Held during capture and replay: torch's random number generator cannot serve a capture in one thread and a replay in
another at the same time."""


class Replayed:
    """A function that changes tensors in place; on a CUDA device its calls are captured and replayed.

    A step of a small network launches some hundred kernels, each of which runs faster than Python can launch it. So the
    first call with each number of rows runs normally, the second is captured as a graph, and all later ones replay it:
    the same kernels on the same numbers. On the CPU every call runs normally.
    """

    def __init__(self, function: Callable[..., None]):
        self._function = function
        self._graphs: dict[int, _Graph | None] = {}

    def __call__(self, rows: torch.Tensor, *others: torch.Tensor | None) -> None:
        """Call the function; there is one graph per length of `rows` (n, ...)."""
        n = len(rows)
        if n not in self._graphs or not rows.is_cuda:
            self._graphs[n] = None
            self._function(rows, *others)
            return
        graph = self._graphs[n]
        if graph is None:
            graph = self._graphs[n] = _Graph(self._function, rows, *others)
        graph.replay(rows, *others)


class _Graph:
    """A captured call of a function of tensors, to be replayed with others of the same shapes."""

    def __init__(self, function: Callable[..., None], *inputs: torch.Tensor | None):
        self._inputs = [None if value is None else value.clone() for value in inputs]
        self._graph = torch.cuda.CUDAGraph()
        with _GRAPHS:
            # Not torch.cuda.graph, which waits for the device and empties its cache each time; other threads continue.
            self._graph.capture_begin(capture_error_mode="thread_local")
            try:
                function(*self._inputs)
            except BaseException:
                with suppress(RuntimeError):  # ending the capture may fail too; the first error says more
                    self._graph.capture_end()
                raise
            self._graph.capture_end()

    def replay(self, *inputs: torch.Tensor | None) -> None:
        for own, value in zip(self._inputs, inputs, strict=True):
            if own is not None:
                own.copy_(value)
        with _GRAPHS:
            self._graph.replay()


@contextmanager
def on_own_stream(device: torch.device):
    """Run on a separate stream of a CUDA device, concurrently with other threads and bit for bit reproducible."""
    if device.type != "cuda":
        yield
        return
    _repeat_bits()
    stream, around = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    stream.wait_stream(around)
    try:
        with torch.cuda.stream(stream):
            yield
    finally:
        around.wait_stream(stream)
        with _GRAPHS:
            torch.cuda.empty_cache()  # each graph had its own memory, which would not be reused


def _repeat_bits() -> None:
    """Restrict torch to algorithms that sum in a fixed order, for the whole process."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    # Pooling windows do not overlap here, so no order of summation can vary.
    warnings.filterwarnings("ignore", message=".*max_pool2d_with_indices_backward_cuda")
