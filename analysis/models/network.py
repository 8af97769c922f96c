"""The interface of a trained network, and its file format without pickle."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save as as_safetensors
from torch import nn
from typing_extensions import TypedDict

from analysis.core.errors import DataError
from analysis.core.exact import sqrt
from analysis.core.files import write_bytes, write_json
from analysis.core.reading import damaged, read_json, reading

WEIGHTS, CONFIG = "model.safetensors", "config.json"


class Config(TypedDict):
    """The fields that are read from a trained model's ``config.json``."""

    kind: str
    values: dict[str, object]
    architecture: dict[str, object]
    images: dict[str, str]


def n_classes(architecture: dict) -> int:
    """Return the number of classes, hence of logits: of those that an architecture names, else non-face and face."""
    return len(architecture["classes"]) if "classes" in architecture else 2


class Network(nn.Module):
    """A classifier with named layers: faces against other images, or objects.

    Subclasses implement `forward`, which returns the logits (n, classes). It passes the activations of each layer,
    (n, channels, height, width) or (n, features), through the identity of that name in `layers`, so that forward hooks
    can read and change them. Inputs are those of the kind (`analysis.models.registry.Kind`): for images, uint8 or float
    (n, 3, size, size).

    Parameters
    ----------
    layer_names : iterable of str
        In order of depth; the last is the top layer.

    Attributes
    ----------
    at_once : int or None
        Batch size for networks with large maps; None: the default for small networks.
    """

    at_once: int | None = None

    def __init__(self, layer_names: Iterable[str]):
        super().__init__()
        self.layers = nn.ModuleDict({name: nn.Identity() for name in layer_names})

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers in order of depth."""
        return tuple(self.layers)

    def layer(self, name: str) -> nn.Module:
        """Return the module whose output is the activations of a layer."""
        return self.layers[name]

    def maps(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the activations of every layer by name, in order of depth."""
        found: dict[str, torch.Tensor] = {}
        with hooked({name: self.layer(name) for name in self.layer_names}, found.__setitem__):
            self(x)
        return {name: found[name] for name in self.layer_names}


@contextmanager
def hooked(modules: dict[str, nn.Module], hook: Callable[[str, torch.Tensor], torch.Tensor | None]) -> Iterator[None]:
    """Call ``hook(name, output)`` after a module has run; its return value, unless None, replaces the output.

    Only forward passes of the calling thread are hooked: other threads may run the same modules concurrently.
    """
    thread = threading.get_ident()

    def forward_hook(name: str):
        return lambda _module, _inputs, output: hook(name, output) if threading.get_ident() == thread else None

    handles = [module.register_forward_hook(forward_hook(name)) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def unit_range(x: torch.Tensor) -> torch.Tensor:
    """Return images as float32 from 0 to 1, channels last in memory; floats are returned unchanged."""
    if x.dtype == torch.uint8:
        x = x.to(torch.float32).div_(255)
        x = x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
    return x


class Standardise(nn.Module):
    """Standardise each channel of images (n, 3, h, w), uint8 or 0 to 1; the identity until fitted."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.register_buffer("std", torch.ones(3, 1, 1))

    def fit(self, x: torch.Tensor) -> "Standardise":
        """Compute mean and standard deviation of uint8 images (n, 3, h, w) exactly, from the counts of each byte."""
        for channel in range(3):
            counts = torch.bincount(x[:, channel].flatten().to(torch.int64), minlength=256).to("cpu", torch.float64)
            values = torch.arange(256, dtype=torch.float64) / 255
            mean = (counts * values).sum() / counts.sum()
            std = sqrt((counts * (values - mean) ** 2).sum() / counts.sum())
            self.mean[channel], self.std[channel] = mean, std.clamp(min=1 / 255)
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the standardised images."""
        return (unit_range(x) - self.mean) / self.std


def glorot_(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise convolutions and dense layers as Keras does: Glorot uniform weights, biases zero."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight, generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def save(folder: Path, network: Network, config: dict) -> None:
    """Write a network as safetensors and its configuration as JSON, the configuration last."""
    write_tensors(folder / WEIGHTS, network.state_dict())
    write_json(folder / CONFIG, config)


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], note: dict | None = None) -> None:
    """Write tensors atomically as safetensors, with `note` as JSON in the metadata.

    There is at most one metadata key: with two, their order in the file is random.
    """
    tensors = {name: value.detach().to("cpu").contiguous() for name, value in tensors.items()}
    write_bytes(path, as_safetensors(tensors, None if note is None else {"note": json.dumps(note, sort_keys=True)}))


def read_tensors(path: Path, again: str = "remove it and run the stage") -> tuple[dict[str, torch.Tensor], dict]:
    """Read tensors and their note; `again` says how to regenerate the file.

    Raises
    ------
    DataError
        If the file is missing, truncated or not safetensors.
    """
    try:
        with reading(path, again), safetensors.safe_open(path, framework="pt") as file:
            # Opened once: another process may replace the file.
            note = json.loads((file.metadata() or {}).get("note", "{}"))
            return {name: file.get_tensor(name) for name in file.offset_keys()}, note
    except safetensors.SafetensorError as error:
        raise damaged(path, error, again) from error


def read_config(folder: Path) -> Config:
    """Read the configuration of a trained model.

    Raises
    ------
    DataError
        If the model has not been trained, or the file is damaged.
    """
    return read_json(folder / CONFIG, f"run the stage train for {folder.name}", Config)


def load_weights(network: Network, path: Path) -> None:
    """Copy the weights of a trained model into a network. Raises as `set_weights`."""
    again = f"run the stage train for {path.parent.name}"
    complaint = f"{path} does not fit the network its config.json describes ({again} again)"
    set_weights(network, read_tensors(path, again)[0], complaint)


def set_weights(module: nn.Module, tensors: dict[str, torch.Tensor], complaint: str) -> None:
    """Copy tensors into a module.

    Raises
    ------
    DataError
        If a tensor is missing, superfluous or of another shape; the message begins with `complaint`.
    """
    own = module.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        if name not in tensors:
            raise DataError(f"{complaint}: missing tensor {name}")
        if name not in own:
            raise DataError(f"{complaint}: unexpected tensor {name}")
        if own[name].shape != tensors[name].shape:
            shapes = tuple(tensors[name].shape), tuple(own[name].shape)
            raise DataError(f"{complaint}: {name} is {shapes[0]}, in the module {shapes[1]}")
    module.load_state_dict(tensors)
