"""Hash what numpy, scipy, scikit-learn and torch compute: a line for each kernel that the pipeline relies on.

    python -m tests.portable.kernels          # as the pipeline computes, with fixed numerics
    NNN_NUMERICS=native python -m tests.portable.kernels

``expected.txt`` beside this file holds the lines of fixed numerics; `tests.portable.check` compares.
"""

import hashlib
import sys
from collections.abc import Iterator

from analysis.core import numerics

if __name__ == "__main__":
    numerics.fix()

import numpy as np
import scipy.linalg
import scipy.ndimage
import scipy.signal
import scipy.special
import scipy.stats
import torch
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.svm import SVC, LinearSVC
from torch.nn import functional

from analysis.core.exact import sqrt
from analysis.models.train.adam import Adam

SEED = 7
CONVOLUTIONS = [  # images, channels, filters, kernel, side
    (16, 3, 8, 5, 24),
    (16, 3, 16, 3, 64),
    (32, 3, 8, 7, 112),
    (7, 3, 8, 3, 24),
    (16, 8, 8, 7, 6),
    (16, 8, 32, 7, 28),
    (16, 16, 16, 3, 56),
    (16, 32, 64, 5, 32),
    (16, 40, 8, 3, 6),
    (64, 80, 32, 3, 8),
]
DENSE = [(16, 8, 64), (16, 64, 2), (16, 1250, 2), (300, 1024, 2), (16, 2048, 64)]  # rows, inputs, outputs
ROWS, COLUMNS = 211, 307

Kernels = Iterator[tuple[str, list]]
"""Pairs of a kernel's name and the arrays that it gives."""


def elementwise() -> Kernels:
    """Functions of single numbers, in both precisions, in numpy and torch."""
    values = np.random.default_rng(SEED).normal(size=(ROWS, COLUMNS))
    for kind in ("float64", "float32"):
        x, positive = values.astype(kind), np.abs(values).astype(kind)
        for name in ("exp", "exp2", "expm1", "sin", "cos", "tanh", "arctan"):
            yield f"numpy {name} {kind}", [getattr(np, name)(x)]
        for name in ("sqrt", "log", "log2", "log10", "log1p"):
            yield f"numpy {name} {kind}", [getattr(np, name)(positive)]
        yield f"numpy power {kind}", [positive ** x.dtype.type(2.37), positive**0.5, x**2, positive**-1.5]
        yield f"numpy arctan2 hypot {kind}", [np.arctan2(x, x[::-1]), np.hypot(x, x[::-1])]
        t, above = torch.from_numpy(x), torch.from_numpy(positive)
        for name in ("exp", "expm1", "sin", "cos", "tanh", "erf", "sigmoid"):
            yield f"torch {name} {kind}", [getattr(torch, name)(t)]
        for name in ("rsqrt", "reciprocal", "log1p"):
            yield f"torch {name} {kind}", [getattr(torch, name)(above)]
        yield f"torch power {kind}", [above**2.3, above**50.0, above**-1.0, above ** (1 / 3)]
        leaf = above.clone().requires_grad_()
        sqrt(leaf).sum().backward()
        yield f"exact root {kind}", [sqrt(above), sqrt(above[:, ::2]), leaf.grad]


def sums() -> Kernels:
    """Sums, means, spreads and what is made of them."""
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(ROWS, COLUMNS))
    drawn = [rng.poisson(3.3, 1000), rng.gamma(2.0, size=500), rng.beta(2, 3, 500), rng.permutation(99)]
    yield "random numbers", [x, *drawn]
    for kind in ("float64", "float32"):
        y = x.astype(kind)
        yield f"numpy sums {kind}", [y.sum(), y.sum(0), y.sum(1), y.mean(1), y.std(0), np.einsum("ij,ij->i", y, y)]
        t = torch.from_numpy(y)
        yield f"torch sums {kind}", [t.sum(), t.sum(0), t.mean(1), t.var(0), t.std(0), t.norm(dim=1), t.norm(), t.std()]
        yield f"torch softmax {kind}", [functional.softmax(t, 1), functional.log_softmax(t, 1)]
    generator = torch.Generator().manual_seed(SEED)
    uniform, normal = torch.rand(999, generator=generator), torch.randn(999, generator=generator)
    yield "torch random numbers", [uniform, normal, torch.randperm(99, generator=generator)]
    yield "correlations", [np.corrcoef(x), scipy.stats.rankdata(x, axis=1), np.percentile(x, [2.5, 97.5])]


def algebra() -> Kernels:
    """Products and decompositions."""
    rng = np.random.default_rng(SEED)
    big = rng.normal(size=(700, 900))
    for kind in ("float64", "float32"):
        a, b, c = (x.astype(kind) for x in (big[:257, :301], big[:301, 400:523], big))
        yield f"BLAS {kind}", [a @ b, a @ a.T, a @ b[:, 0], a[0] @ a[1], c @ c.T, c.T @ c]
        s, t = torch.from_numpy(np.ascontiguousarray(a)), torch.from_numpy(np.ascontiguousarray(b))
        batches = s[:20].view(4, 5, 301)
        yield f"torch products {kind}", [s @ t, s @ s.T, torch.bmm(batches, batches.mT)]
    square = big @ big.T
    yield "LAPACK of numpy", [*np.linalg.eigh(square), np.linalg.svd(big[:99, :150], compute_uv=False)]
    yield "LAPACK of numpy, solved", [np.linalg.solve(square, big[:, :3]), *np.linalg.qr(big[:120, :90])]
    yield "LAPACK of scipy", [*scipy.linalg.eigh(square), scipy.linalg.cho_factor(square)[0]]
    yield "LAPACK of torch", [*torch.linalg.eigh(torch.from_numpy(square))]


