"""One candidate module: how well it tells faces, and how well it predicts each area.

Everything a search may look at comes from images of the training split, out of fold; everything that is reported comes
from the other images, which no search and no fit has seen.
"""

from dataclasses import dataclass

import numpy as np
import torch

from analysis.core.areas import AREAS
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
from analysis.statistics.ceilings import normalised
from analysis.statistics.predictivity import pls
from analysis.statistics.predictivity.krylov import as_numpy
from analysis.statistics.predictivity.nested import nested

IT = "IT"
"""The inferior temporal areas together."""


@dataclass(frozen=True)
class Recorded:
    """One population, the rows of its images, and the folds by which it is predicted.

    Attributes
    ----------
    rows : (n_images,) int
        Places of its images in the features.
    held_out : (n_images,) int
        0 for images outside the training split, 1 for those in it, which alone are fitted.
    inner : (n_training_images,) int
        Folds of the images of the training split.
    ceiling : (n_units,)
    """

    population: Population
    rows: np.ndarray
    held_out: np.ndarray
    inner: np.ndarray
    ceiling: np.ndarray


class Judge:
    """What all candidates are judged on, loaded once in each worker."""

    def __init__(self, params: Params, device: str):
        self.values, self.device = params.candidates, device
        self.seed = seed_of(params.seed, "candidates")
        entry = params.models.entry(self.values.model)
        examples = data.load(entry.rules)
        self.train, self.rest = (
            examples.rows("train"),
            np.flatnonzero(np.isin(examples.split, ("validation", "test")) & (examples.label >= 0)),
        )
        groups = examples.table["group"].to_numpy()
        self.screening = Screening.of(
            examples.label[self.train], groups[self.train], entry.folds, entry.C, seed_of(self.seed, "folds")
        )
        self.y = np.where(examples.label == 1, 1.0, -1.0)
        self.x = data.resized(examples.images, self.values.size).to(device)
        stems = examples.table["stem"].tolist()
        split = dict(zip(stems, examples.split, strict=True))
        group = dict(zip(stems, groups, strict=True))
        shown = set(stems)
        self.recorded = [
            one
            for population in populations(entry.protocol, entry.rules, shown)
            if (one := self._recorded(params, population, stems, split, group)) is not None
        ]

    def _recorded(self, params: Params, population: Population, stems, split, group) -> Recorded | None:
        """Return a population with its folds; None where too few of its images are in or outside the training split."""
        training = np.array([split[image] == "train" for image in population.images])
        labels = np.array([group[image] for image in population.images])[training]
        least = max(self.values.components + 2, self.values.folds)
        if len(np.unique(labels)) < 2 * least or (~training).sum() < scoring.LEAST_IMAGES:
            return None
        seed = seed_of(self.seed, population.recording, population.region)
        return Recorded(
            population,
            scoring.rows_of(population, stems),
            training.astype(int),
            crossval.group_folds(labels, self.values.folds, seed),
            scoring.unit_ceilings(population, self.values, seed),
        )

    def __call__(self, number: int, values: dict, seed: int) -> dict:
        """Return the scores of one candidate.

        Returns
        -------
        dict
            training_error (balanced, out of fold), training_r (of the areas of `candidates.areas`, out of fold),
            accuracy (balanced, held-out images) and areas: by area (and `IT`), median r, median explained share of the
            explainable variance, and number of units, held-out images; or ``failed`` with the reason.
        """
        try:
            module = Module(3, values).draw(seed_of(seed, "filters", number)).to(self.device)
            maps = maps_of(module, self.x, self.values.grid).flatten(1)
            if not bool(torch.isfinite(maps).all()):
                return {"failed": "its maps are not finite"}
        except (MemoryError, RuntimeError) as error:
            if not is_memory(error):
                raise
            return {"failed": "out of memory"}
        train = torch.from_numpy(self.train).to(self.device)
        weights = boosting.balanced(self.screening.y)
        decision = self.screening.decisions(maps[train], weights)
        found = svm.fit(maps[train], self.screening.y, weights, self.screening.C)
        features = as_numpy(maps).astype(np.float64)
        y = self.y[self.rest]
        held_out = (features[self.rest] - found.mean) / found.std @ found.weight + found.bias
        return {
            "training_error": boosting.weighted_error(weights, self.screening.y, decision),
            "training_r": self._training_r(features),
            "accuracy": 1 - boosting.weighted_error(boosting.balanced(y), y, held_out),
            "areas": self._areas(features),
        }

    def _training_r(self, features: np.ndarray) -> float:
        rs = []
        for one in self.recorded:
            if one.population.region in self.values.areas:
                rows, inside = one.rows[one.held_out == 1], one.population.responses[one.held_out == 1]
                fit = nested(features[rows], inside, one.inner, [self.values.components], inner=False)
                rs.append(pls.score(inside, fit.predicted[None], one.inner[None]).pearson_r)
        return _median(rs)

    def _areas(self, features: np.ndarray) -> dict[str, dict]:
        scores: dict[str, list] = {}
        for one in self.recorded:
            responses = one.population.responses
            fit = nested(features[one.rows], responses, one.held_out, [self.values.components], tested=[0], inner=False)
            folds = np.where(one.held_out == 0, 0, -1)
            r = pls.score(responses, fit.predicted[None], folds[None]).pearson_r
            for region in (one.population.region, IT):
                if region != IT or one.population.region in ("PIT", "CIT", "AIT"):
                    scores.setdefault(region, []).append((r, normalised(r, one.ceiling)))
        return {
            region: {
                "median_r": _median([r for r, _ in scores[region]]),
                "median_ev_normalised": _median([explained for _, explained in scores[region]]),
                "n_units": int(sum(np.isfinite(r).sum() for r, _ in scores[region])),
            }
            for region in (*AREAS, IT)
            if region in scores
        }


def _median(parts: list[np.ndarray]) -> float | None:
    return scoring.number(scoring.median(np.concatenate([np.empty(0), *parts])))
