"""For the stage: the layer chosen inside the training folds, and the face task read out of populations and models."""

import numpy as np
import pandas as pd

from analysis.core.seeds import seed_of
from analysis.neural import scoring, variation
from analysis.neural.populations import Population
from analysis.params import Compare
from analysis.params.protocol import Protocol
from analysis.statistics import ceilings
from analysis.statistics.crossval import group_folds
from analysis.statistics.predictivity.decoding import decode, match_noise
from analysis.statistics.predictivity.kernel_analysis import kernel_analysis
from analysis.statistics.predictivity.layer_choice import choose

WHERE = ["recording", "subject", "region"]
BEST = [*WHERE, "n_images", "n_units", "layers", "median_r2", "median_pearson_r"]
BEST = [*BEST, "median_ev_normalised"]
DECODING = [*WHERE, "system", "factor", "level", "n_images", "n_units", "measure", "score"]
KERNEL = [*WHERE, "system", "n_images", "n_units", "complexity", "precision"]
FACE = {"roi": "label", "filename": "label_report"}
"""Column of images.csv that says what is a face, by the protocol's field `labels`."""
KERNEL_FOLDS = 10


def place(population: Population) -> dict:
    """Return what identifies a population and its size, as columns of a row."""
    return {
        "recording": population.recording,
        "subject": population.subject,
        "region": population.region,
        "n_images": len(population.images),
        "n_units": len(population.units),
    }


def best_rows(population, plan: scoring.Plan, found: dict, rules: Protocol, ceiling) -> list[dict]:
    """Score the layer that was best within the training images; no row where images are too few for that."""
    inside = {layer: one for layer, one in found.items() if np.isfinite(one[0].inner_r).any()}
    if not inside:
        return []
    choice = choose(inside, population.responses, plan.folds, against=plan.against)
    scores = choice.prediction
    return [
        {
            **place(population),
            "layers": " ".join(choice.layers),
            "median_r2": scoring.AGGREGATION[rules.aggregation](scores.r2),
            "median_pearson_r": scoring.median(scores.pearson_r),
            "median_ev_normalised": scoring.median(ceilings.normalised(scores.pearson_r, ceiling)),
        }
    ]


class Task:
    """The face / non-face task on the images of one population.

    Parameters
    ----------
    population : Population
    table, levels : DataFrame
        images.csv, and `variation.factors`, both indexed by stem.
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
        self.labels = rows[FACE[rules.labels]].map({"face": 1, "non-face": 0}).fillna(-1).to_numpy(dtype=int)
        self.groups = np.array([groups[image] for image in population.images])
        self.settings = settings

    def possible(self) -> bool:
        """Say whether both classes have enough groups of images for the folds."""
        return min(len(np.unique(self.groups[self.labels == value])) for value in (0, 1)) >= self.settings.folds

    def decode(self, X: np.ndarray, seed: int) -> list[dict]:
        """Return the score at every level of variation (`variation.scores`)."""
        found = decode(X, self.labels, self.groups, folds=self.settings.folds, seed=seed)
        return variation.scores(found.score > 0, self.labels, self.levels)

    def kernel(self, X: np.ndarray, seed: int):
        """Return the kernel analysis of the labelled images."""
        rows = self.labels >= 0
        n = min(KERNEL_FOLDS, len(np.unique(self.groups[rows])))
        return kernel_analysis(X[rows], self.labels[rows], group_folds(self.groups[rows], n, seed))


def population_rows(population: Population, task: Task, ceiling: np.ndarray, seed: int) -> dict[str, list[dict]]:
    """Read the face task out of a population.

    Returns
    -------
    dict with ``decoding`` and ``kernel``
        Rows; none where the images hold too few of either class, or no unit has a ceiling for a model to match.
    """
    if not task.possible() or not np.isfinite(ceiling).any():
        return {"decoding": [], "kernel": []}
    return _rows(population, task, "population", [population.responses], seed)


def model_rows(
    population: Population, top: np.ndarray, task: Task, ceiling: np.ndarray, settings: Compare, seed: int
) -> dict[str, list[dict]]:
    """Read the face task out of a model's top layer, (n_images, n_features), as `population_rows` does of units.

    Scores are means over draws of features and noise that match the number and the reliability of the units.
    """
    if not task.possible() or not np.isfinite(ceiling).any():
        return {"decoding": [], "kernel": []}
    matched = [
        match_noise(top, ceiling[np.isfinite(ceiling)], len(population.units), seed_of(seed, "match", draw))
        for draw in range(settings.readout_draws)
    ]
    return _rows(population, task, "model", matched, seed)


def _rows(population: Population, task: Task, system: str, tables: list[np.ndarray], seed: int):
    read = [task.decode(X, seed_of(seed, "decode")) for X in tables]
    who = place(population) | {"system": system}
    decoding = [
        who | {**same[0], "n_images": same[0]["n"], "score": float(np.mean([one["score"] for one in same]))}
        for same in zip(*read, strict=True)
    ]
    curves = [task.kernel(X, seed_of(seed, "kernel")) for X in tables]
    precision = np.mean([curve.precision for curve in curves], axis=0)
    who["n_images"] = int((task.labels >= 0).sum())
    kernel = [
        who | {"complexity": complexity, "precision": value}
        for complexity, value in zip(curves[0].complexity, precision, strict=True)
    ]
    return {"decoding": decoding, "kernel": kernel}
