"""A plain convolutional network, trained end to end."""

import torch
from torch import nn
from torch.nn import functional

from analysis.models.end_to_end.fit import fit_end_to_end
from analysis.models.network import Network, Standardise, n_classes
from analysis.models.registry import Fitted, Job, Kind


class SimpleCNN(Network):
    """Conv - batch norm - ReLU - 2 x 2 max-pool per entry of `filters`, global average, dense ReLU layer, logits.

    The layers are the pooled maps of every convolution, and the dense layer as ``top``.
    """

    def __init__(self, filters: list[int], kernel: int, dense: int, classes: int = 2):
        super().__init__((*(f"conv{number + 1}" for number in range(len(filters))), "top"))
        sizes = [3, *filters]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, kernel, padding="same") for before, after in zip(sizes, filters, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(after) for after in filters)
        self.standardise = Standardise()
        self.dense = nn.Linear(filters[-1], dense)
        self.head = nn.Linear(dense, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes)."""
        x = self.standardise(x)
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = functional.max_pool2d(functional.relu(norm(convolution(x))), 2)  # (n, filters, height, width)
            x = self.layers[f"conv{number + 1}"](x)
        return self.head(self.layers["top"](functional.relu(self.dense(x.mean((2, 3))))))


def build(architecture: dict) -> Network:
    """Return the untrained network."""
    return SimpleCNN(architecture["filters"], architecture["kernel"], architecture["dense"], n_classes(architecture))


def fit(job: Job) -> Fitted:
    """Train the network."""
    architecture = job.entry.model_dump(include={"size", "filters", "kernel", "dense"}) | job.classes
    return fit_end_to_end(job, build(architecture), architecture)


KIND = Kind(fit, build)
