"""The random CNNs of the report's HMO, as modules of its layers and, with a head, as candidates for the first."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from analysis.core.seeds import seed_of
from analysis.models.network import Standardise
from analysis.params.hmo import ReportHMO

SEED_NAME = "hmo_report"
"""Part of all seeds of these models; another name would give other networks."""


def random_module(entry: ReportHMO, seed: int, *names) -> dict:
    """Draw the hyperparameters of one random CNN. "soft" pooling in the published code is average pooling."""
    draw = np.random.default_rng(seed_of(seed, SEED_NAME, *names))
    return {
        "layers": int(draw.choice(entry.layers)),
        "filters": int(draw.choice(entry.filters)),
        "kernel": int(draw.choice(entry.kernels)),
        "pool": str(draw.choice(["max", "avg", "soft"])),
        "normalise": bool(draw.choice([True, False])),
    }


class RandomCNN(nn.Module):
    """``layers`` times: convolution (same padding) - ReLU - 2 x 2 pool - normalisation over channels, if any.

    Normalisation is Keras's LayerNormalization: over the channels at each position, epsilon 0.001.
    """

    def __init__(self, channels: int, values: dict):
        super().__init__()
        filters = values["filters"]
        self.pool = functional.max_pool2d if values["pool"] == "max" else functional.avg_pool2d
        self.convolutions = nn.ModuleList(
            nn.Conv2d(filters if number else channels, filters, values["kernel"], padding="same")
            for number in range(values["layers"])
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(filters, eps=1e-3) for _ in range(values["layers"] if values["normalise"] else 0)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps (n, filters, height / 2^layers, width / 2^layers) of inputs (n, channels, height, width)."""
        for number, convolution in enumerate(self.convolutions):
            x = self.pool(functional.relu(convolution(x)), 2)
            if self.norms:
                x = self.norms[number](x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x


class CandidateCNN(nn.Module):
    """A random CNN with the head by which it is evaluated: global average, 64 ReLU units, logits."""

    def __init__(self, values: dict, standardise: Standardise, classes: int = 2):
        super().__init__()
        self.standardise = standardise
        self.module = RandomCNN(3, values)
        self.dense = nn.Linear(values["filters"], 64)
        self.classify = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes) of images (n, 3, height, width)."""
        return self.classify(functional.relu(self.dense(self.module(self.standardise(x)).mean((2, 3)))))
