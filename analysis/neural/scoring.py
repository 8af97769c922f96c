"""One population against the layers of one model: predictivity per unit, and RDMs."""

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
from analysis.statistics.inference import percentile_interval
from analysis.statistics.keys import shared
from analysis.statistics.predictivity import pls
from analysis.statistics.predictivity.nested import Nested, nested
from analysis.statistics.rsa import bootstrap, similarity
from analysis.statistics.rsa.rdm import RDM, rdm

LEAST_IMAGES = 8
LEAST_UNITS = 3
"""Fewer give no geometry: with two units every correlation distance is 0 or 2."""
METHOD = "rho-a"
"""Spearman's correlation where no distances tie; a model with ties, such as one of labels, gains nothing by them."""
TEST_SHARE = 0.25
"""Of the report's single split."""


@dataclass(frozen=True)
class Plan:
    """How the units of one population are predicted.

    Attributes
    ----------
    folds : (n_repeats, n_images) int
        -1: the image only trains.
    inner : (n_repeats, n_images) int
        The same, with folds for the images that only train: choices are made between those.
    scale : bool
        Features divided by their standard deviation in the training rows.
    against : {"training", "test"}
        Images whose mean r2 is relative to (`pls.score`).
    numbers : list of int
        Numbers of components among which each unit's is chosen, or the one there is.
    """

    folds: np.ndarray
    inner: np.ndarray
    scale: bool
    against: str
    numbers: list[int]


def _grouped(images, groups: dict[str, int], settings: Compare, seed: int):
    labels = np.array([groups[image] for image in images])
    folds = [crossval.group_folds(labels, settings.folds, seed_of(seed, "folds", r)) for r in range(settings.repeats)]
    return np.stack(folds), np.stack(folds), False, "training"


def _single(images, groups: dict[str, int], settings: Compare, seed: int):
    """One random 75/25 split without regard to near-duplicates, with scikit-learn's scaling and r2: the report's."""
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


def plan_of(images, groups: dict[str, int], rules: Protocol, settings: Compare, seed: int) -> Plan:
    """Return how a protocol predicts responses to these images (its fields `splits` and `components`).

    Raises
    ------
    DataError
        If there are fewer groups of images than folds.
    """
    split = SPLITS[rules.splits](images, groups, settings, seed)
    return Plan(*split, COMPONENTS[rules.components](settings))


def fits(
    population: Population, features: dict[str, np.ndarray], plan: Plan, *, inner: bool = True
) -> dict[str, list[Nested]]:
    """Predict every unit from every layer, with all choices made inside the training images.

    `inner`: also say how well each layer predicts within them, which the choice of a layer needs.

    Returns
    -------
    dict from layer to a `Nested` for each repeat
        Layers with too few features, or of too few images, for the numbers of components are left out.
    """
    found = {}
    for layer, X in features.items():
        with suppress(DataError):
            found[layer] = [
                nested(X, population.responses, all_, plan.numbers, tested=_tested(f), scale=plan.scale, inner=inner)
                for f, all_ in zip(plan.folds, plan.inner, strict=True)
            ]
    return found


def _tested(folds: np.ndarray) -> np.ndarray:
    return np.unique(folds[folds >= 0])


def predictivity(
    population: Population, features: dict[str, np.ndarray], groups: dict, rules: Protocol, settings: Compare, seed: int
):
    """Score every layer against every unit.

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

    Returns
    -------
    dict from layer to (r2, pearson_r), each (n_units,)
        NaN for units that do not vary, and for all units where the images are too few for the folds or components.
    """
    try:
        plan = plan_of(population.images, groups, rules, settings, seed)
    except DataError:  # fewer groups than folds: nothing can be predicted, which the table says by its empty cells
        return unit_scores(population, features, None, {})
    return unit_scores(population, features, plan, fits(population, features, plan, inner=False))


def unit_scores(population: Population, features, plan: Plan | None, found: dict[str, list[Nested]]):
    """Return r2 and Pearson's r of every unit by layer, as `predictivity` does, from fits."""
    nothing = np.full(len(population.units), np.nan)
    scores = {layer: (nothing, nothing) for layer in features}
    for layer, repeats in found.items():
        predicted = np.stack([one.predicted for one in repeats])
        result = pls.score(population.responses, predicted, plan.folds, against=plan.against)
        scores[layer] = (result.r2, result.pearson_r)
    return scores


def unit_ceilings(population: Population, settings: Compare, seed: int) -> np.ndarray:
    """Split-half ceiling of each unit, (n_units,); NaN where presentations cannot be split."""
    if population.halves is None or (population.halves.n_presentations >= 2).sum() < 3:
        return np.full(len(population.units), np.nan)
    return ceilings.split_half_of(population.halves, settings.split_halves, seed_of(seed, "halves")).value


def too_small(population: Population) -> bool:
    """Say whether images or units are too few for a geometry."""
    return len(population.images) < LEAST_IMAGES or len(population.units) < LEAST_UNITS


