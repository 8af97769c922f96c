"""Evaluate one candidate module: how well it classifies faces, and how well it predicts each area.

Searches use only out-of-fold scores on images of the training split; all reported scores come from the other images,
which no search and no fit has seen.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from analysis.core.areas import AREAS
from analysis.core.files import write_npy
from analysis.core.parallel import one_thread
from analysis.core.seeds import seed_of
from analysis.models import data
from analysis.models.train.training import is_memory
from analysis.models.yamins_hmo import boosting, svm
from analysis.models.yamins_hmo.layers import Module
from analysis.models.yamins_hmo.network import maps_of
from analysis.models.yamins_hmo.screening import Screening
from analysis.neural import scoring
from analysis.neural.populations import Population, populations
from analysis.params import Params
from analysis.statistics import crossval
from analysis.statistics.predictivity import ridge
from analysis.statistics.predictivity.krylov import as_numpy

IT = "IT"
"""The inferior temporal areas combined."""
IN_IT = ("PIT", "CIT", "AIT")
LEAST_GROUPS = 4
"""Minimum number of near-duplicate groups per fold of the training images; with fewer, no penalty can be chosen."""


@dataclass(frozen=True)
class Recorded:
    """One population, with its images split like those on which candidates are trained.

    Attributes
    ----------
    population : Population
    rows : (n_images,) int
        Rows of its images in the features.
    train, held_out : (n_train,), (n_held_out,) int
        Its images in the training split, the only ones that are fitted, and the others.
    folds : (n_train,) int
        Folds of the training images for choosing penalties.
    ceiling : (n_units,)
        Of r^2 (`scoring.unit_ceilings`).
    """

    population: Population
    rows: np.ndarray
    train: np.ndarray
    held_out: np.ndarray
    folds: np.ndarray
    ceiling: np.ndarray

    @property
    def areas(self) -> tuple[str, ...]:
        """Areas that its units count towards."""
        return (self.population.region, IT) if self.population.region in IN_IT else (self.population.region,)


class Judge:
    """The images and recordings on which all candidates are evaluated, loaded once in each worker.

    Attributes
    ----------
    rest : (n_rest,) int
        Rows of the labelled images outside the training split.
    y : (n_images,) float
        1 for faces, -1 for all others.
    groups : (n_images,)
        Near-duplicate group of each image.
    recorded : list of Recorded
    """

    def __init__(self, params: Params, device: str):
        self.values, self.device = params.candidates, device
        self.seed = seed_of(params.seed, "candidates")
        entry = params.models.entry(self.values.model)
        examples = data.load(entry.rules)
        self.train = examples.rows("train")
        self.rest = np.flatnonzero(np.isin(examples.split, ("validation", "test")) & (examples.label >= 0))
        self.groups = examples.table["group"].to_numpy()
        self.screening = Screening.of(
            examples.label[self.train], self.groups[self.train], entry.folds, entry.C, seed_of(self.seed, "folds")
        )
        self.y = np.where(examples.label == 1, 1.0, -1.0)
        self.x = data.resized(examples.images, self.values.size).to(device)
        stems = examples.table["stem"].tolist()
        recorded = (
            self._split(population, stems, examples.split)
            for population in populations(entry.protocol, entry.rules, set(stems))
        )
        self.recorded = [one for one in recorded if one is not None]

    def _split(self, population: Population, stems: list[str], split: np.ndarray) -> Recorded | None:
        """Return a population with its folds; None if too few of its images are in or outside the training split."""
        rows = scoring.rows_of(population, stems)
        train, held_out = np.flatnonzero(split[rows] == "train"), np.flatnonzero(split[rows] != "train")
        groups = self.groups[rows[train]]
        if len(np.unique(groups)) < LEAST_GROUPS * self.values.folds or len(held_out) < scoring.LEAST_IMAGES:
            return None
        seed = seed_of(self.seed, population.recording, population.region)
        folds = crossval.group_folds(groups, self.values.folds, seed)
        return Recorded(population, rows, train, held_out, folds, scoring.unit_ceilings(population))

    def __call__(
        self, number: int, values: dict, seed: int, keep: Path | None = None, predict_training: bool = True
    ) -> dict:
        """Return the scores of one candidate.

        Parameters
        ----------
        number : int
        values : dict
            Hyperparameters of its module.
        seed : int
        keep : path, optional
            File for the decision values of the images `rest`, followed by the predicted responses to the held-out
            images of each population (read by `joint.load`).
        predict_training : bool
            Whether to compute training_r, which needs several fits per population.

        Returns
        -------
        dict
            training_error (balanced, out of fold), training_r (areas of `candidates.areas`, out of fold; or None),
            accuracy (balanced, held-out images) and areas: by area (and `IT`), median r, median noise-corrected r and
            number of units, held-out images; or ``failed`` with the reason.
        """
        try:
            module = Module(3, values).draw(seed_of(seed, "filters", number)).to(self.device)
            maps = maps_of(module, self.x, self.values.grid).flatten(1)
            if not bool(torch.isfinite(maps).all()):
                return {"failed": "non-finite maps"}
        except (MemoryError, RuntimeError) as error:
            if not is_memory(error):
                raise
            return {"failed": "out of memory"}
        with one_thread():
            return self._score(maps, keep, predict_training)

    def _score(self, maps: torch.Tensor, keep: Path | None, predict_training: bool) -> dict:
        train = torch.from_numpy(self.train).to(self.device)
        weights = boosting.balanced(self.screening.y)
        decision = self.screening.decisions(maps[train], weights)
        found = svm.fit(maps[train], self.screening.y, weights, self.screening.C)
        features = as_numpy(maps).astype(np.float64)
        held_out = (features[self.rest] - found.mean) / found.std @ found.weight[0] + found.bias[0]
        predicted = [self._predict(one, features, one.train, one.held_out, one.folds) for one in self.recorded]
        if keep is not None:
            write_npy(keep, np.concatenate([held_out, *(part.ravel() for part in predicted)]))
        y = self.y[self.rest]
        return {
            "training_error": boosting.weighted_error(weights, self.screening.y, decision),
            "training_r": self._training_r(features) if predict_training else None,
            "accuracy": 1 - boosting.weighted_error(boosting.balanced(y), y, held_out),
            "areas": self._by_area(predicted),
        }

    @staticmethod
    def _predict(one: Recorded, features: np.ndarray, train: np.ndarray, rest: np.ndarray, folds) -> np.ndarray:
        """Predict responses to the images `rest` by ridge regression on standardised features of the images `train`."""
        rows, m = np.concatenate([train, rest]), len(train)
        X, responses = features[one.rows[rows]], one.population.responses[rows]
        X -= X[:m].mean(axis=0)
        scale = np.sqrt(np.einsum("ij,ij->j", X[:m], X[:m]) / m)
        varies = scale > 0
        if not varies.any():
            return np.broadcast_to(responses[:m].mean(axis=0), (len(rest), responses.shape[1]))
        X /= np.where(varies, scale, np.inf)
        # The mean squared length of a standardised row is the number of features.
        penalties = np.array(ridge.ALPHAS) * varies.sum()
        return ridge.fit_predict(X, responses, np.arange(m), np.arange(m, len(rows)), penalties, folds)[0]

    def _training_r(self, features: np.ndarray) -> float | None:
        rs = []
        for one in self.recorded:
            if one.population.region not in self.values.areas:
                continue
            observed = one.population.responses[one.train]
            predicted = np.empty_like(observed)
            for fold in np.unique(one.folds):
                inside = one.folds != fold
                rest = one.train[~inside]
                predicted[~inside] = self._predict(one, features, one.train[inside], rest, one.folds[inside])
            rs.append(crossval.mean_pearson(observed, predicted, one.folds))
        return _median(rs)

    def _by_area(self, predicted: list[np.ndarray]) -> dict[str, dict]:
        scores: dict[str, list] = {}
        for one, fitted in zip(self.recorded, predicted, strict=True):
            r = crossval.mean_pearson(one.population.responses[one.held_out], fitted, np.zeros(len(fitted), int))
            for area in one.areas:
                scores.setdefault(area, []).append((r, r / scoring.correction(one.ceiling)))
        return {
            area: {
                "median_r": _median([r for r, _ in scores[area]]),
                "median_corrected_r": _median([r for _, r in scores[area]]),
                "n_units": int(sum(np.isfinite(r).sum() for r, _ in scores[area])),
            }
            for area in (*AREAS, IT)
            if area in scores
        }


def _median(parts: list[np.ndarray]) -> float | None:
    return scoring.number(scoring.median(np.concatenate([np.empty(0), *parts])))
