"""The screening images of HMO, and the out-of-fold decisions that score candidates."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from analysis.core.errors import DataError
from analysis.models import data
from analysis.models.yamins_hmo import svm


@dataclass(frozen=True)
class Screening:
    """The images on which modules are searched: their label `y` as `sides`, and fold (n,) of each.

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
        return np.stack([*self.y, *self.categories.values()])

    @classmethod
    def of(
        cls,
        label: np.ndarray,
        groups: np.ndarray,
        folds: int,
        C: float,
        seed: int,
        category: np.ndarray | None = None,
        classes: Sequence[str] = data.CLASSES,
    ) -> "Screening":
        """Assign folds to images of a label, the number of one of `classes`, or -1 if only their `category` is known.

        Each category with at least as many groups of near-duplicates inside and outside as folds is a further task.
        Raises `DataError` if a class has fewer groups of near-duplicates than there are folds.
        """
        from sklearn.model_selection import StratifiedGroupKFold  # slow to load

        for number, name in enumerate(classes):
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
        further = {} if category is None else _categories(category, groups, folds)
        return cls(sides(label, len(classes)), assigned, C, further)

    def decisions(self, features: torch.Tensor, weights: np.ndarray, margin: np.ndarray | None = None) -> np.ndarray:
        """Return the out-of-fold decisions of linear read-outs of features (n, ...).

        `weights`, `margin` and the result are (n_tasks, n), for the first or for all tasks.
        """
        return svm.out_of_fold(features.flatten(1), self.tasks[: len(weights)], weights, self.folds, self.C, margin)


def sides(label: np.ndarray, classes: int) -> np.ndarray:
    """Return a row for each class, of two for the second alone: 1 for its images, -1 for others, 0 for unlabelled.

    `label` (n,) is the number of the class, or -1.
    """
    rows = range(classes) if classes > 2 else [1]
    return np.stack([np.select([label == number, label >= 0], [1.0, -1.0], 0.0) for number in rows])


def _categories(category: np.ndarray, groups: np.ndarray, folds: int) -> dict[str, np.ndarray]:
    tasks = {}
    for name in np.unique(category):
        inside = category == name
        if min(len(np.unique(groups[inside])), len(np.unique(groups[~inside]))) >= folds:
            tasks[str(name)] = np.where(inside, 1.0, -1.0)
    return tasks
