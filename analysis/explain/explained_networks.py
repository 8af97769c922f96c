"""Networks to explain, trained or with initial weights."""

import copy

import torch
from torch import nn

from analysis.models.data import Examples
from analysis.models.network import Network, glorot_
from analysis.models.registry import load_trained
from analysis.params import Params


def load(params: Params, model: str, examples: Examples) -> tuple[Network, dict]:
    """Return a trained network, ready to explain, and its architecture.

    Raises
    ------
    DataError
        If the model is not trained, or was trained on other images or with other parameters than the current ones.
    """
    found = load_trained(params, model, examples)
    return _fixed(found.network), found.config["architecture"]


def untrained(network: Network, seed: int) -> Network:
    """Return a network of the same architecture with initial weights.

    Weights are Glorot uniform, biases zero, normalisation layers at their defaults; parameters outside torch's own
    layers are shuffled. The standardisation of inputs is kept, since it is fitted without labels.
    """
    # Random numbers fill a tensor in memory order, so the same seed needs the same layout.
    twin = copy.deepcopy(network).to(memory_format=torch.contiguous_format).requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for part in twin.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
        else:
            for value in part.parameters(recurse=False):
                order = torch.randperm(value.numel(), generator=generator).to(value.device)
                value.copy_(value.flatten()[order].view_as(value))
    glorot_(twin, generator)
    return _fixed(twin)


def _fixed(network: Network) -> Network:
    """Return the network in evaluation mode, with frozen weights and channels last."""
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


class Evidence(nn.Module):
    """The evidence for a face that the maps explain: logit of face minus logit of non-face."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the evidence (n,) of images (n, 3, size, size)."""
        logits = self.network(x.contiguous(memory_format=torch.channels_last))  # faster on CPUs
        return logits[:, 1] - logits[:, 0]
