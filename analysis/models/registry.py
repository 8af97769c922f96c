"""The kinds of model: how each is trained, rebuilt and given its inputs; and the loading of trained models.

A new kind is a class in `analysis.params.models.Entry` and the module it names, which holds ``KIND``, a `Kind`.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.reading import reading
from analysis.models import data
from analysis.models.data import Examples
from analysis.models.network import CONFIG, WEIGHTS, Network, load_weights, read_config
from analysis.models.train.log import Log
from analysis.params import Model, Params
from analysis.params.models import KINDS


@dataclass(frozen=True)
class Job:
    """One training: the checked parameters, the images, and the folder of unfinished work.

    `origin` holds everything besides `entry` that determines the result, as JSON values.
    """

    name: str
    entry: Model
    examples: Examples
    seed: int
    device: str
    folder: Path
    log: Log
    origin: dict

    @property
    def classes(self) -> dict[str, list[str]]:
        """The entry ``classes`` of the network's architecture; none for faces against other images (`n_classes`)."""
        return {} if self.examples.classes == data.CLASSES else {"classes": list(self.examples.classes)}


@dataclass(frozen=True)
class Fitted:
    """A trained network and the architecture from which `Kind.build` rebuilds it.

    `notes` go to its configuration, `metrics` to its ``metrics.json``.
    """

    network: Network
    architecture: dict
    notes: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """The functions of a kind of model.

    Attributes
    ----------
    fit : function (Job) -> Fitted
        Trains on the examples of the job.
    build : function (architecture) -> Network
        Returns the untrained network.
    inputs : function (Examples, architecture) -> tensor (n_images, ...)
        Returns the network's inputs in the order of ``images.csv``: by default the images at ``architecture["size"]``.
    """

    fit: Callable[[Job], Fitted]
    build: Callable[[dict], Network]
    inputs: Callable[[Examples, dict], torch.Tensor] = data.image_inputs


def kind(name: str) -> Kind:
    """Return a kind of model. Raises `DataError` if there is no such kind."""
    if name not in KINDS:
        raise DataError(f"no model of kind {name!r}; the kinds are {', '.join(sorted(KINDS))}")
    return importlib.import_module(f"analysis.models.{KINDS[name].implementation}").KIND


@dataclass(frozen=True)
class TrainedModel:
    """A trained network and the configuration stored with its weights (``config.json``)."""

    network: Network
    config: dict

    def inputs(self, examples: Examples) -> torch.Tensor:
        """Return the inputs (n_images, ...) of the network, in the order of ``images.csv``."""
        return kind(self.config["kind"]).inputs(examples, self.config["architecture"])


def load_trained(params: Params, model: str, examples: Examples) -> TrainedModel:
    """Load a model from ``models/<model>/``.

    Raises
    ------
    DataError
        If the model has not been trained, or was trained on images or with parameters other than the current ones.
    """
    entry, folder = params.models.entry(model), paths.MODELS / model
    config, again = read_config(folder), f"run the stage train for {model}"
    if config["images"] != examples.digest or config["values"] != entry.model_dump():
        raise DataError(f"{folder / CONFIG} belongs to a model trained on other images or parameters: {again} again")
    with reading(folder / CONFIG, again):
        network = kind(entry.kind).build(config["architecture"])
    load_weights(network, folder / WEIGHTS)
    return TrainedModel(network, config)
