"""Logistic regression on a small copy of the image: what can be decoded from raw pixels."""

import torch

from analysis.models.network import Network, n_classes, unit_range
from analysis.models.read_out import LinearReadOut, fit_read_out
from analysis.models.registry import Fitted, Job, Kind

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


def grey(x: torch.Tensor) -> torch.Tensor:
    """Return images (n, 3, h, w), uint8 or 0 to 1, as luma (n, h, w) from 0 to 1."""
    x = unit_range(x)
    return torch.einsum("nchw,c->nhw", x, x.new_tensor(LUMA))


class Pixels(Network):
    """A linear read-out of standardised pixels (n, size * size) or (n, 3 * size * size)."""

    def __init__(self, size: int, colour: str, classes: int = 2):
        super().__init__(("pixels",))
        self.colour = colour
        self.head = LinearReadOut(size * size * (3 if colour == "rgb" else 1), classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes)."""
        return self.head(self.layers["pixels"]((grey(x) if self.colour == "grey" else unit_range(x)).flatten(1)))


def build(architecture: dict) -> Network:
    """Return the untrained network."""
    return Pixels(architecture["size"], architecture["colour"], n_classes(architecture))


def fit(job: Job) -> Fitted:
    """Fit the regression on the training images."""
    architecture = {"size": job.entry.size, "colour": job.entry.colour} | job.classes
    network = build(architecture).to(job.device)
    everything = len(job.examples.images)
    iterations = fit_read_out(job, network.head, lambda x: network.maps(x)["pixels"], batch=everything)
    return Fitted(network, architecture, {"iterations": iterations})


KIND = Kind(fit, build)
