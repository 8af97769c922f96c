"""Score protocols: predictivity, RDM correlation, ceiling and accuracy, with intervals.

All functions take the shared `Inputs` and a protocol. Each is computed once for all protocols that agree on the fields
on which its result depends (`inputs.once_per`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
import xarray as xr

from analysis.audit.protocol_steps import protocol_responses, shapley, small_networks
from analysis.audit.protocol_steps.choices import FIELDS, Step, corrected
from analysis.audit.protocol_steps.inputs import (
    ALL_FIELDS,
    GEOMETRY_FIELDS,
    LABEL_FIELDS,
    NEURAL_RDM_FIELDS,
    POPULATION_FIELDS,
    RECORDING_FIELDS,
    UNIT_FIELDS,
    Inputs,
    once_per,
)
from analysis.audit.protocol_steps.network_outputs import NetworkOutput, examples_of, network_output
from analysis.audit.protocol_steps.simulated_truth import SimulatedTruth
from analysis.audit.table.rdms import drop_undefined_images, row_rdm
from analysis.core.parallel import map_threads
from analysis.core.seeds import seed_of
from analysis.models.data import load
from analysis.neural import scoring
from analysis.neural.populations import MERGED, Population, compared_images
from analysis.params.protocol import CORRECTED, REPORT, Protocol
from analysis.statistics.block_confound import block_confound
from analysis.statistics.inference import percentile_interval
from analysis.statistics.rsa.rdm import RDM, rdm
from analysis.statistics.rsa.similarity import compare_rdms

DRAWS = 100
"""Bootstrap draws of units, images and test images per network; an interval pools the draws of all networks."""
SMALL, PLANTED = "small networks", "planted truth"
"""Models that are scored: small networks trained here, for every protocol; and the simulated truth, for the corrected
protocol with and without the report's join."""
TRUTH_PROTOCOLS = (CORRECTED, replace(CORRECTED, join=REPORT.join))
SCORES = ("r2", "pearson_r", "rho", "within", "ceiling", "accuracy")
EXPLAINED = ("r2", "rho")
"""Scores whose difference between the protocols is divided among the choices."""
COLUMNS = ["network", "start", "field", "value", "units", "images", "seeds"]
COLUMNS += [f"{name}{end}" for name in SCORES for end in ("", "_low", "_high")]


@dataclass(frozen=True)
class Score:
    """One quantity of one protocol and network: its value, and resampled values (n_draws,)."""

    value: float
    draws: np.ndarray


UNDEFINED = Score(np.nan, np.full(1, np.nan))


@once_per(RECORDING_FIELDS)
def recordings(inputs: Inputs, protocol: Protocol) -> list[xr.Dataset]:
    """Return the recordings of the area under a protocol."""
    return inputs.build_recordings(protocol)


def _compared_stems(inputs: Inputs, protocol: Protocol) -> set[str]:
    return set(compared_images(inputs.images, protocol, inputs.params.audit))


@once_per(POPULATION_FIELDS)
def populations(inputs: Inputs, protocol: Protocol) -> list[Population]:
    """Return the populations of the area under a protocol."""
    stems = _compared_stems(inputs, protocol)
    return protocol_responses.area_populations(recordings(inputs, protocol), protocol, stems, inputs.area)


@once_per(NEURAL_RDM_FIELDS)
def neural_rdms(inputs: Inputs, protocol: Protocol) -> list[RDM]:
    """Return the RDM of each population, each distance over the units measured for both images."""
    rescale = scoring.RDM_RESPONSES[protocol.rdm]
    return [row_rdm(rescale(population.responses)) for population in populations(inputs, protocol)]


@once_per(POPULATION_FIELDS)
def ceilings(inputs: Inputs, protocol: Protocol) -> np.ndarray:
    """Return the split-half ceilings of all units under a protocol, (n_units,)."""
    return protocol_responses.split_half_ceilings(
        recordings(inputs, protocol),
        protocol,
        _compared_stems(inputs, protocol),
        inputs.area,
        inputs.params.audit.split_halves,
        seed_of(inputs.params.seed, "halves"),
    )


