"""Square roots that have the same bits on every processor.

On a CPU ``torch.sqrt``, and with it ``x ** 0.5``, calls MKL's vector math library, which runs different code on Intel
and on other processors: the last bit differs. The same holds for the functions in `DIFFER`. numpy's square root is the
processor's own instruction, which is correctly rounded everywhere; torch's other functions gave equal bits on all
processors tested (``nox -s portable``).
"""

import numpy as np
import torch

DIFFER = ("sqrt", "log", "log2", "log10", "tan", "atan", "asin", "acos", "cdist")
"""Torch functions whose last bits depend on the processor's vendor; numpy's do not."""


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
    """Return the differentiable square root of a float tensor of any shape on any device."""
    return x.sqrt() if x.is_cuda else _Root.apply(x)


def root_of_power(x: torch.Tensor, p: float) -> torch.Tensor:
    """Return ``x ** (1 / p)``, with the exact square root where `p` is 2."""
    return sqrt(x) if p == 2 else x.pow(1 / p)
