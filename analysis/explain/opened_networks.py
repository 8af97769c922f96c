"""Networks to explain: trained or with initial weights, and opened at any of their named layers."""

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from analysis.core.errors import DataError
from analysis.models import trained
from analysis.models.data import Examples
from analysis.models.network import Network, glorot_
from analysis.params import Params


def load(params: Params, model: str, examples: Examples) -> tuple[Network, dict]:
    """Return a trained network, ready to explain, and its architecture.

    Raises
    ------
    DataError
        If the model is not trained, or was trained on other images or with other parameters than the present ones.
    """
    found = trained.load(params, model, examples)
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


class _TorchCalls(TorchFunctionMode):
    """Count torch calls in a forward pass; record their results, or pass the result of one call through a module."""

    def __init__(self, change: tuple[int, Callable] | None = None):
        super().__init__()
        self.recorded: list = []
        self.change, self.count = change, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if self.change is None:
            self.recorded.append((func, args, result))
        elif self.count == self.change[0]:
            result = self.change[1](result)
        self.count += 1
        return result


class Opened(nn.Module):
    """A network in which the activations of a named layer pass through a module `tap`, for Grad-CAM and lesions.

    A `Network` returns the activations of its layers by name, without the module that computes them; often there is
    none (``relu``, ``max_pool2d``). One pass over an example finds the torch call that returns them. In later passes,
    the result of this call goes through `tap` before the network uses it.

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
        If the layer's activations are not computed by torch, or the output does not depend on them.
    """

    def __init__(self, network: Network, layer: str, example: torch.Tensor, tap: nn.Module | None = None):
        super().__init__()
        self.network, self.layer = network, layer
        self.tap = nn.Identity() if tap is None else tap
        if layer not in network.layer_names:
            raise DataError(f"no layer {layer!r}; the layers are {', '.join(network.layer_names)}")
        self.call = self._find(example)

    def _find(self, example: torch.Tensor) -> int:
        with torch.no_grad(), _TorchCalls() as calls:
            activations = self.network.maps(example)[self.layer]
        number = _number_of_call(calls.recorded, activations)
        if number is not None and calls.recorded[number][0] is torch.Tensor.clone:
            number = _number_of_call(
                calls.recorded, calls.recorded[number][1][0]
            )  # the network goes on with the original of a copy
        if number is None:
            raise LayerNotOpened(f"layer {self.layer} is not the result of a torch call, so it cannot be opened")
        with torch.no_grad(), _TorchCalls((number, lambda result: result + 1)):
            changed = self.network(example)
        with torch.no_grad():
            if torch.equal(changed, self.network(example)):
                raise LayerNotOpened(f"the output of the network does not depend on layer {self.layer}")
        return number

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2), with the layer passed through `tap`."""
        with _TorchCalls((self.call, self.tap)):
            return self.network(x)


def _number_of_call(calls: list[tuple], wanted: torch.Tensor) -> int | None:
    """Return the number of the call that returned a tensor; None if no call did."""
    return next((number for number, (_, _, result) in enumerate(calls) if result is wanted), None)


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
