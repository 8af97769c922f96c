"""The screening images of HMO, and the out-of-fold decisions that score candidates."""

import warnings
from dataclasses import dataclass, field

import numpy as np
import torch

from analysis.core.errors import DataError
from analysis.models import data
from analysis.models.yamins_hmo import svm


@dataclass(frozen=True)
class Screening:
    """The images on which modules are searched: class `y` (n,), -1 or 1 (0: unlabelled), and fold (n,) of each.

    Near-duplicates share a fold; `C` is that of the support vector machine. `categories` holds further tasks by name,
    (n,): 1 for images of that category, -1 for others.
    """

    y: np.ndarray
    folds: np.ndarray
    C: float
    categories: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def tasks(self) -> np.ndarray:
        """Classes of all tasks, (n_tasks, n); those of the label come first."""
        return np.stack([self.y, *self.categories.values()])

    @classmethod
    def of(
        cls, label: np.ndarray, groups: np.ndarray, folds: int, C: float, seed: int, category: np.ndarray | None = None
    ) -> "Screening":
        """Assign folds to images of label 0 or 1, or of -1 if only their `category` is known.

        Each category with at least as many groups of near-duplicates inside and outside as folds is a further task.
        Raises `DataError` if a class has fewer groups of near-duplicates than there are folds.
        """
        from sklearn.model_selection import StratifiedGroupKFold  # slow to load

        for number, name in enumerate(data.CLASSES):
            if (n := len(np.unique(groups[label == number]))) < folds:
                raise DataError(
                    f"only {n} groups of near-duplicate training images labelled {name}, fewer than the {folds} folds: "
                    "lower the model's folds in params.yaml"
                )
        assigned = np.empty(len(label), dtype=int)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The least populated class")  # few unlabelled images are no problem
            for fold, (_, rest) in enumerate(splitter.split(label, label, groups)):
                assigned[rest] = fold
        y = np.select([label == 1, label == 0], [1.0, -1.0], 0.0)
        return cls(y, assigned, C, {} if category is None else _categories(category, groups, folds))

    def decisions(self, features: torch.Tensor, weights: np.ndarray, margin: np.ndarray | None = None) -> np.ndarray:
        """Return the out-of-fold decisions of linear read-outs of features (n, ...).

        `weights`, `margin` and the result are (n_tasks, n), or (n,) for the label alone.
        """
        y = self.y if weights.ndim == 1 else self.tasks
        return svm.out_of_fold(features.flatten(1), y, weights, self.folds, self.C, margin)


def _categories(category: np.ndarray, groups: np.ndarray, folds: int) -> dict[str, np.ndarray]:
    tasks = {}
    for name in np.unique(category):
        inside = category == name
        if min(len(np.unique(groups[inside])), len(np.unique(groups[~inside]))) >= folds:
            tasks[str(name)] = np.where(inside, 1.0, -1.0)
    return tasks
