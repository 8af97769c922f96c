"""Comparison of a population with the layers of a model: predictivity of each unit, and RDMs."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.neural.populations import Population
from analysis.params import Compare
from analysis.params.protocol import Protocol
from analysis.statistics import ceilings, crossval
from analysis.statistics.crossval import TooFewImages, mean_of_defined
from analysis.statistics.inference import percentile_interval
from analysis.statistics.keys import as_array, shared
from analysis.statistics.predictivity import pls
from analysis.statistics.predictivity.nested import Nested, nested_pls, nested_ridge
from analysis.statistics.rsa import bootstrap, similarity
from analysis.statistics.rsa.rdm import RDM, rdm

LEAST_IMAGES = 8
LEAST_UNITS = 3
"""Fewer units have no geometry: with two, every correlation distance is 0 or 2."""
METHOD = "rho-a"
"""Spearman's correlation if there are no ties; does not favour models with ties, such as label models."""
LEAST_CEILING = 0.01
"""Lower bound of the ceiling in `correction`."""
TEST_SHARE = 0.25
"""Fraction of test images in the report's single split."""


@dataclass(frozen=True)
class Plan:
    """How the units of one population are predicted.

    Attributes
    ----------
    folds : (n_repeats, n_images) int
        Fold in which each image is tested; -1 for images that are only trained on.
    inner : (n_repeats, n_images) int
        The same, but with folds for images that are only trained on, over which penalty and layer are chosen.
    scale : bool
        Divide features by their standard deviation in the training rows.
    against : {"training", "test"}
        Images whose mean is the reference of r2 (`pls.score`).
    components : int or None
        Number of PLS components; None: ridge regression.
    """

    folds: np.ndarray
    inner: np.ndarray
    scale: bool
    against: str
    components: int | None

    def fit(self, X: np.ndarray, Y: np.ndarray, repeat: int, inner: bool) -> Nested:
        """Predict responses, (n_images, n_units), from features in one repeat; `inner` as in `predict_layers`."""
        folds, options = self.inner[repeat], {"tested": self.tested(repeat), "scale": self.scale, "inner": inner}
        if self.components is None:
            return nested_ridge(X, Y, folds, **options)
        return nested_pls(X, Y, folds, self.components, **options)

    def tested(self, repeat: int) -> np.ndarray:
        """Return the folds that are tested in a repeat."""
        return np.unique(self.folds[repeat][self.folds[repeat] >= 0])


def _folds(groups: np.ndarray, settings: Compare, seed: int):
    """Assign repeated folds by group."""
    folds = crossval.repeated_folds(groups, settings.folds, settings.repeats, seed)
    return folds, folds


def _single(groups: np.ndarray, settings: Compare, seed: int):
    """Split 75/25 as the report did, but many times: with so few images, the score of a single split is a lottery."""
    folds, inner = [], []
    for split in range(settings.splits):
        here = seed_of(seed, "split", split)
        quarters = crossval.group_folds(groups, round(1 / TEST_SHARE), here)
        folds.append(np.where(quarters == 0, 0, -1))
        train = folds[-1] < 0
        inner.append(folds[-1].copy())
        inner[-1][train] = 1 + crossval.group_folds(groups[train], max(settings.folds - 1, 2), seed_of(here, "inner"))
    return np.stack(folds), np.stack(inner)


SPLITS: dict[str, Callable] = {"folds": _folds, "single": _single}
DUPLICATES: dict[str, Callable] = {
    "together": lambda images, groups: np.array([groups[image] for image in images]),
    "apart": lambda images, groups: np.arange(len(images)),
}
SCALE = {"standardised": True, "centred": False}
BASELINE = {"training_mean": "training", "test_mean": "test"}
COMPONENTS: dict[str, Callable] = {
    "ridge": lambda settings: None,
    "pls": lambda settings: settings.fixed_components,
}


def plan_predictions(images, groups: dict[str, int], rules: Protocol, settings: Compare, seed: int) -> Plan:
    """Return the plan by which a protocol predicts responses to these images.

    Its fields `splits`, `duplicates`, `features`, `regression` and `baseline` are used.

    Raises
    ------
    TooFewImages
        If there are fewer groups of images than folds.
    """
    folds, inner = SPLITS[rules.splits](DUPLICATES[rules.duplicates](images, groups), settings, seed)
    scale, against = SCALE[rules.features], BASELINE[rules.baseline]
    return Plan(folds, inner, scale, against, COMPONENTS[rules.regression](settings))


