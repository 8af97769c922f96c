"""Encoders, which map the features of a model to the responses of units, for images that were never shown.

Each population is encoded by ridge regression, fitted to all images, from the layer with the highest median (over
units) cross-validated r. Scores are those of the chosen layer in the tables (`CHOSEN`), whose predictions choose layer
and penalty without the test images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from analysis.compare.read import CHOSEN
from analysis.compare.unit_scores import Predicted
from analysis.core import paths
from analysis.core.files import as_json, write_bytes, write_json
from analysis.core.reading import damaged, read_json, reading
from analysis.statistics.predictivity.nested import LinearMap, fit_ridge

WEIGHTS, ABOUT = "encoders.safetensors", "encoders.json"
ARRAYS = ("mean", "scale", "weights", "intercept")
"""Fields of `LinearMap` stored in the weights file, in single precision, as ``<recording>-<area>.<field>``."""


@dataclass(frozen=True)
class Encoder:
    """The encoder of one population.

    Attributes
    ----------
    recording, subject, region : str
    layer : str
        Layer whose features the map takes.
    n_images : int
        Number of images to which it was fitted.
    units : tuple of str, n_units
        Unique over recordings (``neuroid_id``).
    score : (n_units,)
        Cross-validated Pearson's r; NaN where undefined.
    ceiling : (n_units,)
        Reliability of the mean responses; its square root is the maximum r. NaN where undefined.
    map : LinearMap
        From features to responses (spikes/s).
    """

    recording: str
    subject: str
    region: str
    layer: str
    n_images: int
    units: tuple[str, ...]
    score: np.ndarray
    ceiling: np.ndarray
    map: LinearMap


def fit(found: Predicted, rows: list[dict], features: dict[str, np.ndarray]) -> Encoder | None:
    """Fit the best layer of a population to all its images.

    Parameters
    ----------
    found : Predicted
    rows : list of dict
        Scores of the units (`unit_scores.unit_rows`).
    features : dict from layer to (n_images, n_features)

    Returns
    -------
    Encoder or None
        None if there are too few images to choose a layer, or no unit varies.
    """
    r = {layer: np.array([row["r"] for row in rows if row["layer"] == layer]) for layer in found.layers}
    medians = {name: np.nanmedian(r[name]) for name in features if np.isfinite(r[name]).any()}
    if not found.chosen or not medians:
        return None
    population, layer = found.measured.population, max(medians, key=medians.__getitem__)
    fitted = fit_ridge(features[layer], population.responses, found.folds[0])
    return Encoder(
        *(population.recording, population.subject, population.region),
        *(layer, len(population.images), population.neuroid_ids),
        *(r[CHOSEN], found.measured.ceiling, _in_single_precision(fitted)),
    )


def _in_single_precision(fitted: LinearMap) -> LinearMap:
    return LinearMap(*(getattr(fitted, name).astype(np.float32) for name in ARRAYS), fitted.limit)


def write(folder: Path, encoders: Sequence[Encoder]) -> None:
    """Write the maps, and metadata of the maps and their units."""
    tensors = {f"{_name(one)}.{field}": getattr(one.map, field) for one in encoders for field in ARRAYS}
    write_bytes(folder / WEIGHTS, save(tensors))
    write_json(folder / ABOUT, [as_json(_about(one)) for one in encoders])


def _name(one: Encoder) -> str:
    return f"{one.recording}-{one.region}"


def _about(one: Encoder) -> dict:
    fields = ("recording", "subject", "region", "layer", "n_images", "units")
    return {name: getattr(one, name) for name in fields} | {
        "limit": one.map.limit,
        "score": one.score.tolist(),
        "ceiling": one.ceiling.tolist(),
    }


def read(model: str) -> list[Encoder]:
    """Read the encoders of a model, in the order of the populations.

    Raises
    ------
    DataError
        If there are none, or a file is damaged or from another run.
    """
    folder = paths.RESULTS / "compare" / model
    again = f"run the stage compare for {model}"
    about = read_json(folder / ABOUT, again, list[dict])
    path = folder / WEIGHTS
    with reading(path, again):
        try:
            tensors = load(path.read_bytes())
        except SafetensorError as error:
            raise damaged(path, error, again) from error
        return [_encoder(one, tensors) for one in about]


def _encoder(about: dict, tensors: dict[str, np.ndarray]) -> Encoder:
    name = f"{about['recording']}-{about['region']}"
    fitted = LinearMap(*(tensors[f"{name}.{field}"].astype(np.float64) for field in ARRAYS), about["limit"])
    if fitted.weights.shape[1] != len(about["units"]):
        raise ValueError(f"{fitted.weights.shape[1]} encoders for {len(about['units'])} units of {name}")
    return Encoder(
        *(about[field] for field in ("recording", "subject", "region", "layer", "n_images")),
        tuple(about["units"]),
        *(np.array(about[field], dtype=np.float64) for field in ("score", "ceiling")),
        fitted,
    )
