"""An ideal observer that knows labels and nothing else: what a comparison gives for category alone."""

import numpy as np
import torch

from analysis.core.errors import DataError
from analysis.models.data import CLASSES, Examples
from analysis.models.network import Network
from analysis.models.registry import Fitted, Job

LABELS = [*CLASSES, "unlabelled"]
"""The units of the layer ``label``, by label number; the last is number -1."""


class Category(Network):
    """Inputs (n, labels + categories) are the one-hot codes themselves; ``category`` is the top layer.

    The class is read from the label; for an unlabelled image both logits are 0.
    """

    layer_names = ("label", "category")

    def __init__(self, categories: int):
        super().__init__()
        self.sizes = len(LABELS), categories
        self.register_buffer("known", torch.tensor([[1.0, -1.0], [-1.0, 1.0], [0.0, 0.0]]))

    def maps(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the one-hot label and the one-hot category."""
        label, category = x.split(self.sizes, dim=1)
        return {"label": label, "category": category}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2)."""
        return self.maps(x)["label"] @ self.known


def inputs(examples: Examples, architecture: dict) -> torch.Tensor:
    """Return the one-hot codes (n_images, labels + categories) of label and category.

    Raises
    ------
    DataError
        If the table of images has no categories, or one that the model does not know.
    """
    label = one_hot(np.array(LABELS)[examples.label], LABELS)
    return torch.cat([label, one_hot(_categories(examples), architecture["categories"])], dim=1)


def one_hot(names: np.ndarray, values: list[str]) -> torch.Tensor:
    """Return a row per name with a one in the column of its value (n, values)."""
    if unknown := sorted(set(names.tolist()) - set(values)):
        raise DataError(f"data/stimuli/images.csv: category {unknown[0]!r} is new: run the stage train again")
    return torch.from_numpy((names[:, None] == np.array(values)).astype(np.float32))


def _categories(examples: Examples) -> np.ndarray:
    if "category" not in examples.table:
        raise DataError("data/stimuli/images.csv lacks the column category: run the stage stimuli again")
    return examples.table["category"].to_numpy(dtype=str)


def build(architecture: dict) -> Network:
    """Return the observer."""
    return Category(len(architecture["categories"]))


def fit(job: Job) -> Fitted:
    """Take the categories of the images; nothing is trained."""
    architecture = {"categories": sorted(set(_categories(job.examples).tolist()))}
    return Fitted(build(architecture), architecture)
