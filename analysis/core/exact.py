"""Square roots that have the same bits on every processor.

On a CPU ``torch.sqrt``, and with it a power of one half, goes through MKL's vector mathematics, which takes other ways
on processors of its own maker: the last bit differs. So it is with the functions in `DIFFER`. numpy's square root is
the processor's instruction, which rounds correctly everywhere; torch's other functions were found to be equal
(``nox -s portable``).
"""

import numpy as np
import torch

DIFFER = ("sqrt", "log", "log2", "log10", "tan", "atan", "asin", "acos", "cdist")
"""Functions of torch whose last bits depend on the maker of the processor; numpy's do not."""


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
