"""An ideal observer that knows only the labels: how well category alone explains responses."""

import numpy as np
import torch

from analysis.core.errors import DataError
from analysis.models.data import CLASSES, Examples
from analysis.models.network import Network
from analysis.models.registry import Fitted, Job, Kind

LABELS = [*CLASSES, "unlabelled"]
"""Units of the layer ``label``, by label number; the last is label -1."""


class Category(Network):
    """The observer: inputs (n, labels + categories) are one-hot codes, ``category`` is the top layer.

    The label determines the class; for an unlabelled image both logits are 0.
    """

    def __init__(self, categories: int):
        super().__init__(("label", "category"))
        self.sizes = len(LABELS), categories
        self.register_buffer("known", torch.tensor([[1.0, -1.0], [-1.0, 1.0], [0.0, 0.0]]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2)."""
        label, category = x.split(self.sizes, dim=1)
        self.layers["category"](category)
        return self.layers["label"](label) @ self.known


def inputs(examples: Examples, architecture: dict) -> torch.Tensor:
    """Return the one-hot codes of label and category (n_images, labels + categories).

    Raises `DataError` if an image has a category unknown to the model.
    """
    label = one_hot(np.array(LABELS)[examples.label], LABELS)
    return torch.cat(
        [label, one_hot(examples.table["category"].to_numpy(dtype=str), architecture["categories"])], dim=1
    )


def one_hot(names: np.ndarray, values: list[str]) -> torch.Tensor:
    """Return the one-hot codes (n, values) of names."""
    if unknown := sorted(set(names.tolist()) - set(values)):
        raise DataError(f"data/stimuli/images.csv: category {unknown[0]!r} is new: run the stage train again")
    return torch.from_numpy((names[:, None] == np.array(values)).astype(np.float32))


def build(architecture: dict) -> Network:
    """Return the observer."""
    return Category(len(architecture["categories"]))


def fit(job: Job) -> Fitted:
    """Record the categories of the images; nothing is trained."""
    architecture = {"categories": sorted(set(job.examples.table["category"]))}
    return Fitted(build(architecture), architecture)


KIND = Kind(fit, build, inputs)
