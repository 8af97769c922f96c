"""Every kind of model: how it is trained, how it is rebuilt from its configuration, and what it takes as input.

A new kind is a parameter class in `analysis.params.models` and a module here that holds

``fit(job: Job) -> Fitted``
    train on ``job.examples`` and return the network with the values from which `build` makes it again;
``build(architecture: dict) -> Network``
    the untrained network;
``inputs(examples: Examples, architecture: dict) -> Tensor``
    its inputs (n_images, ...), if they are not the images at ``architecture["size"]``.
"""

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import torch

from analysis.core.errors import DataError
from analysis.models import data
from analysis.models.data import Examples
from analysis.models.network import Network
from analysis.models.train.log import Log
from analysis.params import Model

MODULES = {
    "hmo": "analysis.models.yamins_hmo.procedure",
    "hmo_report": "analysis.models.report_hmo.network",
    "hmo_untrained": "analysis.models.report_hmo.untrained",
    "simple_cnn": "analysis.models.end_to_end.simple_cnn",
    "resnet": "analysis.models.end_to_end.resnet",
    "vit": "analysis.models.end_to_end.vit",
    "gabor": "analysis.models.baselines.gabor",
    "pixels": "analysis.models.baselines.pixels",
    "category": "analysis.models.baselines.category",
    "own": "analysis.models.own",
}


@dataclass(frozen=True)
class Job:
    """One training: the checked values, the images, and where unfinished work lies.

    `origin` is everything but `entry` that decides the result, as JSON values.
    """

    name: str
    entry: Model
    examples: Examples
    seed: int
    device: str
    folder: Path
    log: Log
    origin: dict


@dataclass(frozen=True)
class Fitted:
    """A trained network, the values that rebuild it, and what else its configuration should say."""

    network: Network
    architecture: dict
    notes: dict = field(default_factory=dict)


def module(kind: str) -> ModuleType:
    """Return the module of a kind.

    Raises
    ------
    DataError
        If there is no such kind.
    """
    if kind not in MODULES:
        raise DataError(f"no model of kind {kind!r}; the kinds are {', '.join(sorted(MODULES))}")
    return importlib.import_module(MODULES[kind])


def inputs(kind: str, examples: Examples, architecture: dict) -> torch.Tensor:
    """Return the inputs (n_images, ...) of a network of this kind, in the order of ``images.csv``."""
    own = getattr(module(kind), "inputs", None)
    return own(examples, architecture) if own else data.resized(examples.images, architecture["size"])
