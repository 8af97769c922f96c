"""Read-out of the task, faces against other images or objects, from populations and models."""

import numpy as np
import pandas as pd

from analysis.core.parallel import one_thread
from analysis.core.seeds import seed_of
from analysis.neural import variation
from analysis.neural.populations import Population
from analysis.params import Compare
from analysis.params.protocol import Protocol
from analysis.statistics.crossval import group_folds
from analysis.statistics.predictivity.decoding import decode_classes, learning_curve, match_noise
from analysis.statistics.predictivity.kernel_analysis import kernel_analysis
from analysis.stimuli.read import classes_of

WHERE = ["recording", "subject", "region"]
DECODING = [*WHERE, "system", "factor", "level", "n_images", "n_units", "measure", "score"]
KERNEL = [*WHERE, "system", "n_images", "n_units", "complexity", "precision"]
LEARNING = [*WHERE, "system", "n_images", "n_units", "n_train", "score", "deviation"]
LABEL = {"roi": "label", "filename": "label_report"}
"""Column of images.csv with the label, by the protocol's field `labels`."""
KERNEL_FOLDS = 10
"""Maximum number of folds in kernel analysis; folds hold whole near-duplicate groups."""
TRAINING_SIZES = (4, 8, 16, 32, 64)
"""Numbers of training images of each class, of the learning curves."""


def identify(population: Population) -> dict:
    """Return the columns of a row that identify a population and give its size."""
    return {
        "recording": population.recording,
        "subject": population.subject,
        "region": population.region,
        "n_images": len(population.images),
        "n_units": len(population.units),
    }


class Task:
    """The task on the images of one population: face / non-face, or objects.

    Parameters
    ----------
    population : Population
    table, levels : DataFrame
        images.csv and the result of `variation.assign_levels`, both indexed by stem.
    groups : dict
        Near-duplicate group of each image.
    rules : Protocol
        Its field `labels` is used.
    settings : Compare
    """

    def __init__(
        self,
        population: Population,
        table: pd.DataFrame,
        levels: pd.DataFrame,
        groups,
        rules: Protocol,
        settings: Compare,
    ):
        rows, self.levels = table.loc[list(population.images)], levels.loc[list(population.images)]
        label = rows[LABEL[rules.labels]]
        self.classes = classes_of(label)
        numbers = {name: number for number, name in enumerate(self.classes)}
        self.labels = label.map(numbers).fillna(-1).to_numpy(dtype=int)
        self.groups = np.array([groups[image] for image in population.images])
        self.settings = settings

    def has_enough_groups(self) -> bool:
        """Return whether all classes have enough near-duplicate groups for the folds."""
        numbers = range(len(self.classes))
        return min(len(np.unique(self.groups[self.labels == label])) for label in numbers) >= self.settings.folds

    def decode(self, X: np.ndarray, seed: int) -> list[dict]:
        """Decode the task and return its score at every level of variation (`variation.score_levels`)."""
        called = decode_classes(X, self.labels, self.groups, folds=self.settings.folds, seed=seed)
        return variation.score_levels(called, self.labels, self.levels, len(self.classes))

    def kernel(self, X: np.ndarray, seed: int):
        """Return the kernel analysis (`Curve`) of the labelled images."""
        rows = self.labels >= 0
        n = min(KERNEL_FOLDS, len(np.unique(self.groups[rows])))
        return kernel_analysis(X[rows], self.labels[rows], group_folds(self.groups[rows], n, seed))

    def learn(self, X: np.ndarray, seed: int):
        """Return the learning curve (`LearningCurve`) of one draw of training images."""
        sizes = [len(self.classes) * size for size in TRAINING_SIZES]
        return learning_curve(X, self.labels, self.groups, sizes=sizes, folds=self.settings.folds, draws=1, seed=seed)


def population_rows(population: Population, task: Task, ceiling: np.ndarray, seed: int) -> dict[str, list[dict]]:
    """Read out the task from a population.

    Returns
    -------
    dict with ``decoding``, ``kernel`` and ``learning``
        Rows; none if a class has too few images, or no unit has a ceiling for a model to match.
    """
    if not task.has_enough_groups() or not np.isfinite(ceiling).any():
        return {"decoding": [], "kernel": [], "learning": []}
    return _read_out(population, task, "population", [population.responses], seed)


def model_rows(
    population: Population, top: np.ndarray, task: Task, ceiling: np.ndarray, settings: Compare, seed: int
) -> dict[str, list[dict]]:
    """Read out the task from a model's top layer, (n_images, n_features), as `population_rows` does from units.

    Scores are means over draws of features and noise that match the number and reliability of the units.
    """
    if not task.has_enough_groups() or not np.isfinite(ceiling).any():
        return {"decoding": [], "kernel": [], "learning": []}
    matched = [
        match_noise(top, ceiling[np.isfinite(ceiling)], len(population.units), seed_of(seed, "match", draw))
        for draw in range(settings.readout_draws)
    ]
    return _read_out(population, task, "model", matched, seed)


def _read_out(population: Population, task: Task, system: str, draws: list[np.ndarray], seed: int):
    """Return rows of scores averaged over `draws` of the features, (n_images, n_features) each.

    Learning curves are drawn ``readout_draws`` times, from the same images for a population and a model.
    """
    scores = [task.decode(X, seed_of(seed, "decode")) for X in draws]
    who = identify(population) | {"system": system}
    decoding = [
        who | {**rows[0], "n_images": rows[0]["n"], "score": float(np.mean([row["score"] for row in rows]))}
        for rows in zip(*scores, strict=True)
    ]
    curves = [task.kernel(X, seed_of(seed, "kernel")) for X in draws]
    precision = np.mean([curve.precision for curve in curves], axis=0)
    who["n_images"] = int((task.labels >= 0).sum())
    kernel = [
        who | {"complexity": complexity, "precision": mean}
        for complexity, mean in zip(curves[0].complexity, precision, strict=True)
    ]
    with one_thread():  # once, around hundreds of small fits
        learned = [
            task.learn(draws[draw % len(draws)], seed_of(seed, "learning", draw))
            for draw in range(task.settings.readout_draws)
        ]
    accuracy = np.stack([curve.accuracy for curve in learned])
    learning = [
        who | {"n_train": int(size), "score": mean, "deviation": deviation}
        for size, mean, deviation in zip(learned[0].sizes, accuracy.mean(axis=0), accuracy.std(axis=0), strict=True)
    ]
    return {"decoding": decoding, "kernel": kernel, "learning": learning}
