"""One population against the layers of one model: predictivity of each unit, and RDMs."""

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
from analysis.statistics.crossval import TooFewImages
from analysis.statistics.inference import percentile_interval
from analysis.statistics.keys import as_array, shared
from analysis.statistics.predictivity import pls
from analysis.statistics.predictivity.nested import Nested, nested
from analysis.statistics.rsa import bootstrap, similarity
from analysis.statistics.rsa.rdm import RDM, rdm

LEAST_IMAGES = 8
LEAST_UNITS = 3
"""Fewer have no geometry: with two units every correlation distance is 0 or 2."""
METHOD = "rho-a"
"""Spearman's correlation where no distances tie; a model with ties, such as one of labels, gains nothing from them."""
TEST_SHARE = 0.25
"""Share of test images in the report's single split."""


@dataclass(frozen=True)
class Plan:
    """How the units of one population are predicted.

    Attributes
    ----------
    folds : (n_repeats, n_images) int
        Fold in which an image is tested; -1: the image only trains.
    inner : (n_repeats, n_images) int
        The same, with folds for the images that only train, between which choices are made.
    scale : bool
        Divide features by their standard deviation in the training rows.
    against : {"training", "test"}
        Images whose mean is the reference of r2 (`pls.score`).
    numbers : list of int
        Numbers of components among which each unit's is chosen; a single one is fixed.
    """

    folds: np.ndarray
    inner: np.ndarray
    scale: bool
    against: str
    numbers: list[int]


def _grouped(images, groups: dict[str, int], settings: Compare, seed: int):
    """Fold by near-duplicate group, with repeats; r2 is relative to the training mean."""
    labels = np.array([groups[image] for image in images])
    folds = crossval.repeated_folds(labels, settings.folds, settings.repeats, seed)
    return folds, folds, False, "training"


def _single(images, groups: dict[str, int], settings: Compare, seed: int):
    """Split once, 75/25 and without regard to near-duplicates, with scikit-learn's scaling and r2: the report's."""
    folds = crossval.single_split(len(images), TEST_SHARE, seed_of(seed, "split"))
    inner, train = folds.copy(), folds < 0
    labels = np.array([groups[image] for image in images])[train]
    inner[train] = 1 + crossval.group_folds(labels, max(settings.folds - 1, 2), seed_of(seed, "inner"))
    return folds[None], inner[None], True, "test"


SPLITS: dict[str, Callable] = {"grouped": _grouped, "single": _single}
COMPONENTS: dict[str, Callable] = {
    "chosen": lambda settings: list(settings.components),
    "fixed": lambda settings: [settings.fixed_components],
}


def plan_predictions(images, groups: dict[str, int], rules: Protocol, settings: Compare, seed: int) -> Plan:
    """Return how a protocol predicts responses to these images (its fields `splits` and `components`).

    Raises
    ------
    TooFewImages
        If there are fewer groups of images than folds.
    """
    split = SPLITS[rules.splits](images, groups, settings, seed)
    return Plan(*split, COMPONENTS[rules.components](settings))


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
    """Predict every unit from every layer, with all choices made inside the training images.

    Parameters
    ----------
    population : Population
    features : dict of (n_images, n_features)
        Activations of each layer for `population.images`, in that order.
    groups : dict
        Near-duplicate group of each image.
    rules : Protocol
        Its fields `splits` and `components` are used.
    settings : Compare
        Or anything with its ``components``, ``fixed_components``, ``folds`` and ``repeats``.
    seed : int
    inner : bool
        Also score each layer within the training images, which the choice of a layer needs.

    Returns
    -------
    plan : Plan or None
        None where there are fewer groups of images than folds: nothing can be predicted.
    fits : dict from layer to one `Nested` per repeat
        Without layers whose features, or images, are too few for the numbers of components.

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
            fits[layer] = [
                nested(
                    X,
                    population.responses,
                    with_inner,
                    plan.numbers,
                    tested=np.unique(folds[folds >= 0]),
                    scale=plan.scale,
                    inner=inner,
                )
                for folds, with_inner in zip(plan.folds, plan.inner, strict=True)
            ]
    return plan, fits


def predictivity(
    population: Population, features: dict[str, np.ndarray], groups: dict, rules: Protocol, settings: Compare, seed: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Score every layer against every unit; parameters and errors as in `predict_layers`.

    Returns
    -------
    dict from layer to (r2, pearson_r), each (n_units,)
        NaN for units that do not vary, and for all units where the images are too few for the folds or components.
    """
    plan, fits = predict_layers(population, features, groups, rules, settings, seed, inner=False)
    return score_units(population, features, plan, fits)


