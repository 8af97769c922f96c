"""Score every protocol step: predictivity, RDM correlation, ceiling and accuracy, with intervals.

All functions take the shared `Inputs` and a protocol. Each is computed once for all protocols that agree on the fields
on which its result depends (`inputs.once_per`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
import xarray as xr

from analysis.audit.protocol_steps import protocol_responses, small_networks
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
    values_of,
)
from analysis.audit.protocol_steps.network_outputs import NetworkOutput, examples_of, network_output
from analysis.audit.protocol_steps.simulated_truth import SimulatedTruth
from analysis.audit.protocol_steps.steps import Step
from analysis.audit.table.rdm_controls import shuffle
from analysis.audit.table.rdms import drop_undefined_images, row_rdm
from analysis.core.parallel import map_threads
from analysis.core.seeds import seed_of
from analysis.models.data import load
from analysis.neural import scoring
from analysis.neural.populations import MERGED, Population, compared_images
from analysis.params.protocol import CORRECTED, REPORT, Protocol
from analysis.statistics.inference import percentile_interval
from analysis.statistics.rsa.rdm import RDM, rdm

DRAWS = 100
"""Bootstrap draws of units, images and test images per seed; an interval pools the draws of all seeds."""
SMALL, TRAINED, PLANTED = "small networks", "trained models", "planted truth"
"""Networks that are scored: small ones trained here, for every step; the trained models of the pipeline, for the steps
with their labels and selection; and the simulated truth, for the corrected protocol and the trial-join flaw alone."""
TRUTH_PROTOCOLS = (CORRECTED, replace(CORRECTED, join=REPORT.join))
SCORES = ("r2", "chance", "over_chance", "pearson_r", "rho", "left_within_block", "ceiling", "accuracy")
COLUMNS = ["network", "walk", "step", "field", "value", "units", "images", "seeds"]
COLUMNS += [f"{name}{end}" for name in SCORES for end in ("", "_low", "_high")]


@dataclass(frozen=True)
class Score:
    """One quantity of one step and seed: its value, and resampled values (n_draws,)."""

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
    """Return the RDM of each population, each distance over the units that both images have."""
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
        seed_of(inputs.params.seed, "ladder halves"),
    )


def candidate_pool(inputs: Inputs, seed: int) -> small_networks.Pool:
    """Return the candidates of the small networks of one seed, computed once."""
    pool_seed = seed_of(inputs.params.seed, "ladder", seed)
    return inputs.cache.get(
        ("candidate pool", seed),
        lambda: small_networks.Pool(load(CORRECTED).images, inputs.params.audit.network, pool_seed),
    )


@once_per(LABEL_FIELDS)
def small_network(inputs: Inputs, protocol: Protocol, seed: int) -> NetworkOutput:
    """Return the output of the small network that is trained and selected as a protocol says."""
    examples = examples_of(protocol, inputs.params.stimuli.validation, inputs.params.seed)
    train = examples.rows("train")
    candidates = inputs.cache.get(
        ("candidates", protocol.labels, seed, train.tobytes()),
        lambda: candidate_pool(inputs, seed).trained(examples.label, train, protocol.labels),
    )
    chosen = small_networks.select(candidates, examples)
    return network_output(chosen.top, chosen.predicted, examples)


def network_for(inputs: Inputs, protocol: Protocol, seed: int, which: str) -> NetworkOutput | SimulatedTruth | None:
    """Return the network of a protocol that is scored; None where there is none of this kind.

    Parameters
    ----------
    which : str
        `SMALL`, `TRAINED` or `PLANTED`.
    """
    if which == SMALL:
        return small_network(inputs, protocol, seed)
    if which == PLANTED:
        return inputs.truth if protocol in TRUTH_PROTOCOLS else None
    return inputs.trained.get(values_of(protocol, LABEL_FIELDS))


@once_per(ALL_FIELDS)
def score_protocol(inputs: Inputs, protocol: Protocol, seed: int, which: str) -> dict[str, Score] | None:
    """Score one protocol with one seed.

    Returns
    -------
    dict of str to Score, or None
        The quantities in `SCORES`, and ``images`` and ``units`` without draws. None where there is no network of the
        kind `which` for the protocol.
    """
    network = network_for(inputs, protocol, seed, which)
    if network is None:
        return None
    rng = np.random.default_rng(seed_of(inputs.params.seed, "ladder scores", seed))
    by_population = unit_scores(inputs, protocol, seed, which)
    rho, rho_within_block = geometry_scores(inputs, protocol, seed, which)
    r2, r, chance = (
        np.concatenate([unit[k] for unit in by_population]) if by_population else np.empty(0) for k in range(3)
    )
    n_images = [len(population.images) for population in populations(inputs, protocol)]
    aggregate = scoring.AGGREGATION[protocol.aggregation]
    return {
        "r2": _resampled(r2, aggregate, rng),
        "chance": _resampled(chance, aggregate, rng),
        "over_chance": _resampled(r2 - chance, aggregate, rng),
        "pearson_r": _resampled(r, scoring.median, rng),
        "ceiling": _resampled(ceilings(inputs, protocol), scoring.median, rng),
        "rho": rho,
        "left_within_block": rho_within_block,
        "accuracy": _resampled(network.correct, np.mean, rng),
        "units": Score(int(np.isfinite(r2).sum()), np.empty(0)),
        "images": Score(int(np.median(n_images)) if n_images else 0, np.empty(0)),
    }


@once_per(UNIT_FIELDS)
def unit_scores(inputs: Inputs, protocol: Protocol, seed: int, which: str) -> list[tuple[np.ndarray, ...]]:
    """Return r2, Pearson's r and chance-level r2 of each unit, (n_units,) each, for each population.

    The chance level is the r2 with the features of other images, in random order: zero or slightly below where the
    number of components is chosen, far below where it is fixed.
    """
    network = network_for(inputs, protocol, seed, which)
    groups = dict(zip(inputs.images["stem"], inputs.images["group"], strict=True))
    scores_seed = seed_of(inputs.params.seed, "ladder scores", seed)
    scores = []
    for population in populations(inputs, protocol):
        here = seed_of(scores_seed, population.recording)
        top = network.features_of(population)
        features = {"top": top, "chance": np.random.default_rng(seed_of(here, "other images")).permutation(top)}
        found = scoring.predictivity(population, features, groups, protocol, inputs.params.audit, here)
        scores.append((*found["top"], found["chance"][0]))
    return scores


@once_per(GEOMETRY_FIELDS)
def geometry_scores(inputs: Inputs, protocol: Protocol, seed: int, which: str) -> tuple[Score, Score]:
    """Return rho of model and neural RDM, and rho after shuffling images within blocks; means over populations."""
    network = network_for(inputs, protocol, seed, which)
    scores_seed = seed_of(inputs.params.seed, "ladder scores", seed)
    recording_of = protocol_responses.recording_of_each_image(recordings(inputs, protocol), inputs.area)
    rho, draws, shuffled_rho = [], [], []
    for population, whole_rdm in zip(populations(inputs, protocol), neural_rdms(inputs, protocol), strict=True):
        model_rdm = rdm(network.features_of(population), "correlation")
        (neural, model), keep = drop_undefined_images(whole_rdm, model_rdm)
        if len(keep) < scoring.LEAST_IMAGES or len(population.units) < scoring.LEAST_UNITS:
            continue
        images = [population.images[k] for k in keep]
        merged = population.recording == MERGED
        block = np.array([recording_of[image] if merged else population.recording for image in images])
        label = np.array([network.labels[image] for image in images])
        shuffles, shuffle_seed = inputs.params.audit.shuffles, seed_of(scores_seed, "within block")
        shuffled = shuffle(model, neural, label, block, shuffles, shuffle_seed, ("block",))
        rho.append(shuffled.rho)
        draws.append(bootstrap_rho(model, neural, DRAWS, seed_of(scores_seed, "images", population.recording)))
        shuffled_rho.append(shuffled.left["block"])
    if not rho:
        return UNDEFINED, UNDEFINED
    return (
        Score(float(np.mean(rho)), np.mean(draws, axis=0)),
        Score(float(np.mean(shuffled_rho)), np.mean(shuffled_rho, axis=0)),
    )


def bootstrap_rho(model: RDM, neural: RDM, n: int, seed: int) -> np.ndarray:
    """Return bootstrap draws, over images, of the Spearman correlation of two RDMs, (n,)."""
    from analysis.statistics.rsa.bootstrap import bootstrap_rsa

    return bootstrap_rsa([model], [neural], "spearman", n, seed=seed, ceilings=False).scores[:, 0]


def _resampled(values: np.ndarray, statistic: Callable, rng: np.random.Generator) -> Score:
    defined = values[np.isfinite(values)]
    if not len(defined):
        return UNDEFINED
    drawn = defined[rng.integers(len(defined), size=(DRAWS, len(defined)))]
    return Score(float(statistic(defined)), scoring.BY_ROW[statistic](drawn))


def score_steps(inputs: Inputs, steps: list[Step], n_seeds: int) -> pd.DataFrame:
    """Score every step with every seed.

    Returns
    -------
    DataFrame
        One row per step and kind of network (`SMALL`, `TRAINED`, `PLANTED`): network, walk (the step's order), step
        (its number), field, value (of that field), units, images, seeds, and for each of `SCORES` the mean over seeds
        and the limits of the 95 % interval over seeds and resampled units (r2, chance, over_chance, pearson_r,
        ceiling), images (rho), shuffles (left_within_block) or test images (accuracy).
    """
    kinds = (SMALL, TRAINED, PLANTED)
    tasks = [(step.protocol, seed, which) for which in kinds for step in steps for seed in range(n_seeds)]
    scores = map_threads(lambda task: score_protocol(inputs, *task), tasks, progress="protocol steps")
    score_of = dict(zip(tasks, scores, strict=True))
    rows = []
    for which, step in product(kinds, steps):
        by_seed = [score_of[step.protocol, seed, which] for seed in range(n_seeds)]
        if by_seed[0] is not None:
            rows.append({"network": which} | _row(step, by_seed))
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(step: Step, by_seed: list[dict[str, Score]]) -> dict:
    row = {
        "walk": step.order,
        "step": step.number,
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


def summarise(table: pd.DataFrame) -> dict:
    """Return the rows of `score_steps` that the paper quotes, for each kind of network.

    ``report`` and ``corrected`` are the two protocols themselves; ``join_alone`` and ``merged_alone`` are the corrected
    protocol with one flaw, the report's trial join or its merging of units by column.
    """
    summary: dict = {}
    for network, rows in table.groupby("network", sort=True):
        chosen = {
            "report": rows[(rows["walk"] == "in order") & (rows["step"] == 0)],
            "corrected": rows[(rows["walk"] == "flawed alone") & (rows["step"] == 0)],
            "join_alone": rows[(rows["walk"] == "flawed alone") & (rows["field"] == "join")],
            "merged_alone": rows[(rows["walk"] == "flawed alone") & (rows["field"] == "unit_identity")],
        }
        summary[str(network)] = {
            name: {key: value for key, value in row.iloc[0].items() if not isinstance(value, str) and key != "step"}
            for name, row in chosen.items()
            if len(row)
        }
    return summary
