"""Networks as the explanations need them: loaded or untrained, and opened at any of their named layers."""

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.models import network as files
from analysis.models import registry
from analysis.models.data import Examples
from analysis.models.network import Network, glorot_
from analysis.params import Params


def load(params: Params, model: str, examples: Examples) -> tuple[Network, dict]:
    """Return a trained network, ready to explain, and its architecture.

    Raises
    ------
    DataError
        If the model is not trained, or was trained on other images or values than the present ones.
    """
    entry, folder = params.models.entry(model), paths.MODELS / model
    config = files.read_config(folder)
    if config["images"] != examples.digest or config["values"] != entry.model_dump():
        raise DataError(f"{folder} was trained on other images or values: run the stage train for {model} again")
    network = registry.module(entry.kind).build(config["architecture"])
    files.load_weights(network, folder / files.WEIGHTS)
    return _fixed(network), config["architecture"]


def untrained(network: Network, seed: int) -> Network:
    """Return a network of the same architecture with initial weights: Glorot uniform, biases zero, norms as made.

    Parameters that no layer of torch owns are shuffled. How inputs are standardised stays, since no label takes part in
    that.
    """
    # Drawn numbers fill the memory in its order, so the layout must be the same for the same seed.
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
    """Fix the weights: gradients are taken with respect to images and maps only."""
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


class Evidence(nn.Module):
    """What is explained: the evidence for a face, logit of face less logit of non-face, (n,)."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the evidence (n,) of images (n, 3, size, size)."""
        logits = self.network(x.contiguous(memory_format=torch.channels_last))  # the faster layout on CPUs
        return logits[:, 1] - logits[:, 0]


class _Calls(TorchFunctionMode):
    """Count the calls of torch within a forward pass; note their results, or pass one of them through a module."""

    def __init__(self, change: tuple[int, Callable] | None = None):
        super().__init__()
        self.made: list = []
        self.change, self.count = change, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if self.change is None:
            self.made.append((func, args, result))
        elif self.count == self.change[0]:
            result = self.change[1](result)
        self.count += 1
        return result


class Opened(nn.Module):
    """A network whose named layer passes through a module `tap`, for hooks (Grad-CAM) and lesions.

    A `Network` gives the activations of its layers by name but does not say which module made them; often none did
    (``relu``, ``max_pool2d``). The call of torch that returns them is found in one pass over an example, and in later
    passes its result goes through `tap` before the network goes on with it.

    Parameters
    ----------
    network : Network
    layer : str
        One of its ``layer_names``.
    example : tensor (1, ...)
        Any input, of the kind and size of the later ones.
    tap : nn.Module
        From the layer's activations to activations of the same shape but for the number of images: a tap that repeats
        them with changes runs only the rest of the network again.

    Raises
    ------
    DataError
        If the layer's activations are made outside torch, or the output does not depend on them.
    """

    def __init__(self, network: Network, layer: str, example: torch.Tensor, tap: nn.Module | None = None):
        super().__init__()
        self.network, self.layer = network, layer
        self.tap = nn.Identity() if tap is None else tap
        if layer not in network.layer_names:
            raise DataError(f"no layer {layer!r}; the layers are {', '.join(network.layer_names)}")
        self.call = self._find(example)

    def _find(self, example: torch.Tensor) -> int:
        with torch.no_grad(), _Calls() as calls:
            activations = self.network.maps(example)[self.layer]
        number = _maker(calls.made, activations)
        if number is not None and calls.made[number][0] is torch.Tensor.clone:
            number = _maker(calls.made, calls.made[number][1][0])  # what was copied is what the network goes on with
        if number is None:
            raise DataError(f"layer {self.layer} is not the result of a call of torch: it cannot be opened")
        with torch.no_grad(), _Calls((number, lambda result: result + 1)):
            changed = self.network(example)
        with torch.no_grad():
            if torch.equal(changed, self.network(example)):
                raise DataError(f"the output of the network does not depend on layer {self.layer}")
        return number

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2), with the layer passed through `tap`."""
        with _Calls((self.call, self.tap)):
            return self.network(x)


def _maker(made: list[tuple], wanted: torch.Tensor) -> int | None:
    """Return the number of the call that returned a tensor."""
    return next((number for number, (_, _, result) in enumerate(made) if result is wanted), None)


def open_last_maps(network: Network, example: torch.Tensor) -> Opened:
    """Return the network opened at the deepest named layer that has maps (more than one position).

    Raises
    ------
    DataError
        If none can be opened; the message is of the deepest.
    """
    with torch.no_grad():
        maps = network.maps(example)
    reason = "no layer has maps"
    for name in reversed(network.layer_names):
        if maps[name].ndim == 4 and max(maps[name].shape[2:]) > 1:
            try:
                return Opened(network, name, example)
            except DataError as error:
                reason = str(error)
    raise DataError(reason)
