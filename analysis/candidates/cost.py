"""The arithmetic of a fit, counted while it runs: filters and dense layers, forward and backward.

The number follows from the shapes of what is computed, so it is the same on every machine. Thresholds, pooling,
normalisation and the fits of support vector machines are not counted. ``torch.utils.flop_counter`` gives the same
number for a network, but it would count products inside the machines too, and miss what other threads compute.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from analysis.models.yamins_hmo.layers import Layer


class Count:
    """Floating-point operations so far; a multiplication and an addition are two."""

    def __init__(self) -> None:
        self.operations = 0

    def _add(self, module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        if not isinstance(module, Layer | nn.Conv2d | nn.Linear):
            return
        x, weight = inputs[0], module.weight
        # The output of a layer is pooled already; its filters see every position.
        seen = x.shape[0] * x.shape[2:].numel() if isinstance(module, Layer) else output.numel() // weight.shape[0]
        # Backward, a product of the same size for each gradient: of the weights, and of the inputs.
        passes = 1 + (weight.requires_grad + x.requires_grad) * torch.is_grad_enabled()
        self.operations += 2 * seen * weight.numel() * passes


@contextmanager
def counted() -> Iterator[Count]:
    """Count what networks compute in this process."""
    count = Count()
    hook = register_module_forward_hook(count._add)
    try:
        yield count
    finally:
        hook.remove()
