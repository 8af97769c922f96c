"""A small residual network, trained end to end (He et al. 2016, their variant for small images)."""

import torch
from torch import nn
from torch.nn import functional

from analysis.models.end_to_end.fit import fit_end_to_end
from analysis.models.network import Network, Standardise, n_classes
from analysis.models.registry import Fitted, Job, Kind


class Block(nn.Module):
    """x + two 3 x 3 convolutions with batch norm, then ReLU; a 1 x 1 convolution on x where the shape changes."""

    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.stride, self.shortcut = stride, nn.Sequential()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps (n, after, height / stride, width / stride)."""
        inner = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        if self.stride != 1:
            # Rather than a strided 1 x 1 convolution: oneDNN's AVX2 kernel for its backward pass overruns its buffer
            # with fewer than 8 channels, so the gradient would differ from run to run.
            x = x[:, :, :: self.stride, :: self.stride].contiguous(memory_format=torch.channels_last)
        return functional.relu(inner + self.shortcut(x))


class ResNet(Network):
    """A 3 x 3 convolution of stride 2, then `blocks` residual blocks per entry of `filters`, then a global average.

    Every stage (He et al.) but the first halves height and width. The global average is the layer ``top``.
    """

    def __init__(self, filters: list[int], blocks: int, classes: int = 2):
        super().__init__(("stem", *(f"stage{number + 1}" for number in range(len(filters))), "top"))
        self.standardise = Standardise()
        self.stem = nn.Conv2d(3, filters[0], 3, 2, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(filters[0])
        widths = [filters[0], *filters]
        self.stages = nn.ModuleList(
            nn.Sequential(
                Block(widths[number], after, 2 if number else 1), *(Block(after, after, 1) for _ in range(blocks - 1))
            )
            for number, after in enumerate(filters)
        )
        self.head = nn.Linear(filters[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes)."""
        x = self.layers["stem"](functional.relu(self.stem_norm(self.stem(self.standardise(x)))))
        for number, stage in enumerate(self.stages):
            x = self.layers[f"stage{number + 1}"](stage(x))  # (n, filters, height, width)
        return self.head(self.layers["top"](x.mean((2, 3))))


def initialise_(network: nn.Module, generator: torch.Generator) -> None:
    """Draw normal weights by fan-out (He et al. 2015) and start every block as the identity (last gain 0)."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(part, Block):
            nn.init.zeros_(part.norm2.weight)
        elif isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight, generator=generator)
            nn.init.zeros_(part.bias)


def build(architecture: dict) -> Network:
    """Return the untrained network."""
    return ResNet(architecture["filters"], architecture["blocks"], n_classes(architecture))


def fit(job: Job) -> Fitted:
    """Train the network."""
    architecture = job.entry.model_dump(include={"size", "filters", "blocks"}) | job.classes
    return fit_end_to_end(job, build(architecture), architecture, initialise_)


KIND = Kind(fit, build)