def candidate_pool(inputs: Inputs, seed: int) -> small_networks.Pool:
    """Return the pool of candidate networks of one seed, computed once."""
    pool_seed = seed_of(inputs.params.seed, "small networks", seed)
    return inputs.cache.get(
        ("candidate pool", seed),
        lambda: small_networks.Pool(load(CORRECTED).images, inputs.params.audit.network, pool_seed),
    )


@once_per(LABEL_FIELDS)
def small_network(inputs: Inputs, protocol: Protocol, seed: int) -> NetworkOutput:
    """Return the output of the small network trained and selected under a protocol."""
    examples = examples_of(protocol, inputs.params.stimuli.validation, inputs.params.seed)
    train = examples.rows("train")
    candidates = inputs.cache.get(
        ("candidates", protocol.labels, seed, train.tobytes()),
        lambda: candidate_pool(inputs, seed).trained(examples.label, train, protocol.labels),
    )
    chosen = small_networks.select(candidates, examples)
    return network_output(chosen.top, chosen.predicted, examples)


def model_for(inputs: Inputs, protocol: Protocol, seed: int, which: str) -> NetworkOutput | SimulatedTruth | None:
    """Return the model of kind `which` (`SMALL` or `PLANTED`) that a protocol scores; None if there is none."""
    if which == SMALL:
        return small_network(inputs, protocol, seed)
    return inputs.truth if protocol in TRUTH_PROTOCOLS else None


@once_per(UNIT_FIELDS)
def unit_scores(inputs: Inputs, protocol: Protocol, seed: int, which: str, split: int) -> tuple[np.ndarray, np.ndarray]:
    """Return r2 and Pearson's r of the units of all populations, (n_units,) each, with the splits of one seed."""
    model = model_for(inputs, protocol, seed, which)
    groups = dict(zip(inputs.images["stem"], inputs.images["group"], strict=True))
    settings = inputs.params.audit.model_copy(update={"splits": 1})
    scores: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0), np.empty(0))]
    for population in populations(inputs, protocol):
        here = seed_of(inputs.params.seed, "splits", seed, population.recording, split)
        features = {"top": model.features_of(population)}
        scores.append(scoring.predictivity(population, features, groups, protocol, settings, here)["top"])
    r2, r = (np.concatenate(values) for values in zip(*scores, strict=True))
    return r2, r


def n_splits(inputs: Inputs, protocol: Protocol) -> int:
    """Return the number of random splits to score a protocol on: one for cross-validation, many for single splits."""
    if protocol.splits != "single":
        return 1
    predicts_as_report = all(getattr(protocol, name) == getattr(REPORT, name) for name in UNIT_FIELDS)
    return inputs.params.audit.splits if predicts_as_report else inputs.params.audit.splits_of_others


def medians_over_units(inputs: Inputs, protocol: Protocol, seed: int, which: str) -> np.ndarray:
    """Return r2, aggregated over units as in the protocol, and median Pearson's r, for each split, (n_splits, 2)."""
    found = []
    for split in range(n_splits(inputs, protocol)):
        r2, r = (v[np.isfinite(v)] for v in unit_scores(inputs, protocol, seed, which, split))
        aggregates = (r2, scoring.AGGREGATION[protocol.aggregation]), (r, scoring.median)
        found.append([aggregate(values) if len(values) else np.nan for values, aggregate in aggregates])
    return np.array(found)


@once_per(GEOMETRY_FIELDS)
def geometries(inputs: Inputs, protocol: Protocol, seed: int, which: str) -> list[tuple[RDM, RDM, list, list, list]]:
    """Return model RDM, neural RDM, label, recording and near-duplicate group of the images, for each population."""
    model = model_for(inputs, protocol, seed, which)
    group_of = dict(zip(inputs.images["stem"], inputs.images["group"], strict=True))
    recording_of = protocol_responses.recording_of_each_image(recordings(inputs, protocol), inputs.area)
    found = []
    for population, whole in zip(populations(inputs, protocol), neural_rdms(inputs, protocol), strict=True):
        (neural, modelled), keep = drop_undefined_images(whole, rdm(model.features_of(population), "correlation"))
        if len(keep) < scoring.LEAST_IMAGES or len(population.units) < scoring.LEAST_UNITS:
            continue
        images = [population.images[k] for k in keep]
        merged = population.recording == MERGED
        block = [recording_of[image] if merged else population.recording for image in images]
        found.append((modelled, neural, [model.labels[i] for i in images], block, [group_of[i] for i in images]))
    return found


