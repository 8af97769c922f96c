"""Training on a CUDA device: steps captured once and replayed, on their own stream, with the same bits each time."""

import os
import threading
import warnings
from collections.abc import Callable
from contextlib import contextmanager, suppress

import torch

_GRAPHS = threading.Lock()
"""Held to capture and to replay: torch's random number generator cannot do one for one thread and the other for another
at the same time."""


class Replayed:
    """A function of tensors that changes others in place; on a CUDA device its calls are captured and replayed.

    A step of a small network is some hundred kernels, each of which takes the device less time than Python needs to
    launch it. So the first call with each number of rows runs as written, the second is captured as a graph, and all
    later ones replay it: the same kernels on the same numbers. On the CPU every call runs as written.
    """

    def __init__(self, function: Callable[..., None]):
        self._function = function
        self._graphs: dict[int, _Graph | None] = {}

    def __call__(self, rows: torch.Tensor, *others: torch.Tensor | None) -> None:
        """Call the function; `rows` (n, ...) says how many rows."""
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
            # Not torch.cuda.graph, which waits for the device and empties its cache each time. Other threads go on.
            self._graph.capture_begin(capture_error_mode="thread_local")
            try:
                function(*self._inputs)
            except BaseException:
                with suppress(RuntimeError):  # the capture may be beyond ending; the first error says more
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
    """Let a CUDA device work beside what other threads ask of it, and give the same bits each time."""
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
            torch.cuda.empty_cache()  # each graph had its own memory, which nothing else would use again


def _repeat_bits() -> None:
    """Let torch use only algorithms that sum in a fixed order, for the whole process."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    # Pooling windows do not overlap here, so nothing is summed whose order could vary.
    warnings.filterwarnings("ignore", message=".*max_pool2d_with_indices_backward_cuda")
