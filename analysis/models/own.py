"""A network of the reader's own: any torch module, its layers by name, and a linear read-out of its last layer."""

import fnmatch
import importlib
import importlib.util
from pathlib import Path

import torch
from torch import nn

from analysis.core.errors import DataError
from analysis.core.files import sha256
from analysis.models import data
from analysis.models.baselines.linear import LinearReadOut
from analysis.models.network import Network, read_tensors, unit_range
from analysis.models.registry import Fitted, Job
from analysis.params.models import Weights


class Own(Network):
    """A module as it is, behind its normalisation of RGB; layers are the outputs of its named modules.

    Parameters
    ----------
    inner : torch module
    layers : list of str
        Names among ``inner.named_modules()``, in the order in which they run.
    mean, spread : list of 3 floats
        Images from 0 to 1 are given to `inner` less the mean and by the spread of each channel.
    features : int
        Features of the last layer that `described` gives.
    """

    def __init__(self, inner: nn.Module, layers: list[str], mean: list[float], spread: list[float], features: int):
        super().__init__()
        self.inner = inner
        self.layer_names = tuple(layers)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(3, 1, 1))
        self.register_buffer("spread", torch.tensor(spread, dtype=torch.float32).view(3, 1, 1))
        self.read_out = LinearReadOut(features)

    def maps(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the output of every named layer; of one that runs several times, the last."""
        taken = outputs(self.inner, self.layer_names, (unit_range(x) - self.mean) / self.spread)
        return {name: taken[name] for name in self.layer_names}

    def head(self, top: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2)."""
        return self.read_out(described(top))


def described(top: torch.Tensor) -> torch.Tensor:
    """Return features (n, f) of a layer: means over places (n, f, h, w) or tokens (n, tokens, f), else all."""
    if top.ndim == 4:
        return top.mean((2, 3))
    return top.mean(1) if top.ndim == 3 else top.flatten(1)


def outputs(inner: nn.Module, names, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Run a module and return the outputs of its named parts, in the order in which they ran last.

    Raises
    ------
    DataError
        If a part gives something other than one tensor with a row per input.
    """
    taken: dict[str, torch.Tensor] = {}

    def keep(name: str):
        def hook(_module, _inputs, output):
            if not isinstance(output, torch.Tensor) or output.ndim < 2 or len(output) != len(x):
                raise DataError(f"layer {name} gives no tensor with a row per image: choose another in layers")
            taken.pop(name, None)
            taken[name] = output.clone()  # a later layer may work in place

        return hook

    hooks = [inner.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        inner(x)
    finally:
        for hook in hooks:
            hook.remove()
    return taken


def make(module: str, arguments: dict) -> nn.Module:
    """Return what a ``package.module:callable`` gives for its keyword arguments.

    Raises
    ------
    DataError
        If there is no such module or callable, it fails, or what it returns is no torch module.
    """
    where, _, path = module.partition(":")
    try:
        found = importlib.import_module(where)
    except Exception as error:  # the reader's own code may fail in any way
        raise DataError(f"module {module}: cannot import {where} ({_said(error)})") from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise DataError(f"module {module}: {where} has no {path}")
        found = getattr(found, name)
    try:
        made = found(**arguments)
    except Exception as error:
        raise DataError(f"module {module}: the call with {arguments} failed ({_said(error)})") from error
    if not isinstance(made, nn.Module):
        raise DataError(f"module {module}: gave a {type(made).__name__}, not a torch module")
    return made


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def matching(inner: nn.Module, patterns: list[str]) -> list[str]:
    """Return the names of a module's parts that match shell-style patterns.

    Raises
    ------
    DataError
        If a pattern matches none.
    """
    known = [name for name, _ in inner.named_modules() if name]
    for pattern in patterns:
        if not fnmatch.filter(known, pattern):
            some = ", ".join([name for name in known if "." not in name][:12])
            raise DataError(f"layers: no module is named {pattern!r}; the outermost are {some}")
    return [name for name in known if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def weights_path(file: str) -> Path:
    """Return the path of a file of weights, which may lie inside an installed package (``package:path``).

    Raises
    ------
    DataError
        If there is no such file or package.
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
    """Load weights into a module: .safetensors, or a state_dict, read without running any code it may hold.

    Raises
    ------
    DataError
        If the file is missing, has another hash, holds more than tensors, or does not fit the module.
    """
    path = weights_path(weights.file)
    if (digest := sha256(path)) != weights.sha256:
        raise DataError(f"weights {weights.file}: the file's sha256 is {digest}, not the one in params.yaml")
    if path.suffix == ".safetensors":
        tensors, _ = read_tensors(path)
    else:
        tensors = _state_dict(path, weights.file)
    own = inner.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        if name not in tensors:
            raise DataError(f"weights {weights.file} do not fit the module: they lack {name}")
        if name not in own:
            raise DataError(f"weights {weights.file} do not fit the module: it has no {name}")
        if own[name].shape != tensors[name].shape:
            raise DataError(
                f"weights {weights.file} do not fit the module: {name} is {tuple(tensors[name].shape)}, "
                f"in the module {tuple(own[name].shape)}"
            )
    inner.load_state_dict(tensors)


def _state_dict(path: Path, name: str) -> dict[str, torch.Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        said = " ".join(str(error).split())[:120]
        raise DataError(
            f"weights {name}: refused, as it is no plain state_dict ({said}); save it as .safetensors"
        ) from error
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise DataError(f"weights {name}: holds no state_dict; save module.state_dict(), or .safetensors")
    return found


def build(architecture: dict) -> Network:
    """Return the module with the weights it is made with, and an empty read-out."""
    values = {name: architecture[name] for name in ("layers", "mean", "spread", "features")}
    return Own(make(architecture["module"], architecture["arguments"]), **values)


@torch.no_grad()
def fit(job: Job) -> Fitted:
    """Load the module and its weights, and fit the read-out of its last layer on the training images."""
    try:
        return _fit(job)
    except DataError as error:
        raise DataError(f"model {job.name}: {error}") from error


def _fit(job: Job) -> Fitted:
    entry, rows = job.entry, job.examples.rows("train")
    torch.manual_seed(job.seed)  # a module without weights draws its own
    inner = make(entry.module, entry.arguments)
    if entry.weights is not None:
        load_own_weights(inner, entry.weights)
    inner.eval()
    x = data.resized(job.examples.images[rows], entry.size)
    names = matching(inner, entry.layers)
    first = Own(inner, names, entry.mean, entry.spread, features=1).to(job.device)
    try:
        ran = outputs(inner, names, (unit_range(x[:1].to(job.device)) - first.mean) / first.spread)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"module {entry.module} fails on an image of size {entry.size} ({_said(error)})") from error
    if idle := [name for name in names if name not in ran]:
        raise DataError(f"layers: {idle[0]} does not run when the module does")
    architecture = entry.model_dump(include={"size", "module", "arguments", "mean", "spread"})
    top = described(ran[list(ran)[-1]])
    architecture |= {"layers": list(ran), "features": top.shape[1]}
    network = Own(inner, architecture["layers"], entry.mean, entry.spread, top.shape[1]).to(job.device).eval()
    features = [described(network.maps(part.to(job.device))[network.layer_names[-1]]).cpu() for part in x.split(64)]
    iterations = network.read_out.fit(torch.cat(features), job.examples.label[rows], entry.inverse_penalty)
    return Fitted(network, architecture, {"iterations": iterations})