@once_per(GEOMETRY_FIELDS)
def geometry_scores(inputs: Inputs, protocol: Protocol, seed: int, which: str) -> tuple[Score, Score]:
    """Return rho between model and neural RDM, overall and within recordings; means over populations."""
    here = seed_of(inputs.params.seed, "images of RDMs", seed)
    found = [
        block_confound(*two, label, block, groups=group, draws=DRAWS, permutations=0, seed=seed_of(here, k))
        for k, (*two, label, block, group) in enumerate(geometries(inputs, protocol, seed, which))
    ]
    if not found:
        return UNDEFINED, UNDEFINED
    rho, within = (
        Score(
            float(np.mean([getattr(one, name) for one in found])), np.mean([one.draws[name] for one in found], axis=0)
        )
        for name in ("rho", "within")
    )
    return rho, within


@once_per(ALL_FIELDS)
def explained_scores(inputs: Inputs, protocol: Protocol, seed: int) -> np.ndarray:
    """Return the values of `EXPLAINED` of one small network, without resampling."""
    r2 = float(np.median(medians_over_units(inputs, protocol, seed, SMALL)[:, 0]))
    rho = [compare_rdms(modelled, neural) for modelled, neural, *_ in geometries(inputs, protocol, seed, SMALL)]
    return np.array([r2, float(np.mean(rho)) if rho else np.nan])


@once_per(ALL_FIELDS)
def score_protocol(inputs: Inputs, protocol: Protocol, seed: int, which: str) -> dict[str, Score] | None:
    """Score one protocol with one network.

    Returns
    -------
    dict of str to Score, or None
        The quantities in `SCORES`, and ``images`` and ``units`` without draws. None if the protocol has no model of the
        kind `which`.
    """
    model = model_for(inputs, protocol, seed, which)
    if model is None:
        return None
    rng = np.random.default_rng(seed_of(inputs.params.seed, "resampled units", seed))
    r2, r = unit_scores(inputs, protocol, seed, which, 0)
    scores = {
        "r2": _resampled(r2, scoring.AGGREGATION[protocol.aggregation], rng),
        "pearson_r": _resampled(r, scoring.median, rng),
        "ceiling": _resampled(ceilings(inputs, protocol), scoring.median, rng),
        "accuracy": _resampled(model.correct, np.mean, rng),
    }
    if protocol.splits == "single":  # the split matters more than the sample of units
        by_split = medians_over_units(inputs, protocol, seed, which)
        for name, values in zip(("r2", "pearson_r"), by_split.T, strict=True):
            scores[name] = Score(float(np.median(values)), values)
    scores["rho"], scores["within"] = geometry_scores(inputs, protocol, seed, which)
    n_images = [len(population.images) for population in populations(inputs, protocol)]
    scores["units"] = Score(int(np.isfinite(r2).sum()), np.empty(0))
    scores["images"] = Score(int(np.median(n_images)) if n_images else 0, np.empty(0))
    return scores


def _resampled(values: np.ndarray, statistic: Callable, rng: np.random.Generator) -> Score:
    defined = values[np.isfinite(values)]
    if not len(defined):
        return UNDEFINED
    drawn = defined[rng.integers(len(defined), size=(DRAWS, len(defined)))]
    return Score(float(statistic(defined)), scoring.BY_ROW[statistic](drawn))


