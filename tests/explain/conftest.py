"""A toy network that looks at one square only, and images to explain."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from analysis.models.network import Network
from analysis.params import Explain

SIZE = 24
SQUARE = (slice(5, 17), slice(7, 19))
"""Rows and columns that the toy network looks at."""

VALUES = {
    "models": ["toy"], "images": 6, "blur": 0.4, "window": 0.1, "stride": 0.05, "superpixels": 36, "bootstrap": 100,
}  # fmt: skip


class Watcher(Network):
    """Evidence for a face is the colour within the square, squared so that gradients differ from place to place."""

    def __init__(self, rows: slice, columns: slice):
        super().__init__(("maps", "top"))
        self.register_buffer("seen", torch.zeros(SIZE, SIZE))
        self.seen[rows, columns] = 1
        self.mix = nn.Conv2d(3, 4, 1, bias=False)
        nn.init.constant_(self.mix.weight, 0.5)
        self.head = nn.Linear(4, 2, bias=False)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[-1.0] * 4, [1.0] * 4]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.layers["maps"](functional.relu(self.mix(x) * self.seen) ** 2)
        return self.head(self.layers["top"](maps.mean((2, 3))))


@pytest.fixture
def values() -> Explain:
    return Explain.model_validate(VALUES)


@pytest.fixture
def watcher() -> Watcher:
    return Watcher(*SQUARE).eval().requires_grad_(False)


@pytest.fixture
def region() -> np.ndarray:
    found = np.zeros((SIZE, SIZE), bool)
    found[SQUARE] = True
    return found


@pytest.fixture
def pictures() -> torch.Tensor:
    """Two grey images with noise, and a bright thing of its own colour in the square."""
    rng = np.random.default_rng(4)
    x = 0.45 + 0.05 * rng.random((2, 3, SIZE, SIZE))
    x[:, 0, SQUARE[0], SQUARE[1]] = 0.9
    x[:, 1, SQUARE[0], SQUARE[1]] = 0.7
    return torch.from_numpy(x.astype(np.float32))
