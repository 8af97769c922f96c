"""Predict the responses of recorded units to any image with the linear maps that the stage ``compare`` fitted."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import params
from analysis.compare import encoders
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.images import read_image
from analysis.core.numerics import fixed_threads
from analysis.params import Params
from analysis.stimuli.images import pad

COLUMNS = ["image", "unit_id", "region", "predicted_rate", "score", "ceiling"]
BATCH = 64


def predict(model: str, images: Sequence[str | Path], dataset: str | None = None) -> pd.DataFrame:
    """Return the predicted response of every unit to image files.

    Parameters
    ----------
    model : str
        An entry under ``models`` in params.yaml.
    images : sequence of paths
        Files of any size and format that PIL reads; padded and scaled like those of the data set.
    dataset : str, optional
        A recorded data set. Default: the free-viewing experiment.

    Returns
    -------
    DataFrame
        A row for each image and unit, with the columns `COLUMNS`: the file as given; the unit's unique name and area;
        the predicted rate in spikes/s, which may be negative, as the map is linear; the cross-validated r of the model
        for that unit; and the reliability of the unit's mean responses, whose square root bounds r.

    Raises
    ------
    DataError
        If there is no such model, data set or file, a file is not an image, the model takes no images, or the stage
        ``compare`` has not fitted it.
    """
    values = params.load()
    if dataset is not None:
        values = params.of_data_set(values, dataset)
        if not (folder := paths.RECORDED / dataset).is_dir():
            raise DataError(f"{folder} not found: run the stages of the data set {dataset}")
    values.models.entry(model)
    opened = [read_image(path) for path in images]
    if not opened:
        raise DataError("no image: give at least one file")
    with paths.inside(dataset):
        if not (fitted := encoders.read(model)):
            raise DataError(f"{model} predicts no unit: the recordings show too few images")
        features = _features(values, model, opened, {one.layer for one in fitted})
        rates = [one.map.predict(_matching(features[one.layer], one, model)) for one in fitted]
    units = pd.concat([_units(one) for one in fitted], ignore_index=True)
    table = pd.concat([units.assign(image=str(path)) for path in images], ignore_index=True)
    return table.assign(predicted_rate=np.concatenate(rates, axis=1).ravel())[COLUMNS]


def _units(one: encoders.Encoder) -> pd.DataFrame:
    return pd.DataFrame({"unit_id": one.units, "region": one.region, "score": one.score, "ceiling": one.ceiling})


def _features(values: Params, model: str, opened: list, layers: set[str]) -> dict[str, np.ndarray]:
    """Return the features of `layers` for PIL images, (n_images, n_features), as in the stage ``activations``."""
    from analysis.core import settings
    from analysis.models import data, registry
    from analysis.models.activations import extract

    entry = values.models.entry(model)
    kind = registry.kind(entry.kind)  # imports torch, before fixed_threads limits the loaded libraries
    if kind.inputs is not data.image_inputs:
        raise DataError(f"{model} has no image input, so it predicts no response to a file")
    with fixed_threads():
        examples = data.load(entry.rules)
        trained = registry.load_trained(values, model, examples)
        squares = np.stack([pad(image, examples.images.shape[2]) for image in opened])
        x, network = trained.inputs(replace(examples, images=squares)), trained.network.to(settings.device())
        reducers = extract.reducers_of(network, x, extract.Reduction.of(entry, values.seed), settings.device())
        reducers = {name: reducer for name, reducer in reducers.items() if name in layers}
        parts = [
            extract.features_of(network, part, reducers, settings.device())
            for part in x.split(network.at_once or BATCH)
        ]
    return {name: np.concatenate([part[name] for part in parts]).astype(np.float64) for name in reducers}


def _matching(features: np.ndarray, one: encoders.Encoder, model: str) -> np.ndarray:
    """Return the features. Raises `DataError` if the map was fitted on another number of features."""
    if features.shape[1] != len(one.map.mean):
        raise DataError(f"layer {one.layer} has changed since compare: rerun compare for {model}")
    return features