def predict_layers(
    population: Population,
    features: dict[str, np.ndarray],
    groups: dict[str, int],
    rules: Protocol,
    settings: Compare,
    seed: int,
    *,
    inner: bool = True,
) -> tuple[Plan | None, dict[str, list[Nested]]]:
    """Predict every unit from every layer, with all choices made within the training images.

    Parameters
    ----------
    population : Population
    features : dict of (n_images, n_features)
        Activations of each layer for `population.images`, in that order.
    groups : dict
        Near-duplicate group of each image.
    rules : Protocol
        Its fields `splits`, `duplicates`, `features`, `regression` and `baseline` are used.
    settings : Compare
        Or any object with ``fixed_components``, ``folds``, ``repeats`` and ``splits``.
    seed : int
    inner : bool
        Also score each layer within the training images, which the choice of a layer needs.

    Returns
    -------
    plan : Plan or None
        None if there are fewer groups of images than folds, so that nothing can be predicted.
    fits : dict from layer to one `Nested` per repeat
        Layers with too few features or images for the regression are omitted.

    Raises
    ------
    DataError
        If an activation is not finite.
    """
    features = {layer: as_array(f"layer {layer}", X, 2) for layer, X in features.items()}
    try:
        plan = plan_predictions(population.images, groups, rules, settings, seed)
    except TooFewImages:
        return None, {}
    fits = {}
    for layer, X in features.items():
        with suppress(TooFewImages):
            fits[layer] = [plan.fit(X, population.responses, repeat, inner) for repeat in range(len(plan.folds))]
    return plan, fits


