"""The output of a network for all images: its top layer and predicted labels, as the protocols use them."""

from dataclasses import dataclass, replace

import numpy as np

from analysis.core.seeds import seed_of
from analysis.models.data import Examples, load
from analysis.neural import scoring
from analysis.neural.populations import Population
from analysis.params.protocol import CORRECTED, REPORT, Protocol


@dataclass(frozen=True)
class NetworkOutput:
    """The output of one trained network for all images.

    Attributes
    ----------
    stems : list of str, n_images
    top : (n_images, n_features)
        Activations of the top layer.
    labels : dict of str to int
        Label of each image under the network's protocol: 1 face, 0 non-face, -1 unlabelled.
    correct : (n_test,) float
        1 for each test image that the network classifies correctly, else 0.
    """

    stems: list[str]
    top: np.ndarray
    labels: dict[str, int]
    correct: np.ndarray

    def features_of(self, population: Population) -> np.ndarray:
        """Return the top layer for the images of a population, in its order, (n_population_images, n_features)."""
        return self.top[scoring.rows_of(population, self.stems)]


def network_output(top: np.ndarray, predicted: np.ndarray, examples: Examples) -> NetworkOutput:
    """Return the output of a network from its top layer and predicted classes, both in the order of the images."""
    stems, rows = examples.table["stem"].tolist(), examples.rows("test")
    correct = (predicted[rows] == examples.label[rows]).astype(float)
    return NetworkOutput(stems, top, dict(zip(stems, examples.label.tolist(), strict=True)), correct)


def examples_of(protocol: Protocol, validation: float, seed: int) -> Examples:
    """Return the images with the labels and the selection split of a protocol.

    The report's split has no validation images. If a protocol combines the report's labels with selection on validation
    images, these are drawn from the training images, the same share of each label.

    Parameters
    ----------
    protocol : Protocol
    validation : float
        Share of the training images.
    seed : int
        Seed of the project.
    """
    examples = load(CORRECTED if protocol.labels == "roi" else REPORT)
    if protocol.selection == examples.selection or protocol.labels == "roi":
        return replace(examples, selection=protocol.selection)
    split = examples.split.astype(object)
    for label in (0, 1):
        rows = np.flatnonzero((split == "train") & (examples.label == label))
        rng = np.random.default_rng(seed_of(seed, "held out of the report's training images", label))
        split[rng.permutation(rows)[: max(1, round(validation * len(rows)))]] = "validation"
    return replace(examples, split=split.astype(str), selection="validation")
