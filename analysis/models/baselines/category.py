"""An ideal observer that knows only the labels: how well category alone explains responses."""

import numpy as np
import torch

from analysis.core.errors import DataError
from analysis.models.data import UNLABELLED, Examples
from analysis.models.network import Network, n_classes
from analysis.models.registry import Fitted, Job, Kind


class Category(Network):
    """The observer: inputs (n, classes + 1 + categories) are one-hot codes, ``category`` is the top layer.

    The units of the layer ``label`` are the classes, and unlabelled images. The label determines the class; for an
    unlabelled image all logits are 0.
    """

    def __init__(self, categories: int, classes: int = 2):
        super().__init__(("label", "category"))
        self.sizes = classes + 1, categories
        self.register_buffer("known", torch.cat([2 * torch.eye(classes) - 1, torch.zeros(1, classes)]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes)."""
        label, category = x.split(self.sizes, dim=1)
        self.layers["category"](category)
        return self.layers["label"](label) @ self.known


def inputs(examples: Examples, architecture: dict) -> torch.Tensor:
    """Return the one-hot codes of label and category (n_images, classes + 1 + categories).

    Raises `DataError` if an image has a category unknown to the model.
    """
    labels = [*examples.classes, UNLABELLED]
    label = one_hot(np.array(labels)[examples.label], labels)
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
    return Category(len(architecture["categories"]), n_classes(architecture))


def fit(job: Job) -> Fitted:
    """Record the categories of the images; nothing is trained."""
    architecture = {"categories": sorted(set(job.examples.table["category"]))} | job.classes
    return Fitted(build(architecture), architecture)


KIND = Kind(fit, build, inputs)
