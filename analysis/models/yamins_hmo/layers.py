"""The layer of HMO: filter - threshold - pool - normalise (Yamins et al. 2014, following their earlier public code).

All operations map (n, channels, height, width) to maps of the same height and width, apart from the stride of the
pooling: padding is `same`, with zeros; a window of even size extends one position further down and right. All compute
in float32 on any device.
"""

import math
from contextlib import nullcontext

import torch
from torch import nn
from torch.nn import functional

from analysis.core.exact import root_of_power, sqrt

EPSILON = 1e-4
"""Added to the divisor and to the threshold of the normalisation."""
STRIDE = 2
"""Stride of the pooling: each layer halves its maps."""
LARGE_POWER = 6.0
"""Above this power, float32 cannot represent x^p over the range in which it represents x."""
VECTOR_COLUMNS = 32
"""Number of columns from which torch reduces rows with vector instructions, ten times as fast."""
IN_NORM = {"stretch": 1.0, "threshold": None, "remove_mean": True}
"""Normalisation of the input of a module; its size is a parameter of the search. The sources leave these open."""


def padding(k: int) -> tuple[int, int]:
    """Return how far a window of k positions extends before and after its centre."""
    return (k - 1) // 2, k // 2


def box_sum(x: torch.Tensor, k: int) -> torch.Tensor:
    """Return the sum over k x k positions around each position of maps (n, 1, height, width)."""
    padded = functional.pad(x, padding(k) * 2).transpose(0, 1)  # (1, n, ...): torch adds channels at once, same bits
    padded = padded.contiguous(memory_format=torch.channels_last)
    return functional.avg_pool2d(padded, k, stride=1, divisor_override=1).transpose(0, 1).contiguous()


def largest(x: torch.Tensor) -> torch.Tensor:
    """Return the largest value of each map, (n, channels, 1, 1), of maps (n, channels, height, width)."""
    n, channels, height, width = x.shape
    positions = x.permute(0, 2, 3, 1)
    if channels >= VECTOR_COLUMNS or not positions.is_contiguous():
        return x.amax((2, 3), keepdim=True)
    at_once = math.gcd(height * width, VECTOR_COLUMNS)
    columns = positions.reshape(n, -1, at_once * channels).amax(1)
    return columns.view(n, at_once, channels).amax(1).view(n, channels, 1, 1)


def filters(n: int, channels: int, k: int, fmean: float, fnorm: float, generator: torch.Generator) -> torch.Tensor:
    """Draw n filters (n, channels, k, k): U(0, 1) minus their own mean and `fmean`, scaled to the L2 norm `fnorm`.

    They are drawn on the CPU, so that a seed gives the same filters on every device.
    """
    weight = torch.rand((n, channels, k, k), generator=generator)
    weight = weight - weight.mean((1, 2, 3), keepdim=True) - fmean
    return weight * (fnorm / weight.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None, None])


def threshold(x: torch.Tensor, low: float | None, high: float | None) -> torch.Tensor:
    """Clip x to [`low`, `high`]; None means no bound."""
    return x if low is None and high is None else x.clamp(low, high)


def pool(x: torch.Tensor, k: int, p: float) -> torch.Tensor:
    """Return (sum over k x k of |x|^p)^(1/p) around every `STRIDE`-th position, starting from the first.

    |x|^50 leaves the range of float32 beyond 5.9 and below 0.2, so the largest value of each map is factored out, and
    powers above `LARGE_POWER` are summed in float64. A window counts if its largest value is above 1e-6 (p = 6) or
    1.4e-6 (p = 50) of its map's, near the resolution of float32; smaller ones are pooled to 0.
    """
    x = x.abs()
    top = largest(x.detach()).clamp(min=torch.finfo(x.dtype).tiny)
    y = x / top
    if k > 4 and y.is_contiguous():  # same bits, faster: in this layout torch adds many channels at once
        return (_pool(y.contiguous(memory_format=torch.channels_last), k, p) * top).contiguous()
    return _pool(y, k, p) * top


