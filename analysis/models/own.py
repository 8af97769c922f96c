"""A network of your own: any torch module, its layers by name, and a linear read-out of the last."""

import fnmatch
import importlib
import importlib.util
import re
from pathlib import Path

import torch
from torch import nn

from analysis.core.errors import DataError
from analysis.core.files import sha256
from analysis.models import data
from analysis.models.network import Network, hooked, read_tensors, set_weights, unit_range
from analysis.models.read_out import LinearReadOut, fit_read_out
from analysis.models.registry import Fitted, Job, Kind
from analysis.params.kinds import Weights


class Own(Network):
    """A foreign module behind a normalisation of RGB; its layers are the outputs of the submodules named `layers`.

    `layers` are in the order in which they run, `mean` and `std` standardise images from 0 to 1, channel by channel,
    and `features` is the number that `summarised` returns for the last layer.
    """

    def __init__(self, inner: nn.Module, layers: list[str], mean: list[float], std: list[float], features: int):
        super().__init__(())
        self.inner, self.names = inner, tuple(layers)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(3, 1, 1))
        self.read_out = LinearReadOut(features)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers in order of depth."""
        return self.names

    def layer(self, name: str) -> nn.Module:
        """Return the submodule of that name."""
        return self.inner.get_submodule(name)

    def maps(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the output of every named layer; the last one if it runs several times."""
        found = self.outputs(x)
        return {name: found[name] for name in self.names}

    def outputs(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the outputs of the layers in the order of their last calls.

        Raises `DataError` if a layer gives anything but one tensor with a row per input.
        """
        found: dict[str, torch.Tensor] = {}

        def keep(name: str, output) -> None:
            if not isinstance(output, torch.Tensor) or output.ndim < 2 or len(output) != len(x):
                raise DataError(f"layer {name} gives no tensor with a row per image: choose another in layers")
            found.pop(name, None)
            found[name] = output.clone()  # a later layer may work in place

        with hooked({name: self.layer(name) for name in self.names}, keep):
            self.inner((unit_range(x) - self.mean) / self.std)
        return found

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2)."""
        return self.read_out(summarised(self.maps(x)[self.names[-1]]))


def summarised(top: torch.Tensor) -> torch.Tensor:
    """Return features (n, f) of a layer: means over positions (n, f, h, w) or tokens (n, tokens, f), else all of it."""
    if top.ndim == 4:
        return top.mean((2, 3))
    return top.mean(1) if top.ndim == 3 else top.flatten(1)


def call(module: str, arguments: dict) -> nn.Module:
    """Call a ``package.module:callable`` with its keyword arguments and return the torch module it gives.

    Raises `DataError` if there is no such callable, it fails, or it returns anything but a torch module.
    """
    where, _, path = module.partition(":")
    try:
        found = importlib.import_module(where)
    except Exception as error:  # foreign code may fail in any way
        raise DataError(f"module {module}: cannot import {where} ({_one_line(error)})") from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise DataError(f"module {module}: {where} has no {path}")
        found = getattr(found, name)
    try:
        made = found(**arguments)
    except Exception as error:
        raise DataError(f"module {module}: the call with {arguments} failed ({_one_line(error)})") from error
    if not isinstance(made, nn.Module):
        raise DataError(f"module {module}: returned a {type(made).__name__}, not a torch module")
    return made


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def matching(inner: nn.Module, patterns: list[str]) -> list[str]:
    """Return the names of the submodules that match shell-style patterns.

    Raises `DataError` if a pattern matches nothing, or the name of a layer cannot be that of its file.
    """
    known = [name for name, _ in inner.named_modules() if name]
    for pattern in patterns:
        if not fnmatch.filter(known, pattern):
            some = ", ".join([name for name in known if "." not in name][:12])
            raise DataError(f"layers: no module is named {pattern!r}; the outermost are {some}")
    named = [name for name in known if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
    if unsafe := [name for name in named if not re.fullmatch(r"[\w-][\w.-]*", name)]:
        raise DataError(
            f"layers: {unsafe[0]!r} cannot name a file: give that module a name of letters, digits, _ and -"
        )
    return named


def weights_path(file: str) -> Path:
    """Return the path of a weights file, which may lie inside an installed package (``package:path``).

    Raises `DataError` if there is no such file or package.
    """
    package, inside, rest = file.partition(":")
    path = Path(file)
    if inside and not path.exists():
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise DataError(f"weights {file}: there is no package {package}")
        path = Path(next(iter(found.submodule_search_locations))) / rest
    if not path.is_file():
        raise DataError(f"weights {file}: no such file")
    return path


def load_own_weights(inner: nn.Module, weights: Weights) -> None:
    """Load .safetensors or a state_dict into a module, without running any code that the file may hold.

    Raises `DataError` if the file is missing, has another hash, holds more than tensors, or does not fit the module.
    """
    path = weights_path(weights.file)
    if (digest := sha256(path)) != weights.sha256:
        raise DataError(f"weights {weights.file}: the file's sha256 is {digest}, not the one in params.yaml")
    if path.suffix == ".safetensors":
        tensors, _ = read_tensors(path, "fetch it")
    else:
        tensors = _state_dict(path, weights.file)
    set_weights(inner, tensors, f"weights {weights.file} do not fit the module")


def _state_dict(path: Path, name: str) -> dict[str, torch.Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(
            f"weights {name}: refused: not a plain state_dict ({reason}); save it as .safetensors"
        ) from error
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise DataError(f"weights {name}: not a state_dict; save module.state_dict(), or .safetensors")
    return found


def build(architecture: dict) -> Network:
    """Return the module with its initial weights, and an empty read-out."""
    values = {name: architecture[name] for name in ("layers", "mean", "std", "features")}
    return Own(call(architecture["module"], architecture["arguments"]), **values)


@torch.no_grad()
def fit(job: Job) -> Fitted:
    """Load the module and its weights, and fit the read-out of its last layer on the training images."""
    try:
        return _fit(job)
    except DataError as error:
        raise DataError(f"model {job.name}: {error}") from error


def _fit(job: Job) -> Fitted:
    entry = job.entry
    torch.manual_seed(job.seed)  # a module given no weights draws its own
    inner = call(entry.module, entry.arguments)
    if entry.weights is not None:
        load_own_weights(inner, entry.weights)
    inner.eval()
    image = data.resized(job.examples.images[:1], entry.size).to(job.device)
    names = matching(inner, entry.layers)
    first = Own(inner, names, entry.mean, entry.std, features=1).to(job.device)
    try:
        ran = first.outputs(image)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"module {entry.module} fails on an image of size {entry.size} ({_one_line(error)})") from error
    if idle := [name for name in names if name not in ran]:
        raise DataError(f"layers: {idle[0]} does not run when the module does")
    architecture = entry.model_dump(include={"size", "module", "arguments", "mean", "std"})
    top = summarised(ran[list(ran)[-1]])
    architecture |= {"layers": list(ran), "features": top.shape[1]}
    network = Own(inner, architecture["layers"], entry.mean, entry.std, top.shape[1]).to(job.device).eval()
    iterations = fit_read_out(job, network.read_out, lambda x: summarised(network.maps(x)[network.names[-1]]), batch=64)
    return Fitted(network, architecture, {"iterations": iterations})


KIND = Kind(fit, build)
