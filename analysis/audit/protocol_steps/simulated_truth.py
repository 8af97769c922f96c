"""The simulated truth as a model: its features are the noise-free responses of the units that are audited.

No model can predict the units better, so it should come close to the ceiling under the corrected protocol, and predict
nothing under the flawed trial join alone. This shows the effect of the protocols independently of any network's
shortcomings. Real recordings have no such truth.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from analysis.core import paths
from analysis.neural.populations import Population
from analysis.neural.scoring import rows_of
from analysis.recordings.read import read_truth


@dataclass(frozen=True)
class SimulatedTruth:
    """Noise-free responses, with the attributes of `network_outputs.NetworkOutput` that scoring uses.

    Attributes
    ----------
    features : dict from recording to (stems, (n_images, n_features))
        For the images shown in the recording.
    labels : dict of str to int
        Label of each image: 1 face, 0 non-face, -1 unlabelled.
    correct : (0,)
        Empty: the truth classifies no image.
    """

    features: dict[str, tuple[list[str], np.ndarray]]
    labels: dict[str, int]
    correct: np.ndarray = field(default_factory=lambda: np.empty(0))

    def features_of(self, population: Population) -> np.ndarray:
        """Return the features of a population's images, in its order, (n_population_images, n_features)."""
        stems, values = self.features[population.recording]
        return values[rows_of(population, stems)]


def read(recordings: Iterable[str], area: str, labels: dict[str, int]) -> SimulatedTruth | None:
    """Return the truth of an area in these recordings, each unit standardised over images; None for real data.

    Raises
    ------
    DataError
        If the data are simulated but the truth of one of the recordings is missing.
    """
    if not paths.TRUTH.is_dir():
        return None
    features = {}
    for name in recordings:
        truth = read_truth(paths.TRUTH / f"{name}.nc")
        values = truth["image_mean"].values[:, truth["region"].values.astype(str) == area]
        sd = values.std(axis=0)
        values = (values - values.mean(axis=0))[:, sd > 0] / sd[sd > 0]
        features[name] = truth["image"].values.astype(str).tolist(), values.astype(np.float64)
    return SimulatedTruth(features, labels)
