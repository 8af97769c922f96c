"""Read the outputs of the stages ``train`` and ``activations``, without loading torch."""

from typing import NotRequired

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.reading import read_csv, read_json, read_npy

PATCHES = {
    "features": (("fixation", "feature"), "f"),
    "row": (("fixation",), "iu"),
    "stimulus_id": (("fixation",), "OUST"),
}
PREDICTIONS = ["stem", "split", "label", "predicted"]


class Layer(TypedDict):
    """The fields of a layer that are read from layers.json."""

    name: str
    reduction: str


class Scores(TypedDict):
    """Accuracy in one split, in metrics.json, with its 95 % interval."""

    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    balanced_accuracy: float


class Metrics(TypedDict):
    """The fields that are read from metrics.json; ``untrained`` says why a model could not be trained."""

    protocol: str
    splits: dict[str, Scores]
    untrained: NotRequired[str]


def untrained(model: str) -> str | None:
    """Return why a model could not be trained on the available images; None if it was trained or is yet to be.

    Raises
    ------
    DataError
        If metrics.json is damaged.
    """
    path = paths.MODELS / model / "metrics.json"
    return read_metrics(model).get("untrained") if path.exists() else None


def layers(model: str) -> list[str]:
    """Return the names of a model's layers in order of depth; the last is the top layer.

    A model that could not be trained has none.

    Raises
    ------
    DataError
        If the activations are missing or their list is damaged.
    """
    return list(reductions(model))


def reductions(model: str) -> dict[str, str]:
    """Return how the activations of each layer became features: ``none``, or the pooling and projection."""
    items = read_json(paths.ACTIVATIONS / model / "layers.json", _again(model), list[Layer])
    return {item["name"]: item["reduction"] for item in items}


def read(model: str, layer: str) -> tuple[list[str], np.ndarray]:
    """Return the stems of the images and the activations of a layer.

    Returns
    -------
    stems : list of str, n_images
    values : float32 array (n_images, features), memory-mapped

    Raises
    ------
    DataError
        If the layer is missing or does not have one row per stem.
    """
    path, index = paths.ACTIVATIONS / model / f"{layer}.npy", paths.ACTIVATIONS / model / "index.csv"
    stems = read_csv(index, _again(model), ["stem"], dtype=str, na_values=[])["stem"].tolist()
    values = read_npy(path, _again(model), 2, np.float32, mapped=True)
    if len(values) != len(stems):
        raise DataError(f"{path} has {len(values)} rows for {len(stems)} images in {index}: {_again(model)} again")
    return stems, values


def has_patches(model: str) -> bool:
    """Return whether a model has activations for the gaze-contingent patches of single fixations."""
    return (paths.ACTIVATIONS / model / "patches").is_dir()


def read_patches(model: str, recording: str):
    """Return the top layer for the gaze-contingent patches of a recording, or None if it was not computed.

    Returns
    -------
    xarray.Dataset or None
        ``features`` (fixation, feature), float32; along ``fixation``, ``row``: the fixation's index in
        ``data/recordings/<protocol>/<recording>.nc``, and ``stimulus_id``. One patch per fixation, centred on the gaze
        plus the median receptive field of the recording's units (attributes ``field_x_dva``, ``field_y_dva``).

    Raises
    ------
    DataError
        If the file is damaged.
    """
    from analysis.recordings import netcdf  # loads xarray, which most models do not need

    path = paths.ACTIVATIONS / model / "patches" / f"{recording}.nc"
    return netcdf.read(path, _again(model), PATCHES, {"layer": str}) if path.exists() else None


def read_metrics(model: str) -> dict:
    """Return the accuracies of a model by split, and how it was trained.

    Raises
    ------
    DataError
        If the model has not been trained, or the file is damaged.
    """
    return read_json(paths.MODELS / model / "metrics.json", f"run the stage train for {model}", Metrics)


def read_predictions(model: str) -> pd.DataFrame:
    """Return stem, split, label and predicted class of every image.

    Raises
    ------
    DataError
        If the model has not been trained, or a column is missing.
    """
    path, again = paths.MODELS / model / "predictions.csv", f"run the stage train for {model}"
    return read_csv(path, again, PREDICTIONS, dtype=str, na_values=[])[PREDICTIONS]


def _again(model: str) -> str:
    return f"run the stage activations for {model}"