def neural_rdm(population: Population) -> RDM:
    """RDM (1 - Pearson over units) of a population."""
    return rdm(population.responses, "correlation", population.images)


def rdm_ceilings(population: Population, settings: Compare, seed: int) -> tuple[float, float]:
    """Bounds on the rank correlation of a model RDM with the population's RDM.

    The RDMs of two random halves of the presentations correlate by r on average, so the population's own RDM has the
    reliability R = 2 r / (1 + r) (Spearman-Brown). Lower: R, what another recording of the same units would reach;
    upper: sqrt(R), what a noise-free RDM would.
    """
    if population.halves is None or too_small(population):
        return np.nan, np.nan
    rng = np.random.default_rng(seed_of(seed, "rdm halves"))
    found = []
    for _ in range(settings.split_halves):
        first, second = (rdm(half, "correlation", population.images) for half in population.halves.draw(rng))
        if np.isfinite(first.distances + second.distances).sum() >= LEAST_IMAGES:
            found.append(similarity.compare_rdms(first, second, METHOD))
    if not np.isfinite(found).any():
        return np.nan, np.nan
    reliability = float(ceilings.spearman_brown(np.nanmean(found)))
    return reliability, float(np.sqrt(max(reliability, 0.0)))


def layer_rdms(population: Population, features: dict[str, np.ndarray]) -> dict[str, RDM]:
    """Return the RDM of each layer on a population's images; none where images or units are too few for a geometry."""
    if too_small(population):
        return {}
    return {layer: rdm(X, "correlation", population.images) for layer, X in features.items()}


def rsa_scores(models: dict[str, RDM], neural: RDM, settings: Compare, seed: int):
    """Rank correlation of each layer's RDM with the population's (`METHOD`), and its bootstrap interval over images.

    Returns
    -------
    dict from layer to (rho, low, high)
    """
    whole = [layer for layer, one in models.items() if np.isfinite(one.distances).all()]
    holed = [
        layer
        for layer, one in models.items()
        if layer not in whole and np.isfinite(one.distances + neural.distances).sum() >= LEAST_IMAGES
    ]
    result = {layer: (np.nan, np.nan, np.nan) for layer in models}
    if np.isfinite(neural.distances).sum() < LEAST_IMAGES:
        return result
    # Layers that are defined at every image share their draws; one with undefined images would take them from others.
    for layers in ([whole] if whole else []) + [[layer] for layer in holed]:
        draws = bootstrap.bootstrap_rsa(
            [models[layer] for layer in layers],
            [neural],
            METHOD,
            settings.bootstrap,
            seed=seed_of(seed, "images"),
            ceilings=False,
        )
        for layer, scores in zip(layers, draws.scores.T, strict=True):
            ends = percentile_interval(scores, n=neural.n_images, limits=(-1.0, 1.0))
            result[layer] = (similarity.compare_rdms(models[layer], neural, METHOD), *ends)
    return result


def rows_of(population: Population, stems: list[str]) -> np.ndarray:
    """Return the rows of activations that hold the population's images, in its order."""
    images, (rows, mine) = shared(stems, population.images)
    if len(images) != len(population.images):
        raise DataError(f"{len(population.images) - len(images)} images of {population.recording} have no activations")
    out = np.empty(len(images), dtype=np.intp)
    out[mine] = rows
    return out


def median(values: np.ndarray) -> float:
    """Median over defined units."""
    values = np.asarray(values, dtype=float)  # an empty table's column holds objects
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else np.nan


median.is_median = True  # its bootstrap needs no loop over draws


def median_without_outliers(values: np.ndarray) -> float:
    """Median after dropping values beyond 1.5 interquartile ranges from the quartiles: the report's."""
    values = values[np.isfinite(values)]
    return float(_inner_medians(values[None])[0]) if len(values) else np.nan


def _inner_medians(rows: np.ndarray) -> np.ndarray:
    """Return the median of each row's values within 1.5 interquartile ranges of its quartiles, (n_rows,)."""
    rows = np.sort(rows, axis=1)
    low, high = np.quantile(rows, [0.25, 0.75], axis=1)[..., None]
    reach = 1.5 * (high - low)
    middle = (rows < low - reach).sum(axis=1) + (rows <= high + reach).sum(axis=1) - 1  # twice its place
    each = np.arange(len(rows))
    return (rows[each, middle // 2] + rows[each, (middle + 1) // 2]) / 2


AGGREGATION: dict[str, Callable] = {"median": median, "median_without_outliers": median_without_outliers}
BY_ROW: dict[Callable, Callable] = {
    median: lambda rows: np.median(rows, axis=1),
    median_without_outliers: _inner_medians,
    np.mean: lambda rows: rows.mean(axis=1),
}
"""The same of every row of a table without undefined values, for bootstrap draws."""


def number(value) -> float | None:
    """Return a float that JSON can hold: None where undefined."""
    return float(value) if np.isfinite(value) else None
