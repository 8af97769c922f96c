"""Logistic regression on a small copy of the image: what can be read off without any features."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from analysis.models import data
from analysis.models.network import Network, unit_range
from analysis.models.registry import Fitted, Job

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


class Pixels(Network):
    """A linear read-out of standardised pixels (n, size * size) or (n, 3 * size * size)."""

    layer_names = ("pixels",)

    def __init__(self, size: int, colour: str):
        super().__init__()
        self.colour = colour
        n = size * size * (3 if colour == "rgb" else 1)
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("spread", torch.ones(n))
        self.read_out = nn.Linear(n, 2)

    def maps(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the pixels, 0 to 1, flattened."""
        x = unit_range(x)
        if self.colour == "grey":
            x = torch.einsum("nchw,c->nhw", x, x.new_tensor(LUMA))
        return {"pixels": x.flatten(1)}

    def head(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2)."""
        return self.read_out((pixels - self.mean) / self.spread)


def build(architecture: dict) -> Network:
    """Return the untrained network."""
    return Pixels(architecture["size"], architecture["colour"])


def fit(job: Job) -> Fitted:
    """Fit the regression on the training images, classes weighted equal (scikit-learn, L2 penalty)."""
    architecture = {"size": job.entry.size, "colour": job.entry.colour}
    network = build(architecture)
    rows = job.examples.rows("train")
    with torch.no_grad():
        x = network.maps(data.resized(job.examples.images[rows], job.entry.size))["pixels"].numpy().astype(np.float64)
    mean, spread = x.mean(0), np.maximum(x.std(0), 1e-6)  # a constant pixel stays 0
    regression = LogisticRegression(C=job.entry.inverse_penalty, class_weight="balanced", max_iter=2000)
    regression.fit((x - mean) / spread, job.examples.label[rows])
    with torch.no_grad():
        network.mean.copy_(torch.from_numpy(mean))
        network.spread.copy_(torch.from_numpy(spread))
        # Logits 0 and w x + b have the softmax of the regression.
        network.read_out.weight.zero_()
        network.read_out.bias.zero_()
        network.read_out.weight[1] = torch.from_numpy(regression.coef_[0])
        network.read_out.bias[1] = float(regression.intercept_[0])
    return Fitted(network, architecture, {"iterations": int(regression.n_iter_[0])})
