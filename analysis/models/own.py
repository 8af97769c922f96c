"""A user's own network: any torch module, its layers by name, and a linear read-out of the last."""

import fnmatch
import importlib
import os
import re
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from analysis.core.errors import DataError
from analysis.models import data
from analysis.models.network import Network, hooked, n_classes, unit_range
from analysis.models.pretrained.weights import load_file
from analysis.models.read_out import LinearReadOut, fit_read_out
from analysis.models.registry import Fitted, Job, Kind


class Own(Network):
    """A user's module after a standardisation of RGB; its layers are the outputs of the submodules named `layers`.

    `layers` are in the order in which they run, `mean` and `std` standardise images from 0 to 1, channel by channel,
    `features` is the number of features that `summarised` returns for the last layer, `module` is its name in
    messages, and `classes` is the number of logits.
    """

    def __init__(
        self,
        inner: nn.Module,
        layers: list[str],
        mean: list[float],
        std: list[float],
        features: int,
        module: str,
        classes: int = 2,
    ):
        super().__init__(())
        self.inner, self.names, self.module = inner, tuple(layers), module
        self.shapes: dict[str, tuple[int, ...]] = {}  # of each layer's first output, without n
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(3, 1, 1))
        self.read_out = LinearReadOut(features, classes)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers in order of depth."""
        return self.names

    def layer(self, name: str) -> nn.Module:
        """Return the submodule of that name."""
        return self.inner.get_submodule(name)

    def maps(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the output of every named layer; that of the last call if it runs several times."""
        found = self.outputs(x)
        return {name: found[name] for name in self.names}

    def outputs(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the outputs of the layers in the order of their last calls.

        Raises
        ------
        DataError
            If the module fails, or a layer does not run or returns anything but one tensor of finite floating-point
            numbers, with a row per image and the same shape for all images.
        """
        found: dict[str, torch.Tensor] = {}

        def keep(name: str, output) -> None:
            if wrong := unusable(output, len(x)):
                raise DataError(f"layer {name} gives {wrong}")
            if (shape := tuple(output.shape[1:])) != self.shapes.setdefault(name, shape):
                raise DataError(f"layer {name} gives {shape} for one image and {self.shapes[name]} for another")
            found.pop(name, None)
            half = output.dtype in (torch.float16, torch.bfloat16)
            found[name] = output.float() if half else output.clone()  # a later layer may change it in place

        try:
            with in_this_folder(), hooked({name: self.layer(name) for name in self.names}, keep):
                self.inner((unit_range(x) - self.mean) / self.std)
        except DataError:
            raise
        except (Exception, SystemExit) as error:  # user code may raise anything
            size = "x".join(map(str, x.shape[2:]))
            raise DataError(f"module {self.module} fails on images of {size} pixels ({one_line(error)})") from error
        if idle := [name for name in self.names if name not in found]:
            raise DataError(f"layers: {idle[0]} is not called in the forward pass")
        return found

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes)."""
        return self.read_out(summarised(self.maps(x)[self.names[-1]]))


@contextmanager
def in_this_folder() -> Iterator[None]:
    """Return to the present folder after foreign code, which may change it: outputs would land elsewhere."""
    folder = Path.cwd()
    try:
        yield
    finally:
        os.chdir(folder)


def unusable(output, n: int) -> str | None:
    """Describe the output of a layer for `n` images if it cannot serve as activations; None if it can."""
    if not isinstance(output, torch.Tensor):
        return f"a {type(output).__name__}, not a tensor: choose another in layers"
    if output.ndim < 2 or len(output) != n or not output[0].numel():
        return f"a tensor of shape {tuple(output.shape)} for {n} images, not a row per image: choose another in layers"
    if not output.is_floating_point():
        return f"a tensor of {str(output.dtype).removeprefix('torch.')}, not of floats: choose another in layers"
    finite = torch.isfinite(output).flatten(1).all(1)
    if not finite.all():
        return f"NaN or infinity for {int((~finite).sum())} of {n} images: check the weights, mean and std"
    return None


def summarised(top: torch.Tensor) -> torch.Tensor:
    """Return features (n, f) of a layer: means over positions (n, f, h, w) or tokens (n, tokens, f), else flattened."""
    if top.ndim == 4:
        return top.mean((2, 3))
    return top.mean(1) if top.ndim == 3 else top.flatten(1)


def call(module: str, arguments: dict) -> nn.Module:
    """Call a ``package.module:callable`` with its keyword arguments and return the resulting torch module.

    Raises `DataError` if there is no such callable, it fails, or it returns anything but a torch module.
    """
    where, _, path = module.partition(":")
    try:
        with in_this_folder():
            found = importlib.import_module(where)
    except (Exception, SystemExit) as error:  # user code may raise anything
        raise DataError(f"module {module}: cannot import {where} ({one_line(error)})") from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise DataError(f"module {module}: {where} has no {path}")
        found = getattr(found, name)
    try:
        with in_this_folder():
            made = found(**arguments)
    except (Exception, SystemExit) as error:
        raise DataError(f"module {module}: the call with {arguments} failed ({one_line(error)})") from error
    if not isinstance(made, nn.Module):
        raise DataError(f"module {module}: returned a {type(made).__name__}, not a torch module")
    return made


def one_line(error: BaseException) -> str:
    """Return an exception of user code in one line, with its origin: file, line and function."""
    what = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, SyntaxError):  # its message names the file
        return what
    ours, torchs = Path(__file__).parents[1], Path(torch.__file__).parent
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and ours not in Path(frame.filename).parents
    ]
    installed = [Path(sysconfig.get_path(name)) for name in ("purelib", "stdlib")]
    readers = [frame for frame in frames if not any(path in Path(frame.filename).parents for path in installed)]
    others = [frame for frame in frames if torchs not in Path(frame.filename).parents]
    for frame in [*others[-1:], *readers[-1:]][-1:]:
        return f"{os.path.relpath(frame.filename)}, line {frame.lineno}, in {frame.name}: {what}"
    return what


def matching(inner: nn.Module, patterns: list[str]) -> list[str]:
    """Return the names of the submodules that match shell-style patterns.

    Raises `DataError` if a pattern matches nothing, or the name of a layer is not a valid file name.
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


def build(architecture: dict) -> Network:
    """Return the module with its initial weights and an unfitted read-out."""
    values = {name: architecture[name] for name in ("layers", "mean", "std", "features", "module")}
    return Own(call(architecture["module"], architecture["arguments"]), **values, classes=n_classes(architecture))


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
        load_file(inner, entry.weights.file, entry.weights.sha256)
    inner.eval()
    image = data.resized(job.examples.images[:1], entry.size).to(job.device)
    names = matching(inner, entry.layers)
    first = Own(inner, names, entry.mean, entry.std, 1, entry.module).to(job.device)
    ran = first.outputs(image)
    architecture = entry.model_dump(include={"size", "module", "arguments", "mean", "std"})
    top = summarised(ran[list(ran)[-1]])
    architecture |= {"layers": list(ran), "features": top.shape[1]} | job.classes
    classes = n_classes(architecture)
    network = Own(inner, architecture["layers"], entry.mean, entry.std, top.shape[1], entry.module, classes)
    network.to(job.device).eval()
    network.shapes |= first.shapes
    iterations = fit_read_out(job, network.read_out, lambda x: summarised(network.maps(x)[network.names[-1]]), batch=64)
    return Fitted(network, architecture, {"iterations": iterations})


KIND = Kind(fit, build)
