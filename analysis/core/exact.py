"""Square roots that have the same bits on every processor.

On a CPU ``torch.sqrt``, and with it a power of one half, goes through MKL's vector mathematics, which starts from the
processor's own approximation of a reciprocal: the last bit differs from maker to maker. numpy's square root is the
processor's instruction, which rounds correctly everywhere.
"""

import numpy as np
import torch


class _Root(torch.autograd.Function):
    @staticmethod
    def forward(context, x: torch.Tensor) -> torch.Tensor:
        root = torch.empty_like(x)
        np.sqrt(x.numpy(), out=root.numpy())
        context.save_for_backward(root)
        return root

    @staticmethod
    def backward(context, gradient: torch.Tensor) -> torch.Tensor:
        (root,) = context.saved_tensors
        return gradient / (2 * root)


def sqrt(x: torch.Tensor) -> torch.Tensor:
    """Return the square root of a float tensor of any shape and device, with its gradient."""
    return x.sqrt() if x.is_cuda else _Root.apply(x)


def root_of_power(x: torch.Tensor, p: float) -> torch.Tensor:
    """Return ``x ** (1 / p)``, with the exact square root where `p` is 2."""
    return sqrt(x) if p == 2 else x.pow(1 / p)
