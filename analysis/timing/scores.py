"""Reliability of responses and predictivity of models in each time bin, by area."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.neural import scoring
from analysis.params import Compare
from analysis.params.protocol import Protocol
from analysis.statistics.inference import Predictions, predictivity_draws, student_interval
from analysis.statistics.predictivity import pls
from analysis.timing.responses import Course

LAYER = "top"


@dataclass(frozen=True)
class PredictedCourse:
    """Out-of-fold predictions of a population in each bin.

    Attributes
    ----------
    course : Course
    predicted : (n_bins, n_repeats, n_images, n_units)
    folds : (n_repeats, n_images) int
        Fold in which each image is tested.
    groups : (n_images,) array of str
        Near-duplicate group of each image.
    """

    course: Course
    predicted: np.ndarray
    folds: np.ndarray
    groups: np.ndarray

    def in_bin(self, number: int) -> Predictions:
        """Return the predictions in a bin for `predictivity_draws`, with r over that of a noise-free model."""
        divisor = scoring.correction(self.course.ceiling[number])
        return Predictions(self.course.rates[number], self.predicted[number], self.folds, self.groups, divisor)

    def r(self, number: int) -> np.ndarray:
        """Return Pearson's r of each unit in a bin, (n_units,)."""
        return pls.score(self.course.rates[number], self.predicted[number], self.folds).pearson_r


def predict(
    course: Course, X: np.ndarray, groups: dict[str, int], rules: Protocol, settings: Compare, seed: int
) -> PredictedCourse | None:
    """Predict a population's responses in every bin.

    Parameters
    ----------
    course : Course
    X : (n_images, n_features)
        Activations of one layer, the same in all bins, for the images of the population, in that order.
    groups : dict
        Near-duplicate group of each image.
    rules : Protocol
        With ridge regression, in which each unit has its own penalty in each bin.
    settings : Compare
    seed : int

    Returns
    -------
    PredictedCourse or None
        None if there are too few images for the regression.
    """
    population = course.population
    together = replace(population, responses=np.concatenate(course.rates, axis=1))  # one decomposition for all bins
    plan, fits = scoring.predict_layers(together, {LAYER: X}, groups, rules, settings, seed, inner=False)
    if not fits:
        return None
    predicted = np.stack([fit.predicted for fit in fits[LAYER]])
    by_bin = np.stack(np.split(predicted, len(course.rates), axis=2))
    labels = np.array([str(groups[image]) for image in population.images])
    return PredictedCourse(course, by_bin, plan.folds, labels)


def reliability(found: Sequence[Course], number: int) -> dict:
    """Return the mean reliability of an area's units in a bin, and whether it exceeds 0.

    Without a response to the image, reliability is 0 on average over units (it is linear in the variances), while its
    median is not. The interval takes units as independent.

    Returns
    -------
    dict
        ``reliability`` with ``reliability_low`` and ``reliability_high``, its 95 % interval over units; ``reliable``:
        whether the interval lies above 0.
    """
    values = np.concatenate([one.reliability[number] for one in found])
    mean = student_interval(values[np.isfinite(values)])
    ends = {"reliability": mean.estimate, "reliability_low": mean.low, "reliability_high": mean.high}
    return ends | {"reliable": bool(mean.low > 0)}


def score(found: Sequence[PredictedCourse], number: int, reliable: bool, settings: Compare, seed: int) -> dict:
    """Return the median score over an area's units in a bin.

    Returns
    -------
    dict
        ``r``; ``r_corrected`` with ``r_corrected_low`` and ``r_corrected_high``, its 95 % interval over images and
        units of these recordings. NaN for the latter three where responses are not `reliable`.
    """
    row = {"r": scoring.median(np.concatenate([one.r(number) for one in found]))}
    if not reliable:
        return row | dict.fromkeys(("r_corrected", "r_corrected_low", "r_corrected_high"), np.nan)
    draws = predictivity_draws(
        [one.in_bin(number) for one in found], "r", "median", n_draws=settings.bootstrap, seed=seed
    ).interval()
    return row | {"r_corrected": draws.estimate, "r_corrected_low": draws.low, "r_corrected_high": draws.high}