def predictivity(
    population: Population, features: dict[str, np.ndarray], groups: dict, rules: Protocol, settings: Compare, seed: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Score every layer against every unit; parameters and errors as in `predict_layers`.

    Returns
    -------
    dict from layer to (r2, pearson_r), each (n_units,)
        NaN for units that do not vary, and for all units if there are too few images for the folds or regression.
    """
    plan, fits = predict_layers(population, features, groups, rules, settings, seed, inner=False)
    undefined = np.full(len(population.units), np.nan)
    scores = dict.fromkeys(features, (undefined, undefined))
    for layer, repeats in fits.items():
        predicted = np.stack([fit.predicted for fit in repeats])
        prediction = pls.score(population.responses, predicted, plan.folds, against=plan.against)
        scores[layer] = (prediction.r2, prediction.pearson_r)
    return scores


def correction(ceiling: np.ndarray) -> np.ndarray:
    """Return the divisor of r for `predictivity_draws`, (n_units,): the square root of the ceiling, at least 0.1.

    A unit without a positive ceiling, whose corrected r is infinite, thus gets an extreme but finite score with the
    sign of its r.
    """
    return np.sqrt(np.maximum(ceiling, LEAST_CEILING))


def unit_reliability(population: Population) -> ceilings.Reliability | None:
    """Return the reliability of each unit's mean responses; None if too few images were repeated."""
    shown = population.presentations
    enough = shown is not None and len(shown.images) >= ceilings.LEAST_IMAGES
    return shown.reliability() if enough and (shown.n_presentations >= 2).sum() >= ceilings.LEAST_REPEATED else None


def unit_ceilings(population: Population) -> np.ndarray:
    """Return the ceiling of r^2 of each unit, (n_units,); NaN where too few images were repeated.

    The median-unbiased estimate of the reliability of its mean responses (`ceilings.Reliability`).
    """
    found = unit_reliability(population)
    return np.full(len(population.units), np.nan) if found is None else found.ceiling


def too_small(population: Population) -> bool:
    """Return whether there are too few images or units for a geometry."""
    return len(population.images) < LEAST_IMAGES or len(population.units) < LEAST_UNITS


def standardise(responses: np.ndarray) -> np.ndarray:
    """Return responses, (n_images, n_units), with mean 0 and SD 1 over images, unit by unit; NaN stays NaN.

    Without this, units with the highest rates would dominate the correlation over units for every pair of images. Units
    that do not vary become 0.
    """
    deviation = responses - mean_of_defined(responses)
    sd, size = np.sqrt(mean_of_defined(deviation**2)), np.sqrt(mean_of_defined(responses**2))
    return deviation / np.where(sd > 1e-12 * size, sd, np.inf)


RDM_RESPONSES: dict[str, Callable] = {"standardised": standardise, "raw": lambda responses: responses}


def neural_rdm(population: Population, rules: Protocol) -> RDM:
    """Return a population's RDM (1 - Pearson over units), from responses prepared as the protocol's `rdm` says."""
    return rdm(RDM_RESPONSES[rules.rdm](population.responses), "correlation", population.images)


def rdm_ceilings(population: Population, rules: Protocol, settings: Compare, seed: int) -> tuple[float, float]:
    """Return the lower and upper bound on the rank correlation of a model's RDM with the population's.

    The mean correlation of the RDMs of two random halves of the presentations, stepped up to all presentations
    (`ceilings.step_up`), is the reliability R of the population's RDM. Lower bound: R, which another recording of the
    same units would reach; upper bound: sqrt(R), which a noise-free RDM would reach.
    """
    shown = population.presentations
    if shown is None or too_small(population):
        return np.nan, np.nan
    rng = np.random.default_rng(seed_of(seed, "rdm halves"))
    correlations = []
    for _ in range(settings.split_halves):
        halves = (RDM_RESPONSES[rules.rdm](half) for half in shown.partitions(2, rng))
        first, second = (rdm(half, "correlation", population.images) for half in halves)
        if np.isfinite(first.distances + second.distances).sum() >= LEAST_IMAGES:
            correlations.append(similarity.compare_rdms(first, second, METHOD))
    if not np.isfinite(correlations).any():
        return np.nan, np.nan
    reliability = float(ceilings.step_up(np.nanmean(correlations), shown.length_ratio()))
    return reliability, float(np.sqrt(max(reliability, 0.0)))


def layer_rdms(population: Population, features: dict[str, np.ndarray]) -> dict[str, RDM]:
    """Return the RDM of each layer over a population's images; none if there are too few images or units."""
    if too_small(population):
        return {}
    return {layer: rdm(X, "correlation", population.images) for layer, X in features.items()}


def score_rdms(models: dict[str, RDM], neural: RDM, settings: Compare, seed: int):
    """Return the rank correlation (`METHOD`) of each layer's RDM with the population's, with its interval over images.

    Returns
    -------
    dict from layer to (rho, low, high)
    """
    complete = [layer for layer, model in models.items() if np.isfinite(model.distances).all()]
    incomplete = [
        layer
        for layer, model in models.items()
        if layer not in complete and np.isfinite(model.distances + neural.distances).sum() >= LEAST_IMAGES
    ]
    scores = {layer: (np.nan, np.nan, np.nan) for layer in models}
    if np.isfinite(neural.distances).sum() < LEAST_IMAGES:
        return scores
    # Layers defined for all images share their draws; a layer with undefined images would exclude those for the others.
    for layers in ([complete] if complete else []) + [[layer] for layer in incomplete]:
        draws = bootstrap.bootstrap_rsa(
            [models[layer] for layer in layers],
            [neural],
            METHOD,
            settings.bootstrap,
            seed=seed_of(seed, "images"),
            ceilings=False,
        )
        for layer, drawn in zip(layers, draws.scores.T, strict=True):
            ends = percentile_interval(drawn, n=neural.n_images, limits=(-1.0, 1.0))
            scores[layer] = (similarity.compare_rdms(models[layer], neural, METHOD), *ends)
    return scores


def rows_of(population: Population, stems: list[str]) -> np.ndarray:
    """Return the rows of activations (whose images are `stems`) for the population's images, in its order."""
    images, (rows, positions) = shared(stems, population.images)
    if len(images) != len(population.images):
        raise DataError(
            f"{len(population.images) - len(images)} images of {population.recording} have no activations: "
            "run dvc repro, which updates outdated stages"
        )
    out = np.empty(len(images), dtype=np.intp)
    out[positions] = rows
    return out


def median(values: np.ndarray) -> float:
    """Return the median over defined units; NaN if there is none, or if it is infinite.

    Infinite scores count: they belong to units without a positive reliability (`ceilings.noise_corrected`).
    """
    values = np.asarray(values, dtype=float)  # the columns of an empty table hold objects
    defined = np.sort(values[~np.isnan(values)])
    middle = defined[[(len(defined) - 1) // 2, len(defined) // 2]] if len(defined) else np.array([np.nan])
    return float(middle.mean()) if np.isfinite(middle).all() else np.nan


def median_without_outliers(values: np.ndarray) -> float:
    """Return the report's median: without values beyond 1.5 interquartile ranges from the quartiles."""
    defined = values[np.isfinite(values)]
    return float(_inner_medians(defined[None])[0]) if len(defined) else np.nan


def _inner_medians(rows: np.ndarray) -> np.ndarray:
    """Return the median of each row's values within 1.5 interquartile ranges of its quartiles, (n_rows,)."""
    rows = np.sort(rows, axis=1)
    low, high = np.quantile(rows, [0.25, 0.75], axis=1)[..., None]
    reach = 1.5 * (high - low)
    middle = (rows < low - reach).sum(axis=1) + (rows <= high + reach).sum(axis=1) - 1  # twice the median's position
    each = np.arange(len(rows))
    return (rows[each, middle // 2] + rows[each, (middle + 1) // 2]) / 2


AGGREGATION: dict[str, Callable] = {"median": median, "median_without_outliers": median_without_outliers}
BY_ROW: dict[Callable, Callable] = {
    median: lambda rows: np.median(rows, axis=1),
    median_without_outliers: _inner_medians,
    np.mean: lambda rows: rows.mean(axis=1),
}
"""The same for each row of a table without undefined values, for bootstrap draws."""


def number(value) -> float | None:
    """Return a number for JSON: None if it is not finite."""
    return float(value) if np.isfinite(value) else None