def score_units(population: Population, layers, plan: Plan | None, fits: dict[str, list[Nested]]):
    """Return r2 and Pearson's r of every unit for each of `layers`, as `predictivity` does, from fits."""
    undefined = np.full(len(population.units), np.nan)
    scores = {layer: (undefined, undefined) for layer in layers}
    for layer, repeats in fits.items():
        predicted = np.stack([fit.predicted for fit in repeats])
        prediction = pls.score(population.responses, predicted, plan.folds, against=plan.against)
        scores[layer] = (prediction.r2, prediction.pearson_r)
    return scores


def unit_ceilings(population: Population) -> np.ndarray:
    """Return the reliability of each unit's mean responses, (n_units,); NaN where too few images were repeated."""
    shown = population.presentations
    if shown is None or (shown.n_presentations >= 2).sum() < ceilings.LEAST_REPEATED:
        return np.full(len(population.units), np.nan)
    return shown.reliability().value


def too_small(population: Population) -> bool:
    """Tell whether images or units are too few for a geometry."""
    return len(population.images) < LEAST_IMAGES or len(population.units) < LEAST_UNITS


def neural_rdm(population: Population) -> RDM:
    """Return the RDM of a population (1 - Pearson over units)."""
    return rdm(population.responses, "correlation", population.images)


def rdm_ceilings(population: Population, settings: Compare, seed: int) -> tuple[float, float]:
    """Return the lower and upper bound on the rank correlation of a model's RDM with the population's.

    The mean correlation of the RDMs of two random halves of the presentations, stepped up to all presentations
    (`ceilings.step_up`), is the reliability R of the population's RDM. Lower: R, as another recording of the same units
    would reach; upper: sqrt(R), as a noise-free RDM would.
    """
    shown = population.presentations
    if shown is None or too_small(population):
        return np.nan, np.nan
    rng = np.random.default_rng(seed_of(seed, "rdm halves"))
    correlations = []
    for _ in range(settings.split_halves):
        first, second = (rdm(half, "correlation", population.images) for half in shown.partitions(2, rng))
        if np.isfinite(first.distances + second.distances).sum() >= LEAST_IMAGES:
            correlations.append(similarity.compare_rdms(first, second, METHOD))
    if not np.isfinite(correlations).any():
        return np.nan, np.nan
    reliability = float(ceilings.step_up(np.nanmean(correlations), shown.length_ratio()))
    return reliability, float(np.sqrt(max(reliability, 0.0)))


def layer_rdms(population: Population, features: dict[str, np.ndarray]) -> dict[str, RDM]:
    """Return the RDM of each layer over a population's images; none where images or units are too few."""
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
    # Layers defined at every image share their draws; a layer with undefined images would take those from the others.
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
        raise DataError(f"{len(population.images) - len(images)} images of {population.recording} have no activations")
    out = np.empty(len(images), dtype=np.intp)
    out[positions] = rows
    return out


def median(values: np.ndarray) -> float:
    """Return the median over defined units; NaN if there is none, or if it is infinite.

    Infinite scores count: they are those of units without a positive reliability (`ceilings.noise_corrected`).
    """
    values = np.asarray(values, dtype=float)  # the columns of an empty table hold objects
    defined = np.sort(values[~np.isnan(values)])
    middle = defined[[(len(defined) - 1) // 2, len(defined) // 2]] if len(defined) else np.array([np.nan])
    return float(middle.mean()) if np.isfinite(middle).all() else np.nan


median.is_median = True  # its bootstrap needs no loop over draws


def median_without_outliers(values: np.ndarray) -> float:
    """Return the report's median: without values beyond 1.5 interquartile ranges from the quartiles."""
    defined = values[np.isfinite(values)]
    return float(_inner_medians(defined[None])[0]) if len(defined) else np.nan


def _inner_medians(rows: np.ndarray) -> np.ndarray:
    """Return the median of each row's values within 1.5 interquartile ranges of its quartiles, (n_rows,)."""
    rows = np.sort(rows, axis=1)
    low, high = np.quantile(rows, [0.25, 0.75], axis=1)[..., None]
    reach = 1.5 * (high - low)
    middle = (rows < low - reach).sum(axis=1) + (rows <= high + reach).sum(axis=1) - 1  # twice its position
    each = np.arange(len(rows))
    return (rows[each, middle // 2] + rows[each, (middle + 1) // 2]) / 2


AGGREGATION: dict[str, Callable] = {"median": median, "median_without_outliers": median_without_outliers}
BY_ROW: dict[Callable, Callable] = {
    median: lambda rows: np.median(rows, axis=1),
    median_without_outliers: _inner_medians,
    np.mean: lambda rows: rows.mean(axis=1),
}
"""The same for every row of a table without undefined values, for bootstrap draws."""


def number(value) -> float | None:
    """Return a number that JSON can hold: None where undefined."""
    return float(value) if np.isfinite(value) else None