def score_steps(inputs: Inputs, steps: list[Step], n_seeds: int) -> pd.DataFrame:
    """Score every protocol with every network.

    Returns
    -------
    DataFrame
        One row per step and kind of model (`SMALL`, `PLANTED`): network, start, field, value (of that field), units,
        images, seeds, and for each of `SCORES` the mean over networks and the limits of the 95 % interval over networks
        and resampled units (r2, pearson_r, ceiling), images (rho, within) or test images (accuracy). With a single
        split, r2 and pearson_r of a network are medians over random splits, and the interval covers 95 % of the splits
        of all networks.
    """
    kinds = (SMALL, PLANTED)
    tasks = [(step.protocol, seed, which) for which in kinds for step in steps for seed in range(n_seeds)]
    scores = map_threads(lambda task: score_protocol(inputs, *task), tasks, progress="single choices")
    score_of = dict(zip(tasks, scores, strict=True))
    rows = []
    for which, step in product(kinds, steps):
        by_seed = [score_of[step.protocol, seed, which] for seed in range(n_seeds)]
        if by_seed[0] is not None:
            rows.append({"network": which} | _row(step, by_seed))
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(step: Step, by_seed: list[dict[str, Score]]) -> dict:
    row = {
        "start": step.start,
        "field": step.field,
        "value": getattr(step.protocol, step.field) if step.field else "",
        "units": by_seed[0]["units"].value,
        "images": by_seed[0]["images"].value,
        "seeds": len(by_seed),
    }
    for name in SCORES:
        row[name] = float(np.mean([scores[name].value for scores in by_seed]))
        low, high = percentile_interval(np.concatenate([scores[name].draws for scores in by_seed]))
        row |= {f"{name}_low": low, f"{name}_high": high}
    return row


def attribute_difference(inputs: Inputs, n_seeds: int, n_orders: int) -> pd.DataFrame:
    """Return the Shapley value (`shapley`) of every choice for each of `EXPLAINED`, with small networks."""

    def changes(task: tuple[int, np.ndarray]) -> np.ndarray:
        seed, order = task
        return shapley.contributions(
            order, lambda done: explained_scores(inputs, corrected(FIELDS[k] for k in done), seed)
        )

    orders = [
        shapley.sample_orders(len(FIELDS), n_orders, seed_of(inputs.params.seed, "orders of choices", seed))
        for seed in range(n_seeds)
    ]
    tasks = [(seed, order) for seed in range(n_seeds) for order in orders[seed]]
    found = np.stack(map_threads(changes, tasks, progress="orders of choices"))
    return shapley.shapley_values(found.reshape(n_seeds, n_orders, *found.shape[1:]), FIELDS, EXPLAINED)


def report_splits(inputs: Inputs, n_seeds: int) -> pd.DataFrame:
    """Return the report's median r2 for every random split and network: seed, split, r2."""
    found = [medians_over_units(inputs, REPORT, seed, SMALL)[:, 0] for seed in range(n_seeds)]
    rows = [(seed, split, r2) for seed, values in enumerate(found) for split, r2 in enumerate(values)]
    return pd.DataFrame(rows, columns=SPLIT_COLUMNS)


SPLIT_COLUMNS = ["seed", "split", "r2"]


def summarise(table: pd.DataFrame) -> dict:
    """Return the rows of `score_steps` that the paper quotes, for each kind of model.

    ``report`` and ``corrected`` are the two protocols themselves; ``join_alone`` is the corrected protocol with the
    report's join.
    """
    summary: dict = {}
    for network, rows in table.groupby("network", sort=True):
        chosen = {
            name: rows[(rows["start"] == start) & (rows["field"] == field)]
            for name, start, field in (
                ("report", "report", ""),
                ("corrected", "corrected", ""),
                ("join_alone", "corrected", "join"),
            )
        }
        summary[str(network)] = {
            name: {key: value for key, value in row.iloc[0].items() if not isinstance(value, str)}
            for name, row in chosen.items()
            if len(row)
        }
    return summary


def summarise_splits(table: pd.DataFrame) -> dict:
    """Return quantiles of the report's median r2 over splits and networks; empty without splits."""
    if table.empty:
        return {}
    low, q25, q75, high = np.quantile(table["r2"], [0.025, 0.25, 0.75, 0.975])
    counts = {"splits": int(table["split"].nunique()), "networks": int(table["seed"].nunique())}
    return counts | {"low": low, "q25": q25, "q75": q75, "high": high}
