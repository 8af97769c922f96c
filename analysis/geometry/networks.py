"""Activations of networks that were trained elsewhere, for the images of a data set."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from analysis.acquire.recorded import layout
from analysis.core import settings
from analysis.core.errors import DataError, unreadable
from analysis.core.images import decode
from analysis.models import elsewhere
from analysis.models.activations.extract import Reducer, Reduction
from analysis.models.data import CLASSES, Examples
from analysis.params import Params
from analysis.stimuli.images import pad

BATCH = 64


def read_examples(raw: Path, size: int) -> Examples:
    """Return a data set's images as input for models, padded to squares of `size` pixels and assigned to no split.

    Raises
    ------
    DataError
        If the table or an image is missing or cannot be read.
    """
    table = layout.read_images(raw)
    try:
        images = np.stack([pad(decode((raw / "images" / file).read_bytes()), size) for file in table["file"]])
    except OSError as error:
        known = unreadable(error.filename, error)
        raise known or DataError(
            f"{error.filename}: {error.strerror}; run the stage acquire for this data set"
        ) from error
    label = (table["category"] == CLASSES[1]).to_numpy(np.int8)
    table = table.rename(columns={"image_id": "stem"})
    return Examples(images, table, label, np.full(len(table), "", dtype=str), "", {})


def activations(params: Params, name: str, project: Path, examples: Examples) -> dict[str, np.ndarray]:
    """Return the features of a model's layers, in order of depth: (n_images, n_features) each.

    `project` is the folder in which the model was trained.

    Raises
    ------
    DataError
        If the model was trained with parameters other than the present ones, or its files are damaged.
    """
    entry = params.models.entry(name)
    found = elsewhere.load(entry, name, project)
    network = found.network.to(settings.device()).eval()
    x, rule = found.inputs(examples), Reduction.of(entry, params.seed)
    names, parts = network.layer_names, []
    with torch.no_grad():
        for batch in x.split(BATCH):
            maps = network.maps(batch.to(settings.device()))
            if not parts:
                reducers = {layer: Reducer.of(rule, maps[layer], output=layer == names[-1]) for layer in names}
            parts.append({layer: reducers[layer](maps[layer]) for layer in names})
    return {layer: np.concatenate([part[layer] for part in parts]).astype(np.float64) for layer in names}


def pixels(examples: Examples) -> np.ndarray:
    """Return the images as vectors, (n_images, 3 * size ** 2)."""
    return examples.images.reshape(len(examples.images), -1).astype(np.float64)


def labels(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return labels of each image by its category, (n_images,) bool: whether a face; whether an animal or human."""
    face = (table["category"] == CLASSES[1]).to_numpy()
    return {"face": face, "animal": face | (table["category"] == "body part").to_numpy()}
