"""All comparisons of one population with the layers of a model, as rows of the tables."""

import numpy as np

from analysis.compare import beyond_label
from analysis.core.seeds import seed_of
from analysis.neural import read as neural
from analysis.neural import readout, scoring
from analysis.neural.populations import Population
from analysis.params import Params
from analysis.params.protocol import Protocol
from analysis.statistics.ceilings import normalised
from analysis.statistics.rsa.significance import null_correlations


def compare_population(
    measured: neural.MeasuredPopulation,
    features: dict[str, np.ndarray],
    images: neural.Images,
    rules: Protocol,
    params: Params,
) -> tuple[dict[str, list[dict]], np.ndarray]:
    """Compare a population with every layer, (n_images, n_features) each.

    Returns
    -------
    rows : dict from table (units, rsa, best, decoding, kernel, beyond_label, learning) to list of dict
    null : (1 + n_permutations, n_layers)
        RDM correlations, observed and under permutations of images (`null_correlations`); NaN without a geometry.
    """
    population, ceiling, settings = measured.population, measured.ceiling, params.compare
    seed = neural.seed_for(params.seed, population)
    plan, fits = scoring.predict_layers(population, features, images.groups, rules, settings, seed)
    task = images.task(population, rules, settings)
    top = list(features.values())[-1]
    rows = {
        "units": _unit_rows(population, scoring.score_units(population, features, plan, fits), ceiling),
        "best": readout.best_layer_rows(population, plan, fits, rules, ceiling),
        **readout.model_rows(population, top, task, ceiling, settings, seed),
        **beyond_label.rows(measured, features, images, rules, settings, seed),
    }
    rdms = scoring.layer_rdms(population, features)
    if not rdms:
        return rows | {"rsa": []}, np.full((1 + settings.permutations, len(features)), np.nan)
    neural_rdm = scoring.neural_rdm(population)
    correlations = scoring.score_rdms(rdms, neural_rdm, settings, seed)
    null = null_correlations(list(rdms.values()), neural_rdm, settings.permutations, seed_of(seed, "permutations"))
    return rows | {"rsa": _rsa_rows(population, correlations, measured.rdm_ceilings)}, null


def _unit_rows(population: Population, scores: dict, ceiling: np.ndarray) -> list[dict]:
    """Return a row per layer and unit."""
    rows = []
    for layer, (r2, pearson_r) in scores.items():
        explained = normalised(pearson_r, ceiling)
        for k, unit in enumerate(population.units):
            rows.append(
                {
                    "layer": layer,
                    "recording": population.recording,
                    "subject": population.subject,
                    "region": population.region,
                    "unit": unit,
                    "neuroid_id": population.neuroid_ids[k],
                    "n_images": len(population.images),
                    "r2": r2[k],
                    "pearson_r": pearson_r[k],
                    "ceiling": ceiling[k],
                    "ev_normalised": explained[k],
                }
            )
    return rows


def _rsa_rows(population: Population, correlations: dict, ceilings: tuple[float, float]) -> list[dict]:
    """Return a row per layer."""
    return [
        {
            "layer": layer,
            **readout.identify(population),
            "rho": rho,
            "ci_low": low,
            "ci_high": high,
            "ceiling_lower": ceilings[0],
            "ceiling_upper": ceilings[1],
        }
        for layer, (rho, low, high) in correlations.items()
    ]