def _pool(x: torch.Tensor, k: int, p: float) -> torch.Tensor:
    """Pool maps from 0 to 1."""
    # |x|^p as squares of squares of a small power: as exact, since the root divides the error by p, and much faster
    # than a power in float64.
    squares = max(0, math.ceil(math.log2(p / LARGE_POWER)))
    p = p / 2**squares
    y = x.pow(p)
    if squares:
        y = y.double()
    for _ in range(squares):
        y = y * y
    # Where all windows of odd size end within the padding, those of even size end one position later.
    y = functional.avg_pool2d(y, k, STRIDE, padding(k)[0], ceil_mode=k % 2 == 0, divisor_override=1)
    tiny = torch.finfo(y.dtype).tiny
    y = y.clamp(min=tiny)  # the gradient of the root is infinite at 0
    for _ in range(squares):
        y = sqrt(y)
    tiny = max(tiny ** (1 / 2**squares), torch.finfo(x.dtype).tiny)
    y = root_of_power(y.to(x.dtype).clamp(min=tiny), p)
    return torch.where(y > 2 * tiny ** (1 / p), y, 0.0)


def normalise(x: torch.Tensor, k: int, stretch: float, threshold: float | None, remove_mean: bool) -> torch.Tensor:
    """Divide each position by the norm of the C k^2 values around it: k x k positions x all channels.

    Numerator: x, minus sum(x) / (C k^2) if `remove_mean`. Divisor: EPSILON + sqrt(max(0, sum x^2 - [`remove_mean`]
    (sum x)^2 / (C k^2))). Both are multiplied by `stretch`; a divisor below `threshold` + EPSILON becomes 1 (None: 0).
    The sums are taken in float64, as their difference may be small.
    """
    size = x.shape[1] * k * k
    total = box_sum(x.square().sum(1, keepdim=True, dtype=torch.float64), k)  # (n, 1, h, w)
    if remove_mean:
        sums = box_sum(x.sum(1, keepdim=True, dtype=torch.float64), k)
        total = total - sums.square() / size
        x = x - (sums / size).to(x.dtype)
    divisor = stretch * (EPSILON + sqrt(total.clamp(min=0)))
    divisor = torch.where(divisor < (threshold or 0.0) + EPSILON, 1.0, divisor).to(x.dtype)
    return x * (stretch / divisor)


def _full_precision(x: torch.Tensor):
    """Return a context in which a CUDA device multiplies in float32, since TF32 keeps only three decimals."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if x.is_cuda else nullcontext()


class Layer(nn.Module):
    """One layer with values from the search (`space`). Its random filters are not trained."""

    def __init__(self, channels: int, values: dict):
        super().__init__()
        self.values = values
        shape = (values["n_filt"], channels, values["k_filt"], values["k_filt"])
        self.weight = nn.Parameter(torch.zeros(shape), requires_grad=False)

    def draw(self, generator: torch.Generator) -> None:
        """Draw the filters."""
        n, channels, k, _ = self.weight.shape
        values = self.values
        self.weight.data = filters(n, channels, k, values["fmean"], values["fnorm"], generator).to(self.weight.device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps (n, n_filt, ceil(height / 2), ceil(width / 2)) of maps (n, channels, height, width)."""
        values = self.values
        with _full_precision(x):
            x = functional.conv2d(functional.pad(x, padding(values["k_filt"]) * 2), self.weight)
        x = threshold(x, values["min_out"], values["max_out"])
        x = pool(x, values["pool_k"], values["pool_p"])
        return normalise(x, values["norm_k"], values["stretch"], values["threshold"], values["remove_mean"])


class Module(nn.Module):
    """A normalised input, then one to three layers."""

    def __init__(self, channels: int, values: dict):
        super().__init__()
        self.in_norm_k = values["in_norm_k"]
        sizes = [channels, *(layer["n_filt"] for layer in values["layers"])]
        self.layers = nn.ModuleList(Layer(size, layer) for size, layer in zip(sizes, values["layers"], strict=False))

    def draw(self, seed: int) -> "Module":
        """Draw the filters of all layers from one seed."""
        generator = torch.Generator().manual_seed(seed)
        for layer in self.layers:
            layer.draw(generator)
        return self

    def outputs(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of every layer."""
        x, result = normalise(x, self.in_norm_k, **IN_NORM), []
        for layer in self.layers:
            x = layer(x)
            result.append(x)
        return result

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the maps of the last layer."""
        return self.outputs(x)[-1]
