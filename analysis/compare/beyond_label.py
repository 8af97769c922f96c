"""What a model's top layer shares with an area beyond the labels of the images."""

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from analysis.compare.read import SHARED
from analysis.core.seeds import seed_of
from analysis.neural import read as neural
from analysis.neural import readout, scoring
from analysis.neural.populations import Population
from analysis.params import Compare
from analysis.params.protocol import Protocol
from analysis.statistics.crossval import TooFewImages, group_folds
from analysis.statistics.inference import two_way_interval
from analysis.statistics.predictivity.partition import FRACTIONS, partition_variance
from analysis.statistics.predictivity.subsets import predict_unseen, predict_within
from analysis.statistics.rsa.partial import label_rdms, partial_rho
from analysis.statistics.rsa.rdm import rdm
from analysis.statistics.rsa.reweighted import category_rdm, reweighted_rho
from analysis.statistics.rsa.similarity import compare_rdms

ALL = "all"
"""Entry for recording and subject in rows that summarise an area."""
WITHIN = {"face": "face", "non-face": "nonface"}
"""Labels within which models are tested, and the suffix of their measures."""


def rows(
    measured: neural.MeasuredPopulation,
    features: dict[str, np.ndarray],
    images: neural.Images,
    rules: Protocol,
    settings: Compare,
    seed: int,
) -> list[dict]:
    """Compare a population with the last layer of `features`, (n_images, n_features) each, beyond the image labels.

    Returns
    -------
    list of dict
        Rows of the table ``beyond_label``; none under protocols that sum spikes over an image, whose tables are filled
        and merged over recordings.
    """
    population = measured.population
    if rules.response != "rate":
        return []
    layer, top = list(features.items())[-1]
    who = {"layer": layer, **readout.identify(population)}
    labels = Labels(population, images, rules)
    found = [
        *_rdm_measures(population, top, labels, settings, seed),
        *_unit_measures(population, top, labels, settings, seed),
    ]
    return [who | dict.fromkeys(SHARED[2:], np.nan) | row for row in found]


class Labels:
    """What an ideal observer knows of a population's images, (n_images,) each: label, category and both combined."""

    def __init__(self, population: Population, images: neural.Images, rules: Protocol):
        table = images.table.loc[list(population.images)]
        self.label = table[readout.LABEL[rules.labels]].to_numpy(dtype=str)
        self.category = table["category"].to_numpy(dtype=str)
        self.both = np.array(
            [f"{label}, {category}" for label, category in zip(self.label, self.category, strict=True)]
        )
        self.groups = np.array([images.groups[image] for image in population.images])


def _rdm_measures(
    population: Population, X: np.ndarray, labels: Labels, settings: Compare, seed: int
) -> Iterator[dict]:
    """Yield the correlations of RDMs; none if there are too few images or units for a geometry."""
    if scoring.too_small(population):
        return
    responses = scoring.standardise(population.responses)
    model, units = rdm(X), rdm(responses)

    def correlate(measure: str, given: np.ndarray | None, rows=slice(None), n_permutations: int = 0) -> dict:
        kept = np.arange(len(X))[rows]
        found = partial_rho(
            model.take(kept),
            units.take(kept),
            [] if given is None else label_rdms(given),
            strata=given,
            clusters=labels.groups[kept],
            n_permutations=n_permutations,
            n_draws=settings.bootstrap,
            seed=seed_of(seed, "beyond", measure),
        )
        ends = {"error": found.error, "ci_low": found.low, "ci_high": found.high, "p": found.p}
        return {"measure": measure, "value": found.partial, "n_images": found.n_images, **ends}

    yield correlate("rho", None)
    yield correlate("rho_given_label", labels.label, n_permutations=settings.permutations)
    yield correlate("rho_given_category", labels.category)
    yield correlate("rho_given_both", labels.both)
    for label, ending in WITHIN.items():
        if (labels.label == label).sum() >= scoring.LEAST_IMAGES:
            yield correlate(f"rho_{ending}", None, labels.label == label)
    with suppress(TooFewImages):
        pair = [category_rdm(table, labels.both) for table in (X, responses)]
        if np.isfinite(pair[0].distances + pair[1].distances).all():
            yield {"measure": "rho_categories", "value": compare_rdms(*pair), "n_images": pair[0].n_images}
    with suppress(TooFewImages):
        found = reweighted_rho(X, units, labels.groups, folds=settings.folds, seed=seed_of(seed, "reweighted"))
        yield {"measure": "rho_fixed", "value": found.fixed}
        yield {"measure": "rho_reweighted", "value": found.reweighted}


def _unit_measures(
    population: Population, X: np.ndarray, labels: Labels, settings: Compare, seed: int
) -> Iterator[dict]:
    """Yield the mean scores over units."""
    Y = population.responses

    def summarise(measure: str, score, rows: np.ndarray) -> dict:
        interval, error = two_way_interval(
            score, labels.groups[rows], n_draws=settings.bootstrap, seed=seed_of(seed, "beyond", measure)
        )
        ends = {"error": error, "ci_low": interval.low, "ci_high": interval.high}
        return {"measure": measure, "value": interval.estimate, "n_images": len(rows), **ends}

    with suppress(TooFewImages):
        folds = group_folds(labels.groups, settings.folds, seed_of(seed, "partition"))
        partition = partition_variance(X, labels.both, Y, folds, labels.groups)
        for name in FRACTIONS:
            score = lambda counts, name=name: partition.fraction(name, counts)  # noqa: E731
            yield summarise(f"r2_{name}", score, np.arange(len(Y)))
    within = predict_within(X, Y, labels.label, labels.groups, folds=settings.folds, seed=seed)
    for label, ending in WITHIN.items():
        if label in within:
            yield summarise(f"r_{ending}", within[label].correlation, within[label].rows)
    with suppress(TooFewImages):
        unseen = predict_unseen(X, Y, labels.both, labels.groups)
        if unseen is not None:
            yield summarise("r_unseen", unseen.correlation, unseen.rows)


def with_areas(table: pd.DataFrame) -> pd.DataFrame:
    """Add a row for each area and measure (recording `ALL`): the mean over its recordings.

    Unit scores are weighted by the number of units, RDM correlations equally. The standard error generalises to other
    images and units in the same recordings, whose samples are independent: sqrt(sum of w^2 error^2). Its t has
    Welch-Satterthwaite degrees of freedom.
    """
    areas = []
    for (region, measure), found in table[table["value"].notna()].groupby(["region", "measure"], sort=False):
        of_units = not measure.startswith("rho")
        weights = found["n_units"].to_numpy(float) if of_units else np.ones(len(found))
        weights = weights / weights.sum()
        parts = (weights * found["error"].to_numpy(float)) ** 2
        fewest = np.minimum(found["n_images"], found["n_units"]) if of_units else found["n_images"]
        value, error = float(weights @ found["value"].to_numpy(float)), float(np.sqrt(parts.sum()))
        df = parts.sum() ** 2 / (parts**2 / (fewest.to_numpy(float) - 1)).sum() if error > 0 else 1.0
        reach = float(stdtrit(df, 0.975)) * error
        areas.append(
            found.iloc[0].to_dict()
            | {"recording": ALL, "subject": ALL, "region": region, "measure": measure, "p": np.nan}
            | {"n_images": found["n_images"].sum(), "n_units": found["n_units"].sum()}
            | {"value": value, "error": error, "ci_low": value - reach, "ci_high": value + reach}
        )
    return pd.concat([table, pd.DataFrame(areas, columns=table.columns)], ignore_index=True) if areas else table
