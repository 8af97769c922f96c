"""Read what the stages ``train`` and ``activations`` write of a model. Loads no torch."""

import numpy as np
import pandas as pd

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.files import read_json


def untrained(model: str) -> str | None:
    """Return why a model could not be trained on the available images, or None if it was trained, or not yet.

    Raises
    ------
    DataError
        If the file that says so is damaged.
    """
    path = paths.MODELS / model / "metrics.json"
    return read_metrics(model).get("untrained") if path.exists() else None


def layers(model: str) -> list[str]:
    """Return the names of a model's layers in order of depth; the last is the top layer.

    A model that could not be trained has none.

    Raises
    ------
    DataError
        If the activations are missing, or their list is damaged.
    """
    return [item["name"] for item in _described(model)]


def reductions(model: str) -> dict[str, str]:
    """Return how the activations of each layer became features: ``none``, or what was pooled or projected."""
    return {item["name"]: item["reduction"] for item in _described(model)}


def _described(model: str) -> list[dict]:
    path = paths.ACTIVATIONS / model / "layers.json"
    return read_json(path, f"run the stage activations for {model}", list)


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
    path = paths.ACTIVATIONS / model / f"{layer}.npy"
    try:
        stems = pd.read_csv(paths.ACTIVATIONS / model / "index.csv", dtype=str, keep_default_na=False)["stem"].tolist()
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{error.filename} not found: run the stage activations for {model}") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is not a whole .npy file: run the stage activations for {model} again") from error
    if len(values) != len(stems):
        raise DataError(f"{path} has {len(values)} rows for {len(stems)} images: run the stage activations again")
    return stems, values


def has_patches(model: str) -> bool:
    """Say whether a model has activations of what was looked at in single fixations."""
    return (paths.ACTIVATIONS / model / "patches").is_dir()


def read_patches(model: str, recording: str):
    """Return the top layer of what was looked at in single fixations of a recording, or None if it was not computed.

    Returns
    -------
    xarray.Dataset or None
        ``features`` (fixation, feature), float32; along ``fixation``, ``row``: the fixation's place in
        ``data/recordings/<protocol>/<recording>.nc``, and ``stimulus_id``. One patch per fixation, centred on the gaze
        plus the median receptive field of the recording's units (attributes ``field_x_dva``, ``field_y_dva``).

    Raises
    ------
    DataError
        If the file is not whole.
    """
    from analysis.recordings import netcdf  # loads xarray, which most models do not need

    path = paths.ACTIVATIONS / model / "patches" / f"{recording}.nc"
    return netcdf.read(path) if path.exists() else None


def read_metrics(model: str) -> dict:
    """Return the accuracies of a model by split, and how it was trained.

    Raises
    ------
    DataError
        If the model has not been trained, or the file is damaged.
    """
    return read_json(paths.MODELS / model / "metrics.json", f"run the stage train for {model}")


def read_predictions(model: str) -> pd.DataFrame:
    """Return stem, split, label and predicted class of every image.

    Raises
    ------
    DataError
        If the model has not been trained, or a column is missing.
    """
    path = paths.MODELS / model / "predictions.csv"
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)[["stem", "split", "label", "predicted"]]
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run the stage train for {model}") from error
    except KeyError as error:
        raise DataError(f"{path} has no column {error}: run the stage train for {model} again") from error
