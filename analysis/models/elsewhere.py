"""Models trained in another folder, on other images."""

from pathlib import Path

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.models.network import WEIGHTS, load_weights, read_config
from analysis.models.registry import TrainedModel, kind
from analysis.params import Model


def trained(names: list[str], project: Path) -> tuple[list[str], list[str]]:
    """Return the models that are trained in the folder of a project or data set, and those that are not.

    Raises
    ------
    DataError
        If none is trained.
    """
    folder = project / paths.MODELS
    there = [name for name in names if (folder / name / WEIGHTS).is_file()]
    if not there:
        raise DataError(f"{folder}: none of {', '.join(names)} is trained there: run dvc repro train first")
    return there, [name for name in names if name not in there]


def load(entry: Model, name: str, project: Path) -> TrainedModel:
    """Load a model from the folder in which it was trained.

    Raises
    ------
    DataError
        If it was trained with parameters other than the current ones, or its files are damaged.
    """
    folder = project / paths.MODELS / name
    config = read_config(folder)
    if _trained(config["values"]) != _trained(entry.model_dump()):
        raise DataError(f"{folder} was trained with other parameters: run the stage train for {name} again")
    network = kind(config["kind"]).build(config["architecture"])
    load_weights(network, folder / WEIGHTS)
    return TrainedModel(network, config)


def _trained(values: dict) -> dict:
    """Return the parameters without the number of gaze patches, on which no weight depends."""
    read_out = values.get("activations")
    if not isinstance(read_out, dict):
        return values
    return values | {"activations": {name: value for name, value in read_out.items() if name != "patches"}}
