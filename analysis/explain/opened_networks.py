"""Networks to explain: trained or with initial weights, and opened at any of their named layers."""

import copy
from collections.abc import Callable
from itertools import count

import torch
from torch import nn

from analysis.core.errors import DataError
from analysis.models.data import Examples
from analysis.models.network import Network, glorot_, hooked
from analysis.models.registry import load_trained
from analysis.params import Params


def load(params: Params, model: str, examples: Examples) -> tuple[Network, dict]:
    """Return a trained network, ready to explain, and its architecture.

    Raises
    ------
    DataError
        If the model is not trained, or was trained on other images or with other parameters than the present ones.
    """
    found = load_trained(params, model, examples)
    return _fixed(found.network), found.config["architecture"]


def untrained(network: Network, seed: int) -> Network:
    """Return a network of the same architecture with initial weights.

    Weights are Glorot uniform, biases zero, normalisation layers at their defaults; parameters outside torch's own
    layers are shuffled. The standardisation of inputs is kept, since it is fitted without labels.
    """
    # Random numbers fill memory in its own order, so the layout must be the same for the same seed.
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
    """Freeze the weights: gradients are needed for images and maps only."""
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


class LayerNotOpened(DataError):
    """A layer of a network cannot be opened (`Opened`); the message gives the reason."""


class Evidence(nn.Module):
    """The evidence for a face, which is what maps explain: logit of face minus logit of non-face."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the evidence (n,) of images (n, 3, size, size)."""
        logits = self.network(x.contiguous(memory_format=torch.channels_last))  # faster on CPUs
        return logits[:, 1] - logits[:, 0]


class Opened(nn.Module):
    """A network in which the activations of a named layer pass through a module `tap`, for Grad-CAM and lesions.

    Parameters
    ----------
    network : Network
    layer : str
        One of its ``layer_names``.
    example : tensor (1, ...)
        An input of the same kind and size as later ones.
    tap : nn.Module
        Maps the layer's activations to activations of the same shape, except for the number of images: a tap may repeat
        them with changes, and then only the rest of the network runs on the copies.

    Raises
    ------
    DataError
        If the network has no such layer.
    LayerNotOpened
        If the output does not depend on the layer's activations.
    """

    def __init__(self, network: Network, layer: str, example: torch.Tensor, tap: nn.Module | None = None):
        super().__init__()
        self.network, self.layer = network, layer
        self.tap = nn.Identity() if tap is None else tap
        if layer not in network.layer_names:
            raise DataError(f"no layer {layer!r}; the layers are {', '.join(network.layer_names)}")
        with torch.no_grad():
            calls: list[torch.Tensor] = []
            logits = self._run(example, calls.append)
            self.last_call = len(calls) - 1  # the layer of a foreign network may run several times: `Network.maps`
            changed = self._run(example, self._at_last_call(lambda activations: activations + 1))
        if torch.equal(changed, logits):
            raise LayerNotOpened(f"the output of the network does not depend on layer {layer}")

    def _run(self, x: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor | None]) -> torch.Tensor:
        with hooked({self.layer: self.network.layer(self.layer)}, lambda _name, activations: change(activations)):
            return self.network(x)

    def _at_last_call(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable:
        calls = count()
        return lambda activations: change(activations) if next(calls) == self.last_call else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2), with the layer passed through `tap`."""
        return self._run(x, self._at_last_call(self.tap))


def open_last_maps(network: Network, example: torch.Tensor) -> Opened:
    """Return the network opened at the deepest named layer that has maps (more than one position).

    Raises
    ------
    LayerNotOpened
        If no such layer can be opened.
    """
    with torch.no_grad():
        maps = network.maps(example)
    reason = "no layer has maps"
    for name in reversed(network.layer_names):
        if maps[name].ndim == 4 and max(maps[name].shape[2:]) > 1:
            try:
                return Opened(network, name, example)
            except LayerNotOpened as error:
                reason = str(error)
    raise LayerNotOpened(reason)
