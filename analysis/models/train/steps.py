"""Steps of a training: forward, backward, Adam. On a CUDA device they are captured once and replayed from then on."""

import os
import threading
import warnings
from contextlib import contextmanager, suppress

import torch
from torch import nn
from torch.nn import functional

from analysis.models.network import unit_range

_GRAPHS = threading.Lock()
"""Held to capture and to replay: torch's generator of random numbers cannot do the one for one thread and the other for
another at the same time."""


class Steps:
    """Takes the steps of one training and adds up their losses.

    A step of a small network is some hundred kernels, each of which takes a CUDA device less time than Python needs to
    launch it. So there the first step with each size of batch runs as written, the second is captured as a graph, and
    that is replayed for all others: the same kernels on the same numbers.

    Parameters
    ----------
    network : torch module giving logits (n, 2)
    train : Split
    optimiser : `analysis.models.train.adam.Adam`
    plan : Plan
    weights : (2,)
        Of the classes in the loss.

    Attributes
    ----------
    total : float64 tensor ()
        Sum of the losses of all images since it was last set to zero.
    """

    def __init__(self, network: nn.Module, train, optimiser, plan, weights: torch.Tensor):
        self.network, self.train, self.optimiser, self.plan, self.weights = network, train, optimiser, plan, weights
        self.total = torch.zeros((), dtype=torch.float64, device=train.y.device)
        self._graphs: dict[int, _Graph | None] = {}

    def take(self, rows: torch.Tensor, draws: torch.Tensor | None) -> None:
        """Take one step on some training images.

        Parameters
        ----------
        rows : (n,) int
        draws : (augment.DRAWS, n) or None
            Random numbers for the augmentation, if there is one.
        """
        n = len(rows)
        if n not in self._graphs or not rows.is_cuda:
            self._graphs[n] = None
            self._step(rows, draws)
        else:
            if self._graphs[n] is None:
                self._graphs[n] = _Graph(self._step, rows, draws)
            self._graphs[n].replay(rows, draws)

    def _step(self, rows: torch.Tensor, draws: torch.Tensor | None) -> None:
        x = unit_range(self.train.x[rows])
        if draws is not None:
            x = self.plan.augment(x, draws)
        # Not the augmentation: places in an image want more than the eight bits of a bfloat16.
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.plan.precision == "bfloat16"):
            logits = self.network(x)
        loss = functional.cross_entropy(logits.float(), self.train.y[rows], weight=self.weights)
        loss.backward()
        self.optimiser.step()
        self.total += loss.detach() * len(rows)


class _Graph:
    """A captured call of a function of tensors on a CUDA device, to be replayed with others of the same shapes."""

    def __init__(self, function, *inputs: torch.Tensor | None):
        self._inputs = [None if value is None else value.clone() for value in inputs]
        self._graph = torch.cuda.CUDAGraph()
        with _GRAPHS:
            # Not torch.cuda.graph, which waits for the device and empties its cache each time. Other threads go on.
            self._graph.capture_begin(capture_error_mode="thread_local")
            try:
                function(*self._inputs)
            except BaseException:
                with suppress(RuntimeError):  # of a capture that cannot be ended; what went wrong before says more
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
    """Let a CUDA device work beside what other threads ask of it, and in a way that gives the same bits each time."""
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
            torch.cuda.empty_cache()  # each graph had memory of its own, which nothing else would use again


def _repeat_bits() -> None:
    """Choose algorithms of torch that sum in a fixed order, for all of this process."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    # Its windows do not overlap here, so it adds nothing up and has no order to keep.
    warnings.filterwarnings("ignore", message=".*max_pool2d_with_indices_backward_cuda")