def signals() -> Kernels:
    """Transforms, filters, special functions."""
    x = np.random.default_rng(SEED).normal(size=(ROWS, COLUMNS))
    inside = np.clip(np.abs(x), 0.01, 0.99)
    yield "Fourier", [np.fft.rfft(x), scipy.signal.fftconvolve(x, x[:20, :20])]
    yield "image filters", [scipy.ndimage.gaussian_filter(x, 2.0), scipy.ndimage.zoom(x, 1.3), scipy.ndimage.sobel(x)]
    special = scipy.special
    yield "special functions", [special.erf(x), special.gammaln(np.abs(x) + 0.1), special.ndtri(inside)]
    yield "Student's t", [special.stdtrit(12, inside), special.stdtr(12, x), special.betainc(2.0, 3.0, inside)]


def learners() -> Kernels:
    """Fits of scikit-learn."""
    x = np.random.default_rng(SEED).normal(size=(ROWS, COLUMNS))
    label = (x[:, 0] + x[:, 1] > 0).astype(int)
    yield "logistic regression", [LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000).fit(x, label).coef_]
    yield "linear machine", [LinearSVC(C=0.1, random_state=0).fit(x, label).coef_]
    yield "kernel machine", [SVC(C=1.0, kernel="precomputed").fit(x @ x.T, label).dual_coef_]
    yield "partial least squares", [PLSRegression(5).fit(x, x[:, :2] * 2 + x[:, 3:5]).predict(x)]
    yield "ridge", [RidgeCV().fit(x, x[:, 0] * 2 + x[:, 3]).coef_]


def networks() -> Kernels:
    """Layers of networks, forward and backward, and steps of a training."""
    generator = torch.Generator().manual_seed(SEED)

    def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * scale

    for n, channels, filters, kernel, side in CONVOLUTIONS:
        for layout in (torch.contiguous_format, torch.channels_last):
            x = normal(n, channels, side, side).to(memory_format=layout).requires_grad_()
            weight = normal(filters, channels, kernel, kernel, scale=0.1).to(memory_format=layout).requires_grad_()
            maps = functional.conv2d(x, weight, padding="same")
            pooled = functional.max_pool2d(functional.relu(maps), 2), functional.avg_pool2d(maps, 2)
            sum(part.square().sum() for part in pooled).backward()
            name = "last" if layout == torch.channels_last else "first"
            yield f"convolution {n} {channels} {filters} {kernel} {side} {name}", [maps, x.grad, weight.grad]
    for rows, inputs, outputs in DENSE:
        x, weight = normal(rows, inputs).requires_grad_(), normal(outputs, inputs, scale=0.1).requires_grad_()
        y = functional.linear(x, weight)
        y.square().sum().backward()
        yield f"dense {rows} {inputs} {outputs}", [y, x.grad, weight.grad]
    tokens, images = normal(16, 65, 64), torch.rand(16, 3, 24, 24, generator=generator)
    torch.manual_seed(SEED)
    attention = torch.nn.MultiheadAttention(64, 4, batch_first=True)
    yield "attention", [attention(tokens, tokens, tokens)[0]]
    yield "norms", [functional.layer_norm(tokens, (64,)), functional.gelu(tokens), torch.nn.BatchNorm1d(65)(tokens)]
    small = [functional.interpolate(images, (8, 8), mode="bilinear"), functional.adaptive_avg_pool2d(images, 8)]
    yield "smaller images", small
    shifted = torch.eye(2, 3).repeat(16, 1, 1)
    shifted[:, :, 2] = normal(16, 2, scale=0.1)
    shifted[::2, 0, 0] = -1.0
    grid = functional.affine_grid(shifted, (16, 3, 24, 24), align_corners=False)
    yield "shifted images", [grid, functional.grid_sample(images, grid, align_corners=False)]
    weights = torch.linspace(0.5, 1.5, 64)
    yield "loss", [functional.cross_entropy(tokens[:, 0], torch.arange(16), weight=weights)]
    yield "training", trained(tokens[:, 0])
    for layout in (torch.contiguous_format, torch.channels_last):
        x, weight = normal(8, 96, 28, 28).to(memory_format=layout), normal(96, 1, 5, 5, scale=0.1)
        maps = functional.conv2d(x, weight, stride=2, padding=2, groups=96)
        normed = functional.batch_norm(maps, normal(96, scale=0.1), normal(96).abs() + 0.5, eps=1e-3)
        name = "last" if layout == torch.channels_last else "first"
        yield f"depthwise convolution {name}", [maps, normed, functional.relu6(normed), normed.mean((2, 3))]


def trained(x: torch.Tensor) -> list[torch.Tensor]:
    """Return the weights of a small network after three steps."""
    torch.manual_seed(SEED)
    network = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
    optimiser = Adam(network.parameters(), 1e-3, decay=0.01)
    for _ in range(3):
        functional.cross_entropy(network(x), torch.arange(len(x)) % 2).backward()
        optimiser.step()
    return list(network.parameters())


GROUPS = (elementwise, sums, algebra, signals, learners, networks)


def digest(arrays: list) -> str:
    """Return the start of the SHA-256 of arrays and tensors."""
    found = hashlib.sha256()
    for array in arrays:
        values = array.detach().numpy() if isinstance(array, torch.Tensor) else array
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()[:16]


def lines() -> Iterator[str]:
    """Yield a line per kernel: its name and its digest, separated by a tab."""
    with numerics.fixed_threads():
        for group in GROUPS:
            for name, arrays in group():
                yield f"{name}\t{digest(arrays)}"


def main() -> None:
    """Print the lines as they are computed."""
    for line in lines():
        print(line, flush=True)
    print(f"numerics: {numerics.state()}", file=sys.stderr)


if __name__ == "__main__":
    main()
