"""Load trained models."""

from dataclasses import dataclass

import torch

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.models import network as files
from analysis.models import registry
from analysis.models.data import Examples
from analysis.models.network import Network
from analysis.params import Params


@dataclass(frozen=True)
class TrainedModel:
    """A trained network and the configuration beside its weights (``config.json``)."""

    network: Network
    config: dict

    def inputs(self, examples: Examples) -> torch.Tensor:
        """Return the inputs (n_images, ...) of the network, in the order of ``images.csv``."""
        return registry.kind(self.config["kind"]).inputs(examples, self.config["architecture"])


def load(params: Params, model: str, examples: Examples) -> TrainedModel:
    """Load a model from ``models/<model>/``.

    Raises
    ------
    DataError
        If the model has not been trained, or was trained on images or with parameters other than the present ones.
    """
    entry, folder = params.models.entry(model), paths.MODELS / model
    config = files.read_config(folder)
    if config["images"] != examples.digest or config["values"] != entry.model_dump():
        raise DataError(f"{folder} was trained on other images or values: run the stage train for {model} again")
    network = registry.kind(entry.kind).build(config["architecture"])
    files.load_weights(network, folder / files.WEIGHTS)
    return TrainedModel(network, config)
