"""The planted truth as a model: its features are the noise-free responses of the audited area's simulated units.

No model predicts the units better, so the corrected protocol should bring it near the ceiling, and the join flaw alone
should leave it nothing: what the protocols do, apart from what a network lacks. Real recordings have no such truth.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.neural.populations import Population
from analysis.neural.scoring import rows_of
from analysis.recordings.read import open_recording


@dataclass(frozen=True)
class Planted:
    """What the ladder asks of a network (`ladder.Seen`).

    Attributes
    ----------
    features : dict from recording to (stems, (n_images, n_features))
        Of the images that the recording shows.
    labels : dict of str to int
    hits : (0,)
        The truth names no class.
    """

    features: dict[str, tuple[list[str], np.ndarray]]
    labels: dict[str, int]
    hits: np.ndarray = field(default_factory=lambda: np.empty(0))

    def of(self, population: Population) -> np.ndarray:
        """Return the features of a population's images, in its order."""
        stems, values = self.features[population.recording]
        return values[rows_of(population, stems)]


def read(recordings: Iterable[str], area: str, labels: dict[str, int]) -> Planted | None:
    """Return the truth of an area in these recordings, every unit at unit variance over images; None for real data.

    Raises
    ------
    DataError
        If there is truth, but none of one of the recordings.
    """
    if not paths.TRUTH.is_dir():
        return None
    found = {}
    for name in recordings:
        path = paths.TRUTH / f"{name}.nc"
        if not path.is_file():
            raise DataError(f"{path} is missing: run the stage acquire again")
        truth = open_recording(path)
        values = truth["image_mean"].transpose("image", "unit").values[:, truth["region"].values.astype(str) == area]
        spread = values.std(axis=0)
        values = (values - values.mean(axis=0))[:, spread > 0] / spread[spread > 0]
        found[name] = truth["image"].values.astype(str).tolist(), values.astype(np.float64)
    return Planted(found, labels)
