"""Count the operations of a fit while it runs: filters and dense layers, forward and backward.

The count follows from the shapes of the tensors, so it is the same on every machine. Thresholds, pooling, normalisation
and the fits of support vector machines are not counted. ``torch.utils.flop_counter`` gives the same count for a
network, but would also count matrix products within the SVM fits, and miss what other threads compute.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from analysis.models.yamins_hmo.layers import Layer


class Count:
    """Floating-point operations so far; a multiplication and an addition count as two."""

    def __init__(self) -> None:
        self.operations = 0

    def _add(self, module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        if not isinstance(module, Layer | nn.Conv2d | nn.Linear):
            return
        x, weight = inputs[0], module.weight
        # The output of a Layer is already pooled, but its filters are applied at every position.
        seen = x.shape[0] * x.shape[2:].numel() if isinstance(module, Layer) else output.numel() // weight.shape[0]
        # The backward pass takes a product of the same size for each gradient: of the weights, and of the inputs.
        passes = 1 + (weight.requires_grad + x.requires_grad) * torch.is_grad_enabled()
        self.operations += 2 * seen * weight.numel() * passes


@contextmanager
def counted() -> Iterator[Count]:
    """Count the operations of all networks in this process."""
    count = Count()
    hook = register_module_forward_hook(count._add)
    try:
        yield count
    finally:
        hook.remove()
