"""The screening images of HMO, and the out-of-fold decisions that score candidates."""

from dataclasses import dataclass

import numpy as np
import torch

from analysis.core.errors import DataError
from analysis.models import data
from analysis.models.yamins_hmo import svm


@dataclass(frozen=True)
class Screening:
    """The images on which modules are searched: class `y` (n,), -1 or 1, and fold (n,) of each.

    Near-duplicates share a fold; `C` is that of the support vector machine.
    """

    y: np.ndarray
    folds: np.ndarray
    C: float

    @classmethod
    def of(cls, label: np.ndarray, groups: np.ndarray, folds: int, C: float, seed: int) -> "Screening":
        """Assign folds to images of label 0 or 1.

        Raises `DataError` if a class has fewer groups of near-duplicates than there are folds.
        """
        from sklearn.model_selection import StratifiedGroupKFold  # slow to load

        for number, name in enumerate(data.CLASSES):
            if (n := len(np.unique(groups[label == number]))) < folds:
                raise DataError(f"{n} groups of near-duplicate training images labelled {name}; lower folds = {folds}")
        assigned = np.empty(len(label), dtype=int)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        for fold, (_, rest) in enumerate(splitter.split(label, label, groups)):
            assigned[rest] = fold
        return cls(np.where(label == 1, 1.0, -1.0), assigned, C)

    def decisions(self, features: torch.Tensor, weights: np.ndarray, margin: np.ndarray | None = None) -> np.ndarray:
        """Return the out-of-fold decisions of a linear read-out of features (n, ...)."""
        return svm.out_of_fold(features.flatten(1), self.y, weights, self.folds, self.C, margin)
